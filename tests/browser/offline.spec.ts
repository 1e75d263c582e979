// The offline page: it opens after a restart of the browser, trains and generates; and a new version is activated only on
// request, and only complete.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "@playwright/test";
import { expect, test as guarded } from "./guard";
import { ended, onceIsEnough, press, small, step, takeSample, train, write } from "./person";
import { StaticHost } from "./static-host";

interface Fixtures {
  hosted: (folders: string[], sendsHeaders?: boolean) => Promise<StaticHost>;
  /** Starts a browser with the profile of the last time. */
  startBrowser: () => Promise<BrowserContext>;
}

const test = guarded.extend<Fixtures>({
  hosted: async ({ baseURL }, use) => {
    const hosts: StaticHost[] = [];
    await use(async (folders, sendsHeaders) => {
      const host = await StaticHost.start(baseURL ?? "", folders, sendsHeaders);
      hosts.push(host);
      return host;
    });
    for (const host of hosts) host.stop();
  },
  startBrowser: async ({ launchOptions, guard }, use) => {
    // For a document without an icon of its own, the browser requests one from the host.
    guard.allowed.push(/\/favicon\.ico$/);
    const profile = await mkdtemp(join(tmpdir(), "lorito-profile-"));
    let context: BrowserContext | undefined;
    await use(async () => {
      await context?.close();
      context = await chromium.launchPersistentContext(profile, { ...launchOptions, serviceWorkers: "allow" });
      context.on("console", (message) => {
        if (message.type() === "error") guard.seen.push(`console: ${message.text()} ${message.location().url}`);
      });
      context.on("weberror", (webError) => guard.seen.push(`uncaught: ${webError.error().message}`));
      return context;
    });
    await context?.close();
    await rm(profile, { recursive: true });
  },
});

onceIsEnough();

const settings = (steps: number) => `?engine=cpu#${small}&steps=${steps}&evalEvery=10`;

async function openAt(context: BrowserContext, address: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(address);
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  return page;
}

/** Waits until all of the page is cached on this device. */
async function kept(page: Page): Promise<void> {
  const state = () =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      // Before this copy has its own registration, the one of a parent folder is returned.
      const isOurs = registration?.scope === new URL("./", location.href).href;
      return isOurs ? registration.active?.state : "none";
    });
  await expect.poll(state).toBe("activated");
}

for (const sendsHeaders of [false, true]) {
  test(`without a network the page opens, trains and generates, from a host ${sendsHeaders ? "with" : "without"} headers`, async ({
    hosted,
    startBrowser,
  }) => {
    const host = await hosted([sendsHeaders ? "/" : "/some/where/"], sendsHeaders);
    // At the cached address: another one would be another page in the browser's HTTP cache.
    const first = await openAt(await startBrowser(), host.address());
    await kept(first);
    const twice = host.log.filter(
      ({ path, bytes }, index) =>
        bytes > 0 && host.log.slice(0, index).some((other) => other.path === path && other.bytes > 0),
    );
    expect(twice, "nothing is downloaded twice").toEqual([]);
    host.stop();

    const page = await openAt(await startBrowser(), host.address() + settings(20));
    expect(await page.evaluate(() => crossOriginIsolated), "the headers are kept").toBe(sendsHeaders);
    await train(page);
    expect((await write(page, "BAKER:")).length).toBeGreaterThan(0);
    // Lazily loaded scripts and other files are available, too.
    const download = page.waitForEvent("download");
    await press(page, "Download as one page");
    await (await download).delete();
    await page.goto(`${host.address()}licences.txt`);
    await expect(page.locator("body")).toContainText("Lorito consists of these");
    await page.goto(`${host.address()}index.html?engine=cpu`);
    await expect(page.getByText(/^Runs on the /)).toBeVisible();
  });
}

const changed = ["main.js", "style.css", "samples/harbour.txt"];
const second = (text: string) => text.replace(/^/, "/* second */");

