// Measures what the page's views cost while it trains: tokens per second with all closed and with all open, in turn, and
// the longest task of the page in each.
import { configurations, median, tokensPerStep } from "./configurations.mjs";
import { prepared } from "./lorito.mjs";
import { runConfig } from "./speed.mjs";

/** `seconds` is the length of one measurement; a round has one with the views closed and one with them open. */
export async function views(browser, engine, { seconds, rounds, workers }, tell) {
  const configuration = configurations.S;
  const { page, close } = await prepared(browser, engine, configuration);
  await page.evaluate(
    async (options) => {
      globalThis.bench = { last: undefined, tasks: [] };
      lorito.on("progress", ({ step }) => {
        bench.last = { step, time: performance.now() };
      });
      new PerformanceObserver((list) => bench.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe(
        {
          type: "longtask",
        },
      );
      const first = new Promise((resolve) => lorito.on("progress", resolve));
      bench.run = lorito.train(options);
      await first;
    },
    { ...runConfig(1_000_000, configuration), ...(workers ? { workers: workers[0] } : {}) },
  );
  const measured = async (open) => {
    await page.evaluate((open) => {
      for (const details of document.querySelectorAll("details")) details.open = open;
    }, open);
    // Opened views fetch their code and their data first.
    await page.waitForTimeout(3000);
    const now = () => page.evaluate(() => ({ ...bench.last, tasks: bench.tasks.splice(0) }));
    const from = await now();
    await page.waitForTimeout(1000 * seconds);
    const to = await now();
    const tokensPerSecond = ((to.step - from.step) * tokensPerStep(configuration) * 1000) / (to.time - from.time);
    return { tokensPerSecond, longest: Math.max(0, ...to.tasks) };
  };
  await measured(true); // loads the views' code
  const all = [];
  for (let round = 0; round < rounds; round++) all.push({ closed: await measured(false), open: await measured(true) });
  await close();
  const shares = all.map(({ closed, open }) => open.tokensPerSecond / closed.tokensPerSecond);
  const longest = (kind) => Math.max(...all.map((round) => round[kind].longest));
  const about = { configuration: "S", engine, unit: "open / closed", value: median(shares), all: shares };
  tell({
    name: "views",
    ...about,
    longestTaskClosed: longest("closed"),
    longestTaskOpen: longest("open"),
    rounds: all,
  });
}
