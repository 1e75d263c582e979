// Reduces the download size of wasm-bindgen's output: removes unused code from the wasm, splits the rest in two, and
// minifies the glue code. Then it builds the template of one-page models, which includes the glue code, the headers for
// hosts, and the service worker.
// Trunk runs this after each build, on the folder that becomes dist/. Cargo's own file, in its target folder, keeps the
// function names: `cargo xtask test` reads them there.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import binaryen from "binaryen";
import { transform } from "esbuild";
import { writeHeaders } from "./headers.mjs";
import { buildOnePage } from "./one-page.mjs";
import { buildServiceWorker } from "./service-worker.mjs";
import { split } from "./split.mjs";
import { functionsOf, read, write } from "./wasm.mjs";

/**
 * Functions that are linked but never run: CubeCL's kernels use pliron, an intermediate representation, whose types are
 * each registered with a parser. Nothing here parses that representation from text. Only the entry points are listed: the
 * compiler may have merged identical functions under one of their names, so a function named like a part of a parser may
 * be in use elsewhere. Functions that only the entry points call are removed as unreachable.
 */
const neverRun = /^<.+ as pliron::parsable::Parsable>::parse::h|^pliron::op::canonical_syntax_parse/;

/** The module without unused functions and their callees, and with identical functions merged. */
function smaller(bytes) {
  const module = read(bytes);
  const unused = functionsOf(module).filter(({ name, base }) => !base && neverRun.test(name));
  if (unused.length === 0) throw new Error(`no function is named like ${neverRun}: this step is not needed any more`);
  for (const { pointer } of unused) binaryen.Function(pointer).body = module.unreachable();
  module.runPasses(["remove-unused-module-elements", "duplicate-function-elimination"]);
  return write(module, { names: true });
}

const staging = process.env.TRUNK_STAGING_DIR;
if (!staging) throw new Error("TRUNK_STAGING_DIR is not set: Trunk's post_build hook runs this");

const wasmFile = join(staging, "lorito_bg.wasm");
const { first, deferred } = split(smaller(new Uint8Array(await readFile(wasmFile))));
await writeFile(wasmFile, first);
await writeFile(join(staging, "lorito_deferred.wasm"), deferred);

/**
 * The glue, which refuses what is no string where the crate takes one. wasm-bindgen trusts the types: it would make room for
 * `length` bytes of whatever a script gave, and write more than that into the module's memory.
 */
function checkingStrings(glue) {
  const start = "function passStringToWasm0(arg, malloc, realloc) {";
  if (!glue.includes(start)) throw new Error(`wasm-bindgen's glue has no "${start}"`);
  return glue.replace(start, `${start} if (typeof arg !== "string") throw { code: "not-a-string", type: typeof arg };`);
}

const glueFile = join(staging, "lorito.js");
const glue = await transform(checkingStrings(await readFile(glueFile, "utf8")), {
  minify: true,
  format: "esm",
  target: "es2022",
});
await writeFile(glueFile, glue.code);

await buildOnePage(staging);
await writeHeaders(staging);
// Last, as it contains the hashes of all other files.
await buildServiceWorker(staging);