/** The versions of the page's files, each as the page would get it. */
async function versions(page: Page): Promise<string[]> {
  return page.evaluate(async (paths) => {
    const texts = await Promise.all(paths.map(async (path) => (await fetch(path)).text()));
    return texts.map((text) => (text.startsWith("/* second */") ? "second" : "first"));
  }, changed);
}

test("a new version is activated only complete, on the user's request, and never during a run", async ({
  hosted,
  startBrowser,
}) => {
  const host = await hosted(["/lorito/"]);
  const browser = await startBrowser();
  const before = await openAt(browser, host.address());
  await kept(before);
  await before.close();
  const page = await openAt(browser, host.address() + settings(100_000));
  const offer = page.getByRole("button", { name: "Use the new version" });
  const look = () =>
    page.evaluate(async () => {
      await (await navigator.serviceWorker.getRegistration())?.update();
    });

  // The host has the new list, and only some of its files.
  await host.deploy(changed, second);
  await host.deployList(changed);
  await host.deploy(["style.css"], (text) => text.replace("second", "third"));
  await look().catch(() => {});
  await expect
    .poll(() => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.installing === null))
    .toBe(true);
  await expect(offer).toBeHidden();
  expect(await versions(page)).toEqual(["first", "first", "first"]);

  await takeSample(page);
  await press(page, "Train now");
  await expect(page.getByRole("button", { name: "Pause", exact: true })).toBeVisible();
  await host.deploy(["style.css"], (text) => text.replace("third", "second"));
  await look();
  await expect(offer).toBeVisible();
  await expect(offer).toHaveAttribute("aria-disabled", "true");
  await offer.click({ force: true });
  expect(await versions(page)).toEqual(["first", "first", "first"]);
  await press(step(page, "Train"), "Stop");
  await ended(page);

  // Another tab would get files of both versions.
  const other = await openAt(browser, host.address());
  expect(await versions(other)).toEqual(["first", "first", "first"]);
  await offer.click();
  await expect(page.getByRole("alert")).toContainText("Lorito is open in another tab or window, too.");
  expect(await versions(other)).toEqual(["first", "first", "first"]);
  await other.close();

  await Promise.all([page.waitForEvent("load"), offer.click()]);
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  expect(await versions(page)).toEqual(["second", "second", "second"]);
  await expect(offer).toBeHidden();
  // Files that are the same in both are not fetched again.
  expect(host.log.filter(({ path, bytes }) => path === "lorito_bg.wasm" && bytes > 0)).toHaveLength(1);
  await expect.poll(() => page.evaluate(async () => (await caches.keys()).length)).toBe(1);
});

test("copies of the page on one host are separate", async ({ hosted, startBrowser }) => {
  const host = await hosted(["/one/", "/one/more/"]);
  const browser = await startBrowser();
  for (const folder of host.folders) await kept(await openAt(browser, host.address(folder)));
  for (const path of ["main.js", "style.css", "samples/harbour.txt"]) await host.deploy([path], second, "/one/");
  await host.deployList(changed, "/one/");
  // Opened after all its tabs were closed, the copy has its new version.
  const page = await openAt(await startBrowser(), host.address("/one/"));
  await expect(page.getByRole("button", { name: "Use the new version" })).toBeVisible();
  const later = await openAt(await startBrowser(), host.address("/one/"));
  expect(await versions(later)).toEqual(["second", "second", "second"]);
  const more = await openAt(await startBrowser(), host.address("/one/more/"));
  expect(await versions(more)).toEqual(["first", "first", "first"]);
  host.stop();
  await more.reload();
  await expect(more.getByText(/^Runs on the /)).toBeVisible();
});

