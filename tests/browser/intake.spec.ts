// Input on the page: folders, archives and loose files, by drag and drop and in file choosers.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page, TestInfo } from "@playwright/test";
import { expect, test } from "./guard";
import { drop, onceIsEnough, press, step, visit } from "./person";
import { zip } from "./zip";

onceIsEnough();

const fixtures = new URL("../fixtures/", import.meta.url);
const fixture = (path: string) => readFileSync(new URL(path, fixtures));
const expected = (path: string) => JSON.parse(fixture(path).toString());
const prefixed = ["config.json", "model.safetensors", "tokenizer.json"];
const adapter = ["adapter_config.json", "adapter_model.safetensors"];

/** Creates a folder on the disk with fixtures, under their own names or others. */
function folder(info: TestInfo, name: string, files: Record<string, string | Buffer>): string {
  const at = info.outputPath(name);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(`${at}/${file}`.replace(/[^/]*$/, ""), { recursive: true });
    if (typeof content === "string") cpSync(fileURLToPath(new URL(content, fixtures)), `${at}/${file}`);
    else writeFileSync(`${at}/${file}`, content);
  }
  return at;
}

const under = (folder: string, names: string[]) => Object.fromEntries(names.map((name) => [name, `${folder}/${name}`]));

/** Drops files from the disk, like the desktop: a folder is one item. */
async function dropFromDisk(page: Page, ...files: string[]): Promise<void> {
  const client = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const)
    await client.send("Input.dispatchDragEvent", { type, x: 700, y: 400, data });
}

async function expectLogits(page: Page, right: number[]): Promise<void> {
  const { ids } = expected("pretrained/expected.json").prefixed;
  const largest = Math.max(...right.map(Math.abs));
  await expect(async () => {
    const found = await page.evaluate(async (ids) => [...(await window.lorito.logits(ids))], ids as number[]);
    expect(found).toHaveLength(right.length);
    for (const [index, logit] of right.entries())
      expect(Math.abs((found[index] ?? Number.NaN) - logit)).toBeLessThan(1e-4 * largest);
  }).toPass({ timeout: 20_000 });
}

const ofBase: number[] = expected("pretrained/expected.json").prefixed.logits[1];
const ofAdapter: number[] = expected("peft/expected.json").logits;
const bytes = (buffer: Buffer) => [...buffer];
const sources = (page: Page) => step(page, "Text").locator(".sources .name");

test("a dropped folder with a model is opened, and another one is added as texts", async ({ page }, info) => {
  await visit(page, "cpu");
  await dropFromDisk(
    page,
    folder(info, "gpt", { ...under("pretrained/prefixed", prefixed), "README.md": Buffer.from("# gpt") }),
  );
  await expectLogits(page, ofBase);
  await expect(sources(page)).toHaveCount(0);
  const notes = {
    "monday.md": Buffer.from("The clay is wet."),
    "old/monday.md": Buffer.from("The clay is dry."),
    "cat.jpg": Buffer.from("x"),
  };
  await dropFromDisk(page, folder(info, "notes", notes));
  await expect(sources(page)).toHaveText(["notes/monday.md", "notes/old/monday.md"]);
  await expect(step(page, "Text").getByText("1 file in notes is neither a text nor a model’s")).toBeVisible();
  await dropFromDisk(page, folder(info, "photos", { "cat.jpg": Buffer.from("x") }));
  await expect(step(page, "Text").getByRole("alert")).toContainText("1 file in photos is neither");
  mkdirSync(info.outputPath("empty"));
  await dropFromDisk(page, info.outputPath("empty"));
  await expect(step(page, "Text").getByRole("alert")).toContainText("There is no file in that folder");
});

test("an archive of a model, and an adapter's files, open wherever they are dropped or chosen", async ({ page }) => {
  await visit(page, "cpu");
  const at = (folder: string, names: string[]) =>
    names.map((name) => ({ name: `mine/${name}`, buffer: fixture(`${folder}/${name}`) }));
  const archive = zip(at("pretrained/prefixed", prefixed));
  await drop(page, [{ name: "model.zip", bytes: bytes(archive) }]);
  await expectLogits(page, ofBase);
  await drop(
    page,
    adapter.map((name) => ({ name, bytes: bytes(fixture(`peft/${name}`)) })),
  );
  await expectLogits(page, ofAdapter);
  await page.locator("#files").setInputFiles({ name: "model.zip", mimeType: "application/zip", buffer: archive });
  await expectLogits(page, ofBase);
  const thin = zip(at("peft", adapter));
  await page.locator("#model-file").setInputFiles({ name: "thin.zip", mimeType: "application/zip", buffer: thin });
  await expectLogits(page, ofAdapter);
  await expect(sources(page)).toHaveCount(0);
  expect(
    await page.evaluate(async (given) => {
      const blob = new Blob([new Uint8Array(given)]);
      return window.lorito.addText("model.zip", blob).catch(({ code }) => code);
    }, bytes(archive)),
  ).toBe("model-not-text");
});

