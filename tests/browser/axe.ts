// Runs axe on the page in any state.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import { expect } from "./guard";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  nodes: { target: unknown; failureSummary: string }[];
}

/** Violations of WCAG 2.2's levels A and AA, and of axe's best practices. */
export async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe);
  const found: Violation[] = await page.evaluate("axe.run().then(({ violations }) => violations)");
  return found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target}: ${node.failureSummary}`));
}

/** In every language, in light and dark, wide and narrow: axe finds no violation, and no content overflows. */
export async function expectNoFault(page: Page): Promise<void> {
  const choice = page.locator("#language");
  const own = await choice.inputValue();
  const others = await choice
    .locator("option")
    .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
  await expectNoFaultNow(page, own);
  for (const language of others.filter((other) => other !== own)) {
    await speak(page, language);
    await expectNoFaultNow(page, language);
  }
  await speak(page, own);
}

/** Changes the page's language without taking the focus from where it is. */
async function speak(page: Page, language: string): Promise<void> {
  await page.locator("#language").evaluate((select, code) => {
    (select as HTMLSelectElement).value = code;
    select.dispatchEvent(new Event("change"));
  }, language);
  await expect(page.locator("html")).toHaveAttribute("lang", language);
}

async function expectNoFaultNow(page: Page, language: string): Promise<void> {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    // Waits until the chart has the new width, too.
    const content = () => page.evaluate(() => document.documentElement.scrollWidth);
    await expect.poll(content, `${language}, ${width} pixels wide`).toBeLessThanOrEqual(width);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page), `${language}, ${colorScheme}, ${width} pixels wide`).toEqual([]);
    }
  }
}

export async function openAll(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
}
