// Training in the background: the wake lock, the progress in the tab's title, the notification at the end, and the result on
// the page when the user returns.
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { ended, onceIsEnough, press, small, step, takeSample, visit } from "./person";

onceIsEnough();

const long = `${small}&steps=100000&evalEvery=50000`;

/** Replaces APIs that a headless browser does not implement; the calls are recorded in `window.asked`. */
async function pretend(page: Page, permission: NotificationPermission = "granted"): Promise<void> {
  await page.addInitScript((answer) => {
    const asked: string[] = [];
    let hidden = false;
    let current: NotificationPermission = "default";
    class Lock extends EventTarget {
      released = false;
      async release() {
        if (!this.released) asked.push("given back");
        this.released = true;
      }
    }
    const wakeLock = {
      locks: [] as Lock[],
      async request(kind: string) {
        if (hidden) throw new DOMException("hidden", "NotAllowedError");
        asked.push(kind);
        const lock = new Lock();
        wakeLock.locks.push(lock);
        return lock;
      },
    };
    class Told {
      static get permission() {
        return current;
      }
      static async requestPermission() {
        asked.push("permission");
        current = answer;
        return answer;
      }
      constructor(title: string, { body }: NotificationOptions) {
        asked.push(`${title}: ${body}`);
      }
      close() {}
    }
    Object.defineProperty(navigator, "wakeLock", { value: wakeLock });
    Object.defineProperty(document, "hidden", { get: () => hidden });
    Object.assign(window, {
      Notification: Told,
      asked,
      look(away: boolean) {
        hidden = away;
        // Like a browser, releases the lock when the page is hidden.
        if (away) for (const lock of wakeLock.locks) lock.released = true;
        document.dispatchEvent(new Event("visibilitychange"));
      },
      letPermission: (now: NotificationPermission) => {
        current = now;
      },
    });
  }, permission);
}

const asked = (page: Page) => page.evaluate(() => (window as unknown as { asked: string[] }).asked);
const look = (page: Page, to: "away" | "here") =>
  page.evaluate((away) => (window as unknown as { look(away: boolean): void }).look(away), to === "away");

test("the screen stays on only while the page trains and is visible", async ({ page }) => {
  await pretend(page);
  await visit(page, "cpu", long);
  await takeSample(page);
  expect(await asked(page)).toEqual([]);
  await press(page, "Train now");
  await expect.poll(() => asked(page)).toEqual(["screen"]);
  await press(page, "Pause");
  await expect.poll(() => asked(page)).toEqual(["screen", "given back"]);
  await press(page, "Continue");
  await expect.poll(() => asked(page)).toEqual(["screen", "given back", "screen"]);
  // The browser releases it when the page is hidden.
  await look(page, "away");
  await look(page, "here");
  await expect.poll(() => asked(page)).toEqual(["screen", "given back", "screen", "screen"]);
  await press(step(page, "Train"), "Stop");
  await ended(page);
  await expect.poll(() => asked(page)).toEqual(["screen", "given back", "screen", "screen", "given back"]);
  await look(page, "away");
  await look(page, "here");
  expect(await asked(page)).toHaveLength(5);
});

test("the wake lock is released after an error", async ({ page }) => {
  await pretend(page);
  await visit(page, "cpu", `steps=200&learningRate=10&weightDecay=10&gradClip=0&warmupSteps=0&${small}`);
  await takeSample(page);
  await press(page, "Train now");
  await expect(step(page, "Train").getByRole("alert")).toBeVisible();
  expect(await asked(page)).toEqual(["screen", "given back"]);
});

test("the title shows the progress, and then the result until the page is visible", async ({ page }) => {
  await pretend(page);
  await visit(page, "cpu", `${small}&steps=400&evalEvery=200`);
  await takeSample(page);
  await expect(page).toHaveTitle("Lorito");
  await press(page, "Train now");
  await expect(page).toHaveTitle(/^\d+% · Lorito$/);
  await look(page, "away");
  await expect(page).toHaveTitle("Done · Lorito", { timeout: 120_000 });
  // The user has not asked for a notification.
  expect((await asked(page)).filter((line) => line.includes("Training"))).toEqual([]);
  const notice = step(page, "Train").getByText(
    /^While you looked elsewhere, training ended\. Trained up to step 400: /,
  );
  await expect(notice).toBeHidden();
  await look(page, "here");
  await expect(page).toHaveTitle("Lorito");
  await expect(notice).toHaveText(/training loss \d\.\d{3}, validation loss \d\.\d{3}\./);

  // On a visible page there is no notification.
  await press(step(page, "Train"), /^Train .* more steps$/);
  await expect(page).toHaveTitle(/^\d+% · Lorito$/);
  await press(step(page, "Train"), "Stop");
  await expect(page).toHaveTitle("Lorito");
});

test("a user who wants it is notified of the end, and only then asked for permission", async ({ page }) => {
  await pretend(page);
  const settings = `${small}&steps=200&evalEvery=100`;
  await visit(page, "cpu", settings);
  const wish = step(page, "Train").getByLabel("Notify me when it is done");
  await expect(wish).not.toBeChecked();
  expect(await asked(page)).toEqual([]);
  await wish.check();
  await expect.poll(() => asked(page)).toEqual(["permission"]);
  await expect(wish).toBeChecked();

  await page.reload();
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  // Without permission the box is not checked.
  await expect(wish).not.toBeChecked();
  await page.addInitScript(() => (window as unknown as { letPermission(now: string): void }).letPermission("granted"));
  await page.reload();
  await expect(wish).toBeChecked();
  await takeSample(page);
  await press(page, "Train now");
  await look(page, "away");
  await expect
    .poll(async () => (await asked(page)).at(-1), { timeout: 120_000 })
    .toMatch(/^Training has ended: Trained up to step 200: training loss \d\.\d{3}, validation loss \d\.\d{3}\.$/);

  await look(page, "here");
  await wish.uncheck();
  await page.reload();
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  await expect(wish).not.toBeChecked();
});

test("the page says if the browser denies notifications", async ({ page }) => {
  await pretend(page, "denied");
  await visit(page, "cpu", long);
  const wish = step(page, "Train").getByLabel("Notify me when it is done");
  await wish.click();
  await expect(step(page, "Train").getByText(/^This browser does not let the page notify you\./)).toBeVisible();
  await expect(wish).not.toBeChecked();
});

test("training continues after the machine has slept", async ({ page }) => {
  await visit(page, "cpu", long);
  await takeSample(page);
  await press(page, "Train now");
  const reached = () => page.evaluate(async () => (await window.lorito.history()).steps.at(-1)?.step ?? 0);
  await expect.poll(reached).toBeGreaterThan(20);
  const browser = await page.context().newCDPSession(page);
  await browser.send("Page.setWebLifecycleState", { state: "frozen" });
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await browser.send("Page.setWebLifecycleState", { state: "active" });
  const after = await reached();
  await expect.poll(reached).toBeGreaterThan(after + 20);
  await press(step(page, "Train"), "Stop");
  await ended(page);
});
