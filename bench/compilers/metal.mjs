// naga, the compiler of Firefox's WebGPU, to Metal's C++. Apple's own compiler exists only on Apple's systems.
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { inParallel } from "./parallel.mjs";

const run = promisify(execFile);

/** Translates the shaders, WGSL in files `ID.wgsl` of `from`. Resolves with the Metal, or the error, by id. */
export async function translate(ids, from, folder) {
  const naga = process.env.LORITO_NAGA;
  if (!naga) return { missing: "naga is missing: `cargo install naga-cli`" };
  await mkdir(folder, { recursive: true });
  const [results, metal] = [{}, {}];
  await inParallel(ids, async (id) => {
    const to = path.join(folder, `${id}.metal`);
    try {
      await run(naga, [path.join(from, `${id}.wgsl`), to]);
      metal[id] = await readFile(to, "utf8");
      results[id] = { lines: metal[id].split("\n").length };
    } catch (error) {
      results[id] = { error: String(error.stderr || error.message).slice(0, 500) };
    }
  });
  const { stdout } = await run(naga, ["--version"]);
  return { driver: `naga ${stdout.trim()}`, results, metal };
}
