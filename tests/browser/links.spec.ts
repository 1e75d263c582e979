// Security of links and tokens: nothing is fetched before the user confirms, a silent host blocks nothing, another hub is
// named, and no other site obtains a token.
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "@playwright/test";
import { placeOf } from "../../web/shared/hub/place";
import { download } from "../../web/worker/download";
import { filesOf } from "../../web/worker/hub/ask";
import { expectNoFault } from "./axe";
import { expect, hostOf, small, test as withHub } from "./hub-page";
import { prepare, problem } from "./lorito";
import { drop, onceIsEnough, press, step } from "./person";

interface Host {
  address: string;
  /** The requests: "GET /path". */
  log: string[];
}

/** A host on this machine with the given responses. */
const test = withHub.extend<{ host: (answer: RequestListener, name?: string) => Promise<Host> }>({
  host: async ({ guard }, use) => {
    const servers: Server[] = [];
    await use(async (answer, name = "127.0.0.1") => {
      const log: string[] = [];
      const server = createServer((request, response) => {
        log.push(`${request.method} ${request.url}`);
        response.setHeader("access-control-allow-origin", "*");
        answer(request, response);
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, name, resolve));
      const address = `http://${name}:${(server.address() as AddressInfo).port}`;
      guard.allowed.push(new RegExp(`^request to another origin: ${address}/`));
      return { address, log };
    });
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  },
});

onceIsEnough();

const linkTo = (model: string) => `?engine=cpu&model=${encodeURIComponent(model)}`;
const question = (page: Page, of: Host) =>
  page.getByRole("heading", { name: `Fetch the model from ${new URL(of.address).host}?` });
const isOpen = (page: Page) =>
  expect.poll(() => page.evaluate(async () => (await window.lorito.modelSummary())?.config.width)).toBe(16);

test("a link's model is fetched only after the user confirms", async ({ page, host }) => {
  const giving = await host((_, response) => response.end(small));
  await page.goto(linkTo(`${giving.address}/small`));
  await expect(question(page, giving)).toBeVisible();
  await expect(page.getByText(`names ${giving.address}/small.`)).toBeVisible();
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  await expectNoFault(page);
  await press(page, "Do not fetch it");
  await expect(question(page, giving)).toBeHidden();
  expect(giving.log).toEqual([]);

  await page.reload();
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  await press(page, "Fetch the model");
  await isOpen(page);
  await expect(step(page, "Write").locator("h2")).toBeFocused();
  await expect(question(page, giving)).toBeHidden();
  expect(giving.log).toEqual(["GET /small"]);
});

test("a link without a valid address makes no request", async ({ page }) => {
  for (const model of [
    "javascript:alert(1)",
    "ftp://host.example/model",
    "https://huggingface.co@host.example/a",
    "hf:../etc",
  ]) {
    await page.goto(linkTo(model));
    const said = page.getByText(/^This is not an address that can be fetched|is no name on the hub/);
    await expect(said, model).toBeVisible();
    await expect(page.getByRole("button", { name: "Fetch the model" }), model).toBeHidden();
  }
});

test("a request to a silent host can be cancelled at once, and saved models are listed meanwhile", {
  tag: "@alone",
}, async ({ page, host }) => {
  const silent = await host(() => {});
  await page.goto("?engine=cpu");
  await prepare(page);
  await page.evaluate(() => window.lorito.saveModel("Kept"));
  await page.goto(linkTo(`${silent.address}/model`));
  const share = step(page, "Share");
  await expect(share.getByText("Kept", { exact: true })).toBeVisible();
  await press(page, "Fetch the model");
  const under = page.locator("#opening");
  await expect(under).toBeVisible();
  await expect.poll(() => silent.log).toEqual(["GET /model"]);
  await expect(share.getByText("Kept", { exact: true })).toBeVisible();

  // Another task begins and ends; the first one is still running.
  await drop(page, [{ name: "note.txt", text: "Some words to learn from. ".repeat(40) }]);
  await expect(step(page, "Text").getByText("note.txt")).toBeVisible();
  const train = step(page, "Train").getByRole("button", { name: "Start training" });
  await expect(train).toHaveAttribute("aria-disabled", "true");
  await expect(step(page, "Text").getByRole("button", { name: "Train now" })).toHaveAttribute("aria-disabled", "true");
  await expect(under).toBeVisible();
  await expect(step(page, "Train").getByText(`Opening ${silent.address}/model`)).toBeVisible();

  await press(share, "Cancel");
  await expect(under).toBeHidden({ timeout: 1000 });
  await expect(train).not.toHaveAttribute("aria-disabled", "true", { timeout: 1000 });
  await expect(share.getByText("Stopped. Nothing of the file is kept.")).toBeVisible();
  await expect(page.locator("#address")).toBeFocused();
  expect(silent.log).toEqual(["GET /model"]);
});

