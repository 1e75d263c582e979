// Tests the comparison of runs: each leaves a record, and curves, settings and samples are shown in every language.
import type { Page } from "@playwright/test";
import type { RunRecord } from "../../web/api/lorito";
import { type Axis, placesOf } from "../../web/page/compare/axis";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { open, prepare, tinyRun } from "./lorito";
import { onceIsEnough, press, step } from "./person";
import { LANGUAGES, wordsIn } from "./words";

onceIsEnough();

/** Trains two runs with different learning rates through the API. */
async function twoRuns(page: Page): Promise<void> {
  for (const learningRate of [0.01, 0.002]) {
    await prepare(page);
    await page.evaluate(
      async ([run, learningRate]) => {
        await window.lorito.train({ ...run, learningRate, steps: 20 });
      },
      [tinyRun, learningRate] as const,
    );
  }
}

const records = (page: Page) => page.evaluate(() => window.lorito.runRecords());

for (const language of LANGUAGES)
  test(`${language}: settings and results of two runs are shown side by side`, async ({ page }) => {
    const say = wordsIn(language);
    await page.goto(`?engine=cpu&lang=${language}`);
    await expect(page.getByText(say("engine.cpu"))).toBeVisible();
    const train = step(page, say("train.title"));
    await train.getByText(say("compare.title"), { exact: true }).click();
    await expect(train.getByText(say("compare.none"))).toBeVisible();
    await twoRuns(page);

    const compare = page.locator("lorito-compare");
    await expect(compare.locator(".sources li")).toHaveCount(2);
    await expect(compare.getByRole("checkbox", { checked: true })).toHaveCount(2);
    await expect(compare.locator("lorito-compare-chart canvas")).toBeVisible();
    // Only the learning rate differs.
    const differing = compare.getByRole("region", { name: say("compare.differences") }).getByRole("row");
    await expect(differing).toHaveCount(2);
    await expect(differing.last().getByRole("rowheader")).toHaveText(say("setting.learningRate"));
    const decimal = (value: number) => new Intl.NumberFormat(language).format(value);
    await expect(differing.last().getByRole("cell")).toHaveText([decimal(0.002), decimal(0.01)]);

    // The table has the chart's values: evaluations at steps 0, 10 and 20 of both runs.
    await compare.getByText(say("compare.table")).click();
    const rows = compare.getByRole("region", { name: say("compare.table") }).getByRole("row");
    await expect(rows).toHaveCount(7);
    const tokens = rows.nth(3).getByRole("cell").last();
    await expect(tokens).toHaveText(new Intl.NumberFormat(language).format(20 * 4 * 32));
    for (const axis of ["time", "tokens", "step"]) {
      await compare.getByLabel(say("compare.axis"), { exact: true }).selectOption(axis);
      await expect(compare.getByRole("img")).toHaveAccessibleName(new RegExp(say(`compare.axis.${axis}`)));
    }
    await compare.getByLabel(say("compare.loss"), { exact: true }).selectOption("training");
    await expect(compare.locator("lorito-compare-chart canvas")).toBeVisible();
    await expect(compare.locator(".side-by-side .sheet").first().locator("blockquote")).not.toBeEmpty();
    await expectNoFault(page);
  });

test("records survive a reload, can be renamed, and can be deleted", async ({ page }) => {
  await open(page, "cpu");
  await twoRuns(page);
  await page.reload();
  await page.getByText("Compare runs", { exact: true }).click();
  const compare = page.locator("lorito-compare");
  await expect(compare.locator(".sources li")).toHaveCount(2);
  await compare
    .getByRole("button", { name: /^Rename:/ })
    .first()
    .click();
  await compare.getByLabel(/^New name for/).fill("  slow learner ");
  await page.keyboard.press("Enter");
  await expect(compare.getByRole("checkbox", { name: "slow learner" })).toBeChecked();

  await page.reload();
  await page.getByText("Compare runs", { exact: true }).click();
  page.once("dialog", (dialog) => dialog.accept());
  await press(compare, /^Delete: slow learner, /);
  await expect(compare.getByText("The record of slow learner is deleted.")).toBeVisible();
  await expect(compare.locator(".sources li")).toHaveCount(1);
  expect((await records(page)).map(({ train }) => train.learningRate)).toEqual([0.01]);
  expect(await page.evaluate(async () => (await window.lorito.savedRuns()).length), "the runs stay").toBe(2);
});

