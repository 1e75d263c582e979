// Walks the main path on the page in any browser, by the names of buttons and fields.
import { expect } from "@playwright/test";
import type {} from "../lorito";
import { small } from "../person";
import type { Browser } from "./browsers";

const address = process.env.LORITO_URL ?? "";

const button = (name: string) => `//button[normalize-space()="${name}"]`;
const buttonFrom = (name: string) => `//button[starts-with(normalize-space(),"${name}")]`;

/** Waits until the page shows this text. */
async function says(browser: Browser, words: string | RegExp): Promise<void> {
  await expect
    .poll(() => browser.evaluate(() => document.body.innerText.replace(/\s+/g, " "), null), { timeout: 60_000 })
    .toMatch(words);
}

async function canBePressed(browser: Browser, path: string): Promise<void> {
  await expect
    .poll(() =>
      browser.evaluate((path) => {
        const found = document.evaluate(path, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue;
        return found instanceof HTMLButtonElement && !found.disabled && found.getAttribute("aria-disabled") !== "true";
      }, path),
    )
    .toBe(true);
}

/** Clicks a button once it is enabled. */
async function press(browser: Browser, path: string): Promise<void> {
  await canBePressed(browser, path);
  await browser.click(path);
}

/** Waits until training has ended after so many steps. */
async function ended(browser: Browser, steps: number): Promise<void> {
  await says(browser, new RegExp(`Step ${steps} of ${steps}`));
  await canBePressed(browser, button("Train 20 more steps"));
}

const fileChooser = '//input[@id="model-file"]';

/** The text that the model generates with a fixed seed. */
function written(browser: Browser): Promise<string> {
  return browser.evaluate(() => window.lorito.generate("KEEPER:", { maxTokens: 80, seed: 3 }), null);
}

/** The metrics of the whole training, and the generated text. */
async function figures(browser: Browser) {
  const learned = await browser.evaluate(async () => {
    const { steps, evaluations, samples } = await window.lorito.history();
    return {
      losses: steps.map(({ loss }) => loss),
      norms: steps.map(({ gradientNorm }) => gradientNorm),
      evaluations: evaluations.map(({ step, validationLoss }) => ({ step, validationLoss })),
      samples: samples.map(({ text }) => text),
    };
  }, null);
  return { ...learned, written: await written(browser) };
}

/**
 * The main path; returns the model's metrics along the way. `saves`: whether the browser has storage for the page; `reason`:
 * the page's text about the engine.
 */
export async function walk(browser: Browser, { saves, reason }: { saves: boolean; reason: RegExp }) {
  await browser.open(`${address}#${small}&steps=20&evalEvery=10`);
  await says(browser, /Runs on the processor/);
  await says(browser, reason);
  await press(browser, buttonFrom("Use The Harbour"));
  await says(browser, /harbour\.txt/);
  await press(browser, button("Train now"));
  await ended(browser, 20);
  const first = await figures(browser);
  expect(first.losses).toHaveLength(20);

  await press(browser, '//*[@role="tab"][normalize-space()="Continue a text"]');
  await browser.type('//textarea[@id="prompt"]', "KEEPER:");
  await press(browser, button("Write"));
  await says(browser, /It has written:/);
  const typed = await browser.evaluate(() => document.querySelector("#written")?.textContent ?? "", null);
  expect(typed).toMatch(/^KEEPER:.{9}/s);

  await press(browser, button("Save on this device"));
  await says(browser, saves ? /lorito is saved on this device/ : /This browser keeps no files for this page/);
  await press(browser, button("Download one file"));
  const model = await browser.download(".safetensors");
  if (!saves) await press(browser, button("Download this run"));
  const run = saves ? undefined : await browser.download(".lorito");

  await browser.reload();
  await says(browser, /Runs on the processor/);
  await browser.choose(fileChooser, model);
  await says(browser, /lorito\.safetensors is open/);
  expect(await written(browser)).toEqual(first.written);

  await browser.reload();
  await says(browser, /Runs on the processor/);
  if (run) await browser.choose(fileChooser, run);
  else await press(browser, button("Open it"));
  await press(browser, button("Train 20 more steps"));
  await ended(browser, 40);
  const second = await figures(browser);
  expect(second.losses).toHaveLength(40);
  expect(second.losses.slice(0, 20)).toEqual(first.losses);
  return { first, typed, second };
}
