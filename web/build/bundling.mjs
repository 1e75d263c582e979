// What the bundles of the page and of the npm package (packages/lorito) have in common.
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The absolute path of a file in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

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

/** esbuild's settings. */
export const bundling = async () => ({
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  // The package's "exports" name this file for browsers in a way that esbuild does not resolve.
  alias: { "@huggingface/hub": web("node_modules/@huggingface/hub/dist/browser/index.mjs") },
  define: { LORITO_VERSION: JSON.stringify(await version()) },
  logLevel: "warning",
});
