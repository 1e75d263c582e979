// Training in a tab that nobody looks at is as fast as in one in front. Chromium: ../background.spec.ts.
import { expect, test } from "@playwright/test";
import { text } from "../lorito";
import { type Browser, firefox, webkit } from "./browsers";

const { LORITO_URL = "", LORITO_FIREFOX, LORITO_WEBKIT_DRIVER } = process.env;

/** Seconds that each of the two speeds is measured for. */
const seconds = Number(process.env.LORITO_BACKGROUND_SECONDS ?? 5);

/** Steps a second, in front and behind. */
async function speeds(browser: Browser): Promise<{ front: number; behind: number }> {
  await browser.open(`${LORITO_URL}?engine=cpu`);
  await browser.evaluate(async (text) => {
    while (!("lorito" in window)) await new Promise((resolve) => setTimeout(resolve, 50));
    const { lorito } = window;
    await lorito.addText("log.txt", text);
    await lorito.trainTokenizer({ kind: "char" });
    await lorito.createModel({ layers: 2, heads: 4, width: 64, context: 64, dropout: 0, seed: 7 });
    lorito.on("progress", ({ step }) => Object.assign(window, { step }));
    const begun = new Promise<void>((resolve) => lorito.on("progress", () => resolve()));
    void lorito.train({ steps: 1_000_000, batchSize: 8, evalEvery: 1_000_000, seed: 5 });
    await begun;
  }, text);
  const speed = async () => {
    const now = () => browser.evaluate(() => (window as unknown as { step: number }).step, null);
    const [start, before] = [performance.now(), await now()];
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    return ((await now()) - before) / ((performance.now() - start) / 1000);
  };
  const front = await speed();
  await browser.hide();
  await expect.poll(() => browser.evaluate(() => document.visibilityState, null)).toBe("hidden");
  const behind = await speed();
  return { front, behind };
}

async function measure(name: string, browser: Browser): Promise<void> {
  try {
    const { front, behind } = await speeds(browser);
    console.log(`${name}: ${front.toFixed(1)} steps a second in front, ${behind.toFixed(1)} behind`);
    // What throttles lets a timer run once a second; other programs take less than half.
    expect(behind).toBeGreaterThan(front / 2);
  } finally {
    await browser.close();
  }
}

test("Firefox trains behind as fast as in front", async () => {
  test.skip(!LORITO_FIREFOX, "there is no Firefox here");
  await measure("Firefox", await firefox(LORITO_FIREFOX ?? ""));
});

test("WebKitGTK trains behind as fast as in front", async () => {
  test.skip(!LORITO_WEBKIT_DRIVER, "there is no WebKitGTK here");
  await measure("WebKitGTK", await webkit(LORITO_WEBKIT_DRIVER ?? ""));
});
