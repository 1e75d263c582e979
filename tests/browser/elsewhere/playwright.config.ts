// The configuration for browsers other than Chromium. Playwright runs the tests, but cannot control Debian's own browsers,
// which are controlled by WebDriver (webdriver.ts).
import { defineConfig } from "@playwright/test";

if (!process.env.LORITO_URL || !process.env.LORITO_CHROMIUM)
  throw new Error("`cargo xtask test --only browsers` starts these tests");

export default defineConfig({
  testDir: ".",
  outputDir: "../results/elsewhere",
  workers: 1,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: process.env.CI === "true",
});
