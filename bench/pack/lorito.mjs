// Trains Lorito's wasm in Node, on WebGPU: the page's training run without page, worker and storage.
import { readFile } from "node:fs/promises";
import { runConfig, speedOf } from "../speed.mjs";
import { textFor } from "../text.mjs";
import { findAdapter } from "./webgpu.mjs";

/** A session with text, tokenizer and a new model of a configuration. */
async function prepared(configuration) {
  const { maxBufferSize, maxStorageBufferBindingSize } = (await findAdapter()).limits;
  const { default: init, Session } = await import("../dist/lorito.js");
  const { link } = await import("../dist/wasm-parts.js");
  const exports = await init({ module_or_path: await readFile(new URL("../dist/lorito_bg.wasm", import.meta.url)) });
  for (const part of ["deferred", "gpu"])
    link(
      part,
      exports,
      await WebAssembly.compile(await readFile(new URL(`../dist/lorito_${part}.wasm`, import.meta.url))),
    );
  // In GiB, more than any GPU has: here an allocation that is too large should fail instead of being refused.
  const deviceMemory = 1024;
  const largestBuffer = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const session = await Session.start("webgpu", { largestBuffer, deviceMemory });
  const { body, tokenizer } = textFor(configuration);
  const bytes = new TextEncoder().encode(body);
  session.openFile("text.txt", bytes.length);
  session.pushBytes(bytes);
  session.closeFile();
  const { vocabulary } = session.trainTokenizer(tokenizer.kind, tokenizer.vocabSize);
  const { layers, heads, width, context } = configuration;
  if (vocabulary !== configuration.vocabulary) throw new Error(`vocabulary of ${vocabulary}`);
  const model = { vocabulary, layers, heads, width, context, dropout: 0 };
  session.createModel(model, 1);
  // As on the page: the fastest kernels for this GPU, and submissions sized by its speed.
  await session.measureKernels();
  await session.measure(model, runConfig(1, configuration));
  return session;
}

async function train(session, config) {
  const marks = [];
  const losses = [];
  session.beginTraining(config);
  await session.startRun();
  for (;;) {
    // As in the worker between two ticks.
    await new Promise((resolve) => setImmediate(resolve));
    for (const { event, progress, result } of await session.tick()) {
      if (event === "finished") return { ...result, marks, losses };
      if (event !== "progress") continue;
      marks.push({ step: progress.step, time: performance.now() });
      losses.push(...progress.records.map(({ loss }) => loss));
    }
  }
}

export async function measure(configuration, seconds) {
  const session = await prepared(configuration);
  return speedOf((steps) => train(session, runConfig(steps, configuration)), configuration, seconds);
}
