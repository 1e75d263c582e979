// Bundles the page's TypeScript and styles into web/.build, together with web/public/; index.html makes Trunk copy that
// folder into dist/. Trunk runs this before each build.
import { execFileSync } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
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

/** The crate's version, with the commit if there is a repository. */
async function version() {
  const crate = await readFile(web("../Cargo.toml"), "utf8");
  const number = crate.match(/^version = "(.+)"$/m)?.[1];
  try {
    const commit = execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: web("."),
      stdio: ["ignore", "pipe", "ignore"],
    });
    return `${number} (${commit.toString().trim()})`;
  } catch {
    return number;
  }
}

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
  outdir: out,
  bundle: true,
  format: "esm",
  // Lazily imported modules become files of their own.
  splitting: true,
  chunkNames: "parts/[name]-[hash]",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  // The package's "exports" name this file for browsers in a way that esbuild does not resolve.
  alias: { "@huggingface/hub": web("node_modules/@huggingface/hub/dist/browser/index.mjs") },
  define: { LORITO_VERSION: JSON.stringify(await version()), LORITO_LANGUAGES: JSON.stringify(languages) },
  plugins: [crate],
  logLevel: "warning",
});

await writeManifest(`${out}/manifest.webmanifest`);
await writeFile(`${out}/licences.txt`, await licences(Object.keys(metafile.inputs)));
