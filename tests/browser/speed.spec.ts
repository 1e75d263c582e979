// A GPU's speed is measured by its time for additional work, not by when results arrive: some browsers report them late, by a
// tenth of a second. Here dispatches do nothing but take a given time, and results are delayed.
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { prepare, ready, text } from "./lorito";

interface Counts {
  dispatches: number;
  submissions: number;
  /** One for each progress event of the worker. */
  marks: { step: number; dispatches: number; submissions: number }[];
}

/**
 * The GPU's behaviour in the worker: with `late` it computes nothing, takes `each` milliseconds per dispatch, and its
 * results arrive so many milliseconds late.
 */
interface Pretended {
  late?: number | undefined;
  each: number;
  counts: Counts;
}

/** Runs in the worker. */
function pretend(late: number | undefined): void {
  const info = { vendor: "acme", architecture: "fast", device: "", description: "", isFallbackAdapter: false };
  Object.defineProperty(GPUAdapter.prototype, "info", { value: info });
  const counts: Counts = { dispatches: 0, submissions: 0, marks: [] };
  const gpu: Pretended = Object.assign(globalThis, { late, each: 6, counts });
  let queued = 0;
  let busyUntil = 0;
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups) {
    counts.dispatches++;
    queued++;
    if (gpu.late === undefined) dispatchWorkgroups.apply(this, groups);
  };
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands) {
    counts.submissions++;
    busyUntil = Math.max(busyUntil, performance.now()) + gpu.each * queued;
    queued = 0;
    submit.call(this, commands);
  };
  const post = globalThis.postMessage;
  globalThis.postMessage = (message, ...rest) => {
    const { dispatches, submissions } = counts;
    if (message?.event === "progress") counts.marks.push({ step: message.progress.step, dispatches, submissions });
    Reflect.apply(post, globalThis, [message, ...rest]);
  };

  const { mapAsync, getMappedRange } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = async function (...range) {
    await mapAsync.apply(this, range);
    if (gpu.late === undefined) return;
    const end = Math.max(busyUntil, performance.now()) + gpu.late;
    // Timers are accurate to four milliseconds; the rest is a busy wait.
    while (performance.now() < end - 5) await new Promise((resolve) => setTimeout(resolve));
    while (performance.now() < end);
  };
  // Memory that was never computed may contain NaN.
  GPUBuffer.prototype.getMappedRange = function (...range) {
    const numbers = getMappedRange.apply(this, range);
    if (gpu.late !== undefined) new Uint8Array(numbers).fill(0);
    return numbers;
  };
}

/** nanoGPT's larger recipe, with the sizes that determine its time. */
const larger = {
  model: { layers: 6, heads: 6, width: 384, context: 256, dropout: 0.2, seed: 1 },
  train: { steps: 16, batchSize: 64, evalEvery: 1_000_000, warmupSteps: 0 },
};
/** The same kernels with little work that the GPU actually computes, as the first batch is checked against the CPU. */
const little = {
  model: { ...larger.model, layers: 1 },
  train: { ...larger.train, steps: 1, batchSize: 1 },
};

/** The estimated seconds of a step, and its dispatches and submissions. */
async function stepOf(page: Page): Promise<{ seconds: number; dispatches: number; submissions: number }> {
  const seconds = await page.evaluate(async ({ model, train }) => {
    await window.lorito.createModel(model);
    return (await window.lorito.planModel(model, train)).secondsPerStep;
  }, larger);
  const [worker] = page.workers();
  const late = await worker?.evaluate(() => {
    const gpu = globalThis as unknown as Pretended;
    const { late } = gpu;
    gpu.late = undefined;
    return late;
  });
  const train = ({ model, train }: typeof larger) =>
    page.evaluate(
      async ([model, train]) => {
        await window.lorito.createModel(model);
        await window.lorito.train(train);
      },
      [model, train] as const,
    );
  await train(little);
  await worker?.evaluate((late) => {
    const gpu = globalThis as unknown as Pretended;
    gpu.late = late;
    gpu.each = 0;
    gpu.counts.marks = [];
  }, late);
  await train(larger);
  const marks = await worker?.evaluate(() => (globalThis as unknown as Pretended).counts.marks);
  // The last one follows the evaluation at the end.
  const [first, last] = [marks?.at(0), marks?.at(-2)];
  if (!first || !last || last.step <= first.step) throw new Error("several steps are told of");
  const each = (what: "dispatches" | "submissions") => (last[what] - first[what]) / (last.step - first.step);
  return { seconds, dispatches: each("dispatches"), submissions: each("submissions") };
}

test("late results neither make a GPU seem slow nor divide its work @alone", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "there is no GPU");
  let late: number | undefined;
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${pretend})(${late});\n${await response.text()}` });
  });
  const visit = async () => {
    await page.goto("");
    await ready(page);
  };
  // The kernels are measured by computing, and stored.
  await visit();
  await page.evaluate(() => window.lorito.planModel({ preset: "tiny", vocabulary: 65 }, {}).then(() => {}));

  const steps = new Map<number, Awaited<ReturnType<typeof stepOf>>>();
  for (late of [0, 2, 5, 100]) {
    await visit();
    await prepare(page);
    await page.evaluate((log) => window.lorito.addText("more.txt", log.repeat(3)), text);
    steps.set(late, await stepOf(page));
  }
  console.log("answers late by ms -> a step", Object.fromEntries(steps));
  const right = steps.get(0)?.seconds ?? 0;
  expect(right).toBeGreaterThan(0);
  for (const [late, { seconds, dispatches }] of steps) {
    expect(dispatches, `dispatches where answers are ${late} ms late`).toBeLessThan(200);
    expect(Math.abs(seconds / right - 1), `estimate where answers are ${late} ms late`).toBeLessThan(0.1);
  }
});
