// Training on a hidden page is as fast as on a visible one, in browsers other than Chromium (../background.spec.ts).
import { expect, test } from "@playwright/test";
import { text, tinyModel, tinyRun } from "../lorito";
import { type Browser, firefox, webkit } from "./browsers";

const { LORITO_URL = "", LORITO_FIREFOX, LORITO_WEBKIT_DRIVER } = process.env;

/** Duration of each of the two speed measurements. */
const seconds = Number(process.env.LORITO_BACKGROUND_SECONDS ?? 4);

/** A progress event: step, training's own clock, and whether the page was hidden when it arrived. */
interface Told {
  step: number;
  seconds: number;
  hidden: boolean;
}

async function train(browser: Browser): Promise<Told[]> {
  await browser.open(`${LORITO_URL}?engine=cpu`);
  await browser.evaluate(
    async ([text, model, run]) => {
      while (!("lorito" in window)) await new Promise((resolve) => setTimeout(resolve, 50));
      const { lorito } = window;
      await lorito.addText("log.txt", text);
      await lorito.trainTokenizer({ kind: "char" });
      await lorito.createModel(model);
      const told: Told[] = [];
      Object.assign(window, { told });
      void lorito.train({ ...run, steps: 1_000_000, evalEvery: 1_000_000 });
      await new Promise<void>((resolve) =>
        lorito.on("progress", ({ step, elapsedSeconds: seconds }) => {
          told.push({ step, seconds, hidden: document.hidden });
          resolve();
        }),
      );
    },
    [text, tinyModel, tinyRun] as const,
  );
  const wait = () => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  await wait();
  await browser.hide();
  await wait();
  return browser.evaluate(() => (window as unknown as { told: Told[] }).told, null);
}

/** Steps per second between the first and the last of these. */
function speed(told: Told[]): number {
  const [first, last] = [told[0], told.at(-1)];
  if (!first || !last || first === last) return 0;
  return (last.step - first.step) / (last.seconds - first.seconds);
}

async function measure(name: string, browser: Browser): Promise<void> {
  try {
    const told = await train(browser);
    const start = told.findIndex(({ hidden }) => hidden);
    const unseen = told.slice(start).filter(({ hidden }) => hidden);
    const front = told.slice(0, start);
    console.log(
      `${name}: ${speed(front).toFixed(0)} steps a second in front, ${speed(unseen).toFixed(0)} unseen, where the page heard ` +
        `of them ${unseen.length} times; ${front.length} times in front`,
    );
    expect(unseen.length).toBeGreaterThan(1);
    // A loop with throttled timers makes a step or a few per second; other programs do not slow it down that much.
    expect(speed(unseen)).toBeGreaterThan(speed(front) / 4);
  } finally {
    await browser.close();
  }
}

test("Firefox trains as fast on a hidden page as on a visible one", async () => {
  test.skip(!LORITO_FIREFOX, "there is no Firefox here");
  await measure("Firefox", await firefox(LORITO_FIREFOX ?? ""));
});

test("WebKitGTK trains as fast on a hidden page as on a visible one", async () => {
  test.skip(!LORITO_WEBKIT_DRIVER, "there is no WebKitGTK here");
  await measure("WebKitGTK", await webkit(LORITO_WEBKIT_DRIVER ?? ""));
});
