// `cargo xtask bench [--only NAME,NAME] [--peers no|only] [--seconds N] [--rounds N]`: prints one JSON line a
// measurement.
import os from "node:os";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants } from "node:zlib";
import { launch, openLorito, openPeer } from "./browser.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    peers: { type: "string", default: "yes" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);

/** S is small, M is nanoGPT's small recipe (README of nanoGPT, "i only have a macbook"). */
const configurations = {
  S: { vocabulary: 65, context: 64, layers: 2, heads: 4, width: 128, batch: 8 },
  M: { vocabulary: 65, context: 64, layers: 4, heads: 4, width: 128, batch: 12 },
};

const tell = (measurement) => console.log(JSON.stringify(measurement));

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

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

/**
 * Trains one call. `wall`: tokens a second by the page's clock between the first and the last word of progress, so with
 * all that happens between two steps, but without the evaluation and the sample before the first and after the last.
 */
function train(page, steps, { batch, context }) {
  return page.evaluate(
    async ([options, tokens]) => {
      const began = performance.now();
      const marks = [];
      const onProgress = ({ step }) => marks.push({ step, time: performance.now() });
      const result = await lorito.train({ ...options, onProgress });
      // The last mark stands after the evaluation at the end.
      const [first, last] = [marks[0], marks.at(-2)];
      const wall = last && ((last.step - first.step) * tokens * 1000) / (last.time - first.time);
      return { ...result, wall, first: first.time - began };
    },
    [{ steps, batchSize: batch, learningRate: 1e-3, warmupSteps: 0, evalEvery: 1_000_000, seed: 1 }, batch * context],
  );
}

async function speedOfLorito(browser, engine, configuration) {
  const { page, close } = await prepared(browser, engine, configuration);
  const { batch, context } = configuration;
  const warm = await train(page, 3, configuration);
  const steps = Math.max(8, Math.round((seconds * warm.tokensPerSecond) / (batch * context)));
  const { wall, tokensPerSecond } = await train(page, steps, configuration);
  await close();
  return { tokensPerSecond: wall, own: tokensPerSecond };
}

async function speedOfJax(browser, device, configuration, isolated) {
  const { page, close } = await openPeer(browser, isolated);
  const result = await page.evaluate(
    async (given) => (await import("./peers/jax.mjs")).measure(...given),
    [device, configuration, seconds],
  );
  await close();
  return result;
}

/** Lorito and jax-js in turn, so that both meet the machine in the same mood. */
async function speeds(browser, name, engine, device) {
  const configuration = configurations[name];
  const takers = [];
  if (options.peers !== "only") takers.push([engine, () => speedOfLorito(browser, engine, configuration)]);
  if (options.peers !== "no") {
    takers.push([`jax-js ${device}`, () => speedOfJax(browser, device, configuration, true)]);
    // A page that is not cross-origin isolated, as most are, has no threads. Lorito's CPU engine has one either way.
    if (device === "wasm")
      takers.push(["jax-js wasm, one thread", () => speedOfJax(browser, device, configuration, false)]);
  }
  const taken = takers.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, take]] of takers.entries()) taken[index].push(await take());
  }
  const about = { configuration: name, unit: "tokens/s" };
  const speedsOf = (index) => taken[index].map(({ tokensPerSecond }) => tokensPerSecond);
  for (const [index, [taker]] of takers.entries()) {
    const { own, firstLoss, lastLoss } = taken[index].at(-1);
    const all = speedsOf(index);
    tell({ name: "training", engine: taker, ...about, value: median(all), all, own, firstLoss, lastLoss });
  }
  if (options.peers === "only") return;
  for (const [index, [taker]] of takers.entries()) {
    if (index === 0) continue;
    const all = speedsOf(0).map((value, round) => value / speedsOf(index)[round]);
    tell({ name: "ratio", engine, against: taker, configuration: name, value: median(all), all });
  }
}

