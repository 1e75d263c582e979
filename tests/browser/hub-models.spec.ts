// Models from the hub, by name: interrupted, cancelled and refused transfers, and the cache of files.
import { createHash } from "node:crypto";
import type { Page } from "@playwright/test";
import { expect, fixture, hostOf, name, small, test, visitWith } from "./hub-page";
import type { HubServer } from "./hub-server";
import { crash, prepare, problem } from "./lorito";
import { onceIsEnough, press, step, write } from "./person";

onceIsEnough();

async function openByName(page: Page, text: string): Promise<void> {
  await step(page, "Share")
    .getByLabel(/^From the hub/)
    .fill(text);
  await press(page, "Open from the hub");
}

const isOpen = (page: Page) =>
  expect.poll(() => page.evaluate(async () => (await window.lorito.modelSummary())?.config.width)).toBe(16);

test("a model opens by its name, and a second time without any request", async ({ page, hub }) => {
  await visitWith(page, hub);
  expect(hub.log).toEqual([]);
  await expect(step(page, "Share").getByText(`The page asks ${hostOf(hub)}`)).toBeVisible();
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
  // Once deleted, it must be fetched again.
  const view = step(page, "Share");
  await press(view, `Delete: ${name} (${hostOf(hub)})`);
  await expect(view.getByText("From the hub, kept on this device")).toBeHidden();
  await openByName(page, name);
  await expect.poll(() => hub.log.length).toBe(2 * asked);
});

test("a model opens whose only weights are PyTorch's", async ({ page, hub }) => {
  const files = ["config.json", "tokenizer.json"].map((name) => [name, fixture(`pretrained/prefixed/${name}`)]);
  hub.put("ana/old", {
    ...Object.fromEntries(files),
    "pytorch_model.bin": fixture("torch/prefixed.bin"),
    "tf_model.h5": "x",
  });
  await visitWith(page, hub);
  await openByName(page, "ana/old");
  await expect.poll(() => page.evaluate(async () => (await window.lorito.modelSummary())?.config.context)).toBe(32);
  expect(hub.log.filter(({ line }) => line.includes("tf_model"))).toEqual([]);
});

test("a hub model stays open when its stored files are deleted, also through a crash", async ({ page, hub, guard }) => {
  guard.allowed.push(/unreachable/);
  await visitWith(page, hub);
  await openByName(page, name);
  await isOpen(page);
  const logits = () =>
    page.evaluate(async () => Array.from(await window.lorito.logits(await window.lorito.encode("abc"))));
  const before = await logits();
  await page.evaluate(async () => {
    for (const { key } of await window.lorito.hub.kept()) await window.lorito.hub.forget(key);
  });
  const asked = hub.log.length;
  const recovered = page.evaluate(
    () => new Promise<void>((resolve) => window.lorito.on("notice", ({ code }) => code === "recovered" && resolve())),
  );
  await crash(page);
  await recovered;
  expect(await logits()).toEqual(before);
  // It is not fetched again.
  expect(hub.log).toHaveLength(asked);
});

const ranges = (hub: HubServer) => hub.log.filter(({ line }) => line.startsWith("GET /cdn/")).map(({ range }) => range);

/** A model different from the fixture, for another commit of the same repository. */
async function otherModel(page: Page): Promise<Buffer> {
  await prepare(page);
  return Buffer.from(
    await page.evaluate(async () => [
      ...new Uint8Array(await (await window.lorito.exportModel("safetensors", "other")).arrayBuffer()),
    ]),
  );
}

