// The GPU's kernels compute in the browser the same as the CPU engine: each step's loss and gradient norm depend on all
// operations, forward and backward, and the weights after a short run on all their gradients. Natively each operation is
// compared by itself (src/ops/).
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { open, openWith, prepare, problem, text, tinyRun } from "./lorito";
import { ended, figure, press, small, step, takeSample, visit } from "./person";

/** Sizes that are multiples of vector loads and tiles, and sizes that are multiples of nothing. */
const recipes = [
  { layers: 2, heads: 2, width: 32, context: 24, dropout: 0.2, gradientAccumulation: 2, tokenizer: "char" },
  { layers: 1, heads: 3, width: 15, context: 13, dropout: 0, gradientAccumulation: 1, tokenizer: "byte" },
  // Rows of logits that a workgroup shares, and a head as wide as the model.
  { layers: 1, heads: 1, width: 36, context: 17, dropout: 0.1, gradientAccumulation: 1, tokenizer: "bpe" },
] as const;

test("training runs are the same on both engines", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "one project has both engines");
  const run = (recipe: (typeof recipes)[number]) =>
    page.evaluate(
      async ([text, { gradientAccumulation, tokenizer, ...model }]) => {
        const { lorito } = window;
        await lorito.clearText();
        // More distinct words than the default text has, for a vocabulary of over a thousand.
        const words = Array.from({ length: 4000 }, (_, at) => (Math.imul(at, 2_654_435_761) >>> 8).toString(36));
        await lorito.addText("log.txt", tokenizer === "bpe" ? words.join(" ") : text);
        const made = await lorito.trainTokenizer({ kind: tokenizer, vocabSize: 1100 });
        await lorito.createModel({ ...model, seed: 3 });
        await lorito.train({
          steps: 4,
          batchSize: 5,
          learningRate: 3e-3,
          warmupSteps: 2,
          gradientAccumulation,
          seed: 11,
        });
        const { steps, evaluations } = await lorito.history();
        const file = new DataView(await (await lorito.exportModel("safetensors")).arrayBuffer());
        const start = 8 + Number(file.getBigUint64(0, true));
        const weights = Array.from({ length: (file.byteLength - start) / 4 }, (_, at) =>
          file.getFloat32(start + 4 * at, true),
        );
        const figures = [
          ...steps.flatMap((step) => [step.loss, step.gradientNorm]),
          evaluations.at(-1)?.validationLoss,
        ];
        return { figures, weights, vocabulary: made.vocabSize };
      },
      [text, recipe] as const,
    );
  const results = new Map<string, Awaited<ReturnType<typeof run>>[]>();
  for (const engine of ["cpu", "webgpu"]) {
    await open(page, engine);
    const of = [];
    for (const recipe of recipes) of.push(await run(recipe));
    results.set(engine, of);
  }
  for (const [index, recipe] of recipes.entries()) {
    const [right, got] = [results.get("cpu")?.[index], results.get("webgpu")?.[index]];
    if (!right || !got) throw new Error("both engines have run");
    const about = JSON.stringify(recipe);
    expect(got.vocabulary, about).toBe(right.vocabulary);
    expect(right.figures.length, about).toBe(9);
    for (const [at, figure] of right.figures.entries()) {
      const difference = Math.abs((got.figures[at] ?? Number.NaN) - (figure ?? Number.NaN));
      expect(difference / (figure ?? 1), `figure ${at} of ${about}`).toBeLessThan(1e-4);
    }
    expect(got.weights.length, about).toBe(right.weights.length);
    const differences = right.weights.map((weight, at) => Math.abs((got.weights[at] ?? Number.NaN) - weight));
    // A gradient of almost zero may have either sign, and AdamW makes a step as long as the learning rate of it.
    expect(differences.filter((difference) => !(difference < 2e-4)).length / differences.length, about).toBeLessThan(
      1e-3,
    );
  }
  expect(results.get("cpu")?.[2]?.vocabulary).toBeGreaterThan(1024);
});

const engineInUse = (page: Page) =>
  page.evaluate(() => window.lorito.ready.then(({ engine, reason, limits }) => ({ engine, reason, limits })));

