// Training survives reloads, lost GPUs, crashes, damaged files and full disks.
import type { Page } from "@playwright/test";
import type {} from "../../web/worker/gpu";
import { expect, test } from "./guard";
import { open, prepare, problem, ready, tinyRun } from "./lorito";

const steps = 30;
/** Enough steps that a run has not ended before it gets a pause requested in its first steps. */
const long = 2000;

/** The losses of an uninterrupted run. */
async function undisturbed(page: Page, end = steps): Promise<number[]> {
  await prepare(page);
  return page.evaluate(
    async ([run, count]) => {
      await window.lorito.train({ ...run, steps: count });
      return (await window.lorito.history()).steps.map(({ loss }) => loss);
    },
    [{ ...tinyRun, evalEvery: Math.floor(end / 3) }, end] as const,
  );
}

/** Storage does not depend on the engine; on SwiftShader these tests take a minute and a half. */
function storedAlike(engine: string): void {
  test.skip(engine === "webgpu", "tested on the CPU engine");
}

/** Trains until `step` and pauses there, saved; returns the actual step. */
async function trainAndPause(page: Page, step: number, end = steps): Promise<number> {
  return page.evaluate(
    async ([run, count, wanted]) => {
      const { lorito } = window;
      const saved = new Promise<number>((resolve) => {
        lorito.on("saved", (event) => event.step >= wanted && resolve(event.step));
      });
      lorito.on("progress", (progress) => progress.step >= wanted && lorito.pause());
      void lorito.train({ ...run, steps: count });
      return saved;
    },
    [{ ...tinyRun, evalEvery: Math.floor(end / 3) }, end, step] as const,
  );
}

function expectSame(losses: number[], expected: number[], engine: string): void {
  if (engine === "cpu") expect(losses).toEqual(expected);
  else {
    expect(losses).toHaveLength(expected.length);
    for (const [index, loss] of losses.entries()) expect(Math.abs(loss - (expected[index] ?? 0))).toBeLessThan(1e-3);
  }
}

const losses = (page: Page) => page.evaluate(async () => (await window.lorito.history()).steps.map(({ loss }) => loss));

/** Collects the notices, which `notices` returns. */
async function listen(page: Page): Promise<void> {
  await page.evaluate(() => {
    const told: { code: string }[] = [];
    Object.assign(window, { told });
    window.lorito.on("notice", (notice) => told.push(notice));
  });
}

const notices = (page: Page) => page.evaluate(() => (window as unknown as { told: { code: string }[] }).told);

test("a run continues exactly after a reload", async ({ page }, { project }) => {
  const steps = project.name === "cpu" ? 300 : 30;
  await open(page, project.name);
  const expected = await undisturbed(page, steps);
  await prepare(page);
  const stopped = await trainAndPause(page, 12, steps);
  const before = await page.evaluate(() => window.lorito.history());
  await page.reload();
  await ready(page);
  const seen = await page.evaluate(async () => {
    const { lorito } = window;
    const run = await lorito.unfinishedRun();
    const result = await lorito.continueRun();
    return { run, result, history: await lorito.history(), left: await lorito.unfinishedRun() };
  });
  expect(seen.run).toMatchObject({ step: stopped, endStep: steps, textName: "log.txt" });
  expect(seen.run?.parameters).toBeGreaterThan(1000);
  expect(seen.result.step).toBe(steps);
  expectSame(
    seen.history.steps.map(({ loss }) => loss),
    expected,
    project.name,
  );
  expect(seen.history.steps.slice(0, stopped)).toEqual(before.steps);
  const evaluated = [0, 1, 2, 3].map((third) => (third * steps) / 3);
  expect(seen.history.evaluations.map(({ step }) => step)).toEqual(evaluated);
  expect(seen.history.samples.map(({ step }) => step)).toEqual(evaluated);
  expect(seen.left).toBeNull();
  // A finished run still exists after another reload, and can be extended: storage is the same on both engines.
  if (project.name === "webgpu") return;
  await page.reload();
  await ready(page);
  const last = await page.evaluate(async (run) => {
    const { lorito } = window;
    const saved = await lorito.savedRun();
    await lorito.restoreRun();
    const text = await lorito.generate("Day", { maxTokens: 5, temperature: 0 });
    const { step } = await lorito.train({ ...run, steps: 2 });
    await lorito.discardRun();
    const left = (await lorito.savedRuns()).map(({ run }) => run);
    return { saved, text, step, left };
  }, tinyRun);
  expect(last).toMatchObject({ saved: { step: steps }, step: steps + 2 });
  // The uninterrupted run belongs to another model, and stays.
  expect(last.left).toHaveLength(1);
  expect(last.left).not.toContain(last.saved?.run);
  expect(last.text.length).toBeGreaterThan(0);
});

