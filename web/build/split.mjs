// Splits the wasm: code that every run needs is downloaded first; the parts of parts.mjs are modules of their own, which
// web/worker/wasm-parts.ts loads on demand. All share one memory and one function table. The split does not change
// behaviour: a call of a function that is not loaded yet goes to a stub in the first module, which loads the part.
// Binaryen's wasm-split works the same way; it is in no npm package, chooses the functions by a profile, and leaves all
// constants where they are.
import binaryen from "binaryen";
import { moveData } from "./data.mjs";
import { demangled, idleBeginnings } from "./names.mjs";
import { partition, rangesOf } from "./partition.mjs";
import { bodySizes, functionsOf, read, write } from "./wasm.mjs";

/** Binaryen's name of the memory. */
const memory = "0";

/** The name of the table in which stubs look up a part's functions. */
const slotsOf = ({ name }) => `${name}:slots`;
/** The name of the global that says whether a part is loaded, for the stubs; its loader sets this. */
const loadedOf = ({ name }) => `${name}:loaded`;

/**
 * `bytes`: a module with function names; `references`: of the module that it was made of; `neverRun`: the paths of functions
 * that are never called. Returns the first module and the parts by name, all without function names.
 */
export function split(bytes, references, parts, neverRun) {
  const isNeverRun = (name) => neverRun.test(demangled(name));
  const { division, unused } = partition(contentsOf(bytes, references), references, parts, isNeverRun);
  if (!unused.functions.some(isNeverRun))
    throw new Error(`no function is named like ${neverRun}: that is not needed any more`);
  const modules = [];
  let first = withoutFunctions(bytes, new Set(unused.functions));
  for (const { part, leaving, entries } of division) {
    const idle = idleBeginnings(leaving, part);
    if (idle.length > 0) throw new Error(`no function of the part ${part.name} begins with ${idle.join(", ")}`);
    // wasm-bindgen has removed some functions, which others refer to that it has removed.
    const present = namesIn(first);
    const moving = new Set(leaving.filter((name) => present.has(name)));
    const stubs = entries.filter((name) => present.has(name));
    const second = partModule(first, part, moving, stubs);
    first = firstModule(first, part, moving, stubs, second.imports);
    modules.push(smallest(second.module));
  }
  const ranges = rangesOf(references, [...division, unused]);
  const { first: rest, moved } = moveData(smallest(read(first)), modules, ranges);
  return { first: rest, moved: Object.fromEntries(parts.map(({ name }, index) => [name, moved[index]])) };
}

/** The functions of a module, and the names of those that its exports and wasm-bindgen's functions call. */
function contentsOf(bytes, references) {
  const module = read(bytes);
  const sizes = bodySizes(bytes);
  const own = functionsOf(module).filter(({ base }) => !base);
  const functions = own.map(({ name }, index) => ({ name, size: sizes[index] }));
  for (const { name, pointer } of own)
    if (references.functions.has(name)) binaryen.Function(pointer).body = module.unreachable();
  takeElements(module);
  module.runPasses(["remove-unused-module-elements"]);
  const exported = functionsOf(module).map(({ name }) => name);
  module.dispose();
  return { functions, exported };
}

function namesIn(bytes) {
  const module = read(bytes);
  const names = new Set(functionsOf(module).map(({ name }) => name));
  module.dispose();
  return names;
}

function smallest(module) {
  module.runPasses(["remove-unused-module-elements", "duplicate-function-elimination"]);
  return write(module, { names: false });
}

/** The name of a function that stands in the function table for those that are not there. It only traps. */
const absent = "absent";

/** The module with `absent` in place of these functions. */
function withoutFunctions(bytes, unused) {
  const module = read(bytes);
  module.addFunction(absent, binaryen.none, binaryen.none, [], module.unreachable());
  for (const { name, pointer } of functionsOf(module))
    if (unused.has(name)) binaryen.Function(pointer).body = module.unreachable();
  replaceElements(module, (name) => unused.has(name));
  module.runPasses(["remove-unused-module-elements"]);
  return write(module, { names: true });
}

/** Puts `absent` into the function table in place of the functions that are. */
function replaceElements(module, isAbsent) {
  const { table, start, functions } = takeElements(module);
  const names = functions.map((name) => (isAbsent(name) ? absent : name));
  module.addActiveElementSegment(table, "elements", names, module.i32.const(start));
}

