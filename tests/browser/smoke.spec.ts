import type { Page } from "@playwright/test";
import { expect, test } from "./guard";

/** The engine of the public API, and its reason, once it is ready. */
async function ready(page: Page): Promise<{ engine: string; reason: string }> {
  await page.waitForFunction(() => "lorito" in window);
  return page.evaluate(() => (window as unknown as { lorito: { ready: Promise<never> } }).lorito.ready);
}

test("the page opens and its engine starts", async ({ page }, { project }) => {
  // By default, a software GPU is not used, as the CPU engine is faster.
  await page.goto(`?engine=${project.name}`);
  await expect(page).toHaveTitle(/Lorito/);
  expect((await ready(page)).engine).toBe(project.name);
});

test("the browser finds a GPU in the webgpu project, and only there", async ({ page }, { project }) => {
  await page.goto("");
  const found = await page.evaluate(async () => {
    const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
    return gpu !== undefined && (await gpu.requestAdapter()) !== null;
  });
  expect(found).toBe(project.name === "webgpu");
});

test("the page works in a sub-path of a host that sends no custom headers", async ({ page, baseURL }) => {
  // The same files, as on a plain static host under https://example.org/some/where/.
  await page.route("**/some/where/**", async (route) => {
    const response = await route.fetch({ url: route.request().url().replace("/some/where", "") });
    const type = response.headers()["content-type"] ?? "";
    await route.fulfill({ status: response.status(), body: await response.body(), headers: { "content-type": type } });
  });
  await page.goto("some/where/");
  await ready(page);
  const files = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => entry.name));
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(file).toContain(`${baseURL}some/where/`);
});

test("the page has no inline scripts, and its policy forbids them", async ({ page, baseURL, guard }) => {
  const html = await (await fetch(baseURL ?? "")).text();
  expect(html.match(/<script[^>]*>/g)).toEqual(['<script type="module" src="main.js">']);
  expect(html).not.toMatch(/ style=| on[a-z]+=|="\//);

  guard.allowed.push(/Content Security Policy|TrustedScript/);
  await page.goto("");
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    // Trusted Types would reject a string assigned to the element.
    script.append("window.inlineRan = true");
    document.head.append(script);
    return "inlineRan" in window;
  });
  expect(ran).toBe(false);
});
