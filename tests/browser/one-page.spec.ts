// One-page models: exported as an .html file, opened from the disk without a network, generating the same text as Lorito,
// and imported again.
import { readFileSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page, TestInfo } from "@playwright/test";
import { packed, unpacked } from "../../web/shared/one-page/packing";
import { violations } from "./axe";
import { expect, test } from "./guard";
import { open, prepare, problem, tinyRun } from "./lorito";
import { onceIsEnough, press, step, train, visit } from "./person";

onceIsEnough();

const hostile = `</script></title></h1><!--<script>alert(1)</script><img src=x onerror=alert(2)> "&amp;' ‮ü`;

/** Trains a model on Lorito's page, and exports it as a one-page model. */
async function exported(page: Page, info: TestInfo, name: string): Promise<string> {
  await open(page, "cpu");
  await prepare(page);
  await page.evaluate((run) => window.lorito.train({ ...run, steps: 30 }), tinyRun);
  return save(page, info, name);
}

async function save(page: Page, info: TestInfo, name: string): Promise<string> {
  const download = page.waitForEvent("download");
  await page.evaluate(async (given) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await window.lorito.exportModel("html", given));
    link.download = "model.html";
    link.click();
  }, name);
  const path = info.outputPath("model.html");
  await (await download).saveAs(path);
  return path;
}

/** Opens a file from the disk in a new browser without a network; `wrong` collects the errors. */
async function openFromDisk(browser: Browser, path: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ offline: true, ...options });
  const wrong: string[] = [];
  await context.route(/^(?!file:|data:|blob:)/, (route) => route.abort());
  context.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) wrong.push(`request: ${request.url()}`);
    if (request.url().startsWith("file:") && !request.isNavigationRequest()) wrong.push(`file: ${request.url()}`);
  });
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(`console: ${message.text()}`);
  });
  context.on("weberror", (error) => wrong.push(`uncaught: ${error.error().message}`));
  const page = await context.newPage();
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, wrong, goto: () => page.goto(pathToFileURL(path).href) };
}

/** Waits for the page's next rendering. */
const drawn = (page: Page) =>
  page
    .locator("lorito-one-page-write")
    .evaluate((view: HTMLElement & { updateComplete?: unknown }) => view.updateComplete);

/** Sets the options and generates; the text after the prompt. */
async function write(page: Page, prompt: string, options: Record<string, number>): Promise<string> {
  const details = page.locator("details.sampling");
  if (!(await details.evaluate((element: HTMLDetailsElement) => element.open)))
    await details.locator("summary").click();
  for (const [label, value] of Object.entries(options)) {
    await page.getByLabel(label, { exact: true }).fill(String(value));
    await page.keyboard.press("Tab");
    await drawn(page); // including other fields' messages
  }
  await page.getByLabel("Begin with").fill(prompt);
  await press(page, "Write");
  await drawn(page);
  await expect(page.locator("#written .caret")).toBeHidden();
  return ((await page.locator("#written").textContent()) ?? "").slice(prompt.length);
}

test("any bytes survive a round trip through a script", async () => {
  const all = async (stream: ReadableStream) => new Uint8Array(await new Response(stream).arrayBuffer());
  // gzip makes of these outputs with every possible beginning and end.
  const lengths = [...Array(300).keys(), 2 ** 18 - 1, 2 ** 18, 2 ** 18 + 5];
  for (const length of lengths) {
    const bytes = Uint8Array.from({ length }, (_, at) => Math.imul(at + length, 2654435761) >>> 24);
    for (const numberBytes of [1, 4]) {
      const text = await all(packed(new Blob([bytes]).stream(), numberBytes));
      const read = new TextDecoder("utf-8", { fatal: true }).decode(text);
      expect(read).not.toMatch(/[\0\r<]/);
      // Some programs convert line ends.
      for (const lines of [read, read.replaceAll("\n", "\r\n")]) {
        const back = await all(unpacked(new Blob([lines]).stream(), numberBytes));
        expect(Buffer.from(back).equals(bytes), `${length} bytes, ${numberBytes} a number`).toBe(true);
      }
    }
  }
});