test("the right files are chosen from a folder with model, adapter and several weights, and the others are named", async ({
  page,
}, info) => {
  await visit(page, "cpu");
  const share = step(page, "Share");
  const choose = (files: Record<string, string | Buffer>, name: string) =>
    page.locator("#model-folder").setInputFiles(folder(info, name, files));
  const model = under("pretrained/prefixed", prefixed);
  await choose({ ...model, ...under("peft", adapter) }, "both");
  await expectLogits(page, ofAdapter);
  await expect(share.getByRole("alert")).toBeHidden();
  // An adapter of another model: only the model is opened, and both are named.
  const other = JSON.parse(fixture("peft/adapter_config.json").toString());
  await choose(
    {
      ...model,
      ...under("peft", adapter),
      "adapter_config.json": Buffer.from(JSON.stringify({ ...other, use_dora: true })),
    },
    "dora",
  );
  await expectLogits(page, ofBase);
  await expect(share.getByText("The model is open without its adapter (dora/adapter_config.json).")).toBeVisible();
  await expect(share.getByText("use_dora")).toBeVisible();
  // Shards of an earlier save, and model.safetensors beside an index.
  const sharded = [
    "config.json",
    "tokenizer.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
  ];
  const shards = under("pretrained/sharded", sharded);
  await choose(
    { ...shards, "model-00001-of-00003.safetensors": "pretrained/sharded/model-00001-of-00002.safetensors" },
    "stale",
  );
  await expect(
    share.getByText("Other weights lie beside it and were not read: model-00001-of-00003.safetensors."),
  ).toBeVisible();
  await expect(share.getByText("without its adapter")).toBeHidden();
  await choose({ ...shards, ...model }, "whole");
  await expectLogits(page, ofBase);
  await expect(share.getByText("This model was opened from model.safetensors.")).toBeVisible();
});

test("a model in an archive is refused before its weights are unpacked, and the open model stays", async ({ page }) => {
  await visit(page, "cpu");
  const share = step(page, "Share");
  const files = prefixed.map((name) => ({ name, buffer: fixture(`pretrained/prefixed/${name}`) }));
  const choose = (entries: Parameters<typeof zip>[0]) =>
    page.locator("#model-file").setInputFiles({ name: "model.zip", mimeType: "application/zip", buffer: zip(entries) });
  await choose(files);
  await expectLogits(page, ofBase);
  const described = files.filter(({ name }) => name !== "model.safetensors");
  // Unpacking all of it would find a hash that differs from its entry.
  const zeros = { name: "model.safetensors", buffer: Buffer.alloc(2 ** 26), lie: { crc: 1 } };
  await choose([...described, zeros]);
  await expect(share.getByRole("alert")).toContainText("This is no safetensors file that can be read");
  const mistral = { name: "config.json", buffer: Buffer.from('{"model_type": "mistral"}') };
  await choose([mistral, ...described.filter(({ name }) => name !== "config.json"), zeros]);
  await expect(share.getByRole("alert")).toContainText("mistral");
  const thin = { name: "adapter_model.safetensors", buffer: Buffer.alloc(2 ** 26), lie: { crc: 1 } };
  await choose([{ name: "adapter_config.json", buffer: fixture("peft/adapter_config.json") }, thin]);
  await expect(share.getByRole("alert")).toContainText("This is no safetensors file that can be read");
  await choose([{ name: "mine.safetensors", buffer: Buffer.alloc(2 ** 26), lie: { crc: 1 } }]);
  await expect(share.getByRole("alert")).toContainText("This is no safetensors file that can be read");
  await expectLogits(page, ofBase);
  // Unpacking can be cancelled.
  const ended = page.evaluate(
    async (given) => {
      const abort = new AbortController();
      const opening = window.lorito.importModel(new Blob([new Uint8Array(given)]), () => {}, abort.signal);
      abort.abort();
      return opening.then(
        () => "open",
        ({ code }) => code,
      );
    },
    bytes(zip(files)),
  );
  expect(await ended).toBe("cancelled");
  await expectLogits(page, ofBase);
});