test("a lost GPU loses only the steps since the last checkpoint", async ({ page, guard }, { project }) => {
  test.skip(project.name === "cpu", "there is no GPU to lose");
  guard.allowed.push(/lost|destroyed/i);
  await open(page, project.name);
  const expected = await undisturbed(page);
  await prepare(page);
  await listen(page);
  await page.evaluate(
    ([run, count]) => {
      const { lorito } = window;
      Object.assign(window, { result: lorito.train({ ...run, steps: count }) });
      return new Promise<void>((resolve) => lorito.on("progress", ({ step }) => step >= 12 && resolve()));
    },
    [tinyRun, steps] as const,
  );
  await page.workers()[0]?.evaluate(() => globalThis.loritoGpuDevice?.destroy());
  const result = await page.evaluate(() => (window as unknown as { result: Promise<{ step: number }> }).result);
  expect(result.step).toBe(steps);
  expectSame(await losses(page), expected, project.name);
  expect((await notices(page)).map(({ code }) => code)).toEqual(["device-lost", "recovered"]);
  expect(page.workers()).toHaveLength(1);

  // Lost again, without training: model, tokenizer and text are restored as well.
  const summary = await page.evaluate(() => window.lorito.textSummary());
  const lost = page.waitForEvent("worker");
  await page.workers()[0]?.evaluate(() => globalThis.loritoGpuDevice?.destroy());
  await lost;
  expect(await page.evaluate(() => window.lorito.textSummary())).toEqual(summary);
  expect(await losses(page)).toHaveLength(steps);
});

test("a run continues exactly on a GPU that is lost five times", async ({ page, guard }, { project }) => {
  test.skip(project.name === "cpu", "there is no GPU to lose");
  guard.allowed.push(/lost|destroyed/i);
  // Enough steps that it does not end by itself, however fast the machine is.
  const run = { ...tinyRun, evalEvery: 100_000, steps: 100_000 };
  const start = () =>
    page.evaluate((config) => {
      const { lorito } = window;
      const events = { saved: 0, seen: 0, result: lorito.train(config) };
      Object.assign(window, { events });
      lorito.on("saved", ({ step }) => Object.assign(events, { saved: step }));
      lorito.on("progress", ({ step }) => Object.assign(events, { seen: step }));
    }, run);
  /** The step of an event, once it is beyond `step`. */
  const beyond = async (event: "saved" | "seen", step: number) => {
    const reached = await page.waitForFunction(
      ([what, past]) => {
        const { events } = window as unknown as { events: Record<"saved" | "seen", number> };
        return events[what] > past && events[what];
      },
      [event, step] as const,
    );
    return Number(await reached.jsonValue());
  };
  const stop = () =>
    page.evaluate(() => {
      window.lorito.stop();
      return (window as unknown as { events: { result: Promise<{ step: number }> } }).events.result;
    });
  await open(page, project.name);
  await prepare(page);
  await listen(page);
  await start();
  let saved = 0;
  for (let lost = 1; lost <= 5; lost++) {
    // Each time some steps are saved, and more follow that are not.
    saved = await beyond("saved", saved);
    await page.workers()[0]?.evaluate(() => globalThis.loritoGpuDevice?.destroy());
    await expect.poll(async () => (await notices(page)).length).toBe(2 * lost);
  }
  await beyond("seen", saved + 10);
  const { step } = await stop();
  const got = await losses(page);
  expect(got).toHaveLength(step);
  expect((await notices(page)).map(({ code }) => code)).toEqual(Array(5).fill(["device-lost", "recovered"]).flat());

  await prepare(page);
  await start();
  await beyond("seen", step);
  await stop();
  expectSame(got, (await losses(page)).slice(0, step), project.name);
});

