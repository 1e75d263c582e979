// The hub, on a small one of this machine: models and datasets by name, transfers that break, and a model sent there.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, test as guarded } from "./guard";
import { HubServer } from "./hub-server";
import { prepare, problem } from "./lorito";
import { onceIsEnough, press, step, write } from "./person";

onceIsEnough();

const fixture = (path: string) => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));
const small = fixture("models/small.safetensors");
const name = "ana/small";

const test = guarded.extend<{ hub: HubServer }>({
  hub: async ({ guard }, use) => {
    const hub = new HubServer();
    await hub.start();
    guard.allowed.push(new RegExp(`^request to another origin: ${hub.address}/`));
    hub.put(name, { "README.md": "# small", "small.safetensors": small, "old.bin": "x" });
    await use(hub);
    await hub.stop();
  },
});

/** The page, with this hub in its address. */
async function visitWith(page: Page, hub: HubServer, more = ""): Promise<void> {
  await page.goto(`?engine=cpu&hub=${encodeURIComponent(hub.address)}${more}`);
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
}

async function openByName(page: Page, text: string): Promise<void> {
  await step(page, "Share").getByLabel("From the Hugging Face hub").fill(text);
  await press(page, "Open from the hub");
}

const isOpen = (page: Page) =>
  expect.poll(() => page.evaluate(async () => (await window.lorito.modelSummary())?.config.width)).toBe(16);

test("a model opens by its name, and a second time without asking anybody", async ({ page, hub }) => {
  await visitWith(page, hub);
  expect(hub.log).toEqual([]);
  await expect(step(page, "Share").getByText(`This asks ${new URL(hub.address).host}`)).toBeVisible();
  await openByName(page, name);
  await isOpen(page);
  await expect(step(page, "Write").locator("h2")).toBeFocused();
  expect((await write(page, "a")).length).toBeGreaterThan(3);
  expect(hub.log.map(({ line }) => line.replace(/[0-9a-f]{40,}/, "…"))).toEqual([
    "GET /api/models/ana/small/revision/main",
    "GET /api/models/ana/small/tree/…",
    "GET /ana/small/resolve/…/small.safetensors",
    "GET /cdn/…",
  ]);
  expect(hub.log.every(({ token }) => token === undefined)).toBe(true);
  const asked = hub.log.length;
  await visitWith(page, hub);
  await openByName(page, `${hub.address}/${name}/tree/main`);
  await isOpen(page);
  expect(hub.log).toHaveLength(asked);
  // Once deleted, it has to come again.
  const view = step(page, "Share");
  await press(view, `Delete: ${name} (${new URL(hub.address).host})`);
  await expect(view.getByText("From the hub, kept on this device")).toBeHidden();
  await openByName(page, name);
  await expect.poll(() => hub.log.length).toBe(2 * asked);
});

const ranges = (hub: HubServer) => hub.log.filter(({ line }) => line.startsWith("GET /cdn/")).map(({ range }) => range);

/** A model that is not the one of the fixture but as large, for another commit of the same name. */
async function otherModel(page: Page): Promise<Buffer> {
  await prepare(page);
  return Buffer.from(
    await page.evaluate(async () => [
      ...new Uint8Array(await (await window.lorito.exportModel("safetensors", "other")).arrayBuffer()),
    ]),
  );
}

test("a transfer that breaks goes on by itself, and later, too", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  await visitWith(page, hub);
  hub.breaks = [10_000];
  await openByName(page, name);
  await isOpen(page);
  expect(ranges(hub)).toEqual([undefined, "bytes=10000-"]);
  expect(hub.log.reduce((sum, { sent }) => sum + sent, 0)).toBe(small.length);

  // One that breaks again and again ends with a sentence; what has come stays, beyond a reload.
  hub.log.length = 0;
  hub.put("ana/patchy", { "small.safetensors": small });
  hub.breaks = [10_000, 0, 0, 0, 0];
  const view = step(page, "Share");
  await openByName(page, "ana/patchy");
  await expect(view.getByRole("alert")).toContainText(/broke off at 10 kB of 36 kB of small\.safetensors/);
  await expect(view.getByText(/^10 kB of 36 kB/)).toBeVisible();
  hub.breaks = [];
  await visitWith(page, hub);
  await openByName(page, "ana/patchy");
  await isOpen(page);
  expect(ranges(hub).at(0)).toBeUndefined();
  expect(new Set(ranges(hub).slice(1))).toEqual(new Set(["bytes=10000-"]));
  expect(hub.log.reduce((sum, { sent }) => sum + sent, 0)).toBe(small.length);
});

