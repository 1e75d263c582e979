// Several workers share the steps of a run on the processor: the losses are the same bits, and nothing is lost with one.
import { expect, type Page, test } from "@playwright/test";
import { open, text } from "./lorito";

const model = { layers: 2, heads: 4, width: 48, context: 32, dropout: 0.1, seed: 7 };
/** So many steps that most come after the first half second, in which one worker is alone. */
const run = { steps: 300, batchSize: 11, shards: 8, learningRate: 0.01, warmupSteps: 4, evalEvery: 100, seed: 5 };

test.beforeEach(({ page: _ }, { project }) => {
  test.skip(project.name !== "cpu", "only the CPU engine has workers");
});

/** Replaces text, tokenizer and model by new ones. */
async function prepared(page: Page, changed: object = {}): Promise<void> {
  await page.evaluate(
    async ([log, model]) => {
      await window.lorito.clearText();
      await window.lorito.addText("log.txt", log);
      await window.lorito.trainTokenizer({ kind: "char" });
      await window.lorito.createModel(model);
    },
    [text, { ...model, ...changed }] as const,
  );
}

/** Runs `script` in each further worker before its own, and counts the tasks that such workers get. */
async function watched(page: Page, script = ""): Promise<{ tasks: number }> {
  const seen = { tasks: 0 };
  page.on("console", (message) => {
    if (message.text() === "a task") seen.tasks++;
  });
  const counting = 'self.addEventListener("message", ({ data }) => "step" in data && console.log("a task"));';
  await page.route("**/replica.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${counting}\n${script}\n${await response.text()}` });
  });
  return seen;
}

interface Trained {
  losses: number[];
  validation: (number | null)[];
  /** The numbers of workers that took part. */
  workers: number[];
}

/** Trains, and pauses at `pauseAt` or stops at `stopAt`. */
function trained(page: Page, options: object, { pauseAt = 0, stopAt = 0, goOn = false } = {}): Promise<Trained> {
  return page.evaluate(
    async ([options, pauseAt, stopAt, goOn]) => {
      const { lorito } = window;
      const workers: number[] = [];
      let paused = false;
      const onProgress = (progress: { step: number; workers: number }) => {
        workers.push(progress.workers);
        if (stopAt && progress.step >= stopAt) lorito.stop();
        if (!pauseAt || paused || progress.step < pauseAt) return;
        paused = true;
        lorito.pause();
        const end = lorito.on("phase", ({ phase }) => {
          if (phase !== "paused") return;
          end();
          setTimeout(() => lorito.resume(), 100);
        });
      };
      if (goOn) await lorito.continueRun({ ...options, onProgress });
      else await lorito.train({ ...options, onProgress });
      const { steps, evaluations } = await lorito.history();
      return {
        losses: steps.map(({ loss }) => loss),
        validation: evaluations.map(({ validationLoss }) => validationLoss),
        workers,
      };
    },
    [options, pauseAt, stopAt, goOn] as const,
  );
}

test("losses are the same bits with one worker and with several", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const alone = await trained(page, { ...run, workers: 1 });
  expect(alone.losses).toHaveLength(run.steps);
  expect(new Set(alone.workers)).toEqual(new Set([1]));
  for (const workers of [2, 4]) {
    const seen = await watched(page);
    await prepared(page);
    const shared = await trained(page, { ...run, workers });
    expect(shared.losses).toEqual(alone.losses);
    expect(shared.validation).toEqual(alone.validation);
    expect(seen.tasks).toBeGreaterThan(0);
    await page.unroute("**/replica.js");
  }
});

test("an adapter of a Llama is trained by several workers", async ({ page }) => {
  await open(page, "cpu");
  const lora = {
    rank: 4,
    alpha: 8,
    targets: { attention: true, attentionOut: false, mlp: true, mlpOut: false },
  };
  const both = [];
  const seen = await watched(page);
  for (const workers of [1, 3]) {
    await prepared(page, { family: "llama" });
    both.push(await trained(page, { ...run, lora, workers }));
  }
  expect(both[1]?.losses).toEqual(both[0]?.losses);
  expect(seen.tasks).toBeGreaterThan(0);
});

test("pause, stop, a reload and another number of workers change nothing", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const whole = await trained(page, { ...run, workers: 1 });
  await prepared(page);
  const paused = await trained(page, { ...run, workers: 3 }, { pauseAt: 150 });
  expect(paused.losses).toEqual(whole.losses);
  await prepared(page);
  const stopped = await trained(page, { ...run, workers: 2 }, { stopAt: 200 });
  expect(stopped.losses.length).toBeLessThan(run.steps);
  await page.reload();
  await page.evaluate(() => window.lorito.ready.then(() => {}));
  const resumed = await trained(page, { workers: 4 }, { goOn: true });
  expect(resumed.losses).toEqual(whole.losses);
});

test("a text can be written while several workers train", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const whole = await trained(page, { ...run, workers: 1 });
  await prepared(page);
  const { losses, written } = await page.evaluate(async (options) => {
    const { lorito } = window;
    let writing: Promise<string> | undefined;
    const onProgress = ({ step }: { step: number }) => {
      if (step >= 150) writing ??= lorito.generate("Day", { maxTokens: 20 });
    };
    await lorito.train({ ...options, workers: 2, onProgress });
    const { steps } = await lorito.history();
    return { losses: steps.map(({ loss }) => loss), written: await writing };
  }, run);
  expect(written?.length).toBeGreaterThan(0);
  expect(losses).toEqual(whole.losses);
});

test("training goes on when workers fail", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const whole = await trained(page, { ...run, workers: 1 });
  // Each ends at its third task, before it has answered.
  const ending = `let tasks = 0; self.addEventListener("message", (event) => {
    if ("setup" in event.data || ++tasks < 3) return;
    event.stopImmediatePropagation();
    setTimeout(() => { throw new Error("failed for the test"); });
  });`;
  const seen = await watched(page, ending);
  await prepared(page);
  const shared = await trained(page, { ...run, workers: 3 });
  expect(shared.losses).toEqual(whole.losses);
  expect(seen.tasks).toBe(6);
  expect(shared.workers.at(-1)).toBe(1);
});

test("training goes on when no worker can start", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const whole = await trained(page, { ...run, workers: 1 });
  await page.route("**/replica.js", (route) => route.abort());
  await prepared(page);
  const shared = await trained(page, { ...run, workers: 3 });
  expect(shared.losses).toEqual(whole.losses);
  expect(new Set(shared.workers)).toEqual(new Set([1]));
});

test("workers start under the page's policy", async ({ page }) => {
  const violations: string[] = [];
  page.on("console", (message) => {
    if (/Content.Security.Policy|Trusted/i.test(message.text())) violations.push(message.text());
  });
  const seen = await watched(page);
  await open(page, "cpu");
  await prepared(page);
  await trained(page, { ...run, steps: 600, evalEvery: 600, workers: 2 });
  expect(seen.tasks).toBeGreaterThan(0);
  expect(violations).toEqual([]);
});
