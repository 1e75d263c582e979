// Builds one-page.html, the template of one-page models: page.html with its styles and scripts inlined, including the
// crate's glue code. web/worker/one-page/write.ts fills in its placeholders.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The absolute path of a file in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** `folder`: contains the glue code of wasm-bindgen, and receives the page. */
export async function buildOnePage(folder) {
  // An inline script has no address, so the page passes the wasm to it.
  const glue = {
    name: "lorito-wasm",
    setup: (bundle) => bundle.onResolve({ filter: /^lorito-wasm$/ }, () => ({ path: join(folder, "lorito.js") })),
  };
  const { outputFiles } = await build({
    entryPoints: {
      engine: web("worker/one-page/engine.ts"),
      page: web("one-page/page.ts"),
      style: web("one-page/style.css"),
    },
    outdir: folder,
    write: false,
    bundle: true,
    format: "iife",
    target: "es2022",
    minify: true,
    charset: "utf8",
    legalComments: "inline", // the page is distributed as a single file
    define: { "import.meta.url": '""' },
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false } },
    plugins: [glue],
    logLevel: "warning",
  });
  const [engine, page, style] = ["engine.js", "page.js", "style.css"].map((name) => {
    const text = outputFiles.find(({ path }) => path.endsWith(name)).text;
    // HTML would parse these differently from JavaScript and CSS.
    const [unfit] = text.match(/<\/(?:script|style)|<!--|\r|\0/i) ?? [];
    if (unfit) throw new Error(`${name} contains ${JSON.stringify(unfit)}`);
    return text;
  });
  const icon = await readFile(web("public/parrot.svg"));
  const parts = {
    scripts: [engine, page].map(hash).join(" "),
    styles: hash(style),
    icon: `data:image/svg+xml;base64,${icon.toString("base64")}`,
    engine,
    page,
    style,
  };
  const template = await readFile(web("one-page/page.html"), "utf8");
  const filled = template.replace(/<!--(\w+)-->/g, (open, name) => parts[name] ?? open);
  await writeFile(join(folder, "one-page.html"), filled);
}

function hash(text) {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