test("a GPU that is lost repeatedly is replaced by the CPU", async ({ page, guard }, { project }) => {
  test.skip(project.name === "cpu", "there is no GPU to lose");
  guard.allowed.push(/lost|destroyed/i);
  // As on a machine with a GPU: hides that this one is software.
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    const info = { vendor: "acme", architecture: "one", device: "", description: "", isFallbackAdapter: false };
    const pretence = `Object.defineProperty(GPUAdapter.prototype, "info", { value: ${JSON.stringify(info)} });`;
    await route.fulfill({ response, body: pretence + (await response.text()) });
  });
  await page.goto("");
  await ready(page);
  expect(await page.evaluate(() => window.lorito.ready)).toMatchObject({ engine: "webgpu", reason: "gpu-found" });
  // Until a GPU's kernels have been measured, each start repeats the measurement: seconds on SwiftShader.
  await page.evaluate(() => window.lorito.planModel({ preset: "tiny", vocabulary: 65 }, {}).then(() => {}));
  await page.evaluate(() => window.lorito.addText("kept.txt", "What was here before the GPU was lost."));
  await listen(page);
  let [worker] = page.workers();
  for (let loss = 1; loss <= 3; loss++) {
    const next = page.waitForEvent("worker");
    await worker?.evaluate(() => globalThis.loritoGpuDevice?.destroy());
    worker = await next;
    await page.evaluate(() => window.lorito.textSummary());
  }
  const codes = await notices(page);
  expect(codes.at(-1)).toMatchObject({ code: "recovered", engine: "cpu", reason: "webgpu-lost" });
  const { sources } = await page.evaluate(() => window.lorito.textSummary());
  expect(sources.map(({ name }) => name)).toEqual(["kept.txt"]);
  await prepare(page);
  const result = await page.evaluate((run) => window.lorito.train({ ...run, steps: 2 }), tinyRun);
  expect(result.step).toBe(2);
});

test("a crash of the engine loses no state", async ({ page, guard }, { project }) => {
  guard.allowed.push(/unreachable/);
  test.skip(project.name === "webgpu", "there, a lost GPU is as much as a crash");
  await open(page, project.name);
  await prepare(page);
  await listen(page);
  const crash = async () => {
    const next = page.waitForEvent("worker");
    await page.workers()[0]?.evaluate(() => {
      setTimeout(() => {
        throw new WebAssembly.RuntimeError("unreachable");
      });
    });
    await next;
  };
  // Before anything is saved: text, tokenizer and model are recreated.
  await page.evaluate(() => window.lorito.holdBack("ends"));
  const logits = () =>
    page.evaluate(async () => [...(await window.lorito.logits(await window.lorito.encode("The ship")))]);
  const before = await logits();
  await crash();
  expect(await logits()).toEqual(before);
  expect((await page.evaluate(() => window.lorito.textSummary())).heldBack).toBe("ends");
  // During training.
  await page.evaluate(
    ([run, count]) => {
      const { lorito } = window;
      Object.assign(window, { result: lorito.train({ ...run, steps: count }) });
      return new Promise<void>((resolve) => lorito.on("progress", ({ step }) => step >= 12 && resolve()));
    },
    [{ ...tinyRun, evalEvery: 500 }, long] as const,
  );
  await crash();
  const result = await page.evaluate(() => (window as unknown as { result: Promise<{ step: number }> }).result);
  expect(result.step).toBe(long);
  expect((await notices(page)).map(({ code }) => code)).toEqual(["internal", "recovered", "internal", "recovered"]);
});

test("if the newest checkpoint is damaged, the previous one is used", async ({ page }, { project }) => {
  storedAlike(project.name);
  await open(page, project.name);
  await prepare(page);
  const first = await trainAndPause(page, 8, long);
  const second = await page.evaluate(async (step) => {
    const { lorito } = window;
    const saved = new Promise<number>((resolve) => {
      lorito.on("saved", (event) => event.step > step && resolve(event.step));
    });
    lorito.resume(); // pauses again at the next progress event
    return saved;
  }, first);
  await page.reload();
  await ready(page);
  const seen = await page.evaluate(async () => {
    const { lorito } = window;
    const newest = await lorito.unfinishedRun();
    const root = await navigator.storage.getDirectory();
    const runs = await (await root.getDirectoryHandle("lorito")).getDirectoryHandle("runs");
    const run = await runs.getDirectoryHandle(newest?.run ?? "");
    for (const name of ["slot-0", "slot-1"]) {
      const handle = await run.getFileHandle(name);
      const file = await handle.getFile();
      if (!(await file.slice(0, 4096).text()).includes(`"step":${newest?.step},`)) continue;
      const writable = await handle.createWritable({ keepExistingData: true });
      await writable.write({
        type: "write",
        position: Math.floor(file.size * 0.7),
        data: new Uint8Array([1, 2, 3, 4]),
      });
      await writable.close();
    }
    const restored = await lorito.restoreRun();
    const result = await lorito.continueRun();
    return { newest, restored, result };
  });
  expect(seen.newest?.step).toBe(second);
  expect(seen.restored.step).toBe(first);
  expect(seen.result.step).toBe(long);
});