async function dispatches(browser, name) {
  const configuration = configurations[name];
  const { page, close } = await prepared(browser, "webgpu", configuration, true);
  const worker = page.workers().at(-1);
  await train(page, 2, configuration);
  /** Per step, between the first and the last time that a call told of its progress. */
  const perStep = async (steps) => {
    await worker.evaluate(() => {
      bench.marks = [];
    });
    await train(page, steps, configuration);
    const marks = (await worker.evaluate(() => bench.marks)).slice(0, -1);
    const [first, last] = [marks[0], marks.at(-1)];
    const between = last.step - first.step;
    return {
      dispatches: (last.dispatches - first.dispatches) / between,
      milliseconds: (last.time - first.time) / between,
      between,
    };
  };
  const about = { configuration: name, engine: "webgpu" };
  const counted = await perStep(12);
  tell({ name: "dispatches a step", ...about, unit: "dispatches", value: counted.dispatches, steps: counted.between });
  await worker.evaluate(() => {
    bench.stubbed = true;
  });
  await perStep(50);
  const timed = [];
  for (let round = 0; round < rounds; round++) timed.push((await perStep(300)).milliseconds);
  tell({ name: "CPU a step, dispatches stubbed", ...about, unit: "ms", value: median(timed), all: timed });
  await close();
}

/** On a fresh page each time. The evaluation and the sample of step 0 come before the first step. */
async function firstLoss(browser) {
  for (const engine of ["cpu", "webgpu"]) {
    const all = [];
    for (let round = 0; round < rounds; round++) {
      const { page, close } = await prepared(browser, engine, configurations.S);
      all.push((await train(page, 2, configurations.S)).first);
      await close();
    }
    tell({ name: "Train to first loss", configuration: "S", engine, unit: "ms", value: median(all), all });
  }
}

/** What the browser asks for from the address to the end of the first training step. */
async function size(browser) {
  const { page, requested, close } = await prepared(browser, "cpu", configurations.S);
  await train(page, 1, configurations.S);
  await close();
  const total = { raw: 0, brotli: 0 };
  for (const address of requested) {
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    const file = new URL(address).pathname;
    tell({ name: "size", file, unit: "bytes", value: brotli, raw: bytes.length });
    total.raw += bytes.length;
    total.brotli += brotli;
  }
  const file = "all before the first training step";
  tell({ name: "size", file, unit: "bytes", value: total.brotli, raw: total.raw });
}

/** What the machine is, and how busy it has been in the last minute. */
const machine = (browser, when) =>
  tell({ name: "machine", when, cores: os.cpus().length, load: os.loadavg()[0], browser: browser.version() });

/** By name, in this order; the second column: whether it says anything without Lorito. */
const measurements = {
  size: [size, false],
  S: [(browser) => speeds(browser, "S", "cpu", "wasm"), true],
  M: [(browser) => speeds(browser, "M", "cpu", "wasm"), true],
  dispatches: [(browser) => dispatches(browser, "S"), false],
  "M-dispatches": [(browser) => dispatches(browser, "M"), false],
  first: [firstLoss, false],
  "S-webgpu": [(browser) => speeds(browser, "S", "webgpu", "webgpu"), true],
  "M-webgpu": [(browser) => speeds(browser, "M", "webgpu", "webgpu"), true],
};

const only = options.only.split(",").filter(Boolean);
for (const name of only) {
  if (!(name in measurements)) throw new Error(`no measurement ${name}; there are ${Object.keys(measurements)}`);
}
if (!["yes", "no", "only"].includes(options.peers)) throw new Error("--peers is yes, no or only");
if (!(seconds > 0) || !(rounds >= 1)) throw new Error("--seconds and --rounds are numbers above 0");

const browser = await launch();
try {
  machine(browser, "before");
  for (const [name, [measure, ofPeers]] of Object.entries(measurements)) {
    if (only.length > 0 && !only.includes(name)) continue;
    if (options.peers === "only" && !ofPeers) continue;
    await measure(browser);
  }
  machine(browser, "after");
} finally {
  await browser.close();
}
