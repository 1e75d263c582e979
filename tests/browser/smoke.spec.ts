import type { Page } from "@playwright/test";
import { expect, test } from "./guard";

/** What the page's public interface says once it can be used. */
async function ready(page: Page): Promise<{ engine: string; reason: string }> {
  await page.waitForFunction(() => "lorito" in window);
  return page.evaluate(() => (window as unknown as { lorito: { ready: Promise<never> } }).lorito.ready);
}

test("the page opens and its engine starts", async ({ page }, { project }) => {
  // Unasked, a GPU made of software is passed over for the faster CPU engine.
  await page.goto(`?engine=${project.name}`);
  await expect(page).toHaveTitle(/Lorito/);
  expect((await ready(page)).engine).toBe(project.name);
});

test("the browser finds a GPU in the project that says so, and only there", async ({ page }, { project }) => {
  await page.goto("");
  const found = await page.evaluate(async () => {
    const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
    return gpu !== undefined && (await gpu.requestAdapter()) !== null;
  });
  expect(found).toBe(project.name === "webgpu");
});

test("the page works from a sub-path of a host that sends no headers of its own", async ({ page, baseURL }) => {
  // The same files, as a plain static host has them under https://example.org/some/where/.
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

test("nothing in the page is inline, and its policy keeps it so", async ({ page, baseURL, guard }) => {
  const html = await (await fetch(baseURL ?? "")).text();
  expect(html.match(/<script[^>]*>/g)).toEqual(['<script type="module" src="main.js">']);
  expect(html).not.toMatch(/ style=| on[a-z]+=|="\//);

  guard.allowed.push(/Content Security Policy|TrustedScript/);
  await page.goto("");
  const ran = await page.evaluate(() => {
    const script = document.createElement("script");
    // As text the script would not even get into the element.
    script.append("window.inlineRan = true");
    document.head.append(script);
    return "inlineRan" in window;
  });
  expect(ran).toBe(false);
});