test("a transfer can be ended; halves of different versions are never joined", async ({ page, hub }) => {
  await visitWith(page, hub);
  const other = await otherModel(page);
  const begun = async () => {
    await openByName(page, name);
    await expect(page.locator("#opening")).toBeVisible();
    await expect(step(page, "Share").getByText("10 kB of 36 kB")).toBeVisible();
    await press(page, "Cancel");
    await expect(step(page, "Share").getByText(/^Stopped\. What has come is kept/)).toBeVisible();
    await expect(page.locator("#opening")).toBeHidden();
  };
  hub.holdAfter = 10_000;
  await begun();
  // Goes on from there.
  hub.holdAfter = undefined;
  await openByName(page, name);
  await isOpen(page);
  expect(ranges(hub)).toEqual([undefined, "bytes=10000-"]);
  await expect(step(page, "Share").getByText(/^Stopped/)).toBeHidden();

  // Begun with one version, ended with another: nothing of the first is used.
  await page.evaluate(async () => {
    for (const { key } of await window.lorito.hub.kept()) await window.lorito.hub.forget(key);
  });
  hub.holdAfter = 10_000;
  await begun();
  hub.holdAfter = undefined;
  hub.put(name, { "small.safetensors": other });
  hub.log.length = 0;
  await openByName(page, name);
  await expect.poll(() => page.evaluate(async () => (await window.lorito.modelSummary())?.config.width)).toBe(32);
  expect(ranges(hub)).toEqual([undefined]);
});

test("a host that knows no ranges, and one that sends something else", async ({ page, hub }) => {
  await visitWith(page, hub);
  hub.ignoreRanges = true;
  hub.breaks = [10_000];
  await openByName(page, name);
  await isOpen(page);
  expect(hub.log.reduce((sum, { sent }) => sum + sent, 0)).toBe(10_000 + small.length);
  hub.put("ana/other", { "small.safetensors": small });
  hub.damaged = true;
  await openByName(page, "ana/other");
  await expect(step(page, "Share").getByRole("alert")).toContainText("small.safetensors did not arrive from 127.0.0.1");
  hub.damaged = false;
  await openByName(page, "ana/other");
  await expect(step(page, "Share").getByRole("alert")).toBeHidden();
  await isOpen(page);
});

test("on a full disk a model opens all the same", async ({ page, hub }) => {
  await visitWith(page, hub);
  const browser = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 20_000 });
  await openByName(page, name);
  await isOpen(page);
  await expect(step(page, "Share").getByText(/^It is here, but not kept for the next time: the disk/)).toBeVisible();
  await browser.send("Storage.overrideQuotaForOrigin", { origin });
});

test("what a hub refuses, or does not have, is said in a sentence", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  hub.put("ana/secret", { "small.safetensors": small }, "main", true);
  hub.put("ana/old", { "config.json": "{}", "pytorch_model.bin": "x", "tf_model.h5": "x", "model.onnx": "x" });
  hub.put("ana/words", { "README.md": "words" });
  await visitWith(page, hub);
  await prepare(page);
  const host = new URL(hub.address).host;
  const cases: [string, string, string][] = [
    ["ana/none", "hub-not-found", `There is no ana/none on ${host}, or it is private.`],
    [`${name}@v9`, "hub-revision-not-found", `${name} on ${host} has no state called “v9”.`],
    ["ana/secret", "hub-forbidden", `${host} does not give ana/secret to everybody`],
    ["ana/old", "hub-no-safetensors", "in other forms only (pytorch_model.bin, tf_model.h5, model.onnx)"],
    ["ana/words", "hub-no-model", `ana/words on ${host} has no weights`],
    ["../etc", "hub-name-invalid", "“../etc” is no name on the hub."],
    ["datasets/ana/small", "hub-name-invalid", "“datasets/ana/small” is no name on the hub."],
  ];
  for (const [given, code, sentence] of cases) {
    await openByName(page, given);
    await expect(step(page, "Share").getByRole("alert"), given).toContainText(sentence);
    expect(await problem(page, `hub.open(${JSON.stringify(given)})`), given).toMatchObject({ code });
  }
  await hub.stop();
  await openByName(page, "ana/later");
  await expect(step(page, "Share").getByRole("alert")).toContainText(`${host} does not answer.`);
  // What was open still is.
  expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width).toBe(32);
});

