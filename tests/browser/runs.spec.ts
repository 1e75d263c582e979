// Storage of runs: several runs, cleared storage, other tabs, full disks, damaged files.
import type { BrowserContext, Page } from "@playwright/test";
import { expect, test } from "./guard";
import { crash, open, prepare, problem, ready, tinyModel, tinyRun } from "./lorito";
import { onceIsEnough } from "./person";

onceIsEnough();

declare global {
  interface Window {
    saved: number[];
    told: { code: string }[];
    ended: Promise<number | string>;
    /** Trains until the run has been saved and paused at `step` or later. */
    pausedAt(step: number): Promise<number>;
    files(): Promise<Record<string, number>>;
  }
}

/** Opens the page and records its events about saving. */
async function start(page: Page): Promise<void> {
  await open(page, "cpu");
  await prepare(page);
  await listen(page);
}

async function listen(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { lorito } = window;
    window.saved = [];
    window.told = [];
    lorito.on("saved", ({ step }) => window.saved.push(step));
    lorito.on("notice", (notice) => window.told.push(notice));
    window.pausedAt = async (step) => {
      const paused = new Promise<void>((resolve) => {
        const end = lorito.on("phase", ({ phase }) => {
          if (phase !== "paused") return;
          end();
          resolve();
        });
      });
      const end = lorito.on("progress", (progress) => progress.step >= step && lorito.pause());
      lorito.resume();
      await paused;
      end();
      // A checkpoint is saved at the start of the pause; the worker handles later calls after it.
      await lorito.savedRuns();
      return (await lorito.history()).steps.length;
    };
    window.files = async () => {
      const found: Record<string, number> = {};
      const walk = async (folder: FileSystemDirectoryHandle, path: string) => {
        for await (const [name, handle] of folder.entries()) {
          if (handle instanceof FileSystemDirectoryHandle) await walk(handle, `${path}${name}/`);
          else found[path + name] = (await (handle as FileSystemFileHandle).getFile()).size;
        }
      };
      await walk(await navigator.storage.getDirectory(), "");
      return found;
    };
  });
}

/** Begins a run that does not end by itself. */
async function begin(page: Page, settings: object = {}): Promise<void> {
  await page.evaluate(
    (run) => {
      window.ended = window.lorito.train(run).then(
        ({ step }) => step,
        ({ code }) => code,
      );
    },
    { ...tinyRun, steps: 1_000_000, evalEvery: 1_000_000, ...settings },
  );
}

const pausedAt = (page: Page, step: number) => page.evaluate((wanted) => window.pausedAt(wanted), step);
const codes = (page: Page) => page.evaluate(() => window.told.map(({ code }) => code));
const logits = (page: Page) =>
  page.evaluate(async () => [...(await window.lorito.logits(await window.lorito.encode("The ship")))]);

/** Limits the storage to its current size and `spare` bytes; without `spare`, removes the limit. */
async function limitStorage(context: BrowserContext, page: Page, spare?: number): Promise<void> {
  const browser = await context.newCDPSession(page);
  const { origin } = new URL(page.url());
  const { usage } = await browser.send("Storage.getUsageAndQuota", { origin });
  await browser.send("Storage.overrideQuotaForOrigin", {
    origin,
    ...(spare === undefined ? {} : { quotaSize: usage + spare }),
  });
}

/** Closes the page like a user; returns whether the browser asked for confirmation. In that case it is still open. */
async function asksToClose(page: Page): Promise<boolean> {
  const asked = page.waitForEvent("dialog").catch(() => undefined); // it rejects when the page closes
  await page.close({ runBeforeUnload: true });
  const dialog = await asked;
  if (dialog) expect(dialog.type()).toBe("beforeunload");
  await dialog?.dismiss();
  return dialog !== undefined;
}

