// Firefox with WebGPU, which its releases for Linux have behind a preference; without a GPU, Mesa's llvmpipe is used. The
// engine must compute the same as in Chromium, and all its shaders are saved, to be compiled for all systems by naga,
// Firefox's own shader compiler (tests/shaders.rs).
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import type { KernelChoice, TrainConfig } from "lorito-wasm";
import { text } from "../lorito";
import { type Browser, firefox } from "./browsers";
import { type Served, serveWith } from "./served";

const { LORITO_FIREFOX = "" } = process.env;
const shaders = process.env.LORITO_SHADERS ?? "";

test.skip(!process.env.LORITO_WEBGPU, "`cargo xtask test --browsers` asks for it");
test.setTimeout(600_000);

const settings = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

/** Hides that the GPU is software, so that it is measured like others; and sends all shaders to the test. */
const disguise = `if ("GPUAdapterInfo" in globalThis) {
  Object.defineProperty(GPUAdapterInfo.prototype, "description", { get: () => "A maker's GPU" });
  Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });
  const make = GPUDevice.prototype.createShaderModule;
  GPUDevice.prototype.createShaderModule = function (shader) {
    void fetch(new URL("heard", import.meta.url), { method: "POST", body: shader.code });
    return make.call(this, shader);
  };
}`;

let browser: Browser;
let served: Served;

test.beforeAll(async () => {
  if (shaders) {
    rmSync(shaders, { recursive: true, force: true });
    mkdirSync(shaders, { recursive: true });
  }
  served = await serveWith(disguise, (code) => {
    if (shaders) writeFileSync(`${shaders}/${createHash("sha256").update(code).digest("hex").slice(0, 16)}.wgsl`, code);
  });
  browser = await firefox(LORITO_FIREFOX, settings);
});

test.afterAll(async () => {
  await browser.close();
  await served.close();
});

/** Opens the page; returns the engine and its reason. */
async function open(query: string): Promise<string> {
  await browser.open(served.address + query);
  return browser.evaluate(async () => {
    while (!("lorito" in window)) await new Promise((resolve) => setTimeout(resolve, 50));
    const { engine, reason } = await window.lorito.ready;
    return `${engine}: ${reason}`;
  }, null);
}

interface Recipe {
  kind: "char" | "byte" | "bpe";
  model: { layers: number; heads: number; width: number; context: number; dropout: number };
  train: Partial<TrainConfig>;
}

/** Sizes that are multiples of vector loads and tiles, and sizes that are multiples of nothing. */
const recipes: Record<string, Recipe> = {
  "two layers with dropout and two passes": {
    kind: "char",
    model: { layers: 2, heads: 2, width: 32, context: 24, dropout: 0.2 },
    train: { steps: 6, batchSize: 5, gradientAccumulation: 2, evalEvery: 3 },
  },
  "odd sizes": {
    kind: "byte",
    model: { layers: 1, heads: 3, width: 15, context: 13, dropout: 0 },
    train: { steps: 4, batchSize: 5, evalEvery: 2 },
  },
  "rows of logits that a workgroup shares": {
    kind: "bpe",
    model: { layers: 1, heads: 1, width: 36, context: 17, dropout: 0.1 },
    train: { steps: 4, batchSize: 5, evalEvery: 2 },
  },
  "heads of 64": {
    kind: "char",
    model: { layers: 1, heads: 2, width: 128, context: 40, dropout: 0.1 },
    train: { steps: 3, batchSize: 3, evalEvery: 2 },
  },
};

/** Trains, evaluates and generates, then trains an adapter; or trains with half precision. */
function run(recipe: Recipe, halfPrecision = false) {
  return browser.evaluate(
    async ([text, { kind, model, train }, halfPrecision]) => {
      const { lorito } = window;
      await lorito.clearText();
      // More distinct words than the default text has, for a vocabulary of over a thousand.
      const words = Array.from({ length: 4000 }, (_, at) => (Math.imul(at, 2_654_435_761) >>> 8).toString(36));
      await lorito.addText("log.txt", kind === "bpe" ? words.join(" ") : text);
      await lorito.trainTokenizer({ kind, vocabSize: 1100 });
      await lorito.createModel({ ...model, seed: 3 });
      const all = { ...train, learningRate: 3e-3, warmupSteps: 2, seed: 11, halfPrecision };
      const start = performance.now();
      await lorito.train(all);
      const seconds = (performance.now() - start) / 1000;
      const written = await lorito.generate("abc", { maxTokens: 12, temperature: 0 });
      if (!halfPrecision) {
        const targets = { attention: true, attentionOut: true, mlp: true, mlpOut: true };
        await lorito.train({ ...all, steps: 2, lora: { rank: 4, alpha: 8, targets } });
      }
      const { steps, evaluations } = await lorito.history();
      const figures = [
        ...steps.flatMap((step) => [step.loss, step.gradientNorm]),
        ...evaluations.map(({ validationLoss }) => validationLoss ?? Number.NaN),
      ];
      return { figures, written, seconds };
    },
    [text, recipe, halfPrecision] as const,
  );
}

/** The largest relative difference between two series. */
function difference(got: number[], right: number[]): number {
  expect(got).toHaveLength(right.length);
  return Math.max(...right.map((figure, at) => Math.abs(((got[at] ?? Number.NaN) - figure) / figure)));
}

/** One kernel for products of every size, with the kind of attention that, like it, has workgroup memory or none. */
const only = (kernel: KernelChoice["small"]): KernelChoice => ({
  small: kernel,
  large: kernel,
  attention: kernel === "registers" ? "rows" : "tiles",
  rows: kernel === "registers" ? "thread" : "team",
});

