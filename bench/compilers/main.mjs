// `cargo xtask bench --only compilers [--models S,M] [--compilers RDNA3,RDNA2,Ada,Xe,Metal] [--json FILE]`: what the compilers of GPUs
// make of the kernels of a training step, a line a kernel, and the least times of a step. No GPU is needed.
// `--check`: holds the figures against bars.json instead, for `cargo xtask test`.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import * as amd from "./amd.mjs";
import { tested } from "./bars.mjs";
import { load } from "./capture.mjs";
import * as intel from "./intel.mjs";
import { joined, kernelsOf } from "./kernels.mjs";
import * as metal from "./metal.mjs";
import { checked, others } from "./models.mjs";
import * as nvidia from "./nvidia.mjs";
import { leastTimes, legend, table } from "./report.mjs";
import { roofline } from "./roofline.mjs";

const all = [amd.families, nvidia.generations, intel.generations, { Metal: 0 }].flatMap(Object.keys);
const { values: given } = parseArgs({
  options: {
    models: { type: "string" },
    compilers: { type: "string", default: all.join() },
    json: { type: "string" },
    check: { type: "boolean", default: false },
    dist: { type: "string", default: "dist" },
    folder: { type: "string", default: "target/compilers" },
  },
});
const wanted = given.compilers.split(",");
for (const name of wanted) if (!all.includes(name)) throw new Error(`no compiler ${name}; there are ${all}`);

const folder = path.resolve(given.folder);
const began = performance.now();
const tell = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`);

/** Shader sources by id, the kernels of each model, and the steps. */
async function captured() {
  const { step, presets, choices } = await load(path.resolve(given.dist), path.join(folder, "module"));
  const models = { ...presets, ...others };
  const names = given.models?.split(",") ?? (given.check ? checked : [...Object.keys(presets), ...checked]);
  for (const name of names)
    if (!(name in models)) throw new Error(`no model ${name}; there are ${Object.keys(models)}`);
  const [shaders, kernels, steps] = [{}, {}, {}];
  for (const name of names) {
    steps[name] = [];
    for (const choice of choices) {
      for (const precision of ["f32", "f16"]) {
        const dispatches = await step(models[name], choice, precision === "f16");
        steps[name].push({ choice, precision, kernels: kernelsOf(dispatches, models[name]) });
      }
    }
    kernels[name] = joined(steps[name]);
    for (const { id, code } of kernels[name]) shaders[id] = code;
  }
  const to = path.join(folder, "shaders");
  await mkdir(to, { recursive: true });
  for (const [id, code] of Object.entries(shaders)) await writeFile(path.join(to, `${id}.wgsl`), code);
  tell(`${Object.keys(shaders).length} shaders of ${names}, in ${to}`);
  return { shaders, kernels, steps };
}

/** What each compiler makes of the shaders, or why it is missing. */
async function compile(shaders) {
  const [compiled, missing, versions] = [{}, {}, {}];
  const note = (compiler, got) => {
    tell(`${compiler}: ${got.missing ? `missing: ${got.missing}` : got.driver}`);
    if (got.missing) missing[compiler] = got.missing;
    else compiled[compiler] = got.results;
    versions[compiler] = got.version;
  };
  const families = Object.keys(amd.families).filter((family) => wanted.includes(family));
  const compiling = families.map((family) => amd.compile(shaders, family, path.join(folder, family)));
  for (const [at, family] of families.entries()) note(family, await compiling[at]);
  const fromMetal = [nvidia, intel].flatMap(({ compile, generations }) =>
    Object.keys(generations).map((generation) => [generation, compile]),
  );
  const others = fromMetal.filter(([generation]) => wanted.includes(generation));
  if (!wanted.includes("Metal") && others.length === 0) return { compiled, missing, versions };
  const from = path.join(folder, "shaders");
  const translated = await metal.translate(Object.keys(shaders), from, path.join(folder, "metal"));
  if (wanted.includes("Metal")) note("Metal", translated);
  for (const [generation, compile] of others) {
    const to = path.join(folder, generation);
    note(generation, translated.missing ? translated : await compile(translated.metal, generation, to));
  }
  return { compiled, missing, versions };
}

function printTables({ kernels, steps }, compiled) {
  console.log(`\n${legend}`);
  for (const [name, of] of Object.entries(kernels)) console.log(`\n${name}\n${table(of, compiled)}`);
  for (const [compiler, results] of Object.entries(compiled)) {
    for (const [id, { error }] of Object.entries(results))
      if (error) console.log(`${compiler} refuses ${id}: ${error}`);
  }
  for (const [name, [{ choice, kernels }]] of Object.entries(steps)) {
    const chosen = [...new Set(Object.values(choice))].join(", ");
    console.log(`\n${name}, ${chosen}, f32: the least time of a step\n${leastTimes(roofline(kernels))}`);
  }
}

/** Prints the bars as `cargo test` prints tests, which xtask counts. */
function printBars(bars) {
  const failed = bars.filter(({ broken }) => broken.length > 0);
  const reasons = new Set(bars.map(({ skipped }) => skipped).filter(Boolean));
  for (const { bar, broken } of failed) console.log(`broken: ${bar}\n  ${broken.join("\n  ")}`);
  for (const reason of reasons) console.log(`skipped: compilers: ${reason}`);
  // As there, a test that skips itself counts as passed.
  const passed = bars.filter(({ broken, skipped }) => broken.length === 0 && !skipped).length + reasons.size;
  const result = `${passed} passed; ${failed.length} failed; 0 ignored`;
  console.log(`test result: ${failed.length > 0 ? "FAILED" : "ok"}. ${result}`);
  return failed.length === 0;
}

const got = await captured();
const { compiled, missing, versions } = await compile(got.shaders);
if (given.json) await writeFile(given.json, JSON.stringify({ ...got, compiled, missing, versions }));
if (!given.check) printTables(got, compiled);
console.log();
const kept = printBars(await tested({ ...got, compiled, missing, versions }));
process.exit(given.check && !kept ? 1 : 0);
