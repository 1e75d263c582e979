// Intel's compiler without a card: ocloc, which Debian's package intel-opencl-icd or intel-ocloc has. It takes the Metal that naga
// writes of a kernel as OpenCL C. Chrome's front end is another one, but the registers and the back end are the same.
import { execFile, execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { kernelOf } from "./metal.mjs";
import { inParallel } from "./parallel.mjs";

const run = promisify(execFile);
/** ocloc's name of each generation: Iris Xe of Tiger Lake, and Arc. */
export const generations = { Xe: "tgllp" };

/** As nvidia.mjs does. */
export async function compile(shaders, generation, folder) {
  const ocloc = process.env.LORITO_OCLOC ?? "ocloc";
  try {
    execFileSync(ocloc, ["--help"], { stdio: "ignore" });
  } catch (error) {
    if (error.code === "ENOENT") return { missing: "ocloc: Debian's package intel-opencl-icd or intel-ocloc" };
  }
  const device = generations[generation];
  await mkdir(folder, { recursive: true });
  const results = {};
  await inParallel(Object.entries(shaders), async ([id, metal]) => {
    const file = path.join(folder, `${id}.cl`);
    const binary = path.join(folder, id);
    await rm(binary, { force: true });
    await writeFile(file, openclOf(metal));
    const options = ["-options", "-cl-std=CL2.0 -cl-mad-enable", "-internal_options", "-cl-intel-allow-zebin"];
    const to = ["-output", id, "-out_dir", folder, "-output_no_suffix"];
    try {
      await run(ocloc, ["compile", "-q", "-file", file, "-device", device, ...options, ...to]);
      results[id] = figuresOf(await readFile(binary, "latin1"));
    } catch (error) {
      const said = `${error.stdout ?? ""}${error.stderr ?? ""}`;
      results[id] = { error: said.split("\n").find((line) => line.includes("error")) ?? String(error).slice(0, 200) };
    }
  });
  return { driver: `ocloc, ${device}`, results };
}

function figuresOf(binary) {
  const number = (name) => Number(binary.match(new RegExp(`${name}:\\s*(\\d+)`))?.[1] ?? 0);
  const [, scratch = 0] = binary.match(/type:\s*scratch\s+usage:\s*\w+\s+size:\s*(\d+)/) ?? [];
  return { registers: number("grf_count"), lanes: number("simd_size"), scratch: Number(scratch) };
}

const builtins = {
  thread_index_in_threadgroup: "get_local_linear_id()",
  thread_position_in_threadgroup: "(uint3)(get_local_id(0), get_local_id(1), get_local_id(2))",
  threadgroup_position_in_grid: "(uint3)(get_group_id(0), get_group_id(1), get_group_id(2))",
  threadgroups_per_grid: "(uint3)(get_num_groups(0), get_num_groups(1), get_num_groups(2))",
};
const start = `#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define SELECT(otherwise, then, condition) ((condition) ? (then) : (otherwise))
`;

function openclOf(metal) {
  const { before, parameters, body } = kernelOf(metal);
  const given = [];
  const inside = [];
  const defined = [];
  const named = (text) => text.replace(/\b(local|global|private|constant|kernel)\b/g, "$1_");
  let text = named(body);
  for (const { space, type, constant, name, builtin } of parameters) {
    if (space === "threadgroup") {
      inside.push(`__local ${type} ${name};`);
      // Workgroup memory cannot be assigned as a whole there.
      text = text.replace(new RegExp(`^\\s*${name} = \\{\\};\n`, "gm"), "");
    } else if (builtin) inside.push(`const ${type} ${name} = ${builtins[builtin]};`);
    else {
      // C has no references.
      given.push(`__global ${constant} ${type} *restrict at_${name}`);
      defined.push(`#define ${name} (*at_${name})`);
    }
  }
  return [start, named(before), `__kernel void kernel_main(${given.join(", ")}) {`, ...defined, ...inside, text]
    .join("\n")
    .replace(/^struct (\w+) \{([^}]*)\};/gm, "typedef struct {$2} $1;")
    .replace(/metal::threadgroup_barrier\(metal::mem_flags::\w+\)/g, "barrier(CLK_LOCAL_MEM_FENCE)")
    .replace(/static_cast<metal::(\w+[234])>\(/g, "convert_$1(")
    .replace(/static_cast<(\w+)>\(/g, "($1)(")
    .replace(/metal::(\w+[234]) \{\}/g, "($1)(0)")
    .replace(/metal::(\w+[234])\(/g, "($1)(")
    .replace(/\bhalf\(/g, "(half)(")
    .replace(/metal::(\w+[234]) (\w+) = \{\};/g, "$1 $2 = ($1)(0);")
    .replace(/= (\w+) \{\};/g, "= ($1){0};")
    .replace(/= \{\};/g, "= {0};")
    .replace(/metal::(exp|exp2|log|log2|sqrt|rsqrt)\(/g, "native_$1(")
    .replace(/metal::select\(/g, "SELECT(")
    .replace(/metal::/g, "");
}
