// Decides which functions and constants of the wasm belong to which part, by what refers to what (references.mjs).
import { belongs } from "./names.mjs";

/**
 * Size in bytes below which a function is moved only if all that refers to it is: the compiler merges similar small
 * functions under one of their names, and others may call the result often.
 */
const small = 400;

/** All that `roots` refer to, directly or not. Where `isCut` says so, the references of a function are not followed. */
function reached(roots, isCut) {
  const seen = new Set(roots);
  const waiting = [...roots];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (isCut(node)) continue;
    for (const next of [...node.calls, ...node.slots, ...node.constants]) {
      if (seen.has(next)) continue;
      seen.add(next);
      waiting.push(next);
    }
  }
  return seen;
}

/**
 * `functions`: names and sizes of all functions that the module still has; `exported`: the names of those that its exports
 * call; `neverRun`: whether the function of a name is never called. Returns for each part the names of the functions to move, those
 * of them that what stays refers to, and the constants to move; and the functions and constants that nothing refers to.
 */
export function partition({ functions, exported }, references, parts, neverRun) {
  const nodes = functions.flatMap(({ name, size }) => {
    const node = references.functions.get(name);
    return node ? [{ name, size, node }] : [];
  });
  const never = new Set(nodes.filter(({ name }) => neverRun(name)).map(({ node }) => node));
  const roots = [...references.roots, ...exported.flatMap((name) => references.functions.get(name) ?? [])];
  const used = reached(roots, (node) => never.has(node));
  const moved = new Set();
  const division = parts.map((part) => {
    const chosen = nodes.filter(({ name, size, node }) => size >= small && !moved.has(node) && belongs(name, part));
    const cut = new Set(chosen.map(({ node }) => node));
    const staying = reached([...roots, ...moved], (node) => never.has(node) || cut.has(node));
    const leaves = (node) => used.has(node) && !moved.has(node) && (cut.has(node) || !staying.has(node));
    const leaving = nodes.filter(({ node }) => leaves(node));
    const constants = references.constants.filter(leaves);
    for (const { node } of leaving) moved.add(node);
    for (const constant of constants) moved.add(constant);
    const entries = leaving.filter(({ node }) => staying.has(node)).map(({ name }) => name);
    return { part, leaving: leaving.map(({ name }) => name), entries, constants };
  });
  const isUnused = (node) => !used.has(node);
  const unused = {
    functions: nodes.filter(({ node }) => isUnused(node) || never.has(node)).map(({ name }) => name),
    constants: references.constants.filter(isUnused),
  };
  return { division, unused };
}

/** The addresses of constants as sorted ranges without those that others, which stay elsewhere, share. */
export function rangesOf(references, division) {
  const owners = new Map(division.flatMap(({ constants }, index) => constants.map((constant) => [constant, index])));
  const changes = references.constants.flatMap((constant) => {
    const owner = owners.get(constant) ?? "first";
    return [
      { at: constant.from, owner, change: 1 },
      { at: constant.to, owner, change: -1 },
    ];
  });
  changes.sort((a, b) => a.at - b.at);
  const ranges = division.map(() => []);
  const holding = new Map();
  /** The part that had the last constant, whose padding up to the next one goes with both. */
  let before;
  for (const [index, { at, owner, change }] of changes.entries()) {
    holding.set(owner, (holding.get(owner) ?? 0) + change);
    const to = changes[index + 1]?.at ?? at;
    if (to === at) continue;
    const present = [...holding].filter(([, count]) => count > 0).map(([owner]) => owner);
    if (present.length === 0) continue;
    const [only] = present.length === 1 ? present : ["first"];
    const last = ranges[only]?.at(-1);
    if (only !== "first") {
      if (last && before === only) last.to = to;
      else ranges[only].push({ from: at, to });
    }
    before = only;
  }
  return ranges;
}