/** Takes the function table's one segment out of a module: the table, the address of its first function, and all names. */
function takeElements(module) {
  const segments = Array.from({ length: module.getNumElementSegments() }, (_, index) =>
    binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(index)),
  );
  if (segments.length !== 1) throw new Error(`${segments.length} segments of the function table`);
  const [{ name, table, offset, data }] = segments;
  const start = binaryen.getExpressionInfo(offset).value;
  module.removeElementSegment(name);
  return { table, start, functions: data };
}

/** The module of the functions `moving`, and the functions that it imports from the first one. */
function partModule(bytes, part, moving, entries) {
  const module = read(bytes);
  const exported = Array.from({ length: module.getNumExports() }, (_, index) => module.getExportByIndex(index));
  for (const { name } of exported.map(binaryen.getExportInfo)) module.removeExport(name);
  const { table, start, functions } = takeElements(module);

  const staying = functionsOf(module).filter(({ name }) => !moving.has(name));
  for (const [index, { name, params, results }] of staying.entries()) {
    module.removeFunction(name);
    module.addFunctionImport(name, part.name, `f${index}`, params, results);
  }
  for (const { name, type, mutable } of globalsOf(module)) module.addGlobalImport(name, part.name, name, type, mutable);
  for (const name of tablesOf(module)) module.addTableImport(name, part.name, name);
  const slots = slotsOf(part);
  module.addMemoryImport(memory, part.name, "memory");
  module.addTableImport(slots, part.name, "slots");
  module.addActiveElementSegment(slots, slots, entries, module.i32.const(0));
  const stubs = new Set(entries);
  for (const { from, names } of runsOf(functions, (name) => moving.has(name) && !stubs.has(name)))
    module.addActiveElementSegment(table, `${part.name}:${from}`, names, module.i32.const(start + from));
  module.runPasses(["remove-memory-init", "remove-unused-module-elements"]);
  return { module, imports: functionsOf(module).filter(({ base }) => base) };
}

/** Names that stand side by side and meet a condition, with the position of the first. */
function runsOf(names, meets) {
  const runs = [];
  for (const [index, name] of names.entries()) {
    if (!meets(name)) continue;
    const last = runs.at(-1);
    if (last && last.from + last.names.length === index) last.names.push(name);
    else runs.push({ from: index, names: [name] });
  }
  return runs;
}

/**
 * The module of the remaining functions, with a stub in place of each entry, and with exports for the part. They are named
 * after it, as another part may need the same ones.
 */
function firstModule(bytes, part, moving, entries, imports) {
  const module = read(bytes);
  const [slots, loaded] = [slotsOf(part), loadedOf(part)];
  const load = binaryen.getExportInfo(module.getExport(part.loader)).value;
  const stubs = new Map(entries.map((name, slot) => [name, slot]));
  module.addGlobal(loaded, binaryen.i32, true, module.i32.const(0));
  module.addTable(slots, entries.length, entries.length);
  // Nothing refers to the others before the part is loaded.
  replaceElements(module, (name) => moving.has(name) && !stubs.has(name));
  for (const { name, params, results } of functionsOf(module)) {
    const slot = stubs.get(name);
    if (slot === undefined) continue;
    const values = binaryen.expandType(params).map((type, index) => module.local.get(index, type));
    const isMissing = module.i32.eqz(module.global.get(loaded, binaryen.i32));
    binaryen.Function(module.getFunction(name)).body = module.block(
      null,
      [
        module.if(isMissing, module.call(load, [], binaryen.none)),
        module.call_indirect(slots, module.i32.const(slot), values, params, results),
      ],
      results,
    );
  }
  for (const { name, base } of imports) module.addFunctionExport(name, `${part.name}:${base}`);
  for (const { name } of globalsOf(module))
    module.addGlobalExport(name, name === loaded ? loaded : `${part.name}:${name}`);
  for (const name of tablesOf(module)) module.addTableExport(name, name === slots ? slots : `${part.name}:${name}`);
  module.addMemoryExport(memory, `${part.name}:memory`);
  module.runPasses(["remove-unused-module-elements"]);
  const left = functionsOf(module).filter(({ name }) => moving.has(name) && !stubs.has(name));
  if (left.length > 0)
    throw new Error(`${left.length} functions stay although they were moved, the first ${left[0].name}`);
  return write(module, { names: true });
}

const globalsOf = (module) =>
  Array.from({ length: module.getNumGlobals() }, (_, index) => binaryen.getGlobalInfo(module.getGlobalByIndex(index)));

const tablesOf = (module) =>
  Array.from(
    { length: module.getNumTables() },
    (_, index) => binaryen.getTableInfo(module.getTableByIndex(index)).name,
  );