test("each model's run is kept until it is discarded, whatever is opened and trained afterwards", async ({ page }) => {
  await start(page);
  const seen = await page.evaluate(
    async ([run, model]) => {
      const { lorito } = window;
      await lorito.train({ ...run, steps: 20 });
      const file = await lorito.exportModel("safetensors");
      await lorito.createModel({ ...model, seed: 8 });
      await lorito.train({ ...run, steps: 5 });
      await lorito.importModel(file);
      await lorito.train({ ...run, steps: 7 });
      return lorito.savedRuns();
    },
    [tinyRun, tinyModel] as const,
  );
  expect(seen.map(({ step }) => step)).toEqual([27, 5, 20]);
  expect(new Set(seen.map(({ run }) => run)).size).toBe(3);
  expect(seen.every(({ bytes, textName }) => bytes > 100_000 && textName === "log.txt")).toBe(true);
  await page.reload();
  await ready(page);
  const [newest, second, first] = seen.map(({ run }) => run);
  const after = await page.evaluate(
    async ([newest, second, first, run]) => {
      const { lorito } = window;
      const listed = await lorito.savedRuns();
      const saved = await lorito.savedRun();
      await lorito.discardRun(newest);
      const opened = await lorito.restoreRun(first);
      const trained = await lorito.train({ ...run, steps: 1 });
      const file = await lorito.downloadRun(second);
      await lorito.discardRun(second);
      const reopened = await lorito.openRun(file);
      return { listed, saved, opened, trained, reopened, left: await lorito.savedRuns() };
    },
    [newest, second, first, tinyRun] as const,
  );
  expect(after.listed.map(({ run }) => run)).toEqual([newest, second, first]);
  expect(after.saved?.run).toBe(newest);
  expect(after.opened).toMatchObject({ run: first, step: 20 });
  expect(after.trained.step).toBe(21);
  expect(after.reopened).toMatchObject({ step: 5, endStep: 5, textName: "log.txt" });
  expect(after.reopened.run).not.toBe(second);
  expect(after.left.map(({ run, step }) => [run, step])).toEqual([[first, 21]]);
});

test("a run whose storage is cleared is saved again and reported", async ({ page, guard }) => {
  guard.allowed.push(/unreachable/);
  await start(page);
  await begin(page);
  const before = await pausedAt(page, 20);
  await page.evaluate(async () => (await navigator.storage.getDirectory()).removeEntry("lorito", { recursive: true }));
  const after = await pausedAt(page, before + 20);
  expect(await page.evaluate(() => window.saved.at(-1))).toBe(after);
  expect(await codes(page)).toEqual(["storage-cleared"]);
  // Afterwards both ways of restoring find it.
  await crash(page);
  expect(await page.evaluate(async () => (await window.lorito.history()).steps.length)).toBe(after);
  await page.reload();
  await ready(page);
  expect(await page.evaluate(() => window.lorito.restoreRun())).toMatchObject({ step: after });
});

test("a run is saved although the page is busy when training begins", async ({ page }) => {
  await start(page);
  const step = await page.evaluate(async (run) => {
    const training = window.lorito.train({ ...run, steps: 5 });
    for (const end = performance.now() + 1500; performance.now() < end; );
    return (await training).step;
  }, tinyRun);
  expect(step).toBe(5);
  expect(await page.evaluate(() => [window.saved.at(0), window.saved.at(-1)])).toEqual([0, 5]);
  expect(await codes(page)).toEqual([]);
});

test("a second tab saves once the first is closed, and asks for confirmation until then", async ({ page, context }) => {
  await start(page);
  await page.evaluate((run) => window.lorito.train({ ...run, steps: 5 }), tinyRun);
  const other = await context.newPage();
  await start(other);
  await begin(other);
  const step = await pausedAt(other, 10);
  expect(await codes(other)).toEqual(["run-in-another-tab"]);
  await expect(other.getByText("Another tab of Lorito keeps its runs")).toBeVisible();
  expect(await other.evaluate(() => [window.saved, window.lorito.unsaved])).toEqual([[], true]);
  expect(await asksToClose(other)).toBe(true);
  const saved = other.evaluate(() => new Promise((resolve) => window.lorito.on("saved", ({ step }) => resolve(step))));
  expect(await asksToClose(page)).toBe(false);
  expect(await saved).toBe(step);
  await expect(other.getByText("Another tab of Lorito keeps its runs")).toBeHidden();
  expect(await asksToClose(other)).toBe(false);
  const third = await context.newPage();
  await open(third, "cpu");
  expect((await third.evaluate(() => window.lorito.savedRuns())).map((run) => run.step)).toEqual([step, 5]);
});