test("a link's hub is named, models are fetched there, and it gets no token", async ({ page, hub, guard }) => {
  const asked: string[] = [];
  guard.allowed.push(/huggingface\.co/, /Failed to load resource/);
  await page.route("https://huggingface.co/**", (route) => {
    asked.push(`${route.request().method()} ${route.request().headers().authorization}`);
    return route.fulfill({ status: 401, json: {} });
  });
  hub.tokens.set("hf_ana", "ana");
  await page.goto(`?engine=cpu&hub=${encodeURIComponent(hub.address)}`);
  await prepare(page);
  const linked = hostOf(hub);
  const notice = page.getByText(`uses another hub than Hugging Face’s: ${hub.address}.`);
  await expect(notice).toBeVisible();
  await expectNoFault(page);
  await expect(page.getByText(`A dataset from the hub ${linked}`)).toBeVisible();
  const share = step(page, "Share");
  await expect(share.getByLabel(`From the hub ${linked}`)).toBeVisible();

  await share.getByText("Send to the hub…").click();
  await expect(share.getByText("Your name on huggingface.co")).toBeVisible();
  await share.getByLabel("Repository").fill("ana/ship");
  await press(share, "Show what would be sent");
  await share.getByLabel("Access token for huggingface.co").fill("hf_ana");
  await press(share, /^Send \d+ files to huggingface\.co$/);
  await expect(share.getByRole("alert")).toContainText("huggingface.co does not know this token.");
  expect(asked).toContain("POST Bearer hf_ana");
  const place = JSON.stringify({ hub: hub.address, type: "model", name: "ana/ship", revision: "main" });
  expect(await problem(page, `hub.send(${place}, [], { token: "hf_ana" })`)).toMatchObject({ code: "hub-linked" });
  expect(hub.log).toEqual([]);

  // If the user types the same address, it is trusted.
  await share.getByText("Another hub", { exact: true }).click();
  await share.getByLabel("The hub’s address").fill(hub.address);
  await page.keyboard.press("Tab");
  await expect(notice).toBeHidden();
  await expect(share.getByText(`Send to the hub ${linked}…`)).toBeVisible();
  await press(share, "Show what would be sent");
  await share.getByLabel(`Access token for ${linked}`).fill("hf_ana");
  await press(share, /^Send \d+ files to/);
  await expect(share.getByRole("link", { name: `${hub.address}/ana/ship` })).toBeVisible();

  await page.reload();
  await expect(notice).toBeVisible();
  await press(page, "Use Hugging Face’s hub");
  await expect(notice).toBeHidden();
  await expect(share.getByLabel("From the Hugging Face hub")).toBeVisible();
});

test("a token is never sent unencrypted", async ({ page }) => {
  await page.goto("?engine=cpu");
  await prepare(page);
  const send = `hub.send("ana/ship", [], { token: "hf_ana" })`;
  for (const address of [
    "http://hub.example",
    "http://127.0.0.1.example",
    "http://192.168.0.7:8080",
    "http://localhost.example",
  ]) {
    await page.evaluate((address) => {
      window.lorito.hub.address = address;
    }, address);
    expect(await problem(page, send), address).toMatchObject({ code: "hub-token-exposed" });
  }
  const share = step(page, "Share");
  await share.getByText("Another hub", { exact: true }).click();
  await share.getByLabel("The hub’s address").fill("http://hub.example/mirror");
  await page.keyboard.press("Tab");
  await share.getByText("Send to the hub hub.example…").click();
  await share.getByLabel("Repository").fill("ana/ship");
  await press(share, "Show what would be sent");
  await expect(share.getByRole("alert")).toContainText("hub.example is asked without encryption");
  await expect(share.getByLabel(/^Access token/)).toHaveCount(0);
});

/** The same files on a host that sends no headers. */
async function withoutHeaders(page: Page): Promise<string> {
  await page.route("**/plain/**", async (route) => {
    const response = await route.fetch({ url: route.request().url().replace("/plain", "") });
    const type = response.headers()["content-type"] ?? "";
    await route.fulfill({ status: response.status(), body: await response.body(), headers: { "content-type": type } });
  });
  return "plain/?engine=cpu";
}

test("another site's frame stays empty; without that header, the framed page accepts no token", async ({
  page,
  host,
  guard,
  baseURL,
}) => {
  guard.allowed.push(/frame-ancestors/);
  const plain = await withoutHeaders(page);
  let framed = "";
  const outer = await host((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(
      `<!doctype html><title>outer</title><link rel="icon" href="data:,"><iframe src="${baseURL}${framed}"></iframe>`,
    );
  }, "localhost");
  framed = "?engine=cpu";
  await page.goto(outer.address);
  await expect.poll(() => page.frames().map((frame) => frame.url())).toContain("chrome-error://chromewebdata/");

  framed = plain;
  await page.goto(outer.address);
  const frame = page.frames()[1];
  await frame?.waitForFunction(() => "lorito" in window);
  const code = await frame?.evaluate(async () => {
    await window.lorito.ready;
    return window.lorito.hub.send("ana/ship", [], { token: "hf_ana" }).catch((error) => error.code);
  });
  expect(code).toBe("hub-token-framed");
});

