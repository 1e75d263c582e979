// Splits the wasm in two: code that every run needs is downloaded first, and code for special cases (models of the Llama
// family, adapters, other programs' models, exports, tables, chats, BPE) is a second module, which web/worker/deferred.ts
// loads on demand. Both share one memory and one function table. The split does not change behaviour: a call of a function
// that is not loaded yet goes to a stub in the first module, which loads the second. Binaryen's wasm-split works the same
// way; it is in no npm package, and chooses the functions by a profile.
import binaryen from "binaryen";
import { bodySizes, functionsOf, read, write } from "./wasm.mjs";

/** Name prefixes of deferred functions. Functions that only these call are deferred, too. */
const deferred = [
  "lorito::architecture::gpt2::config::",
  "lorito::architecture::llama::",
  "lorito::chat::",
  "lorito::config::llama::",
  "lorito::copied::nearest::",
  "lorito::copied::passage::",
  "lorito::corpus::census::",
  "lorito::corpus::fields::",
  "lorito::corpus::header::",
  "lorito::corpus::json::",
  "lorito::corpus::jsonlines::",
  "lorito::corpus::pick::",
  "lorito::corpus::table::",
  "lorito::formats::ggml::dequantize::",
  "lorito::formats::gguf::",
  "lorito::formats::history::read",
  "lorito::formats::hugging_face::",
  "lorito::formats::llama_cpp::",
  "lorito::formats::model_card::",
  "lorito::formats::model_file::read",
  "lorito::formats::parts::",
  "lorito::formats::peft::",
  "lorito::formats::pretrained::",
  "lorito::formats::safetensors::Header",
  "lorito::formats::torch::",
  "lorito::formats::words::",
  "lorito::formats::zip::",
  "lorito::inspect::",
  "lorito::json::",
  "lorito::ops::adapter::",
  "lorito::ops::gate::",
  "lorito::ops::gpu::columns::",
  "lorito::ops::gpu::gate::",
  "lorito::ops::gpu::head_norm::",
  "lorito::ops::gpu::rotary::",
  "lorito::ops::head_norm::",
  "lorito::ops::rotary::",
  "lorito::session::slow_motion::",
  "lorito::tokenizer::bpe::",
  "lorito::tokenizer::byte_level::",
  "lorito::tokenizer::folder::",
  "lorito::tokenizer::gguf::",
  "lorito::tokenizer::file::_::<impl serde_core::de",
  "lorito::tokenizer::file::Component::pattern",
  "lorito::tokenizer::file::File::check",
  "lorito::tokenizer::file::File::keep",
  "lorito::tokenizer::file::File::read",
  "lorito::tokenizer::open::merges",
  "lorito::tokenizer::unicode::",
  "lorito::tokenizer::vocabulary::",
  "lorito::web::inspecting::",
  "lorito::web::pretrained::",
  "combine::",
  "csv_core::",
  "minijinja::",
  "minijinja_contrib::",
  "miniz_oxide::",
  "nom::",
  "rawzip::",
  "rayon_core::",
  "serde_json::de::",
  "serde_json::lexical::",
  "serde_json::read::",
  "tokenizers::",
];

/**
 * Traits whose implementations are deferred: they read and write CubeCL's intermediate representation as text, which no
 * run does.
 */
const traits = [" as pliron::parsable::Parsable>::", " as pliron::printable::Printable>::"];

/**
 * Size in bytes below which a function is deferred only if all its callers are: the compiler merges similar small functions
 * under one of their names, and others may call the result often.
 */
const small = 400;

/** Exceptions: functions that every plain text and every run needs. */
const always = [
  "lorito::chat::template::is_chatml",
  "lorito::chat::template::shown_turns",
  "lorito::chat::template::template",
  "lorito::chat::whatsapp::date::",
  "lorito::chat::whatsapp::head::",
  "lorito::chat::whatsapp::layout::",
  "lorito::chat::whatsapp::resembles::",
];

/** The prefix of the first module's exports for the deferred one, which imports them from a module of this name. */
const link = "deferred";
/** The table in which stubs look up deferred functions. */
const slots = `${link}:slots`;
/** Whether the deferred module is loaded, for the stubs; its loader sets this. */
const loaded = `${link}:loaded`;
/** Binaryen's name of the memory. */
const memory = "0";

