// The configuration for the npm package, packed and installed as in a program that uses it.
import { defineConfig } from "@playwright/test";

const { LORITO_PACKED, LORITO_PACKAGE, LORITO_CHROMIUM } = process.env;
if (!LORITO_PACKED || !LORITO_PACKAGE || !LORITO_CHROMIUM)
  throw new Error("`cargo xtask test --only package` starts these tests");

export default defineConfig({
  testDir: ".",
  outputDir: "../results/package",
  workers: 1,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: process.env.CI === "true",
  use: {
    locale: "en-US",
    launchOptions: { executablePath: LORITO_CHROMIUM, args: ["--no-first-run", "--disable-gpu"] },
  },
});