test("a page opens from the disk without a network and generates the same text as Lorito", async ({
  page,
  browser,
}, info) => {
  const path = await exported(page, info, hostile);
  const greedy = { temperature: 0, maxTokens: 80 };
  const drawn = { temperature: 1.2, topK: 12, topP: 0.9, seed: 7, maxTokens: 50 };
  const here = await page.evaluate(
    async (all) => Promise.all(all.map((options) => window.lorito.generate("The ship", options))),
    [greedy, drawn],
  );
  const file = await page.evaluate(
    async (name) => [...new Uint8Array(await (await window.lorito.exportModel("safetensors", name)).arrayBuffer())],
    hostile,
  );

  const there = await openFromDisk(browser, path);
  await there.goto();
  await expect(there.page.getByRole("heading", { level: 1 })).toHaveText(hostile);
  await expect(there.page.getByText("Steps of training")).toBeVisible();
  await expect(there.page).toHaveTitle(hostile);
  expect(await there.page.locator("img").count()).toBe(1);
  expect(await write(there.page, "The ship", { Temperature: 0, Length: 80 })).toBe(here[0]);
  const settings = { Temperature: 1.2, "Top-k": 12, "Top-p": 0.9, Seed: 7, Length: 50 };
  expect(await write(there.page, "The ship", settings)).toBe(here[1]);
  expect(here[0]).toHaveLength(80);
  expect(here[1]).not.toBe(here[0]?.slice(0, 50));

  await there.page.getByRole("tab", { name: "Chat" }).click();
  await there.page.getByLabel("Your message").fill("Where is the ship?");
  await press(there.page, "Send");
  await expect(there.page.locator(".turn.assistant")).toBeVisible();
  await expect(there.page.locator(".conversation .caret")).toBeHidden();
  await expect(there.page.getByRole("alert")).toBeHidden();
  // All texts are included.
  expect(await there.page.locator("body").innerText()).not.toMatch(
    /\b(onePage|write|chat|need|hint|details|message|setting|figure|model|code)\.[a-zA-Z]/,
  );

  // The licences of the page's parts are included, as they require.
  await there.page.getByText("Licences of what this page consists of").click();
  await expect(there.page.locator("details.licences pre")).toContainText(/burn-cubecl 0\.\d+/);
  await expect(there.page.locator("details.licences pre")).toContainText("Permission is hereby granted");

  const download = there.page.waitForEvent("download");
  await press(there.page, "Save the model file");
  const saved = await download;
  expect(saved.suggestedFilename()).toMatch(/^script-title-h1.*\.safetensors$/);
  expect((await readFile(await saved.path())).equals(Buffer.from(file))).toBe(true);
  expect(there.wrong).toEqual([]);
  await there.page.context().close();
});