test("a full disk is reported also in a private window, and closing the page asks for confirmation", async ({
  page,
  context,
}) => {
  await start(page);
  await begin(page);
  const before = await pausedAt(page, 10);
  await limitStorage(context, page, 20_000);
  await pausedAt(page, before + 10);
  expect(await codes(page)).toEqual(["storage-full"]);
  expect(await page.evaluate(() => window.saved.at(-1))).toBe(before);
  // There is space for some models, and none is stored incompletely.
  const refused = await page.evaluate(async () => {
    for (;;) {
      const problem = await window.lorito.saveModel("whole").then(
        () => undefined,
        ({ code, fields }) => ({ code, ...fields }),
      );
      if (problem) return problem;
    }
  });
  expect(refused).toMatchObject({ code: "storage-full", kind: "model" });
  const sizes = await page.evaluate(async () => (await window.lorito.savedModels()).map(({ bytes }) => bytes));
  expect(sizes.every((bytes) => bytes === sizes[0])).toBe(true);
  await pausedAt(page, before + 20);
  expect(await asksToClose(page)).toBe(true);
  // Once the run is downloaded, closing loses nothing.
  await page.evaluate(() => window.lorito.downloadRun());
  expect(await page.evaluate(() => window.lorito.unsaved)).toBe(false);
  // The previous checkpoint is intact; there is space again, so the run is saved.
  const other = await context.newPage();
  await open(other, "cpu");
  expect((await other.evaluate(() => window.lorito.savedRuns())).map(({ step }) => step)).toEqual([before]);
  await other.close();
  await limitStorage(context, page);
  const later = await pausedAt(page, before + 40);
  expect(await page.evaluate(() => [window.saved.at(-1), window.lorito.unsaved])).toEqual([later, false]);
});

test("every error of the storage is reported as not saved", async ({ context }) => {
  const faults = {
    absent: "delete FileSystemFileHandle.prototype.createSyncAccessHandle;",
    taken: `FileSystemFileHandle.prototype.createSyncAccessHandle = async () => {
      throw new DOMException("taken", "NoModificationAllowedError"); };`,
    gone: `FileSystemDirectoryHandle.prototype.getFileHandle = async () => {
      throw new DOMException("gone", "NotFoundError"); };`,
  };
  for (const [name, fault] of Object.entries(faults)) {
    const page = await context.newPage();
    await page.route("**/worker.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `${fault}\n${await response.text()}` });
    });
    await start(page);
    const result = await page.evaluate((run) => window.lorito.train({ ...run, steps: 3 }), tinyRun);
    expect(result.step, name).toBe(3);
    expect(await codes(page), name).toEqual(["not-saved"]);
    expect(await page.evaluate(() => window.lorito.unsaved), name).toBe(true);
    const share = page.getByRole("region", { name: "Share", exact: true });
    await share.getByRole("button", { name: "Save on this device" }).click();
    await expect(share.getByRole("alert"), name).toContainText("Download it to keep it");
    expect(
      await page.evaluate(async () => [await window.lorito.savedModels(), await window.lorito.savedRuns()]),
    ).toEqual([[], []]);
    await page.close();
  }
});

test("discarding a run frees space for the one in training", async ({ page, context }) => {
  await start(page);
  const old = await page.evaluate(async (run) => {
    await window.lorito.train({ ...run, steps: 5 });
    return (await window.lorito.savedRun())?.run ?? "";
  }, tinyRun);
  await prepare(page);
  await limitStorage(context, page, 20_000);
  await begin(page);
  const step = await pausedAt(page, 5);
  expect(await page.evaluate(() => window.lorito.unsaved)).toBe(true);
  const saved = page.evaluate(() => new Promise((resolve) => window.lorito.on("saved", ({ step }) => resolve(step))));
  await page.evaluate((run) => window.lorito.discardRun(run), old);
  expect(await saved).toBe(step);
});

test("a checkpoint that cannot be made does not end the run", async ({ page }) => {
  await page.route("**/lorito.js", async (route) => {
    const response = await route.fetch();
    const script = await response.text();
    const session = script.match(/(\w+) as Session\b/)?.[1]; // its minified name
    const fault = `{ const make = ${session}.prototype.checkpoint; let asked = 0;
      ${session}.prototype.checkpoint = function () {
        asked += 1;
        if (asked === 2) return Promise.reject({ code: "header-too-large", bytes: 2, limit: 1 });
        return make.call(this);
      }; }`;
    await route.fulfill({ response, body: `${script}\n${fault}` });
  });
  await start(page);
  await begin(page);
  await pausedAt(page, 10);
  expect(await codes(page)).toEqual(["not-saved"]);
  expect(await page.evaluate(() => [window.saved, window.lorito.unsaved])).toEqual([[0], true]);
  const step = await pausedAt(page, 30);
  expect(await page.evaluate(() => [window.saved.at(-1), window.lorito.unsaved])).toEqual([step, false]);
  await page.evaluate(() => window.lorito.stop());
  expect(await page.evaluate(() => window.ended)).toBeGreaterThanOrEqual(step);
});

