// Tests the guard of all other tests: it also sees the worker, where most of the work is done.
import { expect, test } from "./guard";

const forbidden = [
  { name: "an error in the worker's console", code: "console.error('no')", seen: "console: no" },
  { name: "a shader that WebGPU rejects", code: "console.warn('bad WGSL')", seen: "console: bad WGSL" },
  {
    name: "a request to another origin",
    code: "fetch('http://127.0.0.1:9/').catch(() => {})",
    seen: "request to another origin: http://127.0.0.1:9/",
  },
];

for (const { name, code, seen } of forbidden) {
  test(`${name} is seen`, async ({ page, guard }) => {
    guard.allowed.push(/./);
    const headers = { "content-type": "text/javascript", "cross-origin-embedder-policy": "require-corp" };
    await page.route("**/worker.js", (route) => route.fulfill({ body: code, headers }));
    await page.goto("");
    await expect.poll(() => guard.seen).toContain(seen);
  });
}

test("an uncaught error is seen", async ({ page, guard }) => {
  // On the page: an error in the worker is handled by replacing it.
  guard.allowed.push(/./);
  await page.goto("");
  await page.evaluate(() => {
    setTimeout(() => {
      throw new Error("no");
    });
  });
  await expect.poll(() => guard.seen).toContain("uncaught: no");
});