test.describe("a GPU with unusual behaviour", () => {
  test.beforeEach(({ browserName: _ }, { project }) => test.skip(project.name !== "webgpu", "there is no GPU to ask"));

  const hides = (name: string, value: string) =>
    `Object.defineProperty(GPUAdapter.prototype, "${name}", { get: () => ${value}, configurable: true });`;

  for (const [how, script, reason] of [
    ["never answers", "GPU.prototype.requestAdapter = () => new Promise(() => {});", "no-answer"],
    ["has small workgroups", hides("limits", "({ maxComputeInvocationsPerWorkgroup: 128 })"), "limits-too-small"],
    [
      "never gives its device",
      `${hides("info", '({ vendor: "acme" })')} GPUAdapter.prototype.requestDevice = () => new Promise(() => {});`,
      "webgpu-failed",
    ],
  ] as const) {
    test(`one that ${how} is replaced by the CPU, with the reason`, async ({ page }) => {
      await openWith(page, script);
      expect(await engineInUse(page)).toMatchObject({ engine: "cpu", reason });
    });
  }

  test("one that does not identify itself is used", async ({ page }) => {
    await openWith(page, hides("info", "undefined"));
    expect(await engineInUse(page)).toMatchObject({ engine: "webgpu", reason: "gpu-found" });
  });

  test("one without timestamp queries is used", async ({ page }) => {
    const without = `{
      const { has } = GPUSupportedFeatures.prototype;
      GPUSupportedFeatures.prototype.has = function (name) {
        return name !== "timestamp-query" && has.call(this, name);
      };
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = function (descriptor) {
        const asked = [...(descriptor?.requiredFeatures ?? [])].includes("timestamp-query");
        return asked ? Promise.reject(new TypeError("no timestamp-query")) : requestDevice.call(this, descriptor);
      };
    }`;
    await openWith(page, without, "?engine=webgpu");
    await prepare(page);
    const { step } = await page.evaluate((run) => window.lorito.train({ ...run, steps: 2 }), tinyRun);
    expect(step).toBe(2);
  });

  for (const [how, why, script] of [
    [
      // CubeCL reports that it cannot start workgroups of 256 threads. The engine's own check of the limits passed before.
      "starts smaller groups than it said",
      /max units is 128/,
      `{
        let adapters = 0;
        const { requestAdapter } = GPU.prototype;
        GPU.prototype.requestAdapter = function (...options) {
          adapters += 1;
          return requestAdapter.apply(this, options);
        };
        const get = () => (adapters > 1 ? 128 : 256);
        Object.defineProperty(GPUSupportedLimits.prototype, "maxComputeInvocationsPerWorkgroup", { get });
      }`,
    ],
    [
      "makes no pipeline of a shader",
      /too many registers/,
      `{
        const make = GPUDevice.prototype.createComputePipelineAsync;
        GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
          const refuses = /update/.test(descriptor.label);
          return refuses ? Promise.reject(new Error("too many registers")) : make.call(this, descriptor);
        };
      }`,
    ],
  ] as const) {
    test(`one that ${how} ends the run with a code, and the CPU continues it`, async ({ page, guard }) => {
      guard.allowed.push(/launch error|WebGPU/i);
      await openWith(page, script, "?engine=webgpu");
      await prepare(page);
      expect(await problem(page, `train(${JSON.stringify({ ...tinyRun, steps: 4 })})`)).toMatchObject({
        code: "gpu-command-rejected",
        reason: expect.stringMatching(why),
      });
      const went = await page.evaluate(async () => {
        const { engine, reason } = await window.lorito.changeEngine("cpu");
        return { engine, reason, ...(await window.lorito.continueRun()) };
      });
      expect(went).toMatchObject({ engine: "cpu", reason: "chosen", step: 4 });
    });
  }

  test("one that rejects a dispatch can be left with a button", async ({ page, guard }) => {
    guard.allowed.push(/WebGPU|Invalid|dispatch|unreachable|panicked/i);
    await visit(page, "webgpu", `${small}&steps=40&evalEvery=20`);
    await takeSample(page);
    await press(page, "Train now");
    const training = step(page, "Train");
    await expect(figure(training, "Training loss")).toHaveText(/^\d\.\d{3}$/);
    await page.workers()[0]?.evaluate(() => {
      const { dispatchWorkgroups } = GPUComputePassEncoder.prototype;
      GPUComputePassEncoder.prototype.dispatchWorkgroups = function () {
        dispatchWorkgroups.call(this, 100_000); // more than WebGPU allows
      };
    });
    await expect(training.getByText(/cannot do what the engine asks of it/)).toBeVisible();
    await press(training, "Continue on the processor");
    await ended(page);
    await expect(training.getByText("Step 40 of 40")).toBeVisible();
    await expect(page.getByText("Runs on the processor.")).toBeVisible();
    await expect(page.getByText("You chose this, in place of the graphics card.")).toBeVisible();
  });

  test("one that generates more slowly than the CPU only trains, and the CPU generates with the current weights", async ({
    page,
  }) => {
    await openWith(
      page,
      `globalThis.dispatches = 0;
      const dispatch = GPUComputePassEncoder.prototype.dispatchWorkgroups;
      GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...groups) {
        globalThis.dispatches += 1;
        dispatch.apply(this, groups);
      };`,
      "?engine=webgpu",
    );
    await prepare(page);
    const written = () =>
      page.evaluate(() => window.lorito.generate("The ", { maxTokens: 30, temperature: 0.8, seed: 2 }));
    const dispatched = () => page.workers()[0]?.evaluate("globalThis.dispatches") as Promise<number>;
    const train = () => page.evaluate((run) => window.lorito.train({ ...run, steps: 10 }).then(() => {}), tinyRun);
    await train();
    const before = await dispatched();
    expect(before).toBeGreaterThan(100);
    const text = await written();
    expect(await written()).toBe(text);
    // The samples of the run have shown which engine is faster.
    expect(await dispatched()).toBe(before);
    await train();
    const more = await dispatched();
    const learned = await written();
    expect(learned).not.toBe(text);
    expect(await dispatched()).toBe(more);

    // The CPU engine has the same results, up to rounding.
    await page.unrouteAll();
    await open(page, "cpu");
    await prepare(page);
    await train();
    expect(await written()).toBe(text);
    await train();
    expect(await written()).toBe(learned);
  });

  test("one that runs out of memory is reported, and the run continues", async ({ page, guard }) => {
    guard.allowed.push(/WebGPU|unreachable|panicked|Buffer/i);
    await open(page, "webgpu");
    await prepare(page);
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(window, { seen });
      window.lorito.on("notice", ({ code }) => seen.push(code));
    });
    await page.workers()[0]?.evaluate(() => {
      const make = GPUDevice.prototype.createBuffer;
      GPUDevice.prototype.createBuffer = function (wanted) {
        return make.call(this, wanted.size > 4096 && !wanted.mappedAtCreation ? { ...wanted, size: 2 ** 52 } : wanted);
      };
    });
    const result = await page.evaluate((run) => window.lorito.train({ ...run, steps: 4 }), tinyRun);
    expect(result.step).toBe(4);
    expect(await page.evaluate(() => (window as unknown as { seen: string[] }).seen)).toEqual([
      "gpu-out-of-memory",
      "recovered",
    ]);
    await expect(page.getByText(/graphics card has no memory left/)).toBeVisible();
    // On the next visit the page plans with less memory.
    const before = (await engineInUse(page)).limits.total;
    await open(page, "webgpu");
    expect((await engineInUse(page)).limits.total).toBe(before / 2);
  });
});

test("on a device with little memory limits are lower, and every preset fits", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "the limits of the CPU engine are known");
  await openWith(page, 'Object.defineProperty(WorkerNavigator.prototype, "deviceMemory", { get: () => 2 });');
  expect((await engineInUse(page)).limits).toEqual({ largestBuffer: 2 ** 30, total: 2 ** 30 });
  const planned = await page.evaluate(async () => {
    const { lorito } = window;
    const plans = [];
    for (const { model, train, fits } of await lorito.presets()) {
      const { memory } = await lorito.planModel({ ...model, vocabulary: 4096 }, train);
      plans.push({ fits, total: memory.weights + memory.optimizer + memory.activations + memory.workers });
    }
    return plans;
  });
  expect(planned.length).toBeGreaterThan(3);
  for (const { fits, total } of planned) expect(fits && total <= 2 ** 30).toBe(true);
});