/** Posts a form to the installed page like the system's share sheet: without a page as its origin. */
async function shareWith(page: Page, host: StaticHost, parts: { name: string; text: string; file?: string }[]) {
  await page.goto(`${host.address()}blank`);
  await Promise.all([
    page.waitForURL(/\/lorito\/(\?.*)?$/),
    page.evaluate((given) => {
      const form = document.createElement("form");
      Object.assign(form, { method: "post", enctype: "multipart/form-data", action: "share-target" });
      for (const { name, text, file } of given) {
        const input = document.createElement("input");
        input.name = name;
        if (file === undefined) input.value = text;
        else {
          input.type = "file";
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], file));
          input.files = transfer.files;
        }
        form.append(input);
      }
      document.body.append(form);
      form.submit();
    }, parts),
  ]);
}

test("data shared by another program are added like dropped files, and never leave the machine", async ({
  hosted,
  startBrowser,
}) => {
  const host = await hosted(["/lorito/"]);
  host.add("blank", "<!doctype html><title>Another program</title>");
  const page = await openAt(await startBrowser(), host.address());
  await kept(page);
  const log = host.log.length;
  await shareWith(page, host, [{ name: "files", text: "Words to learn from. ".repeat(40), file: "diary entry.txt" }]);
  await expect(step(page, "Text").getByText("diary entry.txt")).toBeVisible();
  // A second visit to the same address adds nothing.
  expect(page.url()).toBe(host.address());
  expect(await page.evaluate(async () => (await (await caches.open("lorito-shared /lorito/")).keys()).length)).toBe(0);

  await shareWith(page, host, [{ name: "text", text: "Other words to learn from. ".repeat(40) }]);
  await expect(step(page, "Text").getByText("Pasted text")).toBeVisible();
  await shareWith(page, host, [{ name: "files", text: "", file: "nothing.txt" }]);
  await expect(step(page, "Text").getByRole("alert")).toContainText("nothing.txt is empty.");
  expect(host.log.slice(log).filter(({ method }) => method !== "GET")).toEqual([]);
});

test("files opened with the installed page are added", async ({ page }) => {
  await page.addInitScript(() => {
    const handle = { getFile: async () => new File(["Words to learn from. ".repeat(40)], "opened.txt") };
    const setConsumer = (take: (launch: object) => void) => take({ files: [handle] });
    Object.defineProperty(window, "launchQueue", { value: { setConsumer } });
  });
  await page.goto("?engine=cpu");
  await expect(step(page, "Text").getByText("opened.txt")).toBeVisible();
});

test("a phone's notification is shown by the service worker", async ({ hosted, startBrowser }) => {
  const host = await hosted(["/lorito/"]);
  const browser = await startBrowser();
  await kept(await openAt(browser, host.address()));
  const page = await openAt(browser, host.address() + settings(100));
  await page.evaluate(() => {
    const told: string[] = [];
    // As on Android, where a page cannot create notifications.
    class Told {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor() {
        throw new TypeError("Illegal constructor");
      }
    }
    Object.assign(window, { Notification: Told, told });
    ServiceWorkerRegistration.prototype.showNotification = async (title, options) => {
      told.push(`${title}: ${options?.body}`);
    };
    document.hasFocus = () => false;
  });
  await step(page, "Train").getByLabel("Notify me when it is done").check();
  await train(page);
  await expect
    .poll(() => page.evaluate(() => (window as unknown as { told: string[] }).told))
    .toEqual([expect.stringMatching(/^Training has ended: Trained up to step 100: /)]);
});

test("the manifest names existing files with their correct sizes", async ({ page, request, baseURL }) => {
  await page.goto("");
  const href = await page.locator("link[rel=manifest]").getAttribute("href");
  const manifest = await (await request.get(`${baseURL}${href}`)).json();
  for (const { src, sizes, type } of manifest.icons) {
    const answer = await request.get(`${baseURL}${src}`);
    expect(answer.headers()["content-type"]).toBe(type);
    const png = await answer.body();
    expect(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`).toBe(sizes);
    expect(png.length).toBeLessThan(20_000);
  }
  expect(manifest).toMatchObject({ start_url: "./", scope: "./", display: "standalone" });
  const session = await page.context().newCDPSession(page);
  const { errors } = await session.send("Page.getAppManifest");
  expect(errors).toEqual([]);
});
