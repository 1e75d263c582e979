// Bundles the page's TypeScript and styles into web/.build, together with web/public/; index.html makes Trunk copy that
// folder into dist/. Trunk runs this before each build.
import { cp, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundling } from "./bundling.mjs";
import { licences } from "./licences.mjs";
import { writeManifest } from "./service-worker.mjs";
import { checkWords } from "./words.mjs";

/** The absolute path of a file in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const out = web(".build");

// "lorito-wasm" is the crate: its types come from dist/lorito.d.ts (tsconfig.json), its code from the file that
// wasm-bindgen writes next to worker.js. It stays external, as it locates its .wasm by its own address.
const crate = {
  name: "lorito-wasm",
  setup: (bundle) => bundle.onResolve({ filter: /^lorito-wasm$/ }, () => ({ path: "./lorito.js", external: true })),
};

const settings = await bundling();
const languages = await checkWords();
await rm(out, { recursive: true, force: true });
await cp(web("public"), out, { recursive: true });
const { metafile } = await build({
  entryPoints: {
    main: web("page/main.ts"),
    worker: web("worker/worker.ts"),
    documents: web("worker/documents/reader.ts"),
    passages: web("worker/passages/passages.ts"),
    replica: web("worker/replica.ts"),
    style: web("page/style.css"),
  },
  ...settings,
  outdir: out,
  // Lazily imported modules become files of their own.
  splitting: true,
  chunkNames: "parts/[name]-[hash]",
  define: { ...settings.define, LORITO_LANGUAGES: JSON.stringify(languages) },
  plugins: [crate],
});

await writeManifest(`${out}/manifest.webmanifest`);
await writeFile(`${out}/licences.txt`, await licences(Object.keys(metafile.inputs)));
