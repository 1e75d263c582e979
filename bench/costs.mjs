// Measures Lorito's costs other than time per step: dispatches, memory, download size, time to the first loss; and
// generation speed.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { openLorito } from "./browser.mjs";
import { configurations, median } from "./configurations.mjs";
import { prepared, train } from "./lorito.mjs";
import { textFor } from "./text.mjs";

export async function dispatches(browser, name, { rounds }, tell) {
  const configuration = configurations[name];
  const { page, close } = await prepared(browser, "webgpu", configuration, { counting: true });
  const worker = page.workers().at(-1);
  await train(page, 2, configuration);
  /** Per step, between the first and the last progress event of a call. */
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

/** GPU time per submission: the browser and the desktop are blocked for that long. */
export async function submissions(browser, name, tell) {
  const configuration = configurations[name];
  const { page, close } = await prepared(browser, "webgpu", configuration, { counting: true });
  // The page measures the GPU when it plans, and so does this.
  const { layers, heads, width, context, batch } = configuration;
  await page.evaluate(
    ([model, options]) => lorito.planModel(model, options),
    [{ layers, heads, width, context, dropout: 0 }, { batchSize: batch }],
  );
  await train(page, 2, configuration);
  const worker = page.workers().at(-1);
  await worker.evaluate(() => {
    bench.submissions = [];
  });
  await train(page, 20, configuration);
  const times = (await worker.evaluate(() => bench.submissions)).toSorted((a, b) => a - b);
  await close();
  const [value, longest] = [median(times), times.at(-1)];
  const tenth = times[Math.floor(0.9 * times.length)];
  tell({
    name: "submission",
    configuration: name,
    engine: "webgpu",
    unit: "ms",
    value,
    tenth,
    longest,
    of: times.length,
  });
}

/**
 * Time of the self-check on the first batch: in all, and the CPU's part of it, which follows the last read-back from the
 * GPU.
 */
export async function selfCheck(browser, tell) {
  for (const name of ["S", "M", "L", "XL"]) {
    // One window of XL is slow enough on a software GPU; the check is limited to less anyway.
    const configuration = { ...configurations[name], ...(name === "XL" ? { batch: 1 } : {}) };
    const { page, close } = await prepared(browser, "webgpu", configuration, { counting: true });
    await train(page, 2, configuration);
    const worker = page.workers().at(-1);
    const { began, read, ended, found } = await worker.evaluate(() => bench.check);
    await close();
    const { lossDifference, gradientDifference, tokens, whole } = found;
    const about = { configuration: name, engine: "webgpu", unit: "ms", value: ended - began, onCpu: ended - read };
    tell({ name: "self-check", ...about, tokens, whole, lossDifference, gradientDifference });
  }
}

/** Memory at the same tokens per step with twice the context: any increase is quadratic in the context. */
export async function memory(browser, tell) {
  const peaks = [];
  for (const [context, batch] of [
    [512, 4],
    [256, 8],
  ]) {
    const configuration = { ...configurations.S, context, batch };
    const { page, close } = await prepared(browser, "webgpu", configuration, { counting: true });
    const { layers, heads, width } = configuration;
    const plan = await page.evaluate(
      ([model, options]) => lorito.planModel(model, options),
      [{ layers, heads, width, context, dropout: 0 }, { batchSize: batch }],
    );
    const { weights, optimizer, activations, workers } = plan.memory;
    const predicted = weights + optimizer + activations + workers;
    await train(page, 3, configuration);
    const peak = await page
      .workers()
      .at(-1)
      .evaluate(() => bench.peak);
    await close();
    peaks.push(peak);
    const about = { engine: "webgpu", context, batch, unit: "bytes" };
    tell({ name: "memory", ...about, value: peak, predicted, predictedByMeasured: predicted / peak });
  }
  tell({ name: "memory at context 512 over 256", engine: "webgpu", value: peaks[0] / peaks[1] });
}

/** Memory of the page's process in training, with each number of workers; on Linux, which tells it by process. */
export async function workerMemory(browser, { workers = [1, 2] }, tell) {
  for (const most of workers) {
    const { page, close } = await prepared(browser, "cpu", configurations.M);
    const session = await browser.newBrowserCDPSession();
    // A page of an origin of its own has a process of its own, the youngest renderer.
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const pid = Math.max(...processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id));
    const used = async () => {
      const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
      return 1024 * Number(rollup.match(/^Pss: *(\d+)/m)[1]);
    };
    const before = await used();
    let largest = 0;
    const timer = setInterval(async () => {
      largest = Math.max(largest, await used().catch(() => 0));
    }, 100);
    const { workers: taken } = await train(page, 60, configurations.M, { workers: most });
    clearInterval(timer);
    await close();
    const about = { engine: "cpu", configuration: "M", unit: "bytes", workers: Math.max(...taken) };
    tell({ name: "memory with workers", ...about, value: largest, before });
  }
}

