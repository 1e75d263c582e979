// Records the shaders and dispatches of one training step: the page's wasm runs in Node, on a WebGPU that computes nothing.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { runConfig } from "../speed.mjs";
import { textFor } from "../text.mjs";
import { install, recordingGpu } from "./gpu.mjs";

/** The optimizer's kernel, the last one of a step. */
const lastOfStep = /^update/;

/**
 * Loads the module in `dist`, by way of `folder`. Its `step` returns what a training step of a model dispatches: shader, groups and
 * bindings of each dispatch, in order. `presets` are models; `choices` are of kernels.
 */
export async function load(dist, folder) {
  const { gpu, dispatches } = recordingGpu(["shader-f16", "timestamp-query"]);
  install(gpu);
  await mkdir(folder, { recursive: true });
  // Node treats lorito.js as an ES module only because of this package.json.
  await writeFile(path.join(folder, "package.json"), `{ "type": "module" }\n`);
  await writeFile(path.join(folder, "lorito.js"), await readFile(path.join(dist, "lorito.js")));
  await build({
    entryPoints: [path.join(import.meta.dirname, "../../web/worker/wasm-parts.ts")],
    outfile: path.join(folder, "wasm-parts.js"),
    format: "esm",
    bundle: true,
  });
  const from = (name) => import(pathToFileURL(path.join(folder, name)).href);
  const { default: init, Session } = await from("lorito.js");
  const { link } = await from("wasm-parts.js");
  const exports = await init({ module_or_path: await readFile(path.join(dist, "lorito_bg.wasm")) });
  for (const part of ["deferred", "gpu"])
    link(part, exports, await WebAssembly.compile(await readFile(path.join(dist, `lorito_${part}.wasm`))));

  // CubeCL takes only one GPU a process.
  const session = await Session.start("webgpu", { largestBuffer: 2 ** 31 - 4, deviceMemory: 1024 });

  let prepared;

  async function prepare(configuration) {
    if (prepared === configuration) return;
    prepared = configuration;
    const { body, tokenizer } = textFor(configuration);
    const bytes = new TextEncoder().encode(body);
    session.clearText();
    session.openFile("text.txt", bytes.length);
    session.pushBytes(bytes);
    session.closeFile();
    session.trainTokenizer(tokenizer.kind, tokenizer.vocabSize);
    const { vocabulary, layers, heads, width, context, dropout = 0 } = configuration;
    session.createModel({ vocabulary, layers, heads, width, context, dropout }, 1);
    // The first step of a model also copies its weights.
    await firstStepOfRun(configuration, false);
  }

  /** What the first step of a run dispatches. The run is left unfinished. */
  async function firstStepOfRun(configuration, halfPrecision) {
    session.beginTraining({ ...runConfig(1, configuration), halfPrecision });
    await session.startRun();
    // An evaluation and a sample may come first.
    let began;
    for (let done = false; !done; ) {
      const before = dispatches.length;
      for (const { event } of await session.tick()) {
        if (event === "first-step") began = before;
        if (event === "progress") done = began !== undefined;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const since = dispatches.slice(began);
    dispatches.length = 0;
    const last = since.findLastIndex(({ shader }) => lastOfStep.test(shader.label));
    if (last < 0) throw new Error(`no kernel of the step is called ${lastOfStep}`);
    return since.slice(0, last + 1);
  }

  async function step(configuration, choice, halfPrecision) {
    await prepare(configuration);
    session.chooseKernels(choice);
    return firstStepOfRun(configuration, halfPrecision);
  }
  const presets = session.presets().map(({ name, model, train }) => {
    const { layers, heads, width, context, dropout } = model;
    return [name, { vocabulary: 65, layers, heads, width, context, dropout, batch: train.batchSize }];
  });
  return { step, presets: Object.fromEntries(presets), choices: await choices(dist) };
}

/**
 * The choices of kernels to compile: first the one that a GPU is expected to make, then for each kernel one that uses it wherever it
 * can. They are read from the module's types: each field of `Choice` is a union of strings. The last kernel of a union is the one
 * for large GPUs; where several fields have the same union, they get the last ones in order.
 */
async function choices(dist) {
  const types = await readFile(path.join(dist, "lorito.d.ts"), "utf8");
  const [, body] = types.match(/export interface Choice \{([\s\S]*?)\n\}/);
  const unions = new Map();
  for (const [, field, type] of body.matchAll(/^\s*(\w+)\??: (\w+)(?: \| undefined)?;/gm)) {
    const [, union] = types.match(new RegExp(`export type ${type} = (.*);`));
    const { fields } = unions.get(type) ?? unions.set(type, { fields: [], values: union.split(" | ") }).get(type);
    fields.push(field);
  }
  const all = [...unions.values()].map(({ fields, values }) => ({
    fields,
    values: values.map((one) => JSON.parse(one)),
  }));
  const expected = {};
  for (const { fields, values } of all) {
    for (const [at, field] of fields.entries()) expected[field] = values.at(at - fields.length);
  }
  const one = ({ fields, values }) =>
    values.map((value) => ({ ...expected, ...Object.fromEntries(fields.map((field) => [field, value])) }));
  const different = new Map([expected, ...all.flatMap(one)].map((choice) => [JSON.stringify(choice), choice]));
  return [...different.values()];
}
