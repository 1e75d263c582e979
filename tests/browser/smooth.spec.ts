// The page answers at once, whatever the engine does: its main thread is never kept busy for longer than 50 ms.
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { drawn, ended, press, small, step, takeSample, train, write } from "./person";

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  ts: number;
  /** Microseconds on the clock. */
  dur?: number;
  /** Microseconds of processor time: what a busy machine lets others do meanwhile is not the page's fault. */
  tdur?: number;
  args?: { chrome_mojo_event_info?: { mojo_interface_tag?: string } };
}

/** What the browser's own recorder saw of the page's main thread while `work` went on. */
async function longestTask(page: Page, work: () => Promise<void>): Promise<number> {
  const browser = page.context().browser();
  if (!browser) throw new Error("no browser");
  await browser.startTracing(page, { categories: ["toplevel", "blink.user_timing"] });
  await work();
  await page.evaluate(() => performance.mark("this page"));
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const mark = traceEvents.find(({ name }) => name === "this page");
  if (!mark) throw new Error("the recorder has not seen the page");
  const events = traceEvents.filter(({ pid, tid }) => pid === mark.pid && tid === mark.tid);
  // What this test asks the page, as which buttons there are, takes tens of milliseconds, and nobody else asks it.
  const questions = events.filter(({ args }) =>
    args?.chrome_mojo_event_info?.mojo_interface_tag?.endsWith("DevToolsSession"),
  );
  const tasks = events.filter(
    ({ name, ts, dur = 0 }) =>
      /^(ThreadControllerImpl::)?RunTask$/.test(name) &&
      !questions.some((asked) => asked.ts >= ts && asked.ts < ts + dur),
  );
  expect(tasks.length).toBeGreaterThan(100);
  const longest = Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1000;
  expect(longest, "the recorder notes processor time").toBeGreaterThan(1);
  return longest;
}

// With all that moves.
test.use({ contextOptions: { reducedMotion: "no-preference" } });

test(
  "no task of the page takes 50 ms, from the first drawing to the end of a run",
  { tag: "@alone" },
  async ({ page }, { project }) => {
    const longest = await longestTask(page, async () => {
      await page.goto(`?engine=${project.name}#${small}&steps=200&evalEvery=50`);
      await takeSample(page);
      await page.getByRole("button", { name: "Train now" }).click();
      await ended(page);
    });
    expect(longest).toBeLessThan(50);
  },
);

test(
  "nor does any while it trains and all that looks inside is open",
  { tag: "@alone" },
  async ({ page }, { project }) => {
    await page.goto(`?engine=${project.name}#${small}&steps=100&evalEvery=50`);
    await train(page);
    const longest = await longestTask(page, async () => {
      await press(step(page, "Train"), /^Train .* more steps$/);
      await write(page, "The wind ");
      await step(page, "Write").getByText("Look inside", { exact: true }).click();
      const tokens = page.getByRole("toolbar", { name: "The tokens of the text" }).getByRole("button");
      await tokens.nth(20).click();
      await page.getByLabel("what it looked at").check();
      for (const place of [10, 25, 30]) await tokens.nth(place).hover();
      await press(page, "Draw the map");
      await page.getByLabel("Find a token").fill("e");
      await page.locator(".found").getByRole("button").first().click();
      await step(page, "Train").getByText("One step in slow motion", { exact: true }).click();
      await press(page, "Show the next step");
      for (let at = 1; at < 8; at++) await press(page.locator(".slow-motion"), "Next");
      await drawn(page);
      await ended(page);
    });
    expect(longest).toBeLessThan(50);
  },
);
