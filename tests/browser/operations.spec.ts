// Compares every operation on the GPU, with the browser's own shader compiler, with its CPU implementation.
// The module for it is not part of the page; `cargo xtask test` builds it and passes its folder.
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
