// A model whose weights do not fit in one GPU buffer is divided among several, and computes the same as in one.
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { limited, ready } from "./lorito";

/** The size of a buffer: as much as the GPU's measurement needs. */
const bytes = 4 << 20;
/** More tokens than a buffer has space for rows. */
const vocabulary = 4200;
const model = { layers: 2, heads: 4, width: 256, context: 32, dropout: 0.1, seed: 3 };

/** Losses of a run of the whole model and of its adapter, text generated afterwards, and the weights. */
const run = (page: Page) =>
  page.evaluate(
    async ([vocabulary, model]) => {
      const { lorito } = window;
      const letter = (at: number) => String.fromCodePoint(0x4e00 + (at % vocabulary));
      const text = Array.from({ length: 9000 }, (_, at) => letter(at < 5000 ? at : Math.imul(at, 2_654_435_761) >>> 9));
      await lorito.addText("letters.txt", text.join(""));
      await lorito.trainTokenizer({ kind: "char" });
      const { vocabulary: tokens } = await lorito.createModel(model);
      const settings = { steps: 3, batchSize: 1, learningRate: 3e-3, warmupSteps: 1, evalEvery: 3, seed: 11 };
      await lorito.train({ ...settings, gradientAccumulation: 2 });
      const whole = await (await lorito.exportModel("safetensors")).arrayBuffer();
      await lorito.importModel(new Blob([whole]));
      const again = await (await lorito.exportModel("safetensors")).arrayBuffer();
      await lorito.train({ ...settings, lora: { rank: 4, alpha: 8 } });
      const { steps } = await lorito.history();
      /** The numbers of all tensors, without the header: its description of the run differs in an opened model. */
      const numbers = (file: ArrayBuffer) => {
        const start = 8 + Number(new DataView(file).getBigUint64(0, true));
        return new Float32Array(file.slice(start, start + 4 * Math.floor((file.byteLength - start) / 4)));
      };
      const [trained, opened] = [numbers(whole), numbers(again)];
      return {
        tokens,
        losses: steps.flatMap(({ loss, gradientNorm }) => [loss, gradientNorm]),
        // About every hundredth, so that all tensors are represented.
        weights: [...trained].filter((_, at) => at % 101 === 0),
        kept: opened.length === trained.length && opened.every((number, at) => Object.is(number, trained[at])),
        logits: [...(await lorito.logits([1, 2, 3]))],
        largest: (await lorito.ready).limits.largestBuffer,
      };
    },
    [vocabulary, model] as const,
  );

test("a model in several buffers trains as it does in one", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "the CPU has no such limits");
  await page.goto("?engine=webgpu");
  await ready(page);
  const right = await run(page);
  await limited(page, bytes);
  await page.goto("?engine=webgpu&limited");
  await ready(page);
  const got = await run(page);
  expect(got.largest).toBe(bytes);
  expect(right.tokens).toBeGreaterThan(4100);
  // The rows of the token embedding alone are larger than a buffer.
  expect(4 * got.tokens * model.width).toBeGreaterThan(got.largest);
  expect(got.kept).toBe(true);
  expect(got.losses.length).toBe(right.losses.length);
  for (const [at, value] of right.losses.entries())
    expect(Math.abs((got.losses[at] ?? Number.NaN) / value - 1)).toBeLessThan(1e-4);
  expect(got.weights.length).toBe(right.weights.length);
  const far = right.weights.filter((weight, at) => !(Math.abs((got.weights[at] ?? Number.NaN) - weight) < 2e-4));
  expect(far.length / right.weights.length).toBeLessThan(1e-3);
  const largest = Math.max(...right.logits.map(Math.abs));
  for (const [at, value] of right.logits.entries())
    expect(Math.abs((got.logits[at] ?? Number.NaN) - value)).toBeLessThan(1e-3 * largest);
});
