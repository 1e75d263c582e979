// Fine-tuning a pretrained model: an adapter is trained, exported, opened and merged; and the best weights are restored
// after overfitting.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "./guard";
import { ended, figure, press, step, takeSample, visit } from "./person";

const folder = new URL("../fixtures/pretrained/prefixed/", import.meta.url);
const files = readdirSync(folder).map((name) => ({
  name,
  mimeType: "application/octet-stream",
  buffer: readFileSync(new URL(name, folder)),
}));

const settings = "preset=tiny&steps=30&evalEvery=10&batchSize=4&warmupSteps=2&learningRate=0.02&seed=5";

test("an adapter is trained while the model stays the same, is exported separately, opened again and merged", async ({
  page,
}, { project }) => {
  await visit(page, project.name, settings);
  await page.locator("#model-file").setInputFiles(files);
  await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
  await takeSample(page);
  const train = step(page, "Train");
  await train.getByText("Change", { exact: true }).click();
  await train.getByLabel("Train an adapter (LoRA)").check();
  await train.getByLabel("Rank").fill("4");
  await train.getByLabel("Rank").press("Tab");
  await train.getByLabel("MLP’s output").uncheck();
  expect(page.url()).toContain("lora=4");
  await train.getByRole("button", { name: /^Train .* more steps$/ }).click();
  // The button exists before the run, too.
  await expect(train.getByText("Step 30 of 30")).toBeVisible({ timeout: 120_000 });
  await ended(page);
  await expect(figure(train, "Training loss")).toHaveText(/\d/);
  // Now it has one, which can only be trained further.
  await expect(train.getByLabel("Rank")).toBeDisabled();
  const logits = () =>
    page.evaluate(async () => [...(await window.lorito.logits(await window.lorito.encode("El puerto")))]);
  const learned = await logits();

  const download = page.waitForEvent("download");
  await press(step(page, "Share"), "Download the adapter alone");
  const adapter = await download;
  expect(adapter.suggestedFilename()).toBe("lorito.adapter.zip");
  const path = await adapter.path();

  // Adds it to the original model.
  await page.locator("#model-file").setInputFiles(files);
  await expect(train.getByLabel("Rank")).toBeEnabled();
  expect(await logits()).not.toEqual(learned);
  await page.locator("#model-file").setInputFiles({
    name: "lorito.adapter.zip",
    mimeType: "application/zip",
    buffer: readFileSync(path),
  });
  await expect(train.getByLabel("Rank")).toBeDisabled();
  expect(await logits()).toEqual(learned);

  await press(train, "Merge the adapter");
  await expect(train.getByRole("button", { name: "Merge the adapter" })).toBeHidden();
  const merged = await logits();
  const largest = Math.max(...learned.map(Math.abs));
  for (const [index, value] of learned.entries())
    expect(Math.abs((merged[index] ?? Number.NaN) - value)).toBeLessThan(1e-5 * largest);
  await expect(train.getByLabel("Train an adapter (LoRA)")).not.toBeChecked();
});

test("queued commands are not dropped when shaders are compiled in advance", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "the CPU engine has no shaders");
  await visit(page, "webgpu", settings);
  await page.locator("#model-file").setInputFiles(files);
  await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
  const [learned, merged] = await page.evaluate(async () => {
    const { lorito } = window;
    const logits = async () => [...(await lorito.logits(await lorito.encode("El puerto")))];
    await lorito.addText("cats.txt", "El gato y la lluvia. The cat and the rain. ".repeat(40));
    const run = { batchSize: 4, learningRate: 0.05, warmupSteps: 1, evalEvery: 100 };
    const lora = { rank: 4, alpha: 16, targets: { attention: true, attentionOut: true, mlp: true, mlpOut: true } };
    await lorito.train({ ...run, steps: 10, lora });
    const learned = await logits();
    // The merge is queued, and right after it the page requests another model's shaders.
    const merging = lorito.mergeAdapter();
    for (const width of [36, 40]) void lorito.compileAhead({ preset: "tiny", heads: 2, width }, run);
    await merging;
    return [learned, await logits()];
  });
  const largest = Math.max(...(learned ?? []).map(Math.abs));
  for (const [index, value] of (learned ?? []).entries())
    expect(Math.abs((merged?.[index] ?? Number.NaN) - value)).toBeLessThan(1e-5 * largest);
});

test("the page reports a rising validation loss, and can restore the best weights", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  // A short text and a high learning rate: overfitted within a few hundred steps.
  await visit(
    page,
    "cpu",
    "preset=tiny&layers=2&heads=2&width=64&context=32&batchSize=16&steps=400&evalEvery=25&warmupSteps=5&learningRate=0.01&dropout=0&seed=5",
  );
  const words = ["boat", "gull", "rope", "lamp", "tide", "sail", "salt", "nets"];
  const lines = Array.from({ length: 90 }, (_, index) =>
    [3, 5, 7, 11]
      .map((prime) => words[Math.floor(Math.abs(Math.sin(index * prime + prime)) * 997) % words.length])
      .join(" "),
  );
  await page.evaluate((text) => window.lorito.addText("little.txt", text), `${lines.join("\n")}\n`);
  await press(page, "Train now");
  await ended(page);
  const train = step(page, "Train");
  await expect(train.getByText(/learn its text by heart/)).toBeVisible();
  const best = await page.evaluate(async () => {
    const { evaluations } = await window.lorito.history();
    return Math.min(...evaluations.map(({ validationLoss }) => validationLoss ?? Number.POSITIVE_INFINITY));
  });
  const text = await train.getByText(/learn its text by heart/).textContent();
  expect(text).toContain(best.toFixed(3));
  const logits = () => page.evaluate(async () => [...(await window.lorito.logits(await window.lorito.encode("boat")))]);
  const last = await logits();
  await press(train, /^Go back to step/);
  await expect(train.getByText(/learn its text by heart/)).toBeHidden();
  expect(await logits()).not.toEqual(last);
  // The best weights are also the ones restored after a reload.
  const returned = await logits();
  await page.reload();
  await page.waitForFunction(() => "lorito" in window);
  await page.evaluate(() => window.lorito.restoreRun());
  expect(await logits()).toEqual(returned);
});
