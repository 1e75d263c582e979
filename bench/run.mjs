// `cargo xtask bench [--only NAME,NAME] [--seconds N]`: prints one JSON line a measurement.
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync } from "node:zlib";
import { launch, openLorito, openPeer } from "./browser.mjs";

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const only = option("only", "")?.split(",").filter(Boolean);
const seconds = Number(option("seconds", "10"));
const wanted = (name) => only.length === 0 || only.includes(name);

/** S is small, M is nanoGPT's small recipe (README of nanoGPT, "i only have a macbook"). */
const configurations = {
  S: { vocabulary: 65, context: 64, layers: 2, heads: 4, width: 128, batch: 8 },
  M: { vocabulary: 65, context: 64, layers: 4, heads: 4, width: 128, batch: 12 },
};

const tell = (measurement) => console.log(JSON.stringify(measurement));
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** A text of 64 letters, the next of which follows from the one before; with the end of text, 65 ids. */
function text(characters) {
  const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
  let state = 1;
  let id = 0;
  let out = alphabet;
  while (out.length < characters) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    id = state >>> 28 === 0 ? (state >>> 8) % 64 : (id * 5 + 3) % 64;
    out += alphabet[id];
  }
  return out;
}

/** A page with text, tokenizer and a fresh model of a configuration. */
async function prepared(browser, engine, { layers, heads, width, context }, counting = false) {
  const opened = await openLorito(browser, engine, counting);
  const summary = await opened.page.evaluate(
    async ([body, model]) => {
      await lorito.addText("text.txt", body);
      const tokenizer = await lorito.trainTokenizer({ kind: "char" });
      await lorito.createModel(model);
      return tokenizer;
    },
    [text(200_000), { layers, heads, width, context, dropout: 0, seed: 1 }],
  );
  if (summary.vocabSize !== 65) throw new Error(`vocabulary of ${summary.vocabSize}`);
  return opened;
}

/** Trains one call; the engine's own count of tokens a second, without evaluations. */
function train(page, steps, batchSize) {
  return page.evaluate(
    async (options) => {
      const began = performance.now();
      let first;
      const result = await lorito.train({ ...options, onProgress: () => (first ??= performance.now() - began) });
      return { ...result, first, milliseconds: performance.now() - began };
    },
    { steps, batchSize, learningRate: 1e-3, warmupSteps: 0, evalEvery: 1_000_000, seed: 1 },
  );
}

async function speedOfLorito(browser, engine, configuration) {
  const { page, close } = await prepared(browser, engine, configuration);
  const { batch, context } = configuration;
  const warm = await train(page, 3, batch);
  const steps = Math.max(3, Math.round((seconds * warm.tokensPerSecond) / (batch * context)));
  const { tokensPerSecond } = await train(page, steps, batch);
  await close();
  return tokensPerSecond;
}

async function speedOfJax(browser, device, configuration) {
  const { page, close } = await openPeer(browser);
  const result = await page.evaluate(
    async (given) => (await import("./peers/jax.mjs")).measure(...given),
    [device, configuration, seconds],
  );
  await close();
  return result;
}

/** Lorito and jax-js in turn, so that both meet the machine in the same mood. */
async function speeds(browser, name, engine, device, rounds) {
  const configuration = configurations[name];
  const lorito = [];
  const jax = [];
  let peer;
  for (let round = 0; round < rounds; round++) {
    lorito.push(await speedOfLorito(browser, engine, configuration));
    peer = await speedOfJax(browser, device, configuration);
    jax.push(peer.tokensPerSecond);
  }
  const about = { configuration: name, unit: "tokens/s" };
  tell({ name: "training", engine, ...about, value: median(lorito), all: lorito });
  const { firstLoss, lastLoss } = peer;
  tell({ name: "training", engine: `jax-js ${device}`, ...about, value: median(jax), all: jax, firstLoss, lastLoss });
  const ratios = lorito.map((value, round) => value / jax[round]);
  tell({ name: "ratio", engine, against: `jax-js ${device}`, configuration: name, value: median(ratios), all: ratios });
}

async function dispatches(browser) {
  const { page, close } = await prepared(browser, "webgpu", configurations.S, true);
  const worker = page.workers().at(-1);
  await train(page, 2, 8);
  /** Per step, between the first and the last time that a call told of its progress. */
  const perStep = async (steps) => {
    await worker.evaluate(() => {
      bench.marks = [];
    });
    await train(page, steps, 8);
    // The last mark stands after the evaluation at the end.
    const marks = (await worker.evaluate(() => bench.marks)).slice(0, -1);
    const [first, last] = [marks[0], marks.at(-1)];
    const between = last.step - first.step;
    return {
      dispatches: (last.dispatches - first.dispatches) / between,
      milliseconds: (last.time - first.time) / between,
      between,
    };
  };
  const about = { configuration: "S", engine: "webgpu" };
  const counted = await perStep(12);
  tell({ name: "dispatches a step", ...about, value: counted.dispatches, steps: counted.between });
  await worker.evaluate(() => {
    bench.stubbed = true;
  });
  await perStep(50);
  const { milliseconds, between } = await perStep(500);
  tell({ name: "CPU a step, dispatches stubbed", ...about, unit: "ms", value: milliseconds, steps: between });
  await close();
}

async function firstLoss(browser) {
  for (const engine of ["cpu", "webgpu"]) {
    const { page, close } = await prepared(browser, engine, configurations.S);
    const { first } = await train(page, 2, 8);
    tell({ name: "Train to first loss", configuration: "S", engine, unit: "ms", value: first });
    await close();
  }
}

async function size() {
  const dist = path.join(import.meta.dirname, "../dist");
  const total = { raw: 0, brotli: 0 };
  for (const file of (await readdir(dist)).filter((name) => /\.(html|js|css|wasm|svg)$/.test(name))) {
    const bytes = await readFile(path.join(dist, file));
    const measured = { raw: bytes.length, brotli: brotliCompressSync(bytes).length };
    tell({ name: "size", file, unit: "bytes", ...measured });
    total.raw += measured.raw;
    total.brotli += measured.brotli;
  }
  tell({ name: "size", file: "all before the first training step", unit: "bytes", ...total });
}

const browser = await launch();
try {
  if (wanted("size")) await size();
  if (wanted("S")) await speeds(browser, "S", "cpu", "wasm", 3);
  if (wanted("M")) await speeds(browser, "M", "cpu", "wasm", 3);
  if (wanted("dispatches")) await dispatches(browser);
  if (wanted("first")) await firstLoss(browser);
  if (wanted("S-webgpu")) await speeds(browser, "S", "webgpu", "webgpu", 2);
  if (wanted("M-webgpu")) await speeds(browser, "M", "webgpu", "webgpu", 1);
} finally {
  await browser.close();
}
