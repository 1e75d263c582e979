// The Train step says what the curves of a run suggest, with its numbers, in the person's language.
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { ready } from "./lorito";
import { drawn, ended, press, step, takeSample } from "./person";

const settings = "layers=1&heads=2&width=32&context=32&batchSize=8&steps=120&evalEvery=30&warmupSteps=0&seed=3";

test.beforeEach(({ page: _ }, { project }) => {
  test.skip(project.name !== "cpu", "the rules do not depend on the engine");
});

test("a learning rate that is too high is named with its losses, in both languages", async ({ page }) => {
  await page.goto(`?engine=cpu#${settings}&learningRate=0.3`);
  await takeSample(page);
  await press(page, "Train now");
  await ended(page);
  const advice = step(page, "Train").getByRole("region", { name: "What its curves suggest" });
  await expect(advice.getByRole("listitem").first()).toHaveText(
    /^The learning rate 0\.3 looks too high: training loss was \d\.\d{3} at step \d+ and later \d\.\d{3}\./,
  );
  const found = await page.evaluate(() => window.lorito.advice());
  expect(found[0]).toMatchObject({ advice: "learning-rate-too-high", learningRate: 0.3 });
  await expectNoFault(page);
  await page.locator("#language").selectOption("es");
  await drawn(page);
  const consejo = step(page, "Entrenar").getByRole("region", { name: "Lo que sugieren sus curvas" });
  await expect(consejo.getByRole("listitem").first()).toHaveText(/^La tasa de aprendizaje 0,3 parece demasiado alta/);
});

test("advice outlives a reload, and a new model begins without any of its curves", async ({ page }) => {
  await page.goto(`?engine=cpu#${settings}&learningRate=0.003`);
  await takeSample(page);
  await press(page, "Train now");
  await ended(page);
  const advice = step(page, "Train").getByRole("region", { name: "What its curves suggest" });
  await expect(advice.getByText(/^Give it more: validation loss was still falling/)).toBeVisible();
  const before = await page.evaluate(() => window.lorito.advice());
  await page.reload();
  await ready(page);
  await page.evaluate(() => window.lorito.restoreRun());
  await expect(advice.getByText(/^Give it more/)).toBeVisible();
  expect(await page.evaluate(() => window.lorito.advice())).toEqual(before);
  await page.evaluate(() => window.lorito.createModel({ layers: 1, heads: 1, width: 8, context: 8 }));
  await expect(advice).toBeHidden();
});
