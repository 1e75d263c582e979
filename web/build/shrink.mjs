// Makes what wasm-bindgen wrote smaller for the download: drops the wasm's function names and minifies its glue. Then the
// page that models travel in is made, as it has the glue in it, the headers for hosts, and the service worker.
// Trunk runs this after each build, on the folder that is about to become dist/. Cargo's own file, in its target
// folder, keeps the names: `cargo xtask test` reads them there.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { transform } from "esbuild";
import { writeHeaders } from "./headers.mjs";
import { buildOnePage } from "./one-page.mjs";
import { buildServiceWorker } from "./service-worker.mjs";

/** The module without its custom sections (names, producers): the engine uses none of them. */
function withoutCustomSections(wasm) {
  const magicAndVersion = 8;
  const kept = [wasm.subarray(0, magicAndVersion)];
  let at = magicAndVersion;
  while (at < wasm.length) {
    const start = at;
    const id = wasm[at++];
    let length = 0;
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = wasm[at++];
      length += (byte & 0x7f) * 2 ** shift;
      more = byte > 0x7f;
    }
    at += length;
    if (id !== 0) kept.push(wasm.subarray(start, at));
  }
  if (at !== wasm.length) throw new Error("the last section ends beyond the file");
  return Buffer.concat(kept);
}

const staging = process.env.TRUNK_STAGING_DIR;
if (!staging) throw new Error("TRUNK_STAGING_DIR is not set: Trunk's post_build hook runs this");

const wasmFile = join(staging, "lorito_bg.wasm");
await writeFile(wasmFile, withoutCustomSections(await readFile(wasmFile)));

const glueFile = join(staging, "lorito.js");
const glue = await transform(await readFile(glueFile, "utf8"), { minify: true, format: "esm", target: "es2022" });
await writeFile(glueFile, glue.code);

await buildOnePage(staging);
await writeHeaders(staging);
// Last, as it has the hashes of all other files in it.
await buildServiceWorker(staging);