test("a Llama leaves as a page, and as a smaller one with weights of 8 bits", async ({ page, browser }, info) => {
  await open(page, "cpu");
  await prepare(page);
  const llama = { family: "llama", layers: 2, heads: 4, width: 64, context: 64, dropout: 0, seed: 7 } as const;
  const seen = await page.evaluate(
    async ([model, run]) => {
      const { lorito } = window;
      const { parameters } = await lorito.createModel(model);
      await lorito.train({ ...run, steps: 60 });
      const ids = await lorito.encode("The ship left");
      const written = await lorito.generate("The ship", { temperature: 0, maxTokens: 60 });
      const logits = await lorito.logits(ids);
      const small = await lorito.exportModel("html-q8", "ship");
      const whole = await lorito.exportModel("html", "ship");
      const opened = await lorito.importModel(small);
      const writtenSmall = await lorito.generate("The ship", { temperature: 0, maxTokens: 60 });
      const rounded = await lorito.logits(ids);
      return {
        parameters,
        whole: whole.size,
        small: small.size,
        family: opened.config.variant?.llama?.family,
        written: [written, writtenSmall] as const,
        logits: [[...logits], [...rounded]] as const,
      };
    },
    [llama, tinyRun] as const,
  );
  expect(seen.family).toBe("llama");
  // The page around the model is the same: it is smaller by most of three of four bytes a number.
  const fewer = (seen.whole - seen.small) / seen.parameters;
  const largest = Math.max(...seen.logits[0].map(Math.abs));
  const distance = Math.max(...seen.logits[0].map((logit, id) => Math.abs(logit - (seen.logits[1][id] ?? Number.NaN))));
  console.log(`8 bits: ${fewer.toFixed(2)} bytes less for each number, logits differ by ${distance} of ${largest}`);
  expect(fewer).toBeGreaterThan(2.2);
  expect(distance).toBeGreaterThan(0);
  expect(distance / largest).toBeLessThan(0.02);

  // The model that is open has been rounded already, which 8 bits leave as it is. Two downloads would need two clicks.
  const saved = async (kind: "html" | "html-q8") => {
    const url = await page.evaluate(async (kind) => {
      const reader = new FileReader();
      reader.readAsDataURL(await window.lorito.exportModel(kind, "ship"));
      await new Promise((read) => reader.addEventListener("load", read));
      return String(reader.result);
    }, kind);
    const path = info.outputPath(`${kind}.html`);
    await writeFile(path, Buffer.from(url.slice(url.indexOf(",") + 1), "base64"));
    return path;
  };
  for (const kind of ["html", "html-q8"] as const) {
    const there = await openFromDisk(browser, await saved(kind));
    await there.goto();
    expect(await write(there.page, "The ship", { Temperature: 0, Length: 60 }), kind).toBe(seen.written[1]);
    expect(there.wrong).toEqual([]);
    await there.page.context().close();
  }
});

test("a page is imported as the model that it contains", async ({ page }) => {
  await open(page, "cpu");
  await prepare(page);
  const seen = await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 3 });
    const ids = await lorito.encode("The ship");
    const before = await lorito.logits(ids);
    const html = await lorito.exportModel("html", "ship");
    await lorito.createModel({ preset: "tiny" });
    const loaded: [number, number][] = [];
    const model = await lorito.importModel(html, (done, total) => loaded.push([done, total]));
    const { steps } = await lorito.history();
    return { before: [...before], after: [...(await lorito.logits(ids))], model, steps: steps.length, loaded };
  }, tinyRun);
  expect(seen.after).toEqual(seen.before);
  expect(seen.steps).toBe(3);
  expect(seen.model.config.width).toBe(32);
  const [done, total] = seen.loaded.at(-1) ?? [];
  expect(done).toBe(total);
});

test("a page has less than 4 MB in addition to its weights, whatever their size", async ({ page }, info) => {
  await open(page, "cpu");
  await prepare(page);
  for (const preset of ["tiny", "shakespeare"]) {
    const { sizes, parameters } = await page.evaluate(async (name) => {
      const { lorito } = window;
      const { parameters } = await lorito.createModel({ preset: name });
      const html = await lorito.exportModel("html", name);
      const file = await lorito.exportModel("safetensors", name);
      return { parameters, sizes: { html: html.size, file: file.size } };
    }, preset);
    const weights = 4 * parameters;
    info.annotations.push({ type: preset, description: JSON.stringify({ ...sizes, weights }) });
    console.log(preset, sizes, weights, `beside the weights: ${sizes.html - weights}`);
    expect(sizes.html - weights).toBeLessThan(4e6);
    expect(sizes.html).toBeGreaterThan(weights / 2);
  }
});

