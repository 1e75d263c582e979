import { defineConfig } from "@playwright/test";

/** The page under test, on a server that `cargo xtask test` runs like `cargo xtask serve`. */
const url = process.env.LORITO_URL;
const chromium = process.env.LORITO_CHROMIUM;
if (!url || !chromium) throw new Error("`cargo xtask test --only browser` starts these tests");

/** Switches that prevent the browser's own requests. */
const quiet = [
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // For each window, and so for each test, Chromium opens two internal pages that suggest addresses: half a second.
  // Only the last switch of this name is effective: the other features are those of Playwright's that affect pages.
  "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,PaintHolding,OptimizationHints,MediaRouter",
];

const browser = (...flags: string[]) => ({ executablePath: chromium, args: [...quiet, ...flags] });

export default defineConfig({
  testDir: ".",
  // Each has its own configuration. By their whole paths, as a folder above the checkout may have such a name.
  testIgnore: ["elsewhere", "package", "smollm2"].map((folder) => `${import.meta.dirname}/${folder}/**`),
  outputDir: "results/files",
  // Two at a time, as SwiftShader compiles shaders on one core. Tests tagged @alone measure times that the other test would
  // affect: `cargo xtask test` runs them afterwards, one by one.
  workers: 2,
  fullyParallel: true,
  timeout: 300_000, // SwiftShader emulates a GPU on the CPU
  expect: { timeout: 30_000 },
  forbidOnly: process.env.CI === "true",
  use: {
    baseURL: url,
    viewport: { width: 1280, height: 900 },
    locale: "en-US",
    // A service worker would fetch the page again for each test, bypassing the responses that tests fulfil.
    // offline.spec.ts starts its own browsers.
    serviceWorkers: "block",
    // Animations, such as the parrot's nod, take an eighth of the tests' time without a GPU.
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
      // No switch removes `navigator.gpu`; without a GPU it exists and finds no adapter.
      name: "cpu",
      use: { launchOptions: browser("--disable-gpu") },
    },
  ],
});