test("a damaged or forged run leaves the session unchanged", async ({ page }) => {
  await start(page);
  const files = await page.evaluateHandle(
    async ([run, model]) => {
      const { lorito } = window;
      await lorito.createModel({ ...model, layers: 2, width: 64 });
      await lorito.train({ ...run, steps: 6 });
      const whole = await lorito.downloadRun();
      await lorito.discardRun();
      const header = JSON.parse(await whole.slice(0, 4096).text());
      const withHeader = (change: object) =>
        new Blob([JSON.stringify({ ...header, ...change }).padEnd(4096), whole.slice(4096)]);
      const damaged = new Uint8Array(await whole.arrayBuffer());
      const middle = 4096 + Math.floor(header.checkpointBytes / 2);
      damaged[middle] = (damaged[middle] ?? 0) ^ 1;
      const strange = new Uint8Array(await whole.arrayBuffer());
      strange.fill(0xee, strange.length - 100);
      return {
        whole,
        bad: {
          "not-a-run": [
            new Blob(["no run"]),
            ...[
              { textName: 5 },
              { textName: null },
              { corpus: "slot-0" },
              { corpus: "../models/x" },
              { corpus: "" },
              { run: 3 },
              { run: "../x" },
              { step: "<img>" },
              { checkpointBytes: -5 },
              { checkpointBytes: 1e300 },
              { version: 2 },
            ].map(withHeader),
          ],
          "file-truncated": [
            whole.slice(0, -7),
            withHeader({ checkpointBytes: 2 ** 40 }),
            withHeader({ corpusBytes: 0, checkpointBytes: 50_000 }),
          ],
          "checkpoint-damaged": [new Blob([damaged])],
          "token-out-of-range": [new Blob([strange])],
        },
      };
    },
    [tinyRun, tinyModel] as const,
  );
  await prepare(page);
  await page.evaluate((run) => window.lorito.train({ ...run, steps: 20 }), tinyRun);
  const [before, stored] = [await logits(page), await page.evaluate(() => window.files())];
  const refused = await files.evaluate(async ({ bad }) => {
    const found: [string, string][] = [];
    for (const [code, list] of Object.entries(bad))
      for (const file of list)
        found.push([
          code,
          await window.lorito.openRun(file).then(
            () => "opened",
            ({ code }) => code,
          ),
        ]);
    return found;
  });
  for (const [expected, found] of refused) expect(found).toBe(expected);
  expect(await logits(page)).toEqual(before);
  expect(await page.evaluate(() => window.files())).toEqual(stored);
  const [run] = await page.evaluate(() => window.lorito.savedRuns());
  await page.evaluate((settings) => window.lorito.train({ ...settings, steps: 5 }), tinyRun);
  expect(await page.evaluate(() => window.lorito.savedRuns())).toMatchObject([{ run: run?.run, step: 25 }]);
  // The intact one opens as a new run.
  const opened = await files.evaluate(({ whole }) => window.lorito.openRun(whole));
  expect(opened).toMatchObject({ step: 6, textName: "log.txt" });
  await page.evaluate((settings) => window.lorito.train({ ...settings, steps: 1 }), tinyRun);
  expect((await page.evaluate(() => window.lorito.savedRuns())).map(({ step }) => step)).toEqual([7, 25]);
});

test("a discarded run continues as a new one, and its download can still be opened", async ({ page, guard }) => {
  guard.allowed.push(/unreachable/);
  await start(page);
  await begin(page);
  await pausedAt(page, 10);
  await page.evaluate(() => window.lorito.stop());
  const step = await page.evaluate(() => window.ended);
  const seen = await page.evaluate(async () => {
    const { lorito } = window;
    const before = await lorito.savedRun();
    const file = await lorito.downloadRun(before?.run);
    await lorito.discardRun();
    return {
      before,
      left: await lorito.savedRuns(),
      unsaved: lorito.unsaved,
      bytes: (await file.arrayBuffer()).byteLength,
    };
  });
  expect(seen).toMatchObject({ left: [], unsaved: false }); // as it was downloaded
  expect(seen.bytes).toBeGreaterThan(100_000);
  // The page holds it in memory until it is saved again, also through a crash.
  await crash(page);
  expect(await page.evaluate(async () => (await window.lorito.history()).steps.length)).toBe(step);
  await page.evaluate(() => {
    window.saved.length = 0;
    window.ended = window.lorito.continueRun().then(({ step }) => step);
  });
  const later = await pausedAt(page, Number(step) + 10);
  const [saved] = await page.evaluate(() => window.lorito.savedRuns());
  expect(saved?.step).toBe(later);
  expect(saved?.run).not.toBe(seen.before?.run);
  expect(await page.evaluate(() => window.lorito.unsaved)).toBe(false);
});