test("damaged pages report it, by themselves and in Lorito, and the model stays", async ({ page, browser }, info) => {
  const path = await exported(page, info, "ship");
  const whole = await readFile(path);
  const wasm = whole.indexOf("x-lorito-wasm") + 100_000;
  const broken = {
    short: whole.subarray(0, -20_000),
    shorter: whole.subarray(0, 200_000),
    wasm: Buffer.from(whole).fill("A", wasm, wasm + 10),
    changed: Buffer.from(whole).fill("A", whole.length - 9000, whole.length - 8990),
  };
  for (const [kind, bytes] of Object.entries(broken)) {
    await writeFile(path, bytes);
    const there = await openFromDisk(browser, path);
    await there.goto();
    await expect(there.page.getByRole("alert"), kind).toContainText("damaged or was cut off");
    await there.page.context().close();
    if (kind === "wasm") continue; // Lorito has its own
    await page.evaluate(
      (text) => Object.assign(window, { broken: new Blob([Uint8Array.from(atob(text), (it) => it.charCodeAt(0))]) }),
      bytes.toString("base64"),
    );
    expect(await problem(page, "importModel(broken)"), kind).toMatchObject({ code: "one-page-damaged" });
  }
  expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width).toBe(32);
});

test("malicious pages are refused, and the model stays", async ({ page }) => {
  await open(page, "cpu");
  await prepare(page);
  const generator = '<!doctype html><meta name="generator" content="Lorito, one page, version 1">';
  const script = '<script type="application/x-lorito-model">';
  const small = readFileSync(new URL("../fixtures/models/small.safetensors", import.meta.url));
  const headerLength = Number(small.readBigUInt64LE());
  const model = (change: (header: Record<string, Record<string, unknown>>) => void) => {
    const header = JSON.parse(small.subarray(8, 8 + headerLength).toString());
    change(header);
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, small.subarray(8 + headerLength)]);
  };
  const holding = async (bytes: Uint8Array) => {
    const text = packed(new Blob([new Uint8Array(bytes)]).stream(), 4);
    return Buffer.concat([
      Buffer.from(generator + script),
      Buffer.from(await new Response(text).arrayBuffer()),
      Buffer.from("</script>"),
    ]);
  };
  const written = (text: string, end = "</script>") => Buffer.from(`${generator}${script}${text}${end}`);
  const first = "transformer.wte.weight";
  const tensor = (header: Record<string, Record<string, unknown>>) => header[first] ?? {};
  const cases: [string, Buffer, string][] = [
    ["no model in it", Buffer.from(generator), "one-page-damaged"],
    ["nothing where the model should be", written(""), "one-page-damaged"],
    ["words where the model should be", written("Once upon a time there was a harbour."), "one-page-damaged"],
    ["letters that stand alone", written("\u0081\u02ff\u02fe"), "one-page-damaged"],
    ["no end", (await holding(small)).subarray(0, -9), "one-page-damaged"],
    ["no bytes", await holding(Buffer.alloc(0)), "file-truncated"],
    ["a header of all memory", await holding(Buffer.alloc(64, 255)), "header-too-large"],
    ["more than the header says", await holding(Buffer.concat([small, Buffer.alloc(2 ** 26)])), "file-truncated"],
    ["less than the header says", await holding(small.subarray(0, -100)), "file-truncated"],
    [
      "offsets beyond the end",
      await holding(model((header) => (tensor(header).data_offsets = [0, 2 ** 40]))),
      "safetensors-invalid",
    ],
    [
      "a shape that overflows",
      await holding(model((header) => (tensor(header).shape = [2 ** 40, 2 ** 40]))),
      "safetensors-invalid",
    ],
    ["another kind of numbers", await holding(model((header) => (tensor(header).dtype = "I32"))), "tensor-type"],
    ["a tensor too few", await holding(model((header) => delete header[first])), "safetensors-invalid"],
    ["somebody else's weights", await holding(model((header) => delete header.__metadata__)), "not-a-lorito-model"],
  ];
  const given = (bytes: Buffer) =>
    page.evaluate(
      (text) =>
        Object.assign(window, { given: new Blob([Uint8Array.from(atob(text), (it) => it.charCodeAt(0))]) }) &&
        undefined,
      bytes.toString("base64"),
    );
  for (const [kind, bytes, code] of cases) {
    await given(bytes);
    expect(await problem(page, "importModel(given)"), kind).toMatchObject({ code });
    expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width).toBe(32);
  }
  await given(await holding(small));
  await page.evaluate("lorito.importModel(given)");
  expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width).toBe(16);
});