test("a run that cannot be restored is reported, and can be discarded", async ({ page }, { project }) => {
  storedAlike(project.name);
  await open(page, project.name);
  expect(await problem(page, "restoreRun()")).toMatchObject({ code: "no-run" });
  await prepare(page);
  await trainAndPause(page, 8, long);
  await page.reload();
  await ready(page);
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const runs = await (await root.getDirectoryHandle("lorito")).getDirectoryHandle("runs");
    const run = await runs.getDirectoryHandle((await window.lorito.savedRun())?.run ?? "");
    for (const name of ["slot-0", "slot-1"]) {
      const handle = await run.getFileHandle(name);
      const writable = await handle.createWritable({ keepExistingData: true });
      await writable.write({ type: "write", position: 6000, data: new Uint8Array(2000).fill(7) });
      await writable.close();
    }
  });
  expect((await problem(page, "continueRun()")).code).toMatch(/damaged|invalid/);
  await page.evaluate(() => window.lorito.discardRun());
  expect(await page.evaluate(() => window.lorito.savedRun())).toBeNull();
});

test("a loss that is not a number ends training, and the last checkpoint is restored", async ({ page }, {
  project,
}) => {
  await open(page, project.name);
  await prepare(page);
  const seen = await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 3 });
    const ids = await lorito.encode("The ship");
    const before = await lorito.logits(ids);
    const error = await lorito
      .train({ ...run, steps: 200, learningRate: 10, weightDecay: 10, gradClip: 0, warmupSteps: 0 })
      .then(
        () => undefined,
        ({ code, fields }) => ({ code, ...fields }),
      );
    const after = await lorito.logits(ids);
    const text = await lorito.generate("Day", { maxTokens: 5 });
    const again = await lorito.train({ ...run, steps: 2 });
    const records = await lorito.runRecords();
    return { error, before: [...before], after: [...after], text, again, records };
  }, tinyRun);
  expect(seen.error).toMatchObject({ code: "diverged" });
  expect(seen.error.step).toBeGreaterThan(3);
  expect(seen.error.learningRate).toBeGreaterThan(1);
  expect(seen.after).toEqual(seen.before);
  expect(seen.again.step).toBe(5);
  // To be compared with others: the run that diverged, and the one that went on from before it.
  const diverged = seen.records.find((record) => record.diverged);
  expect(seen.records.map(({ step }) => step).toSorted((a, b) => a - b)).toEqual([5, seen.error.step]);
  expect(diverged?.train.learningRate).toBe(10);
  expect(diverged?.curve.every(({ loss }) => Number.isFinite(loss))).toBe(true);
});

test("on a full disk training continues, and the run can be downloaded", async ({ page }, { project }) => {
  storedAlike(project.name);
  await open(page, project.name);
  const expected = await undisturbed(page);
  await prepare(page);
  await listen(page);
  const browser = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 });
  const seen = await page.evaluate(
    async (run) => {
      const { lorito } = window;
      lorito.on("progress", ({ step }) => step >= 12 && lorito.stop());
      const { step } = await lorito.train(run);
      const file = await lorito.downloadRun();
      await lorito.createModel({ preset: "tiny" });
      const opened = await lorito.openRun(file);
      return { step, opened, bytes: file.size };
    },
    { ...tinyRun, steps: long },
  );
  expect((await notices(page)).map(({ code }) => code)).toEqual(["storage-full"]);
  expect(seen.step).toBeLessThan(long);
  expect(seen.opened).toMatchObject({ step: seen.step, endStep: long, textName: "log.txt" });
  // The runs saved before the disk was full still exist.
  await browser.send("Storage.overrideQuotaForOrigin", { origin });
  await page.reload();
  await ready(page);
  expect(await page.evaluate(() => window.lorito.savedRun())).toMatchObject({ step: steps });
  expect(expected).toHaveLength(steps);
  expect(await problem(page, "openRun(new Blob(['no run']))")).toMatchObject({ code: "not-a-run" });
});

test("two tabs do not overwrite each other's run", async ({ page, context }, { project }) => {
  storedAlike(project.name);
  await open(page, project.name);
  await prepare(page);
  const step = await trainAndPause(page, 8, long);
  const other = await context.newPage();
  await open(other, project.name);
  await prepare(other);
  await listen(other);
  expect(await other.evaluate(() => window.lorito.unfinishedRun())).toBeNull();
  for (const call of ["discardRun()", "continueRun()"])
    expect(await problem(other, call)).toMatchObject({ code: "run-in-another-tab" });
  const result = await other.evaluate((run) => window.lorito.train({ ...run, steps: 3 }), tinyRun);
  expect(result.step).toBe(3);
  expect((await notices(other)).map(({ code }) => code)).toEqual(["run-in-another-tab"]);
  await other.close();
  await page.reload();
  await ready(page);
  expect(await page.evaluate(() => window.lorito.unfinishedRun())).toMatchObject({ step, endStep: long });
});
