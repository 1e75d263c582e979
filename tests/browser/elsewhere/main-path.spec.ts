// The main path from a sample to an exported and reopened model, in browsers other than Chromium, on the CPU engine: the
// page's texts, and losses that are equal to the last bit.
import { expect, test } from "@playwright/test";
import { type Browser, firefox, ofPlaywright, webkit } from "./browsers";
import { walk } from "./walk";

const { LORITO_CHROMIUM: chromiumProgram = "", LORITO_FIREFOX, LORITO_WEBKIT_DRIVER } = process.env;

test.describe.configure({ mode: "default" });

let right: Awaited<ReturnType<typeof walk>>;

async function walkIn(browser: Browser, what: { saves: boolean; reason: RegExp }) {
  try {
    return await walk(browser, what);
  } catch (error) {
    await browser.picture(test.info().outputPath("page.png")).catch(() => {});
    throw error;
  } finally {
    await browser.close();
  }
}

test.beforeAll(async () => {
  right = await walkIn(await ofPlaywright(chromiumProgram, "--disable-gpu"), {
    saves: true,
    reason: /no graphics card/,
  });
});

test("Firefox has the same losses, saves a run and continues it", async () => {
  test.skip(!LORITO_FIREFOX, "there is no Firefox here");
  expect(await walkIn(await firefox(LORITO_FIREFOX ?? ""), { saves: true, reason: /offers no WebGPU/ })).toEqual(right);
});

test("WebKitGTK has the same losses, and continues from a file as it cannot save a run", async () => {
  test.skip(!LORITO_WEBKIT_DRIVER, "there is no WebKitGTK here");
  const seen = await walkIn(await webkit(LORITO_WEBKIT_DRIVER ?? ""), { saves: false, reason: /offers no WebGPU/ });
  expect(seen).toEqual(right);
});
