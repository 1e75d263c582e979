// Builds the files of the installed page: manifest.webmanifest, and service-worker.js with the list of the page's files.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The absolute path of a file in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** Files that no page requests, and the service worker itself. */
const left = /^(_headers|nginx-headers\.conf|README\.md|lorito\.d\.ts|service-worker\.js)$/;

/** `folder`: contains all other files of the page, and receives the service worker. */
export async function buildServiceWorker(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).replaceAll(sep, "/"))
    .filter((path) => !left.test(path))
    .sort();
  const files = {};
  for (const path of paths) files[path === "index.html" ? "" : path] = hash(await readFile(join(folder, path)));
  const list = JSON.stringify(files);
  await build({
    entryPoints: [web("offline/service-worker.ts")],
    outfile: join(folder, "service-worker.js"),
    bundle: true,
    // Not every browser supports modules here.
    format: "iife",
    target: "es2022",
    minify: true,
    charset: "utf8",
    define: { FILES: list, VERSION: JSON.stringify(hash(list).slice(0, 16)) },
    logLevel: "warning",
  });
}

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Writes the web app manifest. All addresses are relative to the page's folder. */
export async function writeManifest(file) {
  const [words, accepted, shareTarget] = await Promise.all(
    ["page/locales/en.json", "page/accepted.json", "shared/share-target.json"].map(async (name) =>
      JSON.parse(await readFile(web(name), "utf8")),
    ),
  );
  shareTarget.params.files[0].accept = [...new Set(Object.entries(accepted).flat(2))];
  const icon = (name, side, purpose = "any") => ({
    src: `icons/${name}.png`,
    sizes: `${side}x${side}`,
    type: "image/png",
    purpose,
  });
  const manifest = {
    name: words.title,
    short_name: words.title,
    description: words["page.tagline"],
    lang: "en",
    start_url: "./",
    scope: "./",
    display: "standalone",
    background_color: "#eef4ec",
    theme_color: "#103526",
    // A new window, so that the state of an open one is not lost.
    launch_handler: { client_mode: ["navigate-new"] },
    file_handlers: [{ action: "./", accept: accepted }],
    share_target: shareTarget,
    icons: [icon("192", 192), icon("512", 512), icon("maskable", 512, "maskable")],
  };
  await writeFile(file, JSON.stringify(manifest));
}
