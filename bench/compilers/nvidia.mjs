// NVIDIA's compiler without a card. naga writes a kernel's WGSL as Metal's C++; with metal.cuh this is CUDA C++, which NVRTC compiles
// to PTX, and ptxas that to the GPU's code. Chrome's front end is another one, but the registers and the back end are the same.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { kernelOf } from "./metal.mjs";
import { inParallel } from "./parallel.mjs";

const run = promisify(execFile);
const here = import.meta.dirname;
/** NVIDIA's name of each generation. */
export const generations = { Ada: "89" };

/**
 * Compiles `shaders`, Metal by id, for a generation. Resolves with the compiler's name and, by id, the figures or the error of each; or
 * with what is missing here.
 */
export async function compile(shaders, generation, folder) {
  const installed = process.env.LORITO_NVIDIA;
  if (!installed)
    return { missing: "PyPI's nvidia-cuda-nvcc-cu12, nvidia-cuda-nvrtc-cu12 and nvidia-cuda-runtime-cu12" };
  const of = (...names) => path.join(installed, "nvidia", ...names);
  const version = generations[generation];
  await mkdir(folder, { recursive: true });
  await copyFile(path.join(here, "metal.cuh"), path.join(folder, "metal.cuh"));
  const files = Object.fromEntries(Object.keys(shaders).map((id) => [id, path.join(folder, `${id}.cu`)]));
  const results = {};
  for (const [id, metal] of Object.entries(shaders)) {
    for (const ending of ["ptx", "log"]) await rm(`${files[id]}.${ending}`, { force: true });
    await writeFile(files[id], cudaOf(metal));
  }
  const nvrtc = [of("cuda_nvrtc/lib/libnvrtc.so.12"), `compute_${version}`, of("cuda_runtime/include")];
  const ptxas = of("cuda_nvcc/bin/ptxas");
  // Each process compiles several: starting the library takes longer than a kernel.
  await inParallel(batches(Object.entries(files), 16), async (batch) => {
    await run("python3", [path.join(here, "nvrtc.py"), ...nvrtc, ...batch.map(([, file]) => file)]);
    for (const [id, file] of batch) {
      if (existsSync(`${file}.log`)) {
        results[id] = {
          error: (await readFile(`${file}.log`, "utf8")).split("\n").find((line) => line.includes("error")),
        };
        continue;
      }
      const args = ["-v", `-arch=sm_${version}`, "-o", `${file}.cubin`, `${file}.ptx`];
      const { stderr } = await run(ptxas, args);
      results[id] = figuresOf(stderr, await readFile(`${file}.ptx`, "utf8"));
    }
  });
  const { stdout } = await run(ptxas, ["--version"]);
  return { driver: `ptxas ${stdout.match(/release ([\d.]+)/)?.[1]}, sm_${version}`, results };
}

/** Reads what ptxas says, and the widths of loads from workgroup memory in the whole kernel from the PTX. */
function figuresOf(said, ptx) {
  const number = (pattern) => Number(said.match(pattern)?.[1] ?? 0);
  const loads = {};
  for (const [, lanes = 1, bits] of ptx.matchAll(/\bld\.shared(?:\.v(\d))?\.[a-z](\d+)/g)) {
    const bytes = (lanes * bits) / 8;
    loads[bytes] = (loads[bytes] ?? 0) + 1;
  }
  return { registers: number(/Used (\d+) registers/), spills: number(/(\d+) bytes spill stores/), loads };
}

function batches(list, size) {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, at) => list.slice(at * size, (at + 1) * size));
}

const builtins = {
  thread_index_in_threadgroup: "threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)",
  thread_position_in_threadgroup: "{threadIdx.x, threadIdx.y, threadIdx.z}",
  threadgroup_position_in_grid: "{blockIdx.x, blockIdx.y, blockIdx.z}",
  threadgroups_per_grid: "{gridDim.x, gridDim.y, gridDim.z}",
};

/** CUDA C++ of the Metal that naga writes of a kernel. */
function cudaOf(metal) {
  const { before, parameters, body } = kernelOf(metal);
  const given = [];
  const inside = [];
  for (const { space, type, constant, name, builtin } of parameters) {
    if (space === "threadgroup") inside.push(`__shared__ ${type} ${name};`);
    else if (builtin) inside.push(`const ${type} ${name} = ${builtins[builtin]};`);
    else {
      given.push(`${constant} ${type} *__restrict__ at_${name}`);
      inside.push(`${constant} ${type} &${name} = *at_${name};`);
    }
  }
  const start = `extern "C" __global__ void kernel_main(${given.join(", ")}) {`;
  return ['#include "metal.cuh"', before, start, ...inside, body].join("\n");
}
