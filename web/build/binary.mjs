// The sections of WebAssembly modules as bytes, for what Binaryen's JavaScript interface does not offer.

/** Numbers of sections (WebAssembly 2.0, section 5.5.2). */
export const section = { custom: 0, import: 2, export: 7, start: 8, element: 9, code: 10, data: 11, dataCount: 12 };

/** Reads numbers of a section from position `at` on. */
export class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get isAtEnd() {
    return this.at >= this.bytes.length;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** A number as unsigned LEB128. */
  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  text() {
    return new TextDecoder().decode(this.take(this.number()));
  }

  /** As many values as the next number says. */
  list(read) {
    return Array.from({ length: this.number() }, read);
  }
}

/** Unsigned LEB128. */
export function unsigned(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

/** A number of at least 0 as signed LEB128, in which bit 6 of the last byte is the sign. */
export function signed(value) {
  const bytes = [];
  for (; value >= 64; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

/** All sections of a module: number, content, and the name of a custom one. */
export function sectionsOf(bytes) {
  const reader = new Reader(bytes, 8); // after magic and version
  const sections = [];
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const inside = new Reader(reader.take(reader.number()));
    const name = id === section.custom ? inside.text() : undefined;
    sections.push({ id, name, content: inside.bytes.subarray(inside.at) });
  }
  return sections;
}

/** A module of these sections, of custom ones only those with the functions' names. */
export const moduleOf = (sections) =>
  Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    ...sections.flatMap(({ id, name, content }) => {
      if (id === section.custom && name !== "name") return [];
      const all = name ? Buffer.concat([Buffer.from([name.length]), Buffer.from(name), content]) : content;
      return [Buffer.from([id, ...unsigned(all.length)]), all];
    }),
  ]);

/** The bodies of all functions that are not imported: their positions in the code section, from `start` to `end`. */
export function bodiesOf(code) {
  const reader = new Reader(code);
  return reader.list(() => {
    const size = reader.number();
    const start = reader.at;
    reader.take(size);
    return { start, end: reader.at };
  });
}

/** The segments of a data section: the address in memory, and the position in the section of their bytes. */
export function segmentsOf(data) {
  const reader = new Reader(data);
  return reader.list(() => {
    const [kind, constant] = [reader.number(), reader.number()];
    if (kind !== 0 || constant !== 0x41) throw new Error("a data segment without a constant address");
    // The addresses are positive and below 2^31: signed numbers are read as unsigned ones.
    const address = reader.number();
    if (reader.byte() !== 0x0b) throw new Error("a data segment's address is no constant");
    const length = reader.number();
    const start = reader.at;
    return { address, start, bytes: reader.take(length) };
  });
}
