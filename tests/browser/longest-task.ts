// Measures how long the page is blocked.
import type { Page } from "@playwright/test";
import { expect } from "./guard";

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  ts: number;
  /** Microseconds of wall-clock time. */
  dur?: number;
  /** Microseconds of CPU time: delays by other processes on a busy machine are not the page's fault. */
  tdur?: number;
  args?: { chrome_mojo_event_info?: { mojo_interface_tag?: string } };
}

/** The longest task in milliseconds of the page's main thread during `work`, by the browser's own tracing. */
export async function longestTask(page: Page, work: () => Promise<void>): Promise<number> {
  const browser = page.context().browser();
  if (!browser) throw new Error("no browser");
  await browser.startTracing(page, { categories: ["toplevel", "blink.user_timing"] });
  await work();
  await page.evaluate(() => performance.mark("this page"));
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const mark = traceEvents.find(({ name }) => name === "this page");
  if (!mark) throw new Error("the recorder has not seen the page");
  const events = traceEvents.filter(({ pid, tid }) => pid === mark.pid && tid === mark.tid);
  // This test's own queries, such as for buttons, take tens of milliseconds, and users do not make them.
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
