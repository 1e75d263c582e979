// The configuration for llama.cpp on a model that others have trained. Playwright runs the test, without a browser.
import { defineConfig } from "@playwright/test";

if (!process.env.LORITO_SMOLLM2) throw new Error("`cargo xtask test --only pretrained` starts this test");

export default defineConfig({
  testDir: ".",
  outputDir: "../results/smollm2",
  workers: 1,
  timeout: 300_000,
  forbidOnly: process.env.CI === "true",
});
