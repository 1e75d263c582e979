// Reduces the download size of wasm-bindgen's output: removes unused code from the wasm, splits the rest, and
// minifies the glue code. Then it builds the template of one-page models, which includes the glue code, the headers for
// hosts, and the service worker.
// Trunk runs this after each build, on the folder that becomes dist/. Cargo's own file, in its target folder, keeps the
// function names: `cargo xtask test` reads them there.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { transform } from "esbuild";
import { moduleOf, sectionsOf } from "./binary.mjs";
import { writeHeaders } from "./headers.mjs";
import { buildOnePage } from "./one-page.mjs";
import { parts } from "./parts.mjs";
import { referencesOf } from "./references.mjs";
import { buildServiceWorker } from "./service-worker.mjs";
import { split } from "./split.mjs";

/**
 * Functions that are linked but never run: CubeCL's kernels use pliron, an intermediate representation, whose types are
 * each registered with a parser. Nothing here parses that representation from text. Only the entry points are listed: the
 * compiler may have merged identical functions under one of their names, so a function named like a part of a parser may
 * be in use elsewhere. Functions that only the entry points call are removed as unreachable.
 */
const neverRun = /^<.+ as pliron::parsable::Parsable>::parse::h|^pliron::op::canonical_syntax_parse/;

const staging = process.env.TRUNK_STAGING_DIR;
if (!staging) throw new Error("TRUNK_STAGING_DIR is not set: Trunk's post_build hook runs this");

const wasmFile = join(staging, "lorito_bg.wasm");
const target = process.env.CARGO_TARGET_DIR ?? "target";
const linked = await readFile(join(target, "wasm32-unknown-unknown/release/lorito.wasm"));
// wasm-bindgen has copied the linker's notes, which are not about its own module.
const bound = moduleOf(sectionsOf(await readFile(wasmFile)));
const { first, moved } = split(bound, referencesOf(linked), parts, neverRun);
await writeFile(wasmFile, first);
for (const [part, bytes] of Object.entries(moved)) await writeFile(join(staging, `lorito_${part}.wasm`), bytes);

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
