// Moves constant data between WebAssembly modules that share one memory.
import { moduleOf, section, sectionsOf, segmentsOf, signed, unsigned } from "./binary.mjs";

const contentOf = (segments) =>
  Buffer.concat([
    Buffer.from(unsigned(segments.length)),
    ...segments.flatMap(({ address, bytes }) => [
      Buffer.from([0, 0x41, ...signed(address), 0x0b, ...unsigned(bytes.length)]),
      bytes,
    ]),
  ]);

/** A module, with these data segments instead of its own, and without custom sections. */
function withSegments(bytes, segments) {
  const content = contentOf(segments);
  // The code refers to no segment by number: all of them are active.
  const count = Buffer.from(unsigned(segments.length));
  const sections = sectionsOf(bytes).filter(({ id }) => id !== section.data);
  const changed = sections.map((it) => (it.id === section.dataCount ? { ...it, content: count } : it));
  return moduleOf(segments.length > 0 ? [...changed, { id: section.data, content }] : changed);
}

/**
 * Divides the data of the module `first`. `ranges`: those to move, as sorted addresses `{ from, to }` that do not overlap, for
 * each of the modules `parts`; further ones are left out. Returns the first module and the parts.
 */
export function moveData(first, parts, ranges) {
  const data = sectionsOf(first).find(({ id }) => id === section.data);
  const segments = segmentsOf(data.content);
  const within = ({ from, to }) =>
    segments
      .map(({ address, bytes }) => ({
        address: Math.max(from, address),
        bytes: bytes.subarray(Math.max(0, from - address), Math.max(0, to - address)),
      }))
      .filter(({ bytes }) => bytes.length > 0);
  const moved = parts.map((bytes, index) => withSegments(bytes, ranges[index].flatMap(within)));
  const cuts = ranges.flat().sort((a, b) => a.from - b.from);
  const kept = [];
  let from = 0;
  for (const cut of [...cuts, { from: 2 ** 31, to: 2 ** 31 }]) {
    kept.push(...within({ from, to: cut.from }));
    from = cut.to;
  }
  return { first: withSegments(first, kept), moved };
}
