// Shared by the tests of the public API: the page with its engine, a text, and a model small enough for SwiftShader.
import type { Page } from "@playwright/test";
import type { Lorito } from "../../web/api/lorito";

declare global {
  interface Window {
    lorito: Lorito;
  }
}

/** Enough documents for a training and a validation split; written for these tests. */
export const text = Array.from(
  { length: 24 },
  (_, day) => `Day ${day + 1}. The ship left the harbour at ${5 + (day % 4)} in the morning, with the wind from the ${
    ["north", "east", "south", "west"][day % 4]
  }. We counted ${7 * (day + 3)} gulls and ${day % 5} whales. Señor Núñez cooked beans again; nobody thanked him. At night
the stars came out one by one, and the captain told us how she had once been lost for ${day + 2} days without a compass.\n`,
).join("\n");

export const tinyModel = { layers: 1, heads: 4, width: 32, context: 32, dropout: 0, seed: 7 };

export const tinyRun = { batchSize: 4, learningRate: 0.01, warmupSteps: 4, evalEvery: 10, seed: 5 };

/** Opens the page with the project's engine. */
export async function open(page: Page, engine: string): Promise<void> {
  await page.goto(`?engine=${engine}`);
  await ready(page);
}

export async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => "lorito" in window);
  await page.evaluate(() => window.lorito.ready.then(() => {}));
}

/** From the next visit on the worker runs `script` before its own. */
async function beforeTheWorker(page: Page, script: string): Promise<void> {
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${script}\n${await response.text()}` });
  });
}

/** Opens the page with `script` run in the worker before the worker's own. */
export async function openWith(page: Page, script: string, query = ""): Promise<void> {
  await beforeTheWorker(page, script);
  await page.goto(query);
  await ready(page);
}

/** From the next visit on the GPU's largest binding has so many bytes. */
export async function limited(page: Page, bytes: number): Promise<void> {
  const script = `for (const name of ["maxStorageBufferBindingSize", "maxBufferSize"]) {
    const own = Object.getOwnPropertyDescriptor(GPUSupportedLimits.prototype, name);
    Object.defineProperty(GPUSupportedLimits.prototype, name, { ...own, get() { return Math.min(own.get.call(this), ${bytes}); } });
  }`;
  await beforeTheWorker(page, script);
}

/** Replaces text, tokenizer and model by new ones. */
export async function prepare(page: Page): Promise<void> {
  await page.evaluate(
    async ([log, model]) => {
      await window.lorito.clearText();
      await window.lorito.addText("log.txt", log);
      await window.lorito.trainTokenizer({ kind: "char" });
      await window.lorito.createModel(model);
    },
    [text, tinyModel] as const,
  );
}

/** The code and the fields of the error with which a call, for example `encode("a")`, rejects. */
export async function problem(page: Page, call: string): Promise<Record<string, unknown>> {
  return page.evaluate(`lorito.${call}.then(
    () => ({ code: "none" }),
    ({ code, fields, name }) => ({ code, ...fields, class: name }),
  )`);
}

/** Makes the engine trap like a panic in the module. Resolves once the next worker starts. */
export async function crash(page: Page): Promise<void> {
  const next = page.waitForEvent("worker");
  await page.workers()[0]?.evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError("unreachable");
    });
  });
  await next;
}
