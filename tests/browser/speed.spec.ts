// What a GPU can do is told by how long it takes for more work, and not by when it is heard of: its answers may come late,
// a tenth of a second in some browsers. Here its dispatches do nothing, so that it takes no time, and answers are delayed.
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { prepare, ready, text } from "./lorito";

interface Counts {
  dispatches: number;
  submissions: number;
  /** At each progress that the worker tells of. */
  marks: { step: number; dispatches: number; submissions: number }[];
}

/**
 * Runs in the worker: a GPU that is named, and does nothing as soon as `late` is set; its answers then come so many
 * milliseconds late.
 */
function pretend(): void {
  const info = { vendor: "acme", architecture: "fast", device: "", description: "", isFallbackAdapter: false };
  Object.defineProperty(GPUAdapter.prototype, "info", { value: info });
  const counts: Counts = { dispatches: 0, submissions: 0, marks: [] };
  const gpu = globalThis as unknown as { late?: number };
  Object.assign(globalThis, { counts });
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups) {
    counts.dispatches++;
    if (gpu.late === undefined) dispatchWorkgroups.apply(this, groups);
  };
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands) {
    counts.submissions++;
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
    const end = performance.now() + (gpu.late ?? 0);
    while (performance.now() < end) await new Promise((resolve) => setTimeout(resolve));
  };
  // What was never computed is no number now and then.
  GPUBuffer.prototype.getMappedRange = function (...range) {
    const numbers = getMappedRange.apply(this, range);
    if (gpu.late !== undefined) new Uint8Array(numbers).fill(0);
    return numbers;
  };
}

/** nanoGPT's larger recipe, as far as it costs time. */
const larger = {
  model: { layers: 6, heads: 6, width: 384, context: 256, dropout: 0.2, seed: 1 },
  train: { steps: 40, batchSize: 64, evalEvery: 1_000_000, warmupSteps: 0 },
};
/** The same kernels for little work, which the GPU really does: the first batch is checked against the CPU. */
const little = {
  model: { ...larger.model, layers: 1 },
  train: { ...larger.train, steps: 1, batchSize: 1 },
};

/** The estimate of a step's time in seconds, and what goes to the GPU for a step, where answers are so many ms late. */
async function stepOf(page: Page, late: number): Promise<{ seconds: number; dispatches: number; submissions: number }> {
  await page.evaluate(async ({ model, train }) => {
    await window.lorito.createModel(model);
    await window.lorito.train(train);
  }, little);
  const [worker] = page.workers();
  await worker?.evaluate((late) => Object.assign(globalThis, { late }), late);
  const seconds = await page.evaluate(async ({ model, train }) => {
    const { lorito } = window;
    await lorito.createModel(model);
    const plan = await lorito.planModel(model, train);
    await lorito.train(train);
    return plan.secondsPerStep;
  }, larger);
  const marks = await worker?.evaluate(() => {
    const { marks } = (globalThis as unknown as { counts: Counts }).counts;
    return marks.slice(marks.findLastIndex(({ step }, at) => step <= (marks[at - 1]?.step ?? Infinity)));
  });
  // The last one comes after the evaluation at the end.
  const [first, last] = [marks?.at(0), marks?.at(-2)];
  if (!first || !last || last.step <= first.step) throw new Error("several steps are told of");
  const each = (what: "dispatches" | "submissions") => (last[what] - first[what]) / (last.step - first.step);
  return { seconds, dispatches: each("dispatches"), submissions: each("submissions") };
}

test("late answers neither make a GPU seem slow nor divide its work", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "there is no GPU");
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${pretend})();\n${await response.text()}` });
  });
  const visit = async () => {
    await page.goto("");
    await ready(page);
  };
  // Which kernels are right and fastest is found by computing, and kept.
  await visit();
  await page.evaluate(() => window.lorito.planModel({ preset: "tiny", vocabulary: 65 }, {}).then(() => {}));

  const steps = new Map<number, Awaited<ReturnType<typeof stepOf>>>();
  for (const late of [0, 2, 5, 100]) {
    await visit();
    await prepare(page);
    await page.evaluate((log) => window.lorito.addText("more.txt", log.repeat(3)), text);
    steps.set(late, await stepOf(page, late));
  }
  console.log("answers late by ms -> a step", Object.fromEntries(steps));
  const right = steps.get(0)?.seconds ?? 0;
  expect(right).toBeGreaterThan(0);
  for (const [late, { seconds, dispatches }] of steps) {
    expect(dispatches, `dispatches where answers are ${late} ms late`).toBeLessThan(200);
    expect(Math.abs(seconds / right - 1), `estimate where answers are ${late} ms late`).toBeLessThan(0.1);
  }
});
