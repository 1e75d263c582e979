// Collects the licences of everything that the page and one-page models contain: npm packages in the bundle, Rust crates in
// the wasm, and Lorito's own. `web/build/bundle.mjs` writes the result to licences.txt. Identical texts are listed once.
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const isLicence = /^(licen[cs]e|copying|notice|copyright|unlicen[cs]e)/i;
/** Packages whose files have others in them already: core-js, of which only the licence is here, is in pdf.js's legacy build. */
const within = { jszip: ["immediate", "lie", "pako", "setimmediate"] };
const coreJs = { title: "core-js 3.51.0 (MIT)", file: join(root, "web/build/core-js.txt") };
const rule = `\n\n${"-".repeat(80)}\n\n`;

/** `inputs`: the files that esbuild has bundled. Resolves to the text of licences.txt. */
export async function licences(inputs) {
  const own = await Promise.all(["LICENSE-MIT", "LICENSE-APACHE"].map((name) => readFile(join(root, name), "utf8")));
  const parts = [
    { title: "Lorito (MIT OR Apache-2.0)", texts: own },
    ...(await npmPackages(inputs)),
    ...(await crates()),
  ];
  const sharers = new Map();
  for (const { title, texts } of parts) {
    for (const text of texts) {
      // Many copies differ only in line ends and trailing spaces.
      const key = text.replace(/[ \t\r]+$/gm, "").trim();
      sharers.set(key, [...(sharers.get(key) ?? []), title]);
    }
  }
  const list = parts.map(({ title }) => title).join("\n");
  const texts = [...sharers].map(([text, titles]) => `${titles.join("\n")}\n\n${text}`);
  return [`Lorito consists of these, under the licences that follow.\n\n${list}`, ...texts].join(rule);
}

async function npmPackages(inputs) {
  const folders = new Set(inputs.flatMap((path) => path.match(/.*node_modules\/(@[^/]+\/)?[^/]+/)?.[0] ?? []));
  for (const [name, others] of Object.entries(within))
    for (const folder of [...folders].filter((folder) => folder.endsWith(`node_modules/${name}`)))
      for (const other of others) folders.add(join(dirname(folder), other));
  const parts = await Promise.all(
    [...folders].sort().map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
      return { title: `${name} ${version} (${license})`, texts: await textsIn(folder) };
    }),
  );
  if ([...folders].some((folder) => folder.endsWith("node_modules/pdfjs-dist")))
    parts.push({ title: coreJs.title, texts: [await readFile(coreJs.file, "utf8")] });
  return parts;
}

/** The crates in the wasm: direct and indirect dependencies with the enabled features. */
async function crates() {
  const wasm = "wasm32-unknown-unknown";
  // Procedural macros run in the compiler and are not part of its output.
  const tree = ["tree", "-p", "lorito", "--target", wasm, "-e", "normal,no-proc-macro", "--prefix", "none"];
  const [lines, metadata] = await Promise.all([
    cargo([...tree, "--format", "{p}"]),
    cargo(["metadata", "--format-version=1", "--filter-platform", wasm]),
  ]);
  // "serde v1.0.0", with a path if it is not from the registry; "(*)" marks a repetition.
  const used = new Set(lines.split("\n").map((line) => line.split(" ", 2).join(" ")));
  const packages = JSON.parse(metadata).packages.filter(
    ({ name, version, source }) => source !== null && used.has(`${name} v${version}`),
  );
  packages.sort((one, other) => one.name.localeCompare(other.name) || one.version.localeCompare(other.version));
  return Promise.all(
    packages.map(async ({ name, version, license, repository, authors, manifest_path }) => {
      const texts = await textsIn(dirname(manifest_path));
      // Crates of large workspaces often have the text only at the root of their repository.
      const notice = [
        `Copyright: ${authors.join(", ") || `the authors of ${name}`}`,
        `Licence: ${license}`,
        repository,
      ];
      return {
        title: `${name} ${version} (${license ?? "see its licence file"})`,
        texts: texts.length > 0 ? texts : [notice.filter(Boolean).join("\n")],
      };
    }),
  );
}

async function cargo(words) {
  const { stdout } = await promisify(execFile)("cargo", [...words, "--locked"], { cwd: root, maxBuffer: 2 ** 28 });
  return stdout;
}

async function textsIn(folder) {
  const names = (await readdir(folder, { withFileTypes: true })).filter(
    (entry) => entry.isFile() && isLicence.test(entry.name),
  );
  return Promise.all(names.map(({ name }) => readFile(join(folder, name), "utf8")));
}
