// `cargo xtask bench --pack`: writes a folder that runs the comparisons on any Linux machine with a Vulkan GPU and no
// browser, with ./run.sh. `node bench/pack.mjs DIST FOLDER`
import { execFileSync } from "node:child_process";
import { chmod, copyFile, cp, mkdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const here = import.meta.dirname;
const [dist, folder] = process.argv.slice(2);
const files = path.join(folder, "files");
const take = (from, to = from) => cp(path.join(here, from), path.join(files, to), { recursive: true });

await rm(folder, { recursive: true, force: true });
await mkdir(path.join(files, "lib"), { recursive: true });
for (const name of ["configurations.mjs", "speed.mjs", "text.mjs", "table.mjs"]) await take(name);
for (const name of ["gpt2.mjs", "jax.mjs", "torch_step.py"]) await take(`peers/${name}`);
for (const name of ["main", "one", "lorito", "product", "webgpu"]) await take(`pack/${name}.mjs`);
for (const name of ["lorito.js", "lorito_bg.wasm", "lorito_deferred.wasm", "lorito_gpu.wasm"])
  await cp(path.join(dist, name), path.join(files, "dist", name));
// The page's code to link the wasm's parts.
await build({
  entryPoints: [path.join(here, "../web/worker/wasm-parts.ts")],
  outfile: path.join(files, "dist/wasm-parts.js"),
  format: "esm",
  bundle: true,
});
// Node treats lorito.js as an ES module only because of this package.json.
await writeFile(path.join(files, "package.json"), `{ "type": "module" }\n`);
for (const name of ["package.json", "index.js", "LICENSE.md", "dist/linux-x64"])
  await take(`node_modules/webgpu/${name}`);
await take("node_modules/@jax-js/jax");
execFileSync("strip", ["-o", path.join(files, "node"), process.execPath]);
await chmod(path.join(files, "node"), 0o755);
const loader = await vulkanLoader();
if (loader) await copyFile(loader, path.join(files, "lib/libvulkan.so.1"));
else console.log("no libvulkan.so.1 here to take along: the GPU's machine must have one");

execFileSync("tar", ["--sort=name", "--owner=0", "--group=0", "-I", "gzip -9", "-cf", "../files.tar.gz", "."], {
  cwd: files,
});
await rm(files, { recursive: true });
await copyFile(path.join(here, "pack/run.sh"), path.join(folder, "run.sh"));
const { size } = await stat(path.join(folder, "files.tar.gz"));
console.log(`${folder}: ${(size / 1e6).toFixed(1)} MB, to be carried to a machine with a GPU; there: ./run.sh`);
if (size > 60e6) throw new Error("more than 60 MB");

/** The system's Vulkan loader, or Chromium's. */
async function vulkanLoader() {
  const known = execFileSync("sh", ["-c", "ldconfig -p | sed -n 's/.*libvulkan.so.1 .*=> //p'"], { encoding: "utf8" });
  const chromium = process.env.LORITO_CHROMIUM ?? "/usr/bin/chromium";
  const candidates = [
    ...known.split("\n").filter(Boolean),
    path.join(path.dirname(chromium), "libvulkan.so.1"),
    "/usr/lib/chromium/libvulkan.so.1",
  ];
  for (const candidate of candidates) {
    if (await stat(candidate).catch(() => undefined)) return candidate;
  }
}