test("a link names a model on the hub, and the page says whom it asks", async ({ page, hub }) => {
  hub.holdAfter = 10_000;
  await visitWith(page, hub, `&model=hf:${name}@main`);
  await expect(step(page, "Share").getByText(`Opening ${name} (${new URL(hub.address).host})…`)).toBeVisible();
  hub.holdAfter = undefined;
  await press(page, "Cancel");
  await page.reload();
  await isOpen(page);
  await expect(step(page, "Write").locator("h2")).toBeFocused();
});

const sendView = (page: Page) => step(page, "Share").locator("lorito-hub-send");

/** Fills in where to, and asks to see what would be sent. */
async function pack(page: Page, repo: string): Promise<void> {
  const view = sendView(page);
  await view.getByText("Send to the hub…").click();
  await view.getByLabel("Repository").fill(repo);
  await press(view, "Show what would be sent");
}

test("a model is sent as listed, and the token is kept nowhere", async ({ page, hub }) => {
  const token = "hf_writeForAna";
  hub.tokens.set(token, "ana");
  await visitWith(page, hub);
  await prepare(page);
  const host = new URL(hub.address).host;
  const view = sendView(page);
  await pack(page, "ana/ship");
  await expect(view.getByRole("heading", { name: /^6 files, .* to ana\/ship on .*, for you alone$/ })).toBeVisible();
  expect(hub.log).toEqual([]);
  const listed = await view.locator(".sources li").allInnerTexts();
  expect(listed.map((line) => line.split(/\s/)[0])).toEqual([
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "README.md",
  ]);
  await view.getByText("Read README.md").click();
  await expect(view.locator(".card")).toContainText("Lorito");
  const field = view.getByLabel(`Access token for ${host}`);
  await expect(field).toHaveAttribute("type", "password");
  await expect(field).toHaveAttribute("autocomplete", "off");
  await field.fill(token);
  await press(view, `Send 6 files to ${host}`);
  await expect(view.getByRole("link")).toHaveAttribute("href", `${hub.address}/ana/ship`);
  await expect(field).toBeHidden();

  // What arrived is what was shown, byte for byte what the export gives.
  const arrived = hub.files("ana/ship");
  const sent = await page.evaluate(async () => {
    const files = await window.lorito.hub.filesToSend("ship");
    return Promise.all(
      files.map(async ({ name, data }) => [name, [...new Uint8Array(await data.arrayBuffer())]] as const),
    );
  });
  expect([...(arrived?.keys() ?? [])].sort()).toEqual([".gitattributes", ...sent.map(([name]) => name)].sort());
  for (const [path, bytes] of sent) expect(arrived?.get(path)?.equals(Buffer.from(bytes)), path).toBe(true);
  expect(hub.repos.get("ana/ship")?.isPrivate).toBe(true);
  // The token went with what needs it, and not to where the large files lie.
  const posts = hub.log.filter(({ line }) => line.startsWith("POST"));
  expect(posts.length).toBeGreaterThan(3);
  expect(posts.every((entry) => entry.token === token)).toBe(true);
  expect(hub.log.filter(({ line }) => line.startsWith("PUT")).map((entry) => entry.token)).toEqual([undefined]);

  // Neither the browser's storage nor the page has it any more.
  const left = await page.evaluate(async (token) => {
    const found: string[] = [];
    const look = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
      for await (const [name, entry] of folder.entries()) {
        if (entry instanceof FileSystemDirectoryHandle) await look(entry, `${path}/${name}`);
        else if (entry instanceof FileSystemFileHandle && (await (await entry.getFile()).text()).includes(token))
          found.push(`${path}/${name}`);
      }
    };
    await look(await navigator.storage.getDirectory(), "");
    const fields = [...document.querySelectorAll("input")].map(({ value }) => value);
    const kept = [localStorage, sessionStorage].map((storage) => JSON.stringify({ ...storage }));
    const all = [document.documentElement.outerHTML, document.cookie, location.href, ...fields, ...kept];
    const databases = (await indexedDB.databases()).length;
    return { found, isOnPage: all.some((text) => text.includes(token)), databases };
  }, token);
  expect(left).toEqual({ found: [], isOnPage: false, databases: 0 });
});