const line = (day: number, name: string, words: string) => `12/${day}/25, 5:02 PM - ${name}: ${words}\n`;
const chatOf = (name: string) =>
  line(1, name, "is the boat dry") + line(1, "Maro", "dry as a bone") + line(2, name, "good");

test("every chat in an archive is a separate text, can be read again, and survives a crash", async ({
  page,
  guard,
}) => {
  guard.allowed.push(/lost for the test/);
  const worker = page.waitForEvent("worker");
  await visit(page, "cpu");
  const archive = zip([
    { name: "__MACOSX/._a.txt", buffer: Buffer.from("\0\0") },
    { name: "Chat de WhatsApp con Ilse.txt", buffer: Buffer.from(chatOf("Ilse")) },
    { name: "IMG-1.jpg", buffer: Buffer.from("\xff\xd8") },
    { name: "WhatsApp-Chat mit Bruno.txt", buffer: Buffer.from(chatOf("Bruno")) },
  ]);
  await drop(page, [{ name: "two.zip", bytes: bytes(archive) }]);
  const names = ["Chat de WhatsApp con Ilse.txt", "WhatsApp-Chat mit Bruno.txt"];
  await expect(sources(page)).toHaveText(names);
  const text = step(page, "Text");
  await expect(text.getByRole("alert")).toBeHidden();
  await expect(text.getByLabel("Who are you?")).toHaveCount(2);
  await text.getByLabel("Who are you?").last().selectOption("Bruno");
  await expect(text.getByLabel("Who are you?").last()).toHaveValue("Bruno");
  await expect(sources(page)).toHaveText(names);
  const recovered = page.evaluate(
    () => new Promise<void>((there) => window.lorito.on("notice", ({ code }) => code === "recovered" && there())),
  );
  await (await worker).evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError("lost for the test");
    });
  });
  await recovered;
  await expect(sources(page)).toHaveText(names);
  const people = await page.evaluate(async () =>
    (await window.lorito.textSummary()).sources.map(({ chat }) => chat?.you),
  );
  expect(people).toEqual(["Maro", "Bruno"]);
  await press(text, `Remove ${names[0]}`);
  await expect(sources(page)).toHaveText(names.slice(1));
});

test("reading can be cancelled even while the disk does not respond, and earlier texts stay", async ({ page }) => {
  const worker = page.waitForEvent("worker");
  await visit(page, "cpu");
  await (await worker).evaluate(() => {
    const read = Blob.prototype.arrayBuffer;
    let pieces = 0;
    Blob.prototype.arrayBuffer = function () {
      if (this.size === 2 ** 22) pieces += 1;
      return this.size === 2 ** 22 && pieces > 1 ? new Promise(() => {}) : read.call(this);
    };
  });
  const text = step(page, "Text");
  const file = (name: string, buffer: Buffer) => ({ name, mimeType: "text/plain", buffer });
  const choose = (...files: ReturnType<typeof file>[]) => page.locator("#files").setInputFiles(files);
  const large = Buffer.alloc(9_000_000, "The boat is dry. ");
  const stopped = text.getByText("Stopped. The texts that were read before are still here.");
  await choose(file("first.txt", Buffer.from("dry")), file("large.txt", large), file("later.txt", Buffer.from("late")));
  await expect(text.getByText("Reading large.txt…")).toBeVisible();
  await press(text, "Cancel");
  await expect(stopped).toBeVisible();
  await expect(text.getByRole("alert")).toHaveCount(0);
  await expect(sources(page)).toHaveText(["first.txt"]);

  const days = Array.from({ length: 200_000 }, (_, number) => line(1 + (number % 28), "Bruno", "dry"));
  const chats = zip([
    { name: "Ilse.txt", buffer: Buffer.from(chatOf("Ilse")) },
    { name: "Bruno.txt", buffer: Buffer.from(days.join("")) },
  ]);
  await choose({ name: "two.zip", mimeType: "application/zip", buffer: chats });
  await expect(text.getByText("Reading two.zip…")).toBeVisible();
  await expect(sources(page)).toHaveText(["first.txt", "Ilse.txt"]);
  await expect(stopped).toBeHidden();
  await press(text, "Cancel");
  await expect(stopped).toBeVisible();
  await expect(sources(page)).toHaveText(["first.txt", "Ilse.txt"]);
  // The chats of the archive can be read with other options.
  await text.getByLabel("Who are you?").selectOption("Ilse");
  await expect(text.getByLabel("Who are you?")).toHaveValue("Ilse");
  await expect(stopped).toBeHidden();
});
