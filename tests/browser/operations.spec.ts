// Every operation by itself: what the GPU computes, through the browser's own compiler of shaders, against the CPU's bodies.
// The module for it is no part of the page; `cargo xtask test` builds it and says where it lies.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "./guard";

const folder = process.env.LORITO_OPERATIONS;

test("every operation and its gradients are the same on both engines", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "needs a GPU");
  test.skip(!folder, "`cargo xtask test` builds the module");
  await page.route("**/operations/*", (route) => {
    const name = new URL(route.request().url()).pathname.split("/").at(-1) ?? "";
    const contentType = name.endsWith(".wasm") ? "application/wasm" : "text/javascript";
    return route.fulfill({ body: readFileSync(join(folder ?? "", name)), contentType });
  });
  await page.goto("?engine=cpu");
  const found = await page.evaluate(async () => {
    const address = new URL("operations/lorito_operations.js", location.href).href;
    const module = await import(address);
    await module.default();
    return (await module.checkOperations()) as [string, string | null][];
  });
  expect(found.length).toBeGreaterThan(8);
  for (const [name, differs] of found) expect(differs, name).toBeNull();
});
