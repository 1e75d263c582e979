import { expect, test } from "./guard";

test("the page opens and its worker gets ready", async ({ page }) => {
  await page.goto("");
  await expect(page).toHaveTitle(/Lorito/);
  await expect(page.getByText("ready")).toBeVisible();
});

test("the browser has WebGPU exactly in the project that says so", async ({ page }, { project }) => {
  await page.goto("");
  const adapter = await page.evaluate(async () => {
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<object | null> } }).gpu;
    return gpu ? (await gpu.requestAdapter()) !== null : "no navigator.gpu";
  });
  expect(adapter).toBe(project.name === "webgpu" ? true : "no navigator.gpu");
});