test("a model that is trained further keeps one record, also after a reload", async ({ page }) => {
  await open(page, "cpu");
  await prepare(page);
  await page.evaluate((run) => window.lorito.train({ ...run, steps: 20 }), tinyRun);
  const [before] = await records(page);
  await page.evaluate((id) => window.lorito.renameRecord(id ?? "", "mine"), before?.id);
  await page.reload();
  await page.waitForFunction(() => "lorito" in window);
  await page.evaluate(async (run) => {
    await window.lorito.restoreRun();
    await window.lorito.train({ ...run, steps: 10 });
  }, tinyRun);
  const all = await records(page);
  expect(all).toHaveLength(1);
  const [after] = all;
  expect(after).toMatchObject({
    id: before?.id,
    name: "mine",
    text: before?.text,
    tokenizer: before?.tokenizer,
    step: 30,
  });
  expect(after?.curve.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  expect(after?.evaluations.map(({ step }) => step)).toEqual(expect.arrayContaining([0, 10, 20, 30]));
  const steps = after?.clock.map(([step]) => step) ?? [];
  expect(steps).toEqual([...steps].sort((one, other) => one - other));
  expect(after?.tokens).toBe(30 * 4 * 32);
  // Only metrics and samples, no weights.
  expect(JSON.stringify(after).length).toBeLessThan(20_000);
});

test("a run's settings can be copied into the page and changed", async ({ page }) => {
  await open(page, "cpu");
  await twoRuns(page);
  await page.getByText("Compare runs", { exact: true }).click();
  await page
    .locator("lorito-compare")
    .getByRole("button", { name: /^Use these settings:/ })
    .last()
    .click();
  await expect(page.locator(":focus")).toHaveText("Model");
  const hash = new URLSearchParams(new URL(page.url()).hash.slice(1));
  expect(Object.fromEntries(hash)).toMatchObject({ tokenizer: "char", layers: "1", width: "32", learningRate: "0.01" });
  const rate = step(page, "Train").getByLabel("Learning rate");
  await step(page, "Train").getByText("Change", { exact: true }).click();
  await expect(rate).toHaveValue("0.01");
});

test("two saved models continue one prompt, and the open model does not change, saved or not", async ({ page }) => {
  await open(page, "cpu");
  for (const [name, steps] of [
    ["short", 2],
    ["long", 30],
  ] as const) {
    await prepare(page);
    await page.evaluate(
      async ([run, name, steps]) => {
        await window.lorito.train({ ...run, steps });
        await window.lorito.saveModel(name);
      },
      [tinyRun, name, steps] as const,
    );
  }
  // The open model is a third one, which is not saved.
  await prepare(page);
  await page.evaluate((run) => window.lorito.train({ ...run, steps: 5 }), tinyRun);
  const state = () =>
    page.evaluate(async () => ({
      run: window.lorito.openRunId,
      unsaved: window.lorito.unsaved,
      step: (await window.lorito.history()).steps.length,
      writes: await window.lorito.generate("The ship", { maxTokens: 20, seed: 3 }),
    }));
  const before = await state();
  await page.reload({ waitUntil: "load" });
  await page.waitForFunction(() => "lorito" in window);
  await page.evaluate(() => window.lorito.restoreRun().then(() => {}));

  await page.getByText("Compare runs", { exact: true }).click();
  const compare = page.locator("lorito-side-by-side");
  await compare.getByLabel("Begin with").fill("The ship");
  await press(compare, "Let both write");
  await expect(compare.getByText("They have written.")).toBeVisible();
  const texts = await compare.locator("blockquote").allTextContents();
  expect(texts).toHaveLength(2);
  for (const text of texts) expect(text).toMatch(/^The ship./);
  expect(texts[0]).not.toBe(texts[1]);
  expect(await state()).toEqual(before);
  // Each text is the one that the model generates when it is open.
  const [long] = texts;
  const opened = await page.evaluate(async () => {
    await window.lorito.openModel("long");
    return window.lorito.generate("The ship");
  });
  expect(long).toBe(`The ship${opened}`);
});

test("an error of a record is shown and does not end the run", async ({ page }) => {
  await page.route("**/worker.js", async (route) => {
    const script = `const make = FileSystemDirectoryHandle.prototype.getDirectoryHandle;
      FileSystemDirectoryHandle.prototype.getDirectoryHandle = function (name, options) {
        if (name === "records") return Promise.reject(new DOMException("full", "QuotaExceededError"));
        return make.call(this, name, options);
      };`;
    const response = await route.fetch();
    await route.fulfill({ response, body: `${script}\n${await response.text()}` });
  });
  await open(page, "cpu");
  await prepare(page);
  const result = await page.evaluate((run) => window.lorito.train({ ...run, steps: 10 }), tinyRun);
  expect(result.step).toBe(10);
  await expect(page.getByText("cannot be compared with others later")).toBeVisible();
  expect(await page.evaluate(async () => (await window.lorito.savedRuns()).length)).toBe(1);
});

test("the comparison's view is downloaded when it is opened", async ({ page }) => {
  const parts: string[] = [];
  page.on("request", (request) => parts.push(new URL(request.url()).pathname));
  await open(page, "cpu");
  const isView = (path: string) => /parts\/compare-/.test(path);
  expect(parts.filter(isView)).toEqual([]);
  await page.getByText("Compare runs", { exact: true }).click();
  await expect(page.getByText("No run has ended yet.")).toBeVisible();
  expect(parts.filter(isView).length).toBeGreaterThan(0);
});

test("the coordinate of a step is interpolated between the recorded times", () => {
  const record = { clock: [[10, 5, 1000] as const, [20, 15, 2000] as const], step: 30, seconds: 25, tokens: 3000 };
  const at = (axis: Axis) => [0, 5, 10, 15, 25, 30].map(placesOf(record as unknown as RunRecord, axis));
  expect(at("step")).toEqual([0, 5, 10, 15, 25, 30]);
  expect(at("time")).toEqual([0, 2.5, 5, 10, 20, 25]);
  expect(at("tokens")).toEqual([0, 500, 1000, 1500, 2500, 3000]);
});
