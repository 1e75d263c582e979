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

/** Runs in the worker. `late`: milliseconds that an answer is delayed, on a GPU that does nothing; undefined: one that works. */
function pretend(late: number | undefined): void {
  const info = { vendor: "acme", architecture: "fast", device: "", description: "", isFallbackAdapter: false };
  Object.defineProperty(GPUAdapter.prototype, "info", { value: info });
  if (late === undefined) return;

  const counts: Counts = { dispatches: 0, submissions: 0, marks: [] };
  Object.assign(globalThis, { counts });
  GPUComputePassEncoder.prototype.dispatchWorkgroups = () => {
    counts.dispatches++;
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
    const end = performance.now() + late;
    while (performance.now() < end) await new Promise((resolve) => setTimeout(resolve));
  };
  // What was never computed is no number now and then.
  GPUBuffer.prototype.getMappedRange = function (...range) {
    const numbers = getMappedRange.apply(this, range);
    new Uint8Array(numbers).fill(0);
    return numbers;
  };
  // Nothing is computed, so nothing needs compiling.
  const { createComputePipeline, createComputePipelineAsync } = GPUDevice.prototype;
  const nothing = (device: GPUDevice, { layout }: GPUComputePipelineDescriptor) => ({
    layout,
    compute: { module: device.createShaderModule({ code: "@compute @workgroup_size(1) fn main() {}" }) },
  });
  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    return createComputePipeline.call(this, nothing(this, descriptor));
  };
  GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
    return createComputePipelineAsync.call(this, nothing(this, descriptor));
  };
}

/** nanoGPT's larger recipe, as far as it costs time. */
const larger = {
  model: { layers: 6, heads: 6, width: 384, context: 256, dropout: 0.2, seed: 1 },
  train: { steps: 6, batchSize: 64, evalEvery: 1_000_000, warmupSteps: 0 },
};

/** The estimate of a step's time in seconds, and what goes to the GPU for a step. */
async function stepOf(page: Page): Promise<{ seconds: number; dispatches: number; submissions: number }> {
  const seconds = await page.evaluate(async ({ model, train }) => {
    const { lorito } = window;
    await lorito.createModel(model);
    const plan = await lorito.planModel(model, train);
    await lorito.train(train);
    return plan.secondsPerStep;
  }, larger);
  const marks = await page.workers()[0]?.evaluate(() => (globalThis as unknown as { counts: Counts }).counts.marks);
  // The last one comes after the evaluation at the end.
  const [first, last] = [marks?.at(0), marks?.at(-2)];
  if (!first || !last || last.step <= first.step) throw new Error("several steps are told of");
  const each = (what: "dispatches" | "submissions") => (last[what] - first[what]) / (last.step - first.step);
  return { seconds, dispatches: each("dispatches"), submissions: each("submissions") };
}

test("late answers neither make a GPU seem slow nor divide its work", async ({ page }, { project }) => {
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
  // Which kernels are right and fastest is found by computing, and kept.
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
