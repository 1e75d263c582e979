// Which kernels a GPU gets. SwiftShader's are known and not measured, so the page is told that it is a GPU.
import { expect, test } from "./guard";
import { train, visit } from "./person";

test("the fastest kernels are measured on the first visit and kept for the next", async ({ page, browserName: _ }, {
  project,
}) => {
  test.skip(project.name !== "webgpu", "the CPU engine has one kernel");
  // Told in the worker: its adapter goes by another name.
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    const told = `{
      Object.defineProperty(GPUAdapterInfo.prototype, "vendor", { get: () => "somebody" });
      Object.defineProperty(GPUAdapterInfo.prototype, "architecture", { get: () => "" });
      Object.defineProperty(GPUAdapterInfo.prototype, "device", { get: () => "" });
      Object.defineProperty(GPUAdapterInfo.prototype, "description", { get: () => "A maker's GPU" });
      Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });
    }\n`;
    await route.fulfill({ response, body: told + (await response.text()) });
  });
  /** What is kept in the browser's private files. */
  const kept = () =>
    page.evaluate(async () => {
      const root = await navigator.storage.getDirectory();
      const own = await root.getDirectoryHandle("lorito");
      const file = await (await own.getDirectoryHandle("kernels")).getFileHandle("choice.json");
      const { lastModified } = await file.getFile();
      return { lastModified, ...JSON.parse(await (await file.getFile()).text()) };
    });
  await visit(page, "webgpu");
  await train(page);
  const first = await kept();
  expect(first.of).toContain("A maker's GPU");
  expect(first.choice).toEqual({ small: "registers", large: "registers" });
  await visit(page, "webgpu");
  await train(page);
  expect((await kept()).lastModified).toBe(first.lastModified);
});
