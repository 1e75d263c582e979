import { expect, test } from "./guard";

test("the page opens and its worker gets ready", async ({ page }) => {
  await page.goto("");
  await expect(page).toHaveTitle(/Lorito/);
  await expect(page.getByText("ready")).toBeVisible();
});

test("the browser finds a GPU in the project that says so, and only there", async ({ page }, { project }) => {
  await page.goto("");
  const found = await page.evaluate(async () => {
    const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
    return gpu !== undefined && (await gpu.requestAdapter()) !== null;
  });
  expect(found).toBe(project.name === "webgpu");
});

test("the page works from a sub-path, with a host that sends no headers of its own", async ({ page, baseURL }) => {
  // The same files, as a plain static host has them under https://example.org/some/where/.
  await page.route("**/some/where/**", async (route) => {
    const response = await route.fetch({ url: route.request().url().replace("/some/where", "") });
    const type = response.headers()["content-type"] ?? "";
    await route.fulfill({ body: await response.body(), headers: { "content-type": type } });
  });
  await page.goto("some/where/");
  expect(page.url()).toBe(`${baseURL}some/where/`);
  await expect(page.getByText("ready")).toBeVisible();
  const atTheTop = await page.evaluate(() =>
    performance.getEntriesByType("resource").filter((entry) => !entry.name.includes("/some/where/")),
  );
  expect(atTheTop).toEqual([]);
});
