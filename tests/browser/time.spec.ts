// Tests that training ends when the time does that the person gives, with a model chosen for it and the reason shown.
import type { Page } from "@playwright/test";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { drawn, press, step, takeSample } from "./person";

/**
 * How far from the time a run may end here. Its steps are counted once, by the speed at its beginning, and a machine that does
 * other work changes its speed later. That the count is right for an even speed, src/train/run/tests.rs tests with a clock of
 * its own.
 */
const TOLERANCE = 0.5;

/** The seconds from now until training has ended. */
function untilTrained(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const { lorito } = window;
        const began = performance.now();
        let trains = false;
        lorito.on("phase", ({ phase }) => {
          if (phase === "idle" && trains) resolve((performance.now() - began) / 1000);
          trains ||= phase === "training";
        });
      }),
  );
}

const choice = (page: Page) => page.locator("#time");

test("a time is chosen with the keyboard, and the reason stands beside it in the person's language", async ({
  page,
}) => {
  await page.goto("?engine=cpu");
  const model = step(page, "Model");
  const time = model.getByRole("combobox", { name: "How long may it train?" });
  await expect(time).toHaveValue("");
  await time.focus();
  await page.keyboard.press("1");
  await expect(time).toHaveValue("1");
  await expect(time).toHaveAccessibleDescription("The model is chosen once there is a text.");
  await takeSample(page);
  await expect(time).toHaveAccessibleDescription(/^(Your text is short|In this time a larger model)/);
  await expect(model.locator("summary .state").first()).toHaveText(/^For your time: \d+ layers/);
  await expect(step(page, "Train").getByText(/steps, about 1 min/)).toBeVisible();
  expect(new URL(page.url()).hash).toBe("#minutes=1");
  await expectNoFault(page);
  await page.locator("#language").selectOption("es");
  await drawn(page);
  const tiempo = step(page, "Modelo").getByRole("combobox", { name: "¿Cuánto tiempo puede entrenar?" });
  await expect(tiempo).toHaveAccessibleDescription(/^(Tu texto es corto|En este tiempo, un modelo más grande)/);
  await expect(tiempo.locator("option").last()).toHaveText(/^Toda la noche/);
});

test("a run ends when its time does, and can be trained for as long again @alone", async ({ page }) => {
  const seconds = 15;
  await page.goto(`?engine=cpu#minutes=${seconds / 60}`);
  await takeSample(page);
  await expect(step(page, "Model").locator("summary .state").first()).toHaveText(/^For your time/);
  for (const name of ["Start training", /^Train 15 sec.* more$/]) {
    const trained = untilTrained(page);
    await press(step(page, "Train"), name);
    expect(Math.abs((await trained) / seconds - 1)).toBeLessThan(TOLERANCE);
  }
  // Nothing is left to be adapted: whoever resumes it has the run that it was.
  const record = await page.evaluate(async () => (await window.lorito.runRecords())[0]);
  expect(record?.train).toMatchObject({ decay: "linear" });
  expect(record?.train.timeLimit).toBeUndefined();
  expect(record?.train.steps).toBeLessThan(record?.step ?? 0);
});

test("what is set by hand counts: a size is trained for the time, and steps are as many as they are", async ({
  page,
}) => {
  await page.goto("?engine=cpu#minutes=5");
  await takeSample(page);
  await page.locator("#model details.more summary").first().click();
  await page.locator("#model").getByRole("radio", { name: "Small" }).check();
  await expect(choice(page)).toHaveValue("5");
  await expect(choice(page)).toHaveAccessibleDescription(/^You chose the size/);
  await page.locator("#train details.more summary").first().click();
  const steps = page.locator("#train-steps");
  await steps.fill("30");
  await steps.blur();
  await expect(choice(page)).toHaveValue("");
  await expect(step(page, "Train").getByText(/^30 steps, about/)).toBeVisible();
  await choice(page).selectOption("15");
  await expect(choice(page)).toHaveAccessibleDescription(/^(Your text is short|In this time a larger model)/);
  expect(new URL(page.url()).hash).toBe("#minutes=15");
});

test("a script plans for a time and trains what it gets @alone", async ({ page }) => {
  await page.goto("?engine=cpu");
  const seen = await page.evaluate(async () => {
    const { lorito } = window;
    const refused = await lorito.planForTime(8).catch((error) => error.code);
    const text = "The bell of the harbour rang, and nobody came to see who had rung it. ".repeat(300);
    await lorito.addText("bell.txt", text);
    const began = performance.now();
    const { preset, tokenizer, vocabulary, reason } = await lorito.planForTime(8, { tokenizer: "byte" });
    await lorito.trainTokenizer({ kind: tokenizer });
    const { vocabulary: _, ...model } = preset.model;
    await lorito.createModel(model);
    const result = await lorito.train(preset.train);
    const seconds = (performance.now() - began) / 1000;
    const { steps } = await lorito.history();
    return {
      refused,
      tokenizer,
      vocabulary,
      code: reason.code,
      planned: preset.train,
      result,
      seconds,
      steps: steps.length,
    };
  });
  expect(seen).toMatchObject({ refused: "no-text", tokenizer: "byte", vocabulary: 257, code: "text-is-short" });
  expect(seen.planned).toMatchObject({ timeLimit: 8, decay: "linear" });
  expect(seen.steps).toBe(seen.result.step);
  expect(seen.steps).toBeGreaterThan(20);
  expect(seen.seconds).toBeGreaterThan(8 * (1 - TOLERANCE));
  expect(seen.seconds).toBeLessThan(8 * (1 + TOLERANCE) + 2);
});
