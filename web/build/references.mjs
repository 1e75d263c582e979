// What each function and constant of the linked module refers to, from the linker's relocations (build.rs asks for them).
// Format: WebAssembly tool conventions, Linking.md, version 2.
import { bodiesOf, Reader, section, sectionsOf, segmentsOf } from "./binary.mjs";

const constructorList = 6;
const symbolTable = 8;
const kinds = { function: 0, data: 1, section: 3 };
const undefinedSymbol = 0x10;
const explicitName = 0x40;

/** Types of relocations. */
const types = {
  call: new Set([0]),
  slot: new Set([1, 2]),
  address: new Set([3, 4, 5]),
  /** Types, globals and tables. */
  other: new Set([6, 7, 20]),
};

/** The linker's symbols, and those of the functions that `__wasm_call_ctors` calls: the linker writes it without relocations. */
function symbolsOf(linking) {
  const reader = new Reader(linking);
  const version = reader.number();
  if (version !== 2) throw new Error(`version ${version} of the linker's symbols`);
  const found = new Map();
  while (!reader.isAtEnd) {
    const kind = reader.byte();
    found.set(kind, new Reader(reader.take(reader.number())));
  }
  const [table, list] = [found.get(symbolTable), found.get(constructorList)];
  const symbols = table.list(() => symbol(table));
  const constructors = list?.list(() => {
    list.number(); // its priority
    return symbols[list.number()];
  });
  return { symbols, constructors: constructors ?? [] };
}

/** The indices of the functions that a module exports; wasm-bindgen's descriptions are for wasm-bindgen alone. */
function exportsOf(sections) {
  const reader = new Reader(sections.find(({ id }) => id === section.export).content);
  const exports = reader.list(() => ({ name: reader.text(), kind: reader.byte(), index: reader.number() }));
  return exports
    .filter(({ name, kind }) => kind === 0 && !name.startsWith("__wbindgen_describe"))
    .map(({ index }) => index);
}

function symbol(reader) {
  const [kind, flags] = [reader.byte(), reader.number()];
  const isDefined = (flags & undefinedSymbol) === 0;
  if (kind === kinds.section) return { kind, index: reader.number() };
  if (kind !== kinds.data) {
    const index = reader.number();
    return { kind, index, name: isDefined || flags & explicitName ? reader.text() : undefined };
  }
  const name = reader.text();
  if (!isDefined) return { kind, name };
  const [segment, offset, size] = [reader.number(), reader.number(), reader.number()];
  return { kind, name, segment, offset, size };
}

/** The relocations of a section: where they stand in it, and the symbol that they name. */
function relocationsOf(content, symbols) {
  const reader = new Reader(content);
  reader.number(); // the section
  return reader.list(() => {
    const type = reader.byte();
    const [at, index] = [reader.number(), reader.number()];
    // The addend is signed, and of no interest.
    if (types.address.has(type)) reader.number();
    const known = Object.values(types).some((some) => some.has(type));
    if (!known) throw new Error(`a relocation of type ${type}`);
    return { type, at, symbol: types.other.has(type) ? undefined : symbols[index] };
  });
}

/** The names of a module's functions. */
function namesOf(content) {
  const names = new Map();
  const reader = new Reader(content);
  while (!reader.isAtEnd) {
    const kind = reader.byte();
    const inside = new Reader(reader.take(reader.number()));
    if (kind === 1)
      for (const [index, name] of inside.list(() => [inside.number(), inside.text()])) names.set(index, name);
  }
  return names;
}

/**
 * `bytes`: the module as it was linked. Returns its functions and constants as nodes: `name` of a function, `from` and `to`
 * of a constant in memory, and in `calls`, `slots` and `constants` the nodes that it calls, that it refers to by their place
 * in the function table, and whose address it has. `functions` are by name; those whose name is not unique are among
 * `roots`, with what the module exports.
 */
export function referencesOf(bytes) {
  const sections = sectionsOf(bytes);
  const custom = (name) => {
    const found = sections.find((it) => it.name === name);
    if (!found) throw new Error(`the linked module has no section ${name}`);
    return found.content;
  };
  const [code, data] = [section.code, section.data].map((id) => sections.find((it) => it.id === id).content);
  const { symbols, constructors } = symbolsOf(custom("linking"));
  const names = namesOf(custom("name"));
  const bodies = bodiesOf(code);
  const imported = names.size - bodies.length;
  if (!names.has(names.size - 1)) throw new Error("a linked function has no name");
  const node = (about) => ({ ...about, calls: [], slots: [], constants: [] });
  const functions = bodies.map((_, index) => node({ name: names.get(imported + index) }));
  const segments = segmentsOf(data);
  const constants = new Map();
  for (const symbol of symbols) {
    if (symbol.kind !== kinds.data || symbol.size === undefined || !segments[symbol.segment]) continue;
    const from = segments[symbol.segment].address + symbol.offset;
    constants.set(symbol, node({ from, to: from + symbol.size }));
  }

  const refer = (node, { type, symbol }) => {
    if (!symbol) return;
    if (types.address.has(type)) {
      const constant = constants.get(symbol);
      if (constant) node.constants.push(constant);
      return;
    }
    const target = functions[symbol.index - imported];
    if (target) (types.call.has(type) ? node.calls : node.slots).push(target);
  };
  const [call] = types.call;
  const callsConstructors = functions.find(({ name }) => name === "__wasm_call_ctors");
  for (const symbol of constructors) refer(callsConstructors, { type: call, symbol });
  let body = 0;
  for (const relocation of relocationsOf(custom("reloc.CODE"), symbols)) {
    while (relocation.at >= bodies[body].end) body++;
    refer(functions[body], relocation);
  }
  // A constant may be part of another one.
  const sorted = [...constants.values()].sort((a, b) => a.from - b.from);
  const holding = holdersOf(sorted);
  /** What no constant has is always referred to. */
  const unnamed = node({});
  for (const relocation of relocationsOf(custom("reloc.DATA"), symbols)) {
    const { address, start } = segments.findLast(({ start }) => start <= relocation.at);
    const at = address + relocation.at - start;
    const holders = holding(at);
    for (const holder of holders.length > 0 ? holders : [unnamed]) refer(holder, relocation);
  }
  const byName = new Map();
  for (const known of functions) byName.set(known.name, [...(byName.get(known.name) ?? []), known]);
  const ambiguous = [...byName.values()].filter((same) => same.length > 1).flat();
  for (const { name } of ambiguous) byName.delete(name);
  const named = new Map([...byName].map(([name, [only]]) => [name, only]));
  const exported = exportsOf(sections).map((index) => functions[index - imported]);
  const roots = [...exported, ...ambiguous, unnamed].filter(Boolean);
  return { functions: named, constants: sorted, roots };
}

/** A function that finds the constants that hold an address; they are sorted by their beginnings. */
function holdersOf(sorted) {
  /** The last address of each constant and of those before it. */
  const ends = [];
  for (const { to } of sorted) ends.push(Math.max(to, ends.at(-1) ?? 0));
  return (at) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle].from <= at) low = middle + 1;
      else high = middle;
    }
    const found = [];
    for (let index = low - 1; index >= 0 && ends[index] > at; index--)
      if (sorted[index].to > at) found.push(sorted[index]);
    return found;
  };
}