test("a page generates text without a worker", async ({ page, browser }, info) => {
  const path = await exported(page, info, "ship");
  const here = await page.evaluate(() => window.lorito.generate("The ship", { temperature: 0, maxTokens: 30 }));
  const there = await openFromDisk(browser, path);
  await there.page.addInitScript("delete window.Worker");
  await there.goto();
  expect(await write(there.page, "The ship", { Temperature: 0, Length: 30 })).toBe(here);
  // It can be stopped.
  await there.page.getByLabel("Length", { exact: true }).fill("1000000");
  await press(there.page, "Write");
  await expect(there.page.locator("#written")).toContainText(/The ship[\s\S]{40}/);
  await press(there.page, "Stop writing");
  await expect(there.page.getByRole("button", { name: "Write", exact: true })).toBeEnabled();
  expect(there.wrong).toEqual([]);
  await there.page.context().close();
});

test("a page is exported with the button, used by keyboard, and opened by dropping it", async ({
  page,
  browser,
}, info) => {
  await visit(page, "cpu");
  await train(page);
  await step(page, "Share").getByLabel("Name", { exact: true }).fill("My Harbour");
  const download = page.waitForEvent("download");
  await press(page, "Download as one page");
  const file = await download;
  expect(file.suggestedFilename()).toBe("My-Harbour.html");
  const path = info.outputPath("My-Harbour.html");
  await file.saveAs(path);
  expect((await stat(path)).size).toBeLessThan(4e6);

  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 390]) {
      const there = await openFromDisk(browser, path, {
        colorScheme,
        reducedMotion: "reduce",
        viewport: { width, height: 900 },
      });
      await there.goto();
      await expect(there.page.getByText("Steps of training")).toBeVisible();
      // Keys pressed before the browser's first paint are lost.
      await there.page.evaluate(
        () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
      );
      await there.page.keyboard.press("Tab");
      await expect(there.page.getByRole("tab", { name: "Continue a text" })).toBeFocused();
      await there.page.keyboard.press("Tab");
      await there.page.keyboard.type("BAKER:");
      await there.page.keyboard.press("Tab");
      await there.page.keyboard.press("Enter");
      await expect(there.page.locator("#written")).toContainText(/BAKER:[\s\S]{20}/);
      await expect(there.page.getByRole("button", { name: "Write", exact: true })).toBeEnabled();
      await there.page.screenshot({ path: info.outputPath(`${colorScheme}-${width}.png`), fullPage: true });
      await there.page.locator("details.sampling summary").click();
      expect(await violations(there.page)).toEqual([]);
      const content = await there.page.evaluate(() => document.documentElement.scrollWidth);
      expect(content).toBeLessThanOrEqual(width);
      expect(there.wrong).toEqual([]);
      await there.page.context().close();
    }
  }

  await page.reload();
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  // Under another name: its content determines its kind.
  const bytes = (await readFile(path)).toString("base64");
  const data = await page.evaluateHandle((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(text), (it) => it.charCodeAt(0))], "letter.txt"));
    return transfer;
  }, bytes);
  await page.dispatchEvent("main", "drop", { dataTransfer: data });
  await expect(page.getByRole("link", { name: /ready to write/ })).toBeVisible();
  await expect(step(page, "Text").getByText("letter.txt")).toBeHidden();
});
