// Every operation by itself: what the GPU computes, through the browser's own compiler of shaders, against the CPU's bodies.
// The module for it is no part of the page; `cargo xtask test` builds it and says where it lies.
import { expect, test } from "./guard";
import { folder, serveModule } from "./module";

test("every operation and its gradients are the same on both engines", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "needs a GPU");
  test.skip(!folder, "`cargo xtask test` builds the module");
  const address = await serveModule(page);
  const found = await page.evaluate(async (address) => {
    const module = await import(address);
    await module.default();
    return (await module.checkOperations()) as [string, string | null][];
  }, address);
  expect(found.length).toBeGreaterThan(8);
  for (const [name, differs] of found) expect(differs, name).toBeNull();
});