test("a run saved by versions that stored only one opens, is listed, and continues", async ({ page }) => {
  await start(page);
  await begin(page, { steps: 3000 });
  await pausedAt(page, 10);
  const step = await pausedAt(page, 30);
  const run = await page.evaluate(async () => {
    const [newest] = await window.lorito.savedRuns();
    // The former format: slots and tokens in lorito/run, without the tokens' length, and no folder that names the owner.
    const lorito = await (await navigator.storage.getDirectory()).getDirectoryHandle("lorito");
    const runs = await lorito.getDirectoryHandle("runs");
    const before = await lorito.getDirectoryHandle("run", { create: true });
    for await (const [name, handle] of (await runs.getDirectoryHandle(newest?.run ?? "")).entries()) {
      const file = await (handle as FileSystemFileHandle).getFile();
      const header = name.startsWith("slot") && JSON.parse(await file.slice(0, 4096).text());
      const head = header && JSON.stringify({ ...header, corpusBytes: undefined }).padEnd(4096);
      const writable = await (await before.getFileHandle(name, { create: true })).createWritable();
      await writable.write(head ? new Blob([head, file.slice(4096)]) : file);
      await writable.close();
    }
    await lorito.removeEntry("runs", { recursive: true });
    for await (const name of lorito.keys()) if (name.startsWith("owner")) await lorito.removeEntry(name);
    return newest?.run ?? "";
  });
  await page.reload();
  await ready(page);
  await listen(page);
  expect(await page.evaluate(() => window.lorito.savedRun())).toMatchObject({ run, step, textName: "log.txt" });
  await expect(page.getByText("A training run was cut off")).toBeVisible();
  await page.evaluate(() => {
    window.ended = window.lorito.continueRun().then(({ step }) => step);
  });
  const later = await pausedAt(page, step + 10);
  expect(await page.evaluate(() => window.lorito.savedRuns())).toMatchObject([{ run, step: later }]);
  // Only its older copy was deleted.
  const names = Object.keys(await page.evaluate(() => window.files()));
  expect(names.filter((name) => name.startsWith("lorito/run/"))).toEqual([]);
  expect(names.filter((name) => name.startsWith(`lorito/runs/${run}/slot`)).length).toBeGreaterThan(0);
  expect(await codes(page)).toEqual([]);
});

test("a saved model that is open stays open when it is renamed or deleted, also through a crash", async ({
  page,
  guard,
}) => {
  guard.allowed.push(/unreachable/);
  await start(page);
  await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 5 });
    await lorito.saveModel("a");
    await lorito.openModel("a");
  }, tinyRun);
  const before = await logits(page);
  for (const change of ["renameModel('a', 'b')", "deleteModel('b')"]) {
    expect(await problem(page, change)).toMatchObject({ code: "none" });
    await crash(page);
    expect(await logits(page)).toEqual(before);
    if (change.startsWith("rename")) await page.evaluate(() => window.lorito.openModel("b"));
  }
  expect(await codes(page)).toEqual(["internal", "recovered", "internal", "recovered"]);
  // Now only the page holds the model.
  expect(await page.evaluate(() => window.lorito.unsaved)).toBe(true);
});

test("two tabs can save under the same name without loss", async ({ page, context }) => {
  const other = await context.newPage();
  for (const tab of [page, other]) {
    await open(tab, "cpu");
    await prepare(tab);
  }
  const save = (tab: Page) =>
    tab.evaluate(async () => {
      const names: string[] = [];
      for (let time = 0; time < 10; time++) names.push(await window.lorito.saveModel("mine"));
      return names;
    });
  const names = (await Promise.all([save(page), save(other)])).flat();
  expect(new Set(names).size).toBe(20);
  expect(await page.evaluate(() => window.lorito.savedModels())).toHaveLength(20);
});

test("copies of the page in folders of one host have separate storage", async ({ page, context }) => {
  await context.route("**/copy/**", async (route) =>
    route.fulfill({ response: await route.fetch({ url: route.request().url().replace("/copy/", "/") }) }),
  );
  await start(page);
  await page.evaluate(async (run) => {
    await window.lorito.train({ ...run, steps: 5 });
    await window.lorito.saveModel("mine");
  }, tinyRun);
  const other = await context.newPage();
  await other.goto("copy/?engine=cpu");
  await ready(other);
  await prepare(other);
  await listen(other);
  const seen = await other.evaluate(async (run) => {
    const { lorito } = window;
    const before = [await lorito.savedRuns(), await lorito.savedModels()];
    await lorito.train({ ...run, steps: 3 });
    return { before, runs: await lorito.savedRuns() };
  }, tinyRun);
  expect(seen.before).toEqual([[], []]);
  expect(seen.runs.map(({ step }) => step)).toEqual([3]);
  expect(await codes(other)).toEqual([]);
  expect((await page.evaluate(() => window.lorito.savedRuns())).map(({ step }) => step)).toEqual([5]);
});
