// Other browsers than Chromium. Playwright runs the tests; the browsers are Debian's own, which it cannot drive, and are
// driven by WebDriver (webdriver.ts).
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
