import { defineConfig } from "@playwright/test";

/** The page under test, served by `cargo xtask test` as `cargo xtask serve` serves it. */
const url = process.env.LORITO_URL;
const chromium = process.env.LORITO_CHROMIUM;
if (!url || !chromium) throw new Error("`cargo xtask test --only browser` starts these tests");

/** What keeps the browser from speaking to anybody but the page. */
const quiet = [
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // For each window, and so for each test, Chromium opens two pages of its own that suggest addresses: half a second.
  // The last switch of this name counts: the others are those of Playwright's that could change what a page does.
  "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,PaintHolding,OptimizationHints,MediaRouter",
];

const browser = (...flags: string[]) => ({ executablePath: chromium, args: [...quiet, ...flags] });

export default defineConfig({
  testDir: ".",
  testIgnore: "elsewhere/**", // other browsers, with a configuration of their own
  outputDir: "results/files",
  // Two at a time, as SwiftShader compiles shaders on one core. Tests tagged @alone hold the page to a time that the other
  // test would take from it: `cargo xtask test` runs them afterwards, one by one.
  workers: 2,
  fullyParallel: true,
  timeout: 300_000, // SwiftShader does a GPU's work on the CPU
  expect: { timeout: 30_000 },
  forbidOnly: process.env.CI === "true",
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 900 },
    locale: "en-US",
    // A service worker would fetch the page once more for each test, past the answers that tests give for the host.
    // offline.spec.ts has browsers of its own.
    serviceWorkers: "block",
    // The parrot's nod and the caret's blink, drawn without a GPU, take an eighth of the time of the page's tests.
    contextOptions: { reducedMotion: "reduce" },
    screenshot: "only-on-failure",
  },
  projects: [
    {
      name: "webgpu",
      use: {
        launchOptions: browser(
          "--enable-unsafe-webgpu",
          "--use-webgpu-adapter=swiftshader",
          "--enable-features=Vulkan",
        ),
      },
    },
    {
      // No switch takes `navigator.gpu` away; without a GPU it is there and finds no adapter.
      name: "cpu",
      use: { launchOptions: browser("--disable-gpu") },
    },
  ],
});
