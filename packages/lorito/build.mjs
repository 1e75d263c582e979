// Builds the npm package into dist/ here, from the page's sources and its build in ../../dist. `cargo xtask package` runs it.
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { promisify } from "node:util";

const here = import.meta.dirname;
const root = join(here, "../..");
const page = join(root, "dist");
const out = join(here, "dist");

const { bundling } = await import("../../web/build/bundling.mjs");
const { licences } = await import("../../web/build/licences.mjs");
const { build } = createRequire(join(root, "web/package.json"))("esbuild");

/** The crate's glue is a part of each worker: it stands in no folder that a bundler would know. */
const crate = {
  name: "lorito-wasm",
  setup: (bundle) => bundle.onResolve({ filter: /^lorito-wasm$/ }, () => ({ path: join(page, "lorito.js") })),
};

/** Programs import these files. What they share, and what is only needed at times, are files of their own. */
async function buildEntries(settings) {
  const names = ["index", "node", "thread", "chat", "langchain"];
  return build({
    ...settings,
    entryPoints: Object.fromEntries(names.map((name) => [name, join(here, `src/${name}.ts`)])),
    outdir: out,
    splitting: true,
    chunkNames: "part-[hash]",
    external: ["node:*", "@langchain/core/*"],
  });
}

/**
 * A bundler copies these as they are, and may rename them: none imports another. So what the page's worker loads when it is
 * needed is inside each.
 */
async function buildWorkers(settings) {
  return build({
    ...settings,
    entryPoints: {
      worker: join(root, "web/worker/worker.ts"),
      replica: join(root, "web/worker/replica.ts"),
      documents: join(root, "web/worker/documents/reader.ts"),
      passages: join(root, "web/worker/passages/passages.ts"),
    },
    outdir: out,
    plugins: [crate],
  });
}

/** Writes the types: those of our sources, and the crate's, which they name "lorito-wasm". */
async function buildTypes() {
  const types = join(out, "types");
  await promisify(execFile)(
    join(root, "web/node_modules/.bin/tsc"),
    ["-p", here, "--incremental", "false", "--composite", "false"],
    {
      cwd: here,
    },
  ).catch(({ stdout }) => {
    throw new Error(stdout);
  });
  await cp(join(page, "lorito.d.ts"), join(types, "lorito-wasm.d.ts"));
  const files = (await readdir(types, { recursive: true })).filter((name) => name.endsWith(".d.ts"));
  for (const name of files) {
    const file = join(types, name);
    const up = relative(dirname(file), types).split(sep).join("/") || ".";
    const text = (await readFile(file, "utf8"))
      .replaceAll('"lorito-wasm"', `"${up}/lorito-wasm"`)
      // Programs that are compiled for Node want the ending.
      .replace(/((?:from|import)\s*\(?\s*")(\.{1,2}\/[^"]+?)(?:\.ts)?(")/g, "$1$2.js$3");
    await writeFile(file, text);
  }
}

await rm(out, { recursive: true, force: true });
await mkdir(out);
const settings = await bundling();
const built = [await buildEntries(settings), await buildWorkers(settings)];
const copied = ["lorito_bg.wasm", "lorito_deferred.wasm", "lorito_gpu.wasm", "one-page.html"];
for (const name of copied) await cp(join(page, name), join(out, name));
for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) await cp(join(root, name), join(here, name));
await writeFile(
  join(out, "licences.txt"),
  await licences(built.flatMap(({ metafile }) => Object.keys(metafile.inputs))),
);
await buildTypes();
