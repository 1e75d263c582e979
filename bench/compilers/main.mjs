// `cargo xtask bench --only compilers [--models S,M] [--compilers RDNA3,RDNA2] [--json FILE]`: what the compilers of GPUs make of the
// kernels of a training step, a line a kernel. No GPU is needed.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import * as amd from "./amd.mjs";
import { load } from "./capture.mjs";
import { joined, kernelsOf } from "./kernels.mjs";
import * as metal from "./metal.mjs";
import { models } from "./models.mjs";
import * as nvidia from "./nvidia.mjs";
import { legend, table } from "./report.mjs";

const { values: given } = parseArgs({
  options: {
    models: { type: "string", default: Object.keys(models).join() },
    compilers: {
      type: "string",
      default: [...Object.keys(amd.families), ...Object.keys(nvidia.generations), "Metal"].join(),
    },
    json: { type: "string" },
    dist: { type: "string", default: "dist" },
    folder: { type: "string", default: "target/compilers" },
  },
});
const folder = path.resolve(given.folder);
const names = given.models.split(",");
for (const name of names) if (!(name in models)) throw new Error(`no model ${name}; there are ${Object.keys(models)}`);

const began = performance.now();
const tell = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`);

const { step, choices } = await load(path.resolve(given.dist), path.join(folder, "module"));
const kernels = {};
const shaders = {};
for (const name of names) {
  const steps = [];
  for (const { name: candidate, choice } of choices) {
    for (const precision of ["f32", "f16"]) {
      steps.push([candidate, precision, kernelsOf(await step(models[name], choice, precision === "f16"))]);
    }
  }
  kernels[name] = joined(steps);
  for (const { id, code } of kernels[name]) shaders[id] = code;
  tell(
    `${name}: a step has ${steps.map(([, , of]) => of.reduce((all, { dispatches }) => all + dispatches.length, 0))} dispatches`,
  );
}
await mkdir(path.join(folder, "shaders"), { recursive: true });
for (const [id, code] of Object.entries(shaders)) await writeFile(path.join(folder, "shaders", `${id}.wgsl`), code);
tell(`${Object.keys(shaders).length} shaders, in ${path.join(folder, "shaders")}`);

const compiled = {};
const wanted = new Set(given.compilers.split(","));
const note = (compiler, { driver, results, missing }) => {
  tell(`${compiler}: ${missing ? `missing: ${missing}` : driver}`);
  if (results) compiled[compiler] = results;
};
for (const family of Object.keys(amd.families).filter((family) => wanted.has(family))) {
  note(family, await amd.compile(shaders, family, path.join(folder, "amd")));
}
const generations = Object.keys(nvidia.generations).filter((generation) => wanted.has(generation));
if (wanted.has("Metal") || generations.length > 0) {
  const translated = await metal.translate(
    Object.keys(shaders),
    path.join(folder, "shaders"),
    path.join(folder, "metal"),
  );
  if (wanted.has("Metal")) note("Metal", translated);
  for (const generation of generations) {
    const { missing } = translated;
    note(
      generation,
      missing ? { missing } : await nvidia.compile(translated.metal, generation, path.join(folder, "nvidia")),
    );
  }
}
console.log(`\n${legend}`);
for (const name of names) console.log(`\n${name}\n${table(kernels[name], compiled)}`);
if (given.json) await writeFile(given.json, JSON.stringify({ kernels, compiled }));
