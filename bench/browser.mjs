// Starts the browser for all measurements, with Lorito's page or a peer's.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const here = import.meta.dirname;
/** SwiftShader is Chromium's software GPU: the adapter on a machine without a GPU. */
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
 * Code that the worker runs before its own. It counts dispatches, on demand drops them, and records count and time at each
 * progress event, so that evaluations and samples are not counted with the steps. It also counts the bytes of existing
 * buffers and their maximum, keeps a reference to the wasm's memory, and times submissions.
 */
const counter = `{
  globalThis.bench = { dispatches: 0, stubbed: false, marks: [], bytes: 0, peak: 0, submissions: [] };
  for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
    const dispatch = GPUComputePassEncoder.prototype[name];
    GPUComputePassEncoder.prototype[name] = function (...groups) {
      bench.dispatches += 1;
      if (!bench.stubbed) dispatch.apply(this, groups);
    };
  }
  const { createBuffer } = GPUDevice.prototype;
  const { destroy } = GPUBuffer.prototype;
  const alive = new WeakSet();
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    alive.add(buffer);
    bench.bytes += buffer.size;
    bench.peak = Math.max(bench.peak, bench.bytes);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function () {
    if (alive.delete(this)) bench.bytes -= this.size;
    destroy.call(this);
  };
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const instantiate = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const made = await instantiate(...given);
      bench.wasm = (made.instance ?? made).exports.memory;
      return made;
    };
  }
  // GPU time of each submission: from the end of the previous one, or from its own start if that is later.
  const { submit } = GPUQueue.prototype;
  let ended = 0;
  GPUQueue.prototype.submit = function (...given) {
    submit.apply(this, given);
    const began = performance.now();
    this.onSubmittedWorkDone().then(() => {
      const now = performance.now();
      bench.submissions.push(now - Math.max(began, ended));
      ended = now;
    });
  };
  // Dropped dispatches leave invalid numbers, and a loss that is not a number would end training.
  const getMappedRange = GPUBuffer.prototype.getMappedRange;
  GPUBuffer.prototype.getMappedRange = function (...range) {
    const mapped = getMappedRange.apply(this, range);
    bench.read = performance.now();
    if (bench.stubbed) new Uint8Array(mapped).fill(0);
    return mapped;
  };
  const post = globalThis.postMessage;
  globalThis.postMessage = (message, ...rest) => {
    if (message?.event === "progress")
      bench.marks.push({ step: message.progress.step, dispatches: bench.dispatches, time: performance.now() });
    if (message?.event === "checked")
      bench.check = { began: bench.marks.at(-1).time, read: bench.read, ended: performance.now(), found: message.found };
    post.call(globalThis, message, ...rest);
  };
}\n`;

/**
 * Lorito's page with an engine, in a browser context of its own; `counting` adds the counter to its worker. `requested`
 * collects the addresses that the page and its worker fetch.
 */
export async function openLorito(browser, engine, { counting = false, address = url, hash = "" } = {}) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  const requested = new Set();
  context.on("request", (request) => {
    // A later visit needs what the service worker fetches, this one does not.
    if (/^https?:/.test(request.url()) && !request.serviceWorker()) requested.add(request.url());
  });
  if (counting) {
    await page.route("**/worker.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: counter + (await response.text()) });
    });
  }
  await page.goto(`${address}?engine=${engine}${hash}`);
  await page.evaluate(() => globalThis.lorito.ready);
  return { page, requested, close: () => context.close() };
}

const imports = {
  "@genai-fi/nanogpt": "./node_modules/@genai-fi/nanogpt/dist/main.js",
  "@jax-js/jax": "./node_modules/@jax-js/jax/dist/index.js",
};
const peerPage = `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`;

/** Bundles a module with all its imports. */
async function bundle(file) {
  const { outputFiles } = await build({ entryPoints: [file], bundle: true, format: "esm", write: false });
  return Buffer.from(outputFiles[0].contents);
}

/** An empty page that can import bench/'s modules; if `isolated` (COOP and COEP), it may use threads. */
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
    const file = path.join(here, name);
    const body = name.endsWith("-bundle.mjs") ? await bundle(file) : await readFile(file);
    return route.fulfill({ contentType: "text/javascript", headers, body });
  });
  await page.goto(new URL("bench/", url).href);
  return { page, close: () => context.close() };
}
