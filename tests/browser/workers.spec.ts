// Several workers share the steps of a run on the processor: the losses are the same bits, and nothing is lost with one.
import { expect, type Page, test } from "@playwright/test";
import { open, text } from "./lorito";

const model = { layers: 2, heads: 4, width: 48, context: 32, dropout: 0.1, seed: 7 };
/** More steps than any test waits for: replicas start after half a second, and take as long as the machine needs. */
const run = { steps: 100_000, batchSize: 11, shards: 8, learningRate: 0.01, warmupSteps: 4, evalEvery: 100, seed: 5 };

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
  /** The validation losses after every `evalEvery` steps. */
  validation: (number | null)[];
  /** The numbers of workers that took part. */
  workers: number[];
}

/** Trains to the end, to step `stopAt`, or until another call of the page stops the run. */
function trained(page: Page, options: object, { stopAt = 0, goOn = false } = {}): Promise<Trained> {
  return page.evaluate(
    async ([options, stopAt, goOn, every]) => {
      const { lorito } = window;
      const workers: number[] = [];
      const onProgress = (progress: { step: number; workers: number }) => {
        workers.push(progress.workers);
        if (stopAt && progress.step >= stopAt) lorito.stop();
      };
      if (goOn) await lorito.continueRun({ ...options, onProgress });
      else await lorito.train({ ...options, onProgress });
      const { steps, evaluations } = await lorito.history();
      return {
        losses: steps.map(({ loss }) => loss),
        validation: evaluations.filter(({ step }) => step % every === 0).map(({ validationLoss }) => validationLoss),
        workers,
      };
    },
    [options, stopAt, goOn, run.evalEvery] as const,
  );
}

/** Waits until other workers have received so many tasks. */
function received(seen: { tasks: number }, tasks: number): Promise<void> {
  return expect.poll(() => seen.tasks, { timeout: 60_000 }).toBeGreaterThanOrEqual(tasks);
}

/** Pauses the run, and resumes it a little later. */
function pauseAndResume(page: Page): Promise<void> {
  return page.evaluate(
    () =>
      new Promise((resolve) => {
        const end = window.lorito.on("phase", ({ phase }) => {
          if (phase !== "paused") return;
          end();
          setTimeout(() => resolve(window.lorito.resume()), 100);
        });
        window.lorito.pause();
      }),
  );
}

/** Stops the run after so many more steps. */
function stopAfter(page: Page, steps: number): Promise<void> {
  return page.evaluate(
    (steps) =>
      new Promise((resolve) => {
        let left = steps;
        const end = window.lorito.on("progress", () => {
          if (--left > 0) return;
          end();
          window.lorito.stop();
          resolve();
        });
      }),
    steps,
  );
}

/** Trains a new model with one worker for as many steps as `shared` has taken, and compares every loss. */
async function expectSameAlone(page: Page, shared: Trained, changed: { model?: object; run?: object } = {}) {
  await prepared(page, changed.model);
  const steps = shared.losses.length;
  const alone = await trained(page, { ...run, ...changed.run, workers: 1 }, { stopAt: steps });
  expect(new Set(alone.workers)).toEqual(new Set([1]));
  expect(alone.losses.slice(0, steps)).toEqual(shared.losses);
  expect(alone.validation.slice(0, shared.validation.length)).toEqual(shared.validation);
}

test("losses are the same bits with one worker and with several", async ({ page }) => {
  await open(page, "cpu");
  for (const workers of [2, 4]) {
    const seen = await watched(page);
    await prepared(page);
    const training = trained(page, { ...run, workers });
    await received(seen, 3);
    await stopAfter(page, 5);
    const shared = await training;
    await page.unroute("**/replica.js");
    await expectSameAlone(page, shared);
  }
});

test("an adapter of a Llama is trained by several workers", async ({ page }) => {
  await open(page, "cpu");
  const llama = { family: "llama" };
  const lora = {
    rank: 4,
    alpha: 8,
    targets: { attention: true, attentionOut: false, mlp: true, mlpOut: false },
  };
  const seen = await watched(page);
  await prepared(page, llama);
  const training = trained(page, { ...run, lora, workers: 3 });
  await received(seen, 3);
  await stopAfter(page, 5);
  const shared = await training;
  await expectSameAlone(page, shared, { model: llama, run: { lora } });
});

test("pause, stop, a reload and another number of workers change nothing", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const seen = await watched(page);
  const training = trained(page, { ...run, workers: 3 });
  await received(seen, 1);
  await pauseAndResume(page);
  await stopAfter(page, 5);
  const stopped = await training;
  await page.reload();
  await page.evaluate(() => window.lorito.ready.then(() => {}));
  const tasks = seen.tasks;
  const resuming = trained(page, { workers: 4 }, { goOn: true });
  await received(seen, tasks + 3);
  await stopAfter(page, 5);
  const resumed = await resuming;
  expect(resumed.losses.length).toBeGreaterThan(stopped.losses.length);
  expect(resumed.losses.slice(0, stopped.losses.length)).toEqual(stopped.losses);
  await expectSameAlone(page, resumed);
});

test("a text can be written while several workers train", async ({ page }) => {
  await open(page, "cpu");
  await prepared(page);
  const seen = await watched(page);
  const training = trained(page, { ...run, workers: 2 });
  await received(seen, 1);
  const written = await page.evaluate(() => window.lorito.generate("Day", { maxTokens: 20 }));
  await stopAfter(page, 5);
  const shared = await training;
  expect(written.length).toBeGreaterThan(0);
  await expectSameAlone(page, shared);
});

test("training goes on when workers fail", async ({ page }) => {
  await open(page, "cpu");
  // Each ends at its third task, before it has answered.
  const ending = `let tasks = 0; self.addEventListener("message", (event) => {
    if ("setup" in event.data || ++tasks < 3) return;
    event.stopImmediatePropagation();
    setTimeout(() => { throw new Error("failed for the test"); });
  });`;
  const seen = await watched(page, ending);
  await prepared(page);
  const training = trained(page, { ...run, workers: 3 });
  await received(seen, 6);
  await stopAfter(page, 5);
  const shared = await training;
  expect(shared.workers.at(-1)).toBe(1);
  expect(seen.tasks).toBe(6);
  await expectSameAlone(page, shared);
});

test("training goes on when no worker can start", async ({ page }) => {
  await open(page, "cpu");
  let asked = 0;
  await page.route("**/replica.js", (route) => {
    asked++;
    return route.abort();
  });
  await prepared(page);
  const training = trained(page, { ...run, workers: 3 });
  await expect.poll(() => asked, { timeout: 60_000 }).toBe(2);
  await stopAfter(page, 5);
  const shared = await training;
  expect(new Set(shared.workers)).toEqual(new Set([1]));
  await expectSameAlone(page, shared);
});

test("workers start under the page's policy", async ({ page }) => {
  const violations: string[] = [];
  page.on("console", (message) => {
    if (/Content.Security.Policy|Trusted/i.test(message.text())) violations.push(message.text());
  });
  const seen = await watched(page);
  await open(page, "cpu");
  await prepared(page);
  const training = trained(page, { ...run, workers: 2 });
  await received(seen, 1);
  await stopAfter(page, 5);
  await training;
  expect(violations).toEqual([]);
});
