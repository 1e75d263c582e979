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

/**
 * A kernel in naga's Metal as plain C++, for other compilers: what stands before it, its parameters, and its body up to the last
 * bracket. A parameter has a `builtin`, or else is a reference to an address space.
 */
export function kernelOf(metal) {
  const text = metal
    .replace(/^#include.*\n/gm, "")
    .replace(/^using metal.*\n/gm, "")
    // Arrays without a length, which naga gives the length 1.
    .replace(/^typedef (\S+) (\w+)\[1\];/gm, "typedef $1 $2[1 << 26];")
    // Metal's numbers are f32 without a suffix.
    .replace(/(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.])/g, "$1f")
    .replace(/(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?)h\b/g, "half($1f)")
    // naga's counters against endless loops, which Chrome's compiler does not write.
    .replace(/^.*\bloop_bound\w*\b.*\n/gm, "");
  const [whole, list] = text.match(/^kernel void \w+\(([\s\S]*?)^\) \{\n/m);
  const lines = list.split(/^,? /m).map((line) => line.trim());
  const parameters = lines.filter(Boolean).map((line) => {
    const [, declared, builtin] = line.match(/^([^[]*?)\s*(?:\[\[(\w+).*\]\])?$/);
    const [, space, type, constant = "", reference, name] = declared.match(
      /^(?:(device|threadgroup|constant) )?([\w:]+)( const)?(&)? (\w+)$/,
    );
    return { space, type, constant: constant.trim(), name, builtin: reference ? undefined : builtin };
  });
  const at = text.indexOf(whole);
  return { before: text.slice(0, at), parameters, body: text.slice(at + whole.length) };
}