const named = (name, beginnings) => {
  const path = name.replace(/^[<&]+(?:mut )?/, "");
  return beginnings.some((beginning) => path.startsWith(beginning));
};

const isDeferred = (name) => named(name, deferred) || traits.some((implemented) => name.includes(implemented));

/** `bytes`: a module with function names. Returns both modules, without names. */
export function split(bytes) {
  const { leaving, entries } = choose(bytes);
  const second = deferredModule(bytes, leaving, entries);
  return { first: firstModule(bytes, entries, second.imports), deferred: write(second.module, { names: false }) };
}

/** The names of the functions to move, and those of them that remaining functions call. */
function choose(bytes) {
  const module = read(bytes);
  const functions = functionsOf(module).filter(({ base }) => !base);
  const sizes = bodySizes(bytes);
  const chosen = functions.filter(
    ({ name }, index) => isDeferred(name) && !named(name, always) && sizes[index] >= small,
  );
  const idle = deferred.filter((beginning) => !chosen.some(({ name }) => named(name, [beginning])));
  if (idle.length > 0) throw new Error(`no function's name begins with ${idle.join(", ")}`);
  for (const { pointer } of chosen) binaryen.Function(pointer).body = module.unreachable();
  module.runPasses(["remove-unused-module-elements"]);
  const stay = new Set(functionsOf(module).map(({ name }) => name));
  module.dispose();
  const leaving = new Set(chosen.map(({ name }) => name));
  for (const { name } of functions) if (!stay.has(name)) leaving.add(name);
  return { leaving, entries: functions.filter(({ name }) => leaving.has(name) && stay.has(name)) };
}

/** The module of the moved functions, and the functions that it imports from the first one. */
function deferredModule(bytes, leaving, entries) {
  const module = read(bytes);
  const exported = Array.from({ length: module.getNumExports() }, (_, index) => module.getExportByIndex(index));
  for (const { name } of exported.map(binaryen.getExportInfo)) module.removeExport(name);
  const segments = Array.from({ length: module.getNumElementSegments() }, (_, index) =>
    module.getElementSegmentByIndex(index),
  );
  for (const { name } of segments.map(binaryen.getElementSegmentInfo)) module.removeElementSegment(name);

  const staying = functionsOf(module).filter(({ name }) => !leaving.has(name));
  for (const [index, { name, params, results }] of staying.entries()) {
    module.removeFunction(name);
    module.addFunctionImport(name, link, `f${index}`, params, results);
  }
  for (const { name, type, mutable } of globalsOf(module)) module.addGlobalImport(name, link, name, type, mutable);
  for (const name of tablesOf(module)) module.addTableImport(name, link, name);
  module.addMemoryImport(memory, link, "memory");
  module.addTableImport(slots, link, "slots");
  const names = entries.map(({ name }) => name);
  module.addActiveElementSegment(slots, slots, names, module.i32.const(0));
  module.runPasses(["remove-memory-init", "remove-unused-module-elements"]);
  return { module, imports: functionsOf(module).filter(({ base }) => base) };
}

/** The module of the remaining functions, with a stub in place of each entry, and with exports for the deferred module. */
function firstModule(bytes, entries, imports) {
  const module = read(bytes);
  const load = binaryen.getExportInfo(module.getExport("loadDeferred")).value;
  module.addGlobal(loaded, binaryen.i32, true, module.i32.const(0));
  module.addTable(slots, entries.length, entries.length);
  for (const [slot, { name, params, results }] of entries.entries()) {
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
  for (const { name, base } of imports) module.addFunctionExport(name, `${link}:${base}`);
  for (const { name } of globalsOf(module)) module.addGlobalExport(name, name === loaded ? loaded : `${link}:${name}`);
  for (const name of tablesOf(module)) module.addTableExport(name, name === slots ? slots : `${link}:${name}`);
  module.addMemoryExport(memory, `${link}:memory`);
  module.runPasses(["remove-unused-module-elements", "duplicate-function-elimination"]);
  return write(module, { names: false });
}

const globalsOf = (module) =>
  Array.from({ length: module.getNumGlobals() }, (_, index) => binaryen.getGlobalInfo(module.getGlobalByIndex(index)));

const tablesOf = (module) =>
  Array.from(
    { length: module.getNumTables() },
    (_, index) => binaryen.getTableInfo(module.getTableByIndex(index)).name,
  );
