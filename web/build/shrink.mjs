// Makes what wasm-bindgen wrote smaller for the download: drops what of the wasm never runs and minifies its glue. Then the
// page that models travel in is made, as it has the glue in it, the headers for hosts, and the service worker.
// Trunk runs this after each build, on the folder that is about to become dist/. Cargo's own file, in its target
// folder, keeps the names: `cargo xtask test` reads them there.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
// Binaryen reads and writes WebAssembly; nothing of it reaches the page.
import binaryen from "binaryen";
import { transform } from "esbuild";
import { writeHeaders } from "./headers.mjs";
import { buildOnePage } from "./one-page.mjs";
import { buildServiceWorker } from "./service-worker.mjs";

/**
 * Functions that are linked in and never run: CubeCL's kernels pass through pliron, an intermediate representation, whose
 * types are registered with a parser each. Nothing here reads that representation from text. Named are the entries alone:
 * the compiler may have made one function of several that are alike, under the name of any of them, so that what looks like
 * a part of a parser may be in use elsewhere. What only the entries call goes because nothing calls it any more.
 */
const neverRun = /^<.+ as pliron::parsable::Parsable>::parse::h|^pliron::op::canonical_syntax_parse/;

/** Binaryen's names of what Rust compiles to; `All` would write an encoding that browsers do not know yet. */
const { BulkMemory, BulkMemoryOpt, MutableGlobals, Multivalue, NontrappingFPToInt, ReferenceTypes, SIMD128, SignExt } =
  binaryen.Features;
const features =
  BulkMemory | BulkMemoryOpt | MutableGlobals | Multivalue | NontrappingFPToInt | ReferenceTypes | SIMD128 | SignExt;

/**
 * The module without what never runs and what only that needs, with functions that are the same byte for byte once, and
 * without custom sections (names, producers), of which the engine uses none.
 */
function smaller(wasm) {
  const module = binaryen.readBinary(wasm);
  module.setFeatures(features);
  let found = 0;
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const pointer = module.getFunctionByIndex(index);
    const { name, base } = binaryen.getFunctionInfo(pointer);
    if (base || !neverRun.test(name)) continue;
    binaryen.Function(pointer).body = module.unreachable();
    found += 1;
  }
  if (found === 0) throw new Error(`no function is named like ${neverRun}: this step is not needed any more`);
  module.runPasses([
    "remove-unused-module-elements",
    "duplicate-function-elimination",
    "strip-debug",
    "strip-producers",
  ]);
  return module.emitBinary();
}

const staging = process.env.TRUNK_STAGING_DIR;
if (!staging) throw new Error("TRUNK_STAGING_DIR is not set: Trunk's post_build hook runs this");

const wasmFile = join(staging, "lorito_bg.wasm");
await writeFile(wasmFile, smaller(new Uint8Array(await readFile(wasmFile))));

const glueFile = join(staging, "lorito.js");
const glue = await transform(await readFile(glueFile, "utf8"), { minify: true, format: "esm", target: "es2022" });
await writeFile(glueFile, glue.code);

await buildOnePage(staging);
await writeHeaders(staging);
// Last, as it has the hashes of all other files in it.
await buildServiceWorker(staging);