/** Detects leaks in a long run: the GPU's buffers and the wasm's memory at several steps. */
export async function longRun(browser, tell) {
  const configuration = { ...configurations.S, context: 16, layers: 1, heads: 2, width: 32, batch: 4 };
  const { page, close } = await prepared(browser, "webgpu", configuration, { counting: true });
  let step = 0;
  for (const until of [100, 1_000, 2_500, 5_000, 10_000]) {
    await train(page, until - step, configuration);
    step = until;
    const { buffers, wasm } = await page
      .workers()
      .at(-1)
      .evaluate(() => ({ buffers: bench.bytes, wasm: bench.wasm.buffer.byteLength }));
    tell({ name: "memory of a long run", engine: "webgpu", unit: "bytes", step, value: buffers, wasm });
  }
  await close();
}

/** A file of 200 MB in the file chooser: time, memory, and how long the page's main thread is blocked. */
export async function largeText(browser, tell) {
  const folder = await mkdtemp(join(tmpdir(), "lorito-"));
  const file = join(folder, "large.txt");
  const part = `${textFor({ vocabulary: 65 }).body}\r\nAñil, señor: 漢字 🦜.\r\n`;
  const bytes = Buffer.byteLength(part);
  await writeFile(file, Buffer.concat(Array.from({ length: Math.ceil(200e6 / bytes) }, () => Buffer.from(part))));
  const { page, close } = await openLorito(browser, "cpu", { counting: true });
  await page.evaluate(() => {
    globalThis.longest = 0;
    // Reports tasks of 50 ms and more.
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration);
    }).observe({ type: "longtask" });
  });
  const began = performance.now();
  await page.setInputFiles("#files", file);
  await page.waitForFunction(() => document.querySelector(".summary"), undefined, { timeout: 120_000 });
  const value = performance.now() - began;
  // Meanwhile the page plans a model for it.
  await page.waitForTimeout(3000);
  const wasm = await page
    .workers()
    .at(-1)
    .evaluate(() => bench.wasm.buffer.byteLength);
  const longest = await page.evaluate(() => globalThis.longest);
  await close();
  await rm(folder, { recursive: true });
  const size = Math.ceil(200e6 / bytes) * bytes;
  tell({ name: "large text", unit: "ms", value, bytes: size, copies: wasm / size, longestTask: longest });
}

/**
 * Time from the page's request for a text to its end, including the prompt. With the model on the GPU, `times` has the
 * page's own measurements of both engines per token: the faster one generated.
 */
export async function generation(browser, engine, { rounds }, tell) {
  const { page, close } = await prepared(browser, engine, configurations.M);
  const all = await page.evaluate(async (rounds) => {
    const speeds = [];
    // The first round is the warm-up.
    for (let round = 0; round <= rounds; round++) {
      let tokens = 0;
      let time = 0;
      // A text may end early, so this generates as many as needed.
      while (tokens < 256) {
        const began = performance.now();
        const options = { maxTokens: 256 - tokens, temperature: 1, seed: 100 * round + tokens };
        let pieces = 0;
        await lorito.generate("abc", {
          ...options,
          onToken: () => {
            pieces += 1;
          },
        });
        time += performance.now() - began;
        tokens += Math.max(pieces, 1);
      }
      speeds.push((tokens * 1000) / time);
    }
    return speeds.slice(1);
  }, rounds);
  const report = await page.evaluate(() => lorito.report());
  await close();
  const times = report.match(/^token written: (.*)$/m)?.[1];
  tell({ name: "generation", configuration: "M", engine, unit: "tokens/s", value: median(all), all, times });
}

/** On a new page each time. The evaluation and the sample of step 0 precede the first step. */
export async function firstLoss(browser, engine, { rounds, before }, tell) {
  const builds = before ? { now: {}, before: { address: before } } : { now: {} };
  const taken = { now: [], before: [] };
  for (let round = 0; round < rounds; round++) {
    const names = Object.keys(builds);
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const { page, close } = await prepared(browser, engine, configurations.S, builds[name]);
      taken[name].push((await train(page, 2, configurations.S)).first);
      await close();
    }
  }
  const measured = { name: "Train to first loss", configuration: "S", engine, unit: "ms" };
  for (const [build, all] of Object.entries(taken)) {
    if (all.length > 0) tell({ ...measured, build, value: median(all), all });
  }
  if (!before) return;
  const ratios = taken.now.map((time, round) => time / taken.before[round]);
  tell({ ...measured, unit: "now / before", value: median(ratios), all: ratios });
}

/** Bytes that the browser fetches up to the end of the first training step. */
export async function size(browser, engine, tell) {
  const { page, requested, close } = await prepared(browser, engine, configurations.S);
  // A run that needed the deferred part of the wasm would never end.
  const later = new Set();
  let trained = () => {};
  const end = new Promise((resolve) => {
    trained = resolve;
  });
  await page.context().route("**/lorito_deferred.wasm", async (route) => {
    later.add(route.request().url());
    await end;
    await route.continue();
  });
  await train(page, 1, configurations.S);
  trained();
  await close();
  const total = { raw: 0, brotli: 0 };
  for (const address of requested) {
    if (later.has(address)) continue;
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    const file = new URL(address).pathname;
    tell({ name: "size", engine, file, unit: "bytes", value: brotli, raw: bytes.length });
    total.raw += bytes.length;
    total.brotli += brotli;
  }
  const file = "all before the first training step";
  tell({ name: "size", engine, file, unit: "bytes", value: total.brotli, raw: total.raw });
}