test("what a hub does not take is said, and nothing is sent that was not shown", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  hub.tokens.set("hf_ana", "ana");
  await visitWith(page, hub);
  await prepare(page);
  const host = new URL(hub.address).host;
  const view = sendView(page);
  const alert = step(page, "Share").getByRole("alert");
  const confirm = async (token: string) => {
    await view.getByLabel(`Access token for ${host}`).fill(token);
    await press(view, /^Send 6 files to/);
  };
  await pack(page, "ben/ship");
  await confirm("hf_nobody");
  await expect(alert).toContainText(`${host} does not know this token.`);
  await confirm("hf_ana");
  await expect(alert).toContainText(`This token does not allow to write to ben/ship on ${host}.`);
  // Another name: what was shown no longer holds.
  await view.getByLabel("Repository").fill(name);
  await expect(view.getByLabel(`Access token for ${host}`)).toBeHidden();
  await press(view, "Show what would be sent");
  await confirm("hf_ana");
  await expect(alert).toContainText(`${name} is on ${host} already, for all the world to see, so nothing was sent.`);
  expect(hub.files(name)?.has("model.safetensors")).toBe(false);
  await view.getByLabel("Only I can see it").uncheck();
  await press(view, "Show what would be sent");
  await expect(view.getByRole("heading", { name: /for all the world$/ })).toBeVisible();
  await confirm("hf_ana");
  await expect(view.getByRole("link")).toBeVisible();
  await expect(alert).toBeHidden();
  expect(hub.files(name)?.has("model.safetensors")).toBe(true);
  await press(view, "Show what would be sent");
  await view.getByLabel(`Access token for ${host}`).fill("hf_ana");
  await press(view, "Do not send");
  expect(
    await page.locator("input").evaluateAll((all) => all.some((one) => (one as HTMLInputElement).value === "hf_ana")),
  ).toBe(false);
  expect(await problem(page, "hub.send('ana/x', [], { token: 'secret' })")).toMatchObject({
    code: "hub-token-invalid",
  });
});

const findDataset = async (page: Page, text: string) => {
  const view = step(page, "Text");
  if (!(await view.getByLabel("Name of the dataset").isVisible()))
    await view.getByText("A dataset from the Hugging Face hub").click();
  await view.getByLabel("Name of the dataset").fill(text);
  await press(view, "Look it up");
};

test("a dataset is found by its name, and a part of it becomes text", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  const [whole, first, second] = ["stories", "stories-0", "stories-1"].map((table) =>
    fixture(`parquet/${table}.parquet`),
  );
  const data = "datasets/ana/log";
  hub.put(data, { "README.md": "# log", "data.csv": "no" });
  hub.put(
    data,
    {
      "default/test/0000.parquet": whole ?? "",
      "default/train/0000.parquet": first ?? "",
      "default/train/0001.parquet": second ?? "",
    },
    "refs/convert/parquet",
  );
  await visitWith(page, hub);
  const view = step(page, "Text");
  const host = new URL(hub.address).host;
  await findDataset(page, "ana/log");
  const table = view.getByLabel("Which part");
  await expect(table).toBeFocused();
  await expect(table.locator("option")).toHaveText([/^\s*default, test: 10 kB\s*$/, /^\s*default, train: 6 kB\s*$/]);
  await expect(table.locator("option:checked")).toHaveText(/train/);
  expect(hub.log.some(({ line }) => line.includes("/cdn/"))).toBe(false);
  await press(view, `Fetch 6 kB from ${host}`);
  await expect(view.getByText("117 documents")).toBeVisible();
  await expect(view.getByText("ana/log train.parquet", { exact: true })).toBeVisible();
  // Another column of it needs no other request; fewer of its files come from what is kept.
  const asked = hub.log.length;
  await view.getByLabel("Read from").selectOption("title");
  await expect(view.getByText("120 documents")).toBeVisible();
  await view.getByLabel("Files").fill("1");
  await page.keyboard.press("Tab");
  await press(view, /^Fetch 2\.9 kB from/);
  await expect(view.locator(".sources li")).toHaveCount(2);
  await expect(view.getByText("59 documents")).toBeVisible();
  expect(hub.log.slice(asked)).toEqual([]);
  await expect(step(page, "Share").getByText(`datasets/ana/log (${host})`)).toBeVisible();

  // A dataset that the hub has not converted: its own tables; one that has none; and none at all.
  hub.put("datasets/ana/own", { "data/train-00000-of-00001.parquet": whole ?? "", "notes.txt": "x" });
  await findDataset(page, "ana/own");
  await expect(table.locator("option")).toHaveText([/default, train: 10 kB/]);
  hub.put("datasets/ana/words", { "words.txt": "words" });
  await findDataset(page, "ana/words");
  await expect(view.getByRole("alert")).toContainText(`ana/words on ${host} has no tables as Parquet files.`);
  await findDataset(page, "ana/none");
  await expect(view.getByRole("alert")).toContainText(`There is no ana/none on ${host}, or it is private.`);
});
