// Helpers to use the page like a user: they find buttons and numbers by their labels.
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./guard";

/** A model and a run small enough for SwiftShader, as a link to settings. */
export const small =
  "preset=tiny&layers=1&heads=4&width=32&context=32&batchSize=4&warmupSteps=4&learningRate=0.01&seed=5";

export async function visit(page: Page, engine: string, settings = `${small}&steps=20&evalEvery=10`): Promise<void> {
  await page.goto(`?engine=${engine}#${settings}`);
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
}

export async function press(place: Page | Locator, name: string | RegExp): Promise<void> {
  await place.getByRole("button", { name, exact: true }).click();
  await drawn("page" in place ? place.page() : place);
}

/** Waits for the page's next rendering. */
export async function drawn(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (const element of document.querySelectorAll("*"))
      await (element as Element & { updateComplete?: Promise<boolean> }).updateComplete;
  });
}

/** A step of the page: "Text", "Train", … */
export function step(page: Page, name: string): Locator {
  return page.getByRole("region", { name, exact: true });
}

/** A displayed number by its name, for example "Training loss". */
export function figure(view: Locator, name: string): Locator {
  const term = view.page().locator(`dt:text-is("${name}")`);
  return view.locator("dl.figures > div", { has: term }).locator("dd");
}

export async function takeSample(page: Page): Promise<void> {
  await press(step(page, "Text"), /^Use The Harbour/);
  await expect(step(page, "Text").getByText("harbour.txt", { exact: true })).toBeVisible();
}

/** Trains on a sample to the end. */
export async function train(page: Page): Promise<void> {
  await takeSample(page);
  await press(page, "Train now");
  await ended(page);
}

export async function ended(page: Page): Promise<void> {
  await expect(step(page, "Train").getByRole("button", { name: /^Train .* more steps$/ })).toBeEnabled({
    timeout: 200_000,
  });
}

/** Generates text; returns the text after the prompt. */
export async function write(page: Page, prompt: string): Promise<string> {
  const view = step(page, "Write");
  await view.getByRole("tab", { name: "Continue a text" }).click();
  await view.getByLabel("Begin with").fill(prompt);
  await press(view, "Write");
  await expect(view.getByRole("button", { name: "Write", exact: true })).toBeEnabled({ timeout: 120_000 });
  return ((await view.locator("#written").textContent()) ?? "").slice(prompt.length);
}

/** Sends a message in the chat and waits for the complete answer, which is returned. */
export async function converse(page: Page, words: string): Promise<string> {
  const view = step(page, "Write");
  await view.getByLabel("Your message", { exact: true }).fill(words);
  await page.keyboard.press("Enter");
  await answered(page);
  return lastAnswer(page);
}

/** Waits until no answer is being generated. */
export async function answered(page: Page): Promise<void> {
  await drawn(page);
  await expect(step(page, "Write").getByRole("button", { name: "Stop answering" })).toBeDisabled({ timeout: 120_000 });
}

export async function lastAnswer(page: Page): Promise<string> {
  return (
    (await page.getByRole("log", { name: "Conversation" }).locator(".assistant .words").last().textContent()) ?? ""
  );
}

/** Drops files on the page, like from the desktop. */
export async function drop(page: Page, files: { name: string; text?: string; bytes?: number[] }[]): Promise<void> {
  const data = await page.evaluateHandle((given) => {
    const transfer = new DataTransfer();
    for (const { name, text, bytes } of given)
      transfer.items.add(new File([text ?? new Uint8Array(bytes ?? [])], name));
    return transfer;
  }, files);
  await page.dispatchEvent("main", "dragover", { dataTransfer: data });
  await page.dispatchEvent("main", "drop", { dataTransfer: data });
}

/** Skips the tests of this file or group in all projects but one: no engine takes part, or one is enough. */
export function onceIsEnough(): void {
  test.beforeEach(({ browserName: _ }, { project }) => test.skip(project.name !== "cpu", "once is enough"));
}