test("every response has the page's policy", async ({ baseURL }) => {
  const html = await (await fetch(baseURL ?? "")).text();
  const policy = html.match(/http-equiv="?Content-Security-Policy"? content="([^"]+)"/)?.[1];
  for (const path of ["", "worker.js", "lorito.js", "lorito_bg.wasm", "samples/harbour.txt", "no/such/file"]) {
    const { headers } = await fetch(`${baseURL}${path}`);
    expect(headers.get("content-security-policy"), path).toBe(`${policy}; frame-ancestors 'none'`);
  }
});

/** Whether a string can be run as code under the policy. */
async function runString(): Promise<boolean> {
  try {
    setTimeout("globalThis.stringRan = true", 0);
  } catch {}
  await new Promise((resolve) => setTimeout(resolve, 50));
  return "stringRan" in globalThis;
}

test("the page's policy applies in its worker, too, whatever headers the host sends", async ({ page, guard }) => {
  guard.allowed.push(/Content Security Policy|Trusted(Script|HTML)/);
  for (const address of ["?engine=cpu", await withoutHeaders(page)]) {
    await page.goto(address);
    await page.waitForFunction(() => "lorito" in window);
    await page.evaluate(() => window.lorito.ready.then(() => {}));
    const [worker] = page.workers();
    expect(await page.evaluate(runString), address).toBe(false);
    expect(await worker?.evaluate(runString), address).toBe(false);
    const takesStrings = await page.evaluate(() => {
      try {
        document.createElement("p").innerHTML = "<b>x</b>";
        return true;
      } catch {
        return false;
      }
    });
    expect(takesStrings, address).toBe(false);
  }
  await page.unrouteAll({ behavior: "wait" });
});

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (thrown) => thrown.code,
  );

test("a download ends when the host is silent, when it is cancelled, and when it is a web page", async ({ host }) => {
  const page = "<!DOCTYPE html>\n<title>Sign in</title>";
  const answers: Record<string, RequestListener> = {
    "/silent": () => {},
    "/stuck": (_, response) => response.write(small.subarray(0, 100)),
    "/slow": async (_, response) => {
      // Each pause is shorter than the time limit, but all together are far longer.
      for (let at = 0; at < small.length; at += 2000) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        response.write(small.subarray(at, at + 2000));
      }
      response.end();
    },
    "/page": (_, response) => response.end(page),
    "/typed": (_, response) =>
      response.setHeader("content-type", "text/html; charset=utf-8").end("Please sign in first"),
    "/misnamed": (_, response) => response.setHeader("content-type", "text/html").end(small),
  };
  const giving = await host((request, response) => answers[request.url ?? ""]?.(request, response));
  const check = async () => small.length;
  const get = (path: string, signal = new AbortController().signal, limit = 300) =>
    download(`${giving.address}${path}`, check, { signal, progress: () => {} }, limit);
  expect(await codeOf(get("/silent"))).toBe("download-silent");
  expect(await codeOf(get("/stuck"))).toBe("download-silent");
  expect((await get("/slow")).size).toBe(small.length);
  expect((await get("/misnamed")).size).toBe(small.length);
  expect(await codeOf(get("/page"))).toBe("download-is-page");
  expect(await codeOf(get("/typed"))).toBe("download-is-page");
  for (const path of ["/silent", "/stuck"]) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    expect(await codeOf(get(path, abort.signal, 60_000)), path).toBe("cancelled");
  }
});

test("an endless list of a hub is ended", async ({ host }) => {
  let entries: object[] = [];
  const endless = await host((_, response) => {
    response.setHeader("link", `<${endless.address}/api/next>; rel="next"`);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(entries));
  });
  const list = () =>
    filesOf(placeOf("ana/ship", "model", endless.address), "0".repeat(40), true, new AbortController().signal);
  entries = Array.from({ length: 1000 }, (_, index) => ({
    type: "directory",
    oid: "0",
    size: 0,
    path: `folder${index}`,
  }));
  expect(await list()).toEqual([]);
  expect(endless.log.length).toBeLessThan(50);
  entries = [];
  expect(await codeOf(list())).toBe("hub-failed");
});

test("a name cannot hide its extension by direction marks", async ({ page }) => {
  await page.goto("?engine=cpu");
  await prepare(page);
  const names = await page.evaluate(async () => {
    const { lorito } = window;
    const saved = [await lorito.saveModel("ship\u202egnp.exe"), await lorito.saveModel("\u2066a\u2069\u200fb")];
    // A model saved earlier under such a name still opens and can be deleted.
    const own = await (await navigator.storage.getDirectory()).getDirectoryHandle("lorito");
    const models = await own.getDirectoryHandle("models");
    const writing = await (await models.getFileHandle("old\u202egnp.safetensors", { create: true })).createWritable();
    await writing.write(await lorito.savedModelFile("ship gnp.exe"));
    await writing.close();
    await lorito.openModel("old\u202egnp");
    await lorito.deleteModel("old\u202egnp");
    return { saved, left: (await lorito.savedModels()).map(({ name }) => name).sort() };
  });
  expect(names).toEqual({ saved: ["ship gnp.exe", "a b"], left: ["a b", "ship gnp.exe"] });
});