/** Replaces the measured kernels by these from the next visit on. */
function use(kernels: KernelChoice): Promise<void> {
  return browser.evaluate(async (choice) => {
    const own = await (await navigator.storage.getDirectory()).getDirectoryHandle("lorito");
    const file = await (await own.getDirectoryHandle("kernels")).getFileHandle("choice.json");
    const kept = JSON.parse(await (await file.getFile()).text());
    const writing = await file.createWritable();
    await writing.write(JSON.stringify({ ...kept, choice }));
    await writing.close();
  }, kernels);
}

test("Firefox's WebGPU has the same results as the CPU engine, with each kernel", async () => {
  expect(await open("?engine=cpu")).toBe("cpu: forced");
  const right: Record<string, Awaited<ReturnType<typeof run>>> = {};
  for (const [name, recipe] of Object.entries(recipes)) right[name] = await run(recipe);

  expect(await open("")).toBe("webgpu: gpu-found");
  for (const kernel of [undefined, "registers", "small-tiles", "large-tiles"] as const) {
    if (kernel) {
      await use(only(kernel));
      await open("");
    }
    for (const [name, recipe] of Object.entries(recipes)) {
      const got = await run(recipe);
      const differs = difference(got.figures, right[name]?.figures ?? []);
      console.log(
        `${kernel ?? "measured"}, ${name}: differs by ${differs.toExponential(1)}; ${got.seconds.toFixed(1)} s`,
      );
      expect(differs, `${kernel}, ${name}`).toBeLessThan(1e-5);
      expect(got.written, `${kernel}, ${name}`).toBe(right[name]?.written);
    }
  }
  const half = await browser.evaluate(() => window.lorito.checkHalfPrecision(), null);
  console.log(`half precision: ${half}`);
  if (half !== "works") return;
  for (const kernel of ["registers", "small-tiles", "large-tiles"] as const) {
    await use(only(kernel));
    await open("");
    await browser.evaluate(() => window.lorito.checkHalfPrecision(), null);
    for (const [name, recipe] of Object.entries(recipes)) {
      if (recipe.model.width % 2 === 1) continue; // half precision needs an even width
      const { figures } = await run(recipe, true);
      // Without the adapter's two steps, each with a loss and a norm, and its two evaluations.
      const whole = (recipe.train.steps ?? 0) * 2;
      const differs = difference(figures.slice(0, whole), right[name]?.figures.slice(0, whole) ?? []);
      console.log(`${kernel}, half precision, ${name}: differs by ${differs.toExponential(1)}`);
      expect(differs, `${kernel}, half precision, ${name}`).toBeLessThan(1e-2);
    }
  }
});

// Waiting times for the user. llvmpipe uses the same CPU as everything else; so the numbers are for docs/BENCHMARKS.md, and
// the test only distinguishes a wait of 100 ms for each read-back from none.
test("neither writing nor a short run waits for the browser to look at the GPU", async () => {
  expect(await open("")).toBe("webgpu: gpu-found");
  const seen = await browser.evaluate(async (text) => {
    const { lorito } = window;
    await lorito.clearText();
    await lorito.addText("log.txt", text);
    await lorito.trainTokenizer({ kind: "char" });
    await lorito.createModel({ preset: "shakespeare-small" });
    await lorito.generate("Day", { maxTokens: 8, temperature: 0 });
    const start = performance.now();
    let tokens = 0;
    for (let seed = 1; tokens < 400; seed++)
      await lorito.generate("Day", { maxTokens: 60, seed, onToken: () => tokens++ });
    return (1000 * tokens) / (performance.now() - start);
  }, text);
  console.log(`writes ${seen.toFixed(0)} tokens a second with the preset Small`);
  const recipe = recipes["two layers with dropout and two passes"];
  if (!recipe) throw new Error("there is such a recipe");
  await run(recipe);
  const { seconds } = await run(recipe);
  console.log(`a run of six steps with three evaluations and their samples: ${seconds.toFixed(2)} s`);
  // With that wait it is 10, and 23.
  expect(seen).toBeGreaterThan(50);
  expect(seconds).toBeLessThan(10);
});

// Long enough that the checkpoints of the first three seconds have little effect, as in a real run.
for (const [name, steps] of [
  ["tiny", 300],
  ["shakespeare-small", 60],
] as const)
  test(`the page's estimate of the time for ${name} is near the actual time`, async () => {
    expect(await open("")).toBe("webgpu: gpu-found");
    const { expected, took } = await browser.evaluate(
      async ([text, preset, steps]) => {
        const { lorito } = window;
        await lorito.clearText();
        await lorito.addText("log.txt", text);
        await lorito.trainTokenizer({ kind: "char" });
        const batchSize = preset === "tiny" ? 8 : 12;
        const { vocabulary } = await lorito.createModel({ preset });
        await lorito.train({ steps: 2, batchSize, evalEvery: 1000 }); // compiles its shaders
        const { secondsPerStep } = await lorito.planModel({ preset, vocabulary }, { steps, batchSize });
        const start = performance.now();
        let first = start;
        let last = start;
        let firstStep = 0;
        await lorito.train({
          steps,
          batchSize,
          evalEvery: 1000,
          onProgress: ({ step }) => {
            last = performance.now();
            if (firstStep === 0) [first, firstStep] = [last, step];
          },
        });
        const { steps: all } = await lorito.history();
        const measured = (last - first) / 1000 / ((all.at(-1)?.step ?? 0) - firstStep);
        return { expected: secondsPerStep, took: measured };
      },
      [text, name, steps] as const,
    );
    console.log(`${name}: expected ${expected.toFixed(3)} s a step, took ${took.toFixed(3)} s`);
    expect(expected / took).toBeGreaterThan(0.2);
    expect(expected / took).toBeLessThan(5);
  });
