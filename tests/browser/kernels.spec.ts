// The choice of kernels for a GPU. Software adapters are not measured, so SwiftShader is disguised as a GPU.
import { expect, test } from "./guard";
import { prepare } from "./lorito";
import { step, takeSample, visit } from "./person";

test(
  "the fastest kernels are measured on the first visit and kept for the next",
  { tag: "@alone" },
  async ({ page }, { project }) => {
    test.skip(project.name !== "webgpu", "the CPU engine has one kernel");
    let description = "A maker's GPU";
    // In the worker the adapter has another name.
    await page.route("**/worker.js", async (route) => {
      const response = await route.fetch();
      const info = { vendor: "somebody", architecture: "", device: "", description, isFallbackAdapter: false };
      const told = `{
        Object.defineProperty(GPUAdapter.prototype, "info", { value: ${JSON.stringify(info)} });
        globalThis.warmedUp = 0;
        const make = GPUDevice.prototype.createComputePipelineAsync;
        GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
          globalThis.warmedUp += 1;
          return make.call(this, descriptor);
        };
      }\n`;
      await route.fulfill({ response, body: told + (await response.text()) });
    });
    /** The content of the browser's private storage. */
    const kept = () =>
      page.evaluate(async () => {
        const root = await navigator.storage.getDirectory();
        const own = await root.getDirectoryHandle("lorito");
        const file = await (await own.getDirectoryHandle("kernels")).getFileHandle("choice.json");
        const { lastModified } = await file.getFile();
        return { lastModified, ...JSON.parse(await (await file.getFile()).text()) };
      });
    const plan = () => page.evaluate(() => window.lorito.planModel({ preset: "tiny", vocabulary: 65 }, {}));
    /** Number of pipelines requested in advance: without a text, those of the measurement. */
    const warmedUp = () => page.workers()[0]?.evaluate(() => (globalThis as unknown as { warmedUp: number }).warmedUp);
    await visit(page, "webgpu");
    await plan();
    const first = await kept();
    expect(first.of).toContain("A maker's GPU");
    expect(first.choice).toMatchObject({ small: "registers", large: "registers", attention: "rows" });
    expect(["thread", "team"]).toContain(first.choice.rows);
    expect(await warmedUp()).toBeGreaterThan(0);
    await page.reload();
    await plan();
    expect(await kept()).toEqual(first);
    expect(await warmedUp()).toBe(0);

    // If the browser does not identify the GPU, it may have changed.
    description = "";
    await page.reload();
    await plan();
    expect(await kept()).toEqual(first);
    expect(await warmedUp()).toBeGreaterThan(0);
  },
);

test("half precision stays off until the engine's own check has passed", async ({ page }) => {
  await visit(page, test.info().project.name);
  await takeSample(page);
  const view = step(page, "Train");
  await view.getByText("Change", { exact: true }).click();
  const half = view.getByLabel("Half precision");
  await expect(half).not.toBeChecked();
  await half.click();
  // SwiftShader has no shader-f16, and the CPU engine no kernels for it; a GPU that supports it may enable it.
  const found = await page.evaluate(() => window.lorito.checkHalfPrecision());
  const works = found === "works";
  await expect(half).toBeChecked({ checked: works });
  if (!works) {
    expect(found).toBe("missing");
    await expect(view.getByText(/Not here: this needs WebGPU/)).toBeVisible();
  }
  await prepare(page);
  const again = page.evaluate(() =>
    window.lorito.train({ steps: 2, halfPrecision: true }).then(
      () => "trained",
      ({ code }) => code,
    ),
  );
  expect(await again).toBe(works ? "trained" : "half-precision-unavailable");
});
