// The browser that everything is measured in, and the pages in it: Lorito's own and a peer's.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { chromium } from "playwright-core";

const here = import.meta.dirname;
/** SwiftShader is Chromium's GPU made of the processor: the adapter on a machine without one. */
const flags = [
  "--headless=new",
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const url = process.env.LORITO_URL ?? "http://127.0.0.1:8080/";

export function launch() {
  return chromium.launch({ executablePath: process.env.LORITO_CHROMIUM ?? "/usr/bin/chromium", args: flags });
}

/**
 * What the worker runs before its own code: counts dispatches, on demand leaves them out, and notes both count and time
 * whenever the worker tells of progress, so that evaluations and samples are not counted with the steps.
 */
const counter = `{
  globalThis.bench = { dispatches: 0, stubbed: false, marks: [] };
  for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
    const dispatch = GPUComputePassEncoder.prototype[name];
    GPUComputePassEncoder.prototype[name] = function (...groups) {
      bench.dispatches += 1;
      if (!bench.stubbed) dispatch.apply(this, groups);
    };
  }
  const post = globalThis.postMessage;
  globalThis.postMessage = (message, ...rest) => {
    if (message?.event === "progress")
      bench.marks.push({ step: message.progress.step, dispatches: bench.dispatches, time: performance.now() });
    post.call(globalThis, message, ...rest);
  };
}\n`;

/**
 * Lorito's page on an engine, in a context of its own; `counting` puts the counter into its worker. `requested` fills
 * with the addresses that the page and its worker fetch.
 */
export async function openLorito(browser, engine, counting = false) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  const requested = new Set();
  page.on("request", (request) => {
    if (/^https?:/.test(request.url())) requested.add(request.url());
  });
  if (counting) {
    await page.route("**/worker.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: counter + (await response.text()) });
    });
  }
  await page.goto(`${url}?engine=${engine}`);
  await page.evaluate(() => globalThis.lorito.ready);
  return { page, requested, close: () => context.close() };
}

const peerPage = `<!doctype html><script type="importmap">
  { "imports": { "@jax-js/jax": "./node_modules/@jax-js/jax/dist/index.js" } }
</script>`;

/** An empty page on which bench/'s modules can be imported; `isolated` from other origins, it may use threads. */
export async function openPeer(browser, isolated) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  const headers = isolated
    ? { "cross-origin-embedder-policy": "require-corp", "cross-origin-opener-policy": "same-origin" }
    : {};
  await page.route("**/bench/**", async (route) => {
    const name = new URL(route.request().url()).pathname.split("/bench/")[1];
    if (name === "") return route.fulfill({ contentType: "text/html", headers, body: peerPage });
    const body = await readFile(path.join(here, name));
    return route.fulfill({ contentType: "text/javascript", headers, body });
  });
  await page.goto(new URL("bench/", url).href);
  return { page, close: () => context.close() };
}