test("an interrupted transfer is resumed automatically, and also later", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  await visitWith(page, hub);
  hub.breaks = [10_000];
  await openByName(page, name);
  await isOpen(page);
  expect(ranges(hub)).toEqual([undefined, "bytes=10000-"]);
  expect(hub.log.reduce((sum, { sent }) => sum + sent, 0)).toBe(small.length);

  // One that is interrupted repeatedly ends with a message; the data so far stay, also after a reload.
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

test("a transfer can be cancelled; parts of different versions are never joined", async ({ page, hub }) => {
  await visitWith(page, hub);
  const other = await otherModel(page);
  const begun = async () => {
    await openByName(page, name);
    await expect(page.locator("#opening")).toBeVisible();
    await expect(step(page, "Share").getByText("10 kB of 36 kB", { exact: true })).toBeVisible();
    await press(page, "Cancel");
    await expect(step(page, "Share").getByText(/^Stopped\. What has come is kept/)).toBeVisible();
    await expect(page.locator("#opening")).toBeHidden();
  };
  hub.holdAfter = 10_000;
  await begun();
  // Resumes from there.
  hub.holdAfter = undefined;
  await openByName(page, name);
  await isOpen(page);
  expect(ranges(hub)).toEqual([undefined, "bytes=10000-"]);
  await expect(step(page, "Share").getByText(/^Stopped/)).toBeHidden();

  // Started with one version, resumed with another: nothing of the first is used.
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

test("a model is fetched from a host without range requests, and from one that sends a wrong range", async ({
  page,
  hub,
}) => {
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

test("a model opens although the disk is full", async ({ page, hub }) => {
  await visitWith(page, hub);
  const browser = await page.context().newCDPSession(page);
  const { origin } = new URL(page.url());
  await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 20_000 });
  await openByName(page, name);
  await isOpen(page);
  await expect(step(page, "Share").getByText(/^It is here, but not kept for the next time: the disk/)).toBeVisible();
  await browser.send("Storage.overrideQuotaForOrigin", { origin });
});

test("missing models and the hub's refusals are reported in a sentence", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  hub.put("ana/secret", { "small.safetensors": small }, "main", true);
  hub.put("ana/old", { "config.json": "{}", "tf_model.h5": "x", "model.onnx": "x" });
  hub.put("ana/words", { "README.md": "words" });
  await visitWith(page, hub);
  await prepare(page);
  const host = hostOf(hub);
  const cases: [string, string, string][] = [
    ["ana/none", "hub-not-found", `There is no ana/none on ${host}, or it is private.`],
    [`${name}@v9`, "hub-revision-not-found", `${name} on ${host} has no state called “v9”.`],
    ["ana/secret", "hub-forbidden", `${host} does not give ana/secret to everybody`],
    ["ana/old", "hub-no-safetensors", "in other forms only (tf_model.h5, model.onnx)"],
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
  // The previous model is still open.
  expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width).toBe(32);
});

test("the stored repositories can be listed while some of them are fetched and deleted", async ({ page, hub }) => {
  const config = JSON.parse(fixture("pretrained/plain/config.json").toString());
  hub.put("ana/mistral", {
    "config.json": JSON.stringify({ ...config, model_type: "mistral" }),
    "model.safetensors": small,
  });
  await visitWith(page, hub);
  const said = await page.evaluate(async () => {
    const { lorito } = window;
    const said = new Set<string>();
    for (let time = 0; time < 15; time++) {
      // It is stored until it is known to be of another family.
      let refused = false;
      const opening = lorito.hub.open("ana/mistral").catch(({ code }) => {
        said.add(code);
        refused = true;
      });
      const list = (listed: Promise<unknown>) =>
        listed.then(
          () => {},
          (error) => void said.add(String(error)),
        );
      while (!refused)
        await Promise.all([list(lorito.hub.kept()), list(lorito.savedModels()), list(lorito.savedRuns())]);
      await opening;
    }
    return [...said];
  });
  expect(said).toHaveLength(1);
});

test("a model of another family is refused before its weights are fetched", async ({ page, hub }) => {
  const config = (change: object) =>
    JSON.stringify({ ...JSON.parse(fixture("pretrained/plain/config.json").toString()), ...change });
  hub.put("ana/mistral", { "config.json": config({ model_type: "mistral" }), "model.safetensors": small });
  hub.put("ana/wide", { "config.json": config({ n_embd: 4096, n_layer: 48, n_head: 64 }), "model.safetensors": small });
  await visitWith(page, hub);
  await openByName(page, "ana/mistral");
  await expect(step(page, "Share").getByRole("alert")).toContainText("a model of the family “mistral”");
  expect(await problem(page, "hub.open('ana/wide')")).toMatchObject({ code: "model-too-large" });
  expect(hub.log.some(({ line }) => line.includes("safetensors") || line.includes("/cdn/"))).toBe(false);
  expect(await page.evaluate(() => window.lorito.hub.kept())).toEqual([]);
});

test("models and adapters from the hub open like their files", async ({ page, hub }) => {
  const files = (folder: string, names: string[]) =>
    Object.fromEntries(names.map((name) => [name, fixture(`${folder}/${name}`)]));
  const others = { "README.md": "# of somebody else's", "pytorch_model.bin": "x" };
  const model = files("pretrained/prefixed", ["config.json", "model.safetensors", "tokenizer.json"]);
  hub.put("ana/model", { ...model, ...others });
  hub.put("ana/both", { ...model, ...files("peft", ["adapter_config.json", "adapter_model.safetensors"]), ...others });
  hub.put("ana/adapter", { ...files("peft", ["adapter_config.json", "adapter_model.safetensors"]), ...others });
  await visitWith(page, hub);
  const { ids, logits } = JSON.parse(fixture("pretrained/expected.json").toString()).prefixed;
  const adapted: number[] = JSON.parse(fixture("peft/expected.json").toString()).logits;
  for (const [name, expected] of [
    ["ana/model", logits[1] as number[]],
    ["ana/adapter", adapted],
    ["ana/model", logits[1] as number[]],
    ["ana/both", adapted],
  ] as const) {
    await page.evaluate((name) => window.lorito.hub.open(name), name);
    const found = await page.evaluate(async (ids) => [...(await window.lorito.logits(ids))], ids as number[]);
    const largest = Math.max(...expected.map(Math.abs));
    expect(found).toHaveLength(expected.length);
    for (const [index, logit] of expected.entries())
      expect(Math.abs((found[index] ?? Number.NaN) - logit), name).toBeLessThan(1e-4 * largest);
  }
});

test("false responses of a hub are refused, and the model stays", async ({ page, hub }) => {
  await visitWith(page, hub);
  await prepare(page);
  const sha256 = createHash("sha256").update(small).digest("hex");
  const listed = (change: object) =>
    JSON.stringify([{ type: "file", path: "a.safetensors", size: small.length, oid: sha256, ...change }]);
  const cases: [string, string, string, string][] = [
    ["a commit in words", "/revision/", "only words", "hub-failed"],
    ["no commit", "/revision/", "{}", "hub-failed"],
    ["nothing as a commit", "/revision/", "null", "hub-failed"],
    ["a path as a commit", "/revision/", '{"id": "a", "sha": "../../../../etc"}', "hub-failed"],
    ["a list in words", "/tree/", "only words", "hub-failed"],
    ["no list", "/tree/", '{"files": 7}', "hub-failed"],
    ["nothing in the list", "/tree/", "[null]", "hub-failed"],
    ["an empty list", "/tree/", "[]", "hub-no-model"],
    ["paths that lead out", "/tree/", listed({ path: "../../a.safetensors" }), "hub-no-model"],
    ["no path", "/tree/", listed({ path: 7 }), "hub-no-model"],
    ["less than nothing", "/tree/", listed({ size: -1 }), "hub-failed"],
    ["half a byte", "/tree/", listed({ size: 1.5 }), "hub-failed"],
    ["a size in words", "/tree/", listed({ size: "large" }), "hub-failed"],
    ["more than there is room for", "/tree/", listed({ lfs: { oid: sha256, size: 2 ** 50 } }), "hub-too-large"],
    ["a hash that is none", "/tree/", listed({ oid: { toString: 1 } }), "hub-failed"],
  ];
  hub.put("ana/lies", { "a.safetensors": small });
  for (const [kind, path, answer, code] of cases) {
    hub.says = (asked) => (asked.includes(path) ? answer : undefined);
    expect(await problem(page, "hub.open('ana/lies')"), kind).toMatchObject({ code });
    expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width, kind).toBe(32);
  }
});

test("a link can name a hub model, and the page names the host", async ({ page, hub }) => {
  hub.holdAfter = 10_000;
  await visitWith(page, hub, `&model=hf:${name}@main`);
  await expect(page.getByRole("heading", { name: `Fetch the model from ${hostOf(hub)}?` })).toBeVisible();
  expect(hub.log).toEqual([]);
  await press(page, "Fetch the model");
  await expect(step(page, "Share").getByText(`Opening ${name} (${hostOf(hub)})…`)).toBeVisible();
  await expect(step(page, "Share").getByText("10 kB of 36 kB", { exact: true })).toBeVisible();
  await press(page, "Cancel");
  await expect(page.locator("#opening")).toBeHidden();
  hub.holdAfter = undefined;
  await page.reload();
  await press(page, "Fetch the model");
  await isOpen(page);
  await expect(step(page, "Write").locator("h2")).toBeFocused();
});
