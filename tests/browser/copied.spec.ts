// Tests the search for copied text: marks in the generated text, their passages, the copied share at each evaluation,
// and the passages most similar to the rest.
import type { Page } from "@playwright/test";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { converse, drop, ended, onceIsEnough, press, step, visit, write } from "./person";

onceIsEnough();

const sentence = "The green parrot told stories to the girl of the blue house, and she answered laughing: once more! ";
/** Its end is the validation data; the rest can be memorised. */
const text = `${sentence.repeat(8)}Nobody has read what is kept here so carefully for later on.`;

/** A model that memorises the text within a few seconds. */
const model = "preset=tiny&layers=2&heads=4&width=64&context=32&batchSize=8&warmupSteps=10&learningRate=0.005&seed=5";
const settings = `${model}&steps=360&evalEvery=120`;

async function learn(page: Page): Promise<void> {
  await drop(page, [{ name: "parrot.txt", text }]);
  await expect(step(page, "Text").getByText("parrot.txt")).toBeVisible();
  await press(page, "Train now");
  await ended(page);
}

test("copied text is marked, and a mark shows its passage", async ({ page }) => {
  await visit(page, "cpu", settings);
  await learn(page);

  const training = step(page, "Train");
  await training.getByText("The evaluations as a table").click();
  const copied = training.getByRole("row").locator("td:last-child");
  await expect(copied).toHaveText(["–", /^\d+%$/, /^\d+%$/, /^(9\d|100)%$/]);
  await expect(training.getByRole("img")).toHaveAccessibleName(/Of the last sample (9\d|100)% is copied\.$/);
  await expect(training.locator(".legend")).toContainText("copied in the sample");

  // Samples of texts that are too long to compare at evaluations, and of older runs, have no share.
  const uncompared = training.getByText("These samples were not compared with the text");
  await expect(uncompared).toHaveCount(0);
  await page.locator("lorito-chart").evaluate((chart) => {
    Object.assign(chart, { samples: [{ step: 120, text: "The green" }] });
  });
  await expect(uncompared).toBeVisible();

  const written = await write(page, "The green parrot");
  const view = step(page, "Write");
  await expect(view.getByText(/^\d+% of this is copied/)).toBeVisible();
  const marks = view.getByRole("button", { name: /^Copied: / });
  const first = marks.first();
  const words = (await first.textContent()) ?? "";
  expect(words.length).toBeGreaterThan(39);
  expect(sentence.repeat(8)).toContain(words);
  // Marks do not change the text.
  expect(((await view.locator("#written").textContent()) ?? "").slice("The green parrot".length)).toBe(written);

  await first.focus();
  await page.keyboard.press("Enter");
  await expect(first).toHaveAttribute("aria-expanded", "true");
  const place = view.locator("#written-place");
  await expect(place.locator("figcaption")).toHaveText(/^parrot\.txt, \d+% into the text that it learned from$/);
  await expect(place.locator("mark")).toHaveText(words);
  const whole = (await place.locator("blockquote").textContent()) ?? "";
  expect(whole.length).toBeGreaterThan(words.length);
  expect(text).toContain(whole.replace(/^…|…$/g, ""));
  await expectNoFault(page);
  await press(place, "Close the passage");
  await expect(first).toBeFocused();
  await expect(place).toBeEmpty();

  // A new text removes the marks.
  await view.getByLabel("Begin with").fill("Nobody");
  await press(view, "Write");
  await expect(view.getByText(/is copied|nothing here is copied/i)).toBeVisible();
});

test("text that is not copied is shown with similar passages, also in an answer", async ({ page }) => {
  await visit(page, "cpu", `${model}&steps=20&evalEvery=20`);
  await learn(page);
  await write(page, "The girl");
  const view = step(page, "Write");
  await expect(view.getByText(/^Nothing here is copied: no run of 8 words or 40 characters/)).toBeVisible();
  await view.getByText("Most like the rest in your text").click();
  const answered = view
    .getByText("No passage of your text is much like it.")
    .or(view.locator(".copies li blockquote").first());
  await expect(answered).toBeVisible();
  const near = await page.evaluate((words) => window.lorito.mostLike(words), "a girl answered the parrot laughing");
  expect(near?.[0]?.source).toBe("parrot.txt");
  // A passage ends with a whole word; the next ones follow it.
  expect(`${near?.[0]?.text}${near?.[0]?.after}`).toContain("answered laughing");

  await view.getByRole("tab", { name: "Chat" }).click();
  const answer = await converse(page, "Who told stories?");
  expect(answer).not.toBe("");
  await expect(view.locator("lorito-chat .turn.assistant .copies")).toHaveCount(1);
  await expect(view.locator("lorito-chat .turn.assistant .words")).toHaveText(answer);
});

test("the result is in Spanish in the Spanish page, also after a change of language", async ({ page }) => {
  await visit(page, "cpu", settings);
  await learn(page);
  await write(page, "The green parrot");
  await expect(step(page, "Write").getByText(/% of this is copied/)).toBeVisible();
  await page
    .evaluate(() => window.lorito.copied("x").then((copied) => copied?.share))
    .then((share) => expect(share).toBe(0));
  await page.getByLabel("Language").selectOption("es");
  await expect(page.getByText(/^El \d+\s?% de esto está copiado/)).toBeVisible();
  await page.locator("mark.copied").first().click();
  await expect(page.locator("#written-place figcaption")).toHaveText(
    /^parrot\.txt, a un \d+\s?% del texto del que aprendió$/,
  );
});
