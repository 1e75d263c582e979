// Pretrained models: a Hugging Face folder as loose files or in an archive, and invalid ones.
import { readdirSync, readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { drop, onceIsEnough, step, visit, write } from "./person";
import { type Lie, zip } from "./zip";

const folder = new URL("../fixtures/pretrained/", import.meta.url);
const expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8"));

interface Given {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

function files(model: string): Given[] {
  const at = new URL(`${model}/`, folder);
  return readdirSync(at).map((name) => ({
    name,
    mimeType: "application/octet-stream",
    buffer: readFileSync(new URL(name, at)),
  }));
}

const archive = (buffer: Buffer): Given => ({ name: "model.zip", mimeType: "application/zip", buffer });

async function choose(page: Page, given: Given[]): Promise<void> {
  await page.locator("#model-file").setInputFiles(given);
}

/** Requires that the logits after the text equal those of transformers. */
async function expectLogits(page: Page, model: string): Promise<void> {
  const { ids, logits } = expected[model];
  const got = await page.evaluate(async (ids) => [...(await window.lorito.logits(ids))], ids as number[]);
  const right: number[] = logits[1];
  const largest = Math.max(...right.map(Math.abs));
  expect(got.length).toBe(right.length);
  for (const [index, value] of right.entries())
    expect(Math.abs((got[index] ?? Number.NaN) - value)).toBeLessThan(1e-4 * largest);
}

test("Hugging Face folders open, one after the other", async ({ page }, { project }) => {
  await visit(page, project.name);
  for (const model of ["prefixed", "plain", "sharded"])
    await test.step(model, async () => {
      await choose(page, files(model));
      await expect(() => expectLogits(page, model)).toPass({ timeout: 30_000 });
      await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
      expect((await write(page, "El gato")).length).toBeGreaterThan(5);
    });
});

const given = (name: string, path: string): Given => ({
  name,
  mimeType: "application/octet-stream",
  buffer: readFileSync(new URL(`../fixtures/${path}`, import.meta.url)),
});

/** The files of a folder whose weights are PyTorch's. */
const withWeights = (model: string, ...weights: Given[]) => [
  ...files(model).filter(({ name }) => !name.includes(".safetensors")),
  ...weights,
];

const old = withWeights("prefixed", given("pytorch_model.bin", "torch/prefixed.bin"));

test.describe("one engine is enough", () => {
  onceIsEnough();

  test("PyTorch's weights open, and nothing in them is run", async ({ page }) => {
    await visit(page, "cpu");
    const isOpen = () => expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
    for (const [model, chosen] of [
      ["prefixed", old],
      ["plain", withWeights("plain", given("pytorch_model.bin", "torch/plain.bin"))],
      [
        "sharded",
        withWeights(
          "sharded",
          given("pytorch_model-00001-of-00002.bin", "torch/sharded-00001-of-00002.bin"),
          given("pytorch_model-00002-of-00002.bin", "torch/sharded-00002-of-00002.bin"),
          given("pytorch_model.bin.index.json", "torch/sharded.index.json"),
        ),
      ],
    ] as const) {
      await choose(page, [...chosen]);
      await expect(() => expectLogits(page, model), model).toPass({ timeout: 30_000 });
      await isOpen();
    }
    await choose(page, [archive(zip(old.map(({ name, buffer }) => ({ name: `old/${name}`, buffer }))))]);
    await expect(() => expectLogits(page, "prefixed")).toPass({ timeout: 30_000 });
    const alert = step(page, "Share").getByRole("alert");
    await choose(
      page,
      old.filter(({ name }) => name !== "config.json"),
    );
    await expect(alert).toContainText("config.json is missing.");
    const weights = given("pytorch_model.bin", "torch/prefixed.bin");
    // A call of another function, of the same length.
    const text = weights.buffer.toString("latin1").replace("ctorch\nFloatStorage", "cposix\nsystem\nxxxxx");
    await choose(page, withWeights("prefixed", { ...weights, buffer: Buffer.from(text, "latin1") }));
    await expect(alert).toContainText("it refers to posix.system");
    await expectLogits(page, "prefixed");
  });

  test("GGUF files open, dropped and chosen, and so do our own", async ({ page }) => {
    await visit(page, "cpu");
    const mixed = given("mixed.gguf", "gguf/mixed.gguf");
    const { ids, logits } = JSON.parse(given("", "gguf/mixed.json").buffer.toString());
    const isMixed = () =>
      expect(async () => {
        const got = await page.evaluate(async (ids) => [...(await window.lorito.logits(ids))], ids as number[]);
        expect(got.length).toBe(logits.length);
        for (const [index, value] of (logits as number[]).entries())
          expect(Math.abs((got[index] ?? Number.NaN) - value)).toBeLessThan(1e-3);
      }).toPass({ timeout: 30_000 });
    await choose(page, [mixed]);
    await isMixed();
    expect((await write(page, "El gato")).length).toBeGreaterThan(5);
    await choose(page, files("prefixed"));
    await expect(() => expectLogits(page, "prefixed")).toPass({ timeout: 30_000 });
    await drop(page, [{ name: mixed.name, bytes: [...mixed.buffer] }]);
    await isMixed();
    const same = await page.evaluate(async () => {
      const ids = await window.lorito.encode("El gato");
      const before = await window.lorito.logits(ids);
      await window.lorito.importModel(await window.lorito.exportModel("gguf-f16", "back"));
      const after = await window.lorito.logits(await window.lorito.encode("El gato"));
      return Math.max(...before.map((value, index) => Math.abs(value - (after[index] ?? Number.NaN))));
    });
    expect(same).toBeLessThan(0.05);
    const alert = step(page, "Share").getByRole("alert");
    for (const [buffer, sentence] of [
      [mixed.buffer.subarray(0, 9000), "The file ends after"],
      [Buffer.from("GGUF, but not really one of them"), "This is no GGUF file that can be read"],
    ] as const) {
      await choose(page, [{ ...mixed, buffer: Buffer.from(buffer) }]);
      await expect(alert).toContainText(sentence);
    }
  });

  test("an archive opens, wherever its folder is, and so does our own export", async ({ page }) => {
    await visit(page, "cpu");
    const inside = files("sharded").map(({ name, buffer }) => ({ name: `models/mine/${name}`, buffer }));
    await choose(page, [archive(zip([{ name: "models/README.md", buffer: Buffer.from("hello") }, ...inside]))]);
    await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
    await expectLogits(page, "sharded");
    const back = await page.evaluate(async () => {
      const blob = await window.lorito.exportModel("huggingface", "back");
      await window.lorito.importModel(blob);
      return [...new Uint8Array(await blob.slice(0, 4).arrayBuffer())];
    });
    expect(back).toEqual([0x50, 0x4b, 3, 4]);
    await expectLogits(page, "sharded");
  });

  test("tokens without weights are left out and reported, and end tokens from another file end a text", async ({
    page,
  }) => {
    await visit(page, "cpu");
    const given = files("prefixed");
    const tokenizer = given.find(({ name }) => name === "tokenizer.json");
    const content = JSON.parse(String(tokenizer?.buffer));
    const rows = Object.keys(content.model.vocab).length;
    content.added_tokens.push({ ...content.added_tokens[0], id: rows, content: "[PAD]" });
    const changed = given.map((file) =>
      file === tokenizer ? { ...file, buffer: Buffer.from(JSON.stringify(content)) } : file,
    );
    await choose(page, changed);
    await expect(step(page, "Share").getByText(/without these tokens.*\[PAD\]/)).toBeVisible();
    await expectLogits(page, "prefixed");
    expect(await page.evaluate(async () => (await window.lorito.encode("[PAD]")).length)).toBeGreaterThan(1);
    const greedy = () => page.evaluate(() => window.lorito.generate("El gato", { maxTokens: 12, temperature: 0 }));
    const whole = await greedy();
    const last = await page.evaluate(async (text) => [...(await window.lorito.encode(text))].at(-1), whole);
    const ends = {
      ...archive(Buffer.from(JSON.stringify({ eos_token_id: [0, last] }))),
      name: "generation_config.json",
    };
    await choose(page, [...files("prefixed"), ends]);
    await expect(async () => expect((await greedy()).length).toBeLessThan(whole.length)).toPass({ timeout: 30_000 });
  });

  test("a damaged or malicious archive is refused with a sentence, and the previous model stays", async ({ page }) => {
    await visit(page, "cpu");
    await choose(page, files("plain"));
    await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
    const good = files("prefixed").map(({ name, buffer }) => ({ name, buffer }));
    const lying = (name: string, lie: Lie) =>
      zip(good.map((entry) => (entry.name === name ? { ...entry, lie } : entry)));
    const whole = zip(good);
    const cases: [string, Buffer, RegExp][] = [
      ["cut", whole.subarray(0, whole.length - 30), /ZIP archive cannot be read/],
      ["only a beginning", whole.subarray(0, 40), /ZIP archive cannot be read/],
      ["a file larger than told", lying("model.safetensors", { size: 100 }), /ZIP archive cannot be read/],
      ["a file smaller than told", lying("config.json", { size: 9000 }), /ZIP archive cannot be read/],
      ["a claim of gigabytes", lying("config.json", { size: 0xfffffff0 }), /ZIP archive cannot be read/],
      ["encrypted", lying("config.json", { flags: 1 }), /ZIP archive cannot be read/],
      ["other bytes than told", lying("model.safetensors", { crc: 1 }), /ZIP archive cannot be read/],
      ["entries one upon the other", lying("tokenizer.json", { offset: 0 }), /ZIP archive cannot be read/],
      ["a place outside", lying("config.json", { offset: 0xfffffff }), /ZIP archive cannot be read/],
      [
        "ways out of the folder",
        zip(good.map((entry) => ({ ...entry, name: `../../${entry.name}` }))),
        /ZIP archive cannot be read/,
      ],
      ["no model in it", zip([{ name: "a.txt", buffer: Buffer.from("a") }]), /config/],
      ["nothing in it", zip([]), /config|ZIP archive cannot be read/],
      [
        "a bomb",
        zip([
          ...good.filter(({ name }) => name !== "tokenizer.json"),
          { name: "tokenizer.json", buffer: Buffer.alloc(2 ** 26) },
        ]),
        /tokenizer\.json has|ZIP archive cannot be read/,
      ],
    ];
    for (const [what, buffer, sentence] of cases) {
      await choose(page, [archive(buffer)]);
      await expect(step(page, "Share").getByRole("alert"), what).toContainText(sentence);
      await expectLogits(page, "plain");
    }
  });

  test("an adapter's unsupported setting and Git LFS pointers are reported as such", async ({ page }) => {
    await visit(page, "cpu");
    const alert = step(page, "Share").getByRole("alert");
    const adapter = ["adapter_config.json", "adapter_model.safetensors"].map((name) => ({
      name,
      mimeType: "application/octet-stream",
      buffer: readFileSync(new URL(`../fixtures/peft/${name}`, import.meta.url)),
    }));
    await choose(page, adapter);
    await expect(alert).toContainText("An adapter needs the model that it was made for.");
    await choose(page, files("prefixed"));
    await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
    const described = JSON.parse(adapter[0]?.buffer.toString() ?? "");
    const changed = Buffer.from(JSON.stringify({ ...described, use_dora: true }));
    await choose(
      page,
      adapter.map((file, index) => (index === 0 ? { ...file, buffer: changed } : file)),
    );
    await expect(alert).toContainText("The adapter’s use_dora is true; Lorito can open adapters where it is false.");
    await expectLogits(page, "prefixed");
    const pointer = Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 48656\n");
    const clone = (name: string) =>
      files("prefixed").map((file) => (file.name === name ? { ...file, buffer: pointer } : file));
    for (const name of ["model.safetensors", "tokenizer.json"]) {
      await choose(page, clone(name));
      await expect(alert).toContainText(`${name} is not the file itself, but what a clone without Git LFS has`);
    }
    await expectLogits(page, "prefixed");
  });
});
