// Loads the tests' own wasm module (tests/browser/operations), which `cargo xtask test` builds and whose folder it passes.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";

export const folder = process.env.LORITO_OPERATIONS;

/** Serves the module on the page's own origin; returns its address. */
export async function serveModule(page: Page): Promise<string> {
  await page.route("**/operations/*", (route) => {
    const name = new URL(route.request().url()).pathname.split("/").at(-1) ?? "";
    const contentType = name.endsWith(".wasm") ? "application/wasm" : "text/javascript";
    return route.fulfill({ body: readFileSync(join(folder ?? "", name)), contentType });
  });
  await page.goto("?engine=cpu");
  return new URL("operations/lorito_operations.js", page.url()).href;
}
