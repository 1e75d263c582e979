// Models of the Llama families that others have trained: opened from their folders, each writes, answers, learns, and leaves
// as what it is. GGUF files that are one model together open, too.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "./guard";
import { onceIsEnough, step, visit, write } from "./person";

const fixtures = new URL("../fixtures/", import.meta.url);
const expected = JSON.parse(readFileSync(new URL("families/expected.json", fixtures), "utf8"));

const file = (name: string, buffer: Buffer) => ({ name, mimeType: "application/octet-stream", buffer });
const read = (path: string) => readFileSync(new URL(path, fixtures));

const template = "{% for m in messages %}{{ m.content }}. {% endfor %}{% if add_generation_prompt %}El {% endif %}";
const named = [
  { name: "tool_use", template: "{{ tools }}" },
  { name: "default", template },
];

function folder(family: string) {
  const files = readdirSync(new URL(`families/${family}/`, fixtures));
  return [
    ...files.map((name) => file(name, read(`families/${family}/${name}`))),
    file("tokenizer.json", read("pretrained/prefixed/tokenizer.json")),
    file("tokenizer_config.json", Buffer.from(JSON.stringify({ chat_template: named }))),
  ];
}

const near = (got: readonly number[], right: readonly number[], share = 1e-4) => {
  const largest = Math.max(...right.map(Math.abs));
  expect(got.length).toBe(right.length);
  for (const [index, value] of right.entries())
    expect(Math.abs((got[index] ?? Number.NaN) - value), `token ${index}`).toBeLessThan(share * largest);
};

for (const family of ["llama", "qwen2", "qwen3"])
  test(`a model of the family ${family} opens, writes, answers, learns and leaves`, async ({ page }, info) => {
    await visit(page, info.project.name);
    await page.locator("#model-file").setInputFiles(folder(family));
    const share = step(page, "Share");
    await expect(share.getByText(/ is open\.$/)).toBeVisible();
    await expect(share.getByText(/which Lorito makes no use of: tool_use/)).toBeVisible();
    const { ids, logits } = expected[family];
    near(await page.evaluate(async (ids) => [...(await window.lorito.logits(ids))], ids as number[]), logits[1]);
    expect((await write(page, "El gato")).length).toBeGreaterThan(5);

    // The rotary positions of the fixture "llama" are scaled as those of no published model, which a GGUF file cannot say.
    const kinds = family === "llama" ? (["huggingface"] as const) : (["huggingface", "gguf-f16"] as const);
    const done = await page.evaluate(
      async ([ids, kinds]) => {
        const { lorito } = window;
        const logits = async () => [...(await lorito.logits(ids))];
        const { text } = await lorito.chat([{ role: "user", content: "El gato" }], { maxTokens: 8, temperature: 0 });
        await lorito.addText("cats.txt", "El gato y la lluvia. The cat and the rain. ".repeat(40));
        const run = { steps: 6, batchSize: 4, learningRate: 0.02, warmupSteps: 1, evalEvery: 100 };
        const lora = { rank: 4, alpha: 16, targets: { attention: true, attentionOut: true, mlp: true, mlpOut: true } };
        const before = await logits();
        await lorito.train({ ...run, lora });
        await lorito.mergeAdapter();
        await lorito.train(run);
        const losses = (await lorito.history()).steps.map(({ loss }) => loss);
        const learned = await logits();
        const ways: Record<string, { family: string | undefined; logits: number[] }> = {};
        for (const kind of kinds) {
          const left = await lorito.exportModel(kind);
          const { config } = await lorito.importModel(left);
          ways[kind] = { family: config.variant?.llama?.family, logits: await logits() };
        }
        return { text, before, losses, learned, ways };
      },
      [ids as number[], kinds] as const,
    );
    expect(done.text.length).toBeGreaterThan(0);
    expect(done.losses.at(-1)).toBeLessThan((done.losses[0] ?? 0) - 0.5);
    expect(done.learned).not.toEqual(done.before);
    for (const [kind, { family: back }] of Object.entries(done.ways)) expect(back, kind).toBe(family);
    expect(done.ways.huggingface?.logits).toEqual(done.learned);
    // With 16 bits a number.
    if (done.ways["gguf-f16"]) near(done.ways["gguf-f16"].logits, done.learned, 0.01);
  });

test.describe("one engine is enough", () => {
  onceIsEnough();

  test("GGUF files that are one model together are dropped or chosen together", async ({ page }) => {
    const names = [1, 2, 3].map((number) => `pieces-0000${number}-of-00003.gguf`);
    const shards = names.map((name) => file(name, read(`gguf/${name}`)));
    const right = JSON.parse(read("gguf/pieces.json").toString());
    await visit(page, "cpu");
    await page.locator("#model-file").setInputFiles(shards);
    const share = step(page, "Share");
    await expect(share.getByText(/ is open\.$/)).toBeVisible();
    await expect(share.getByText(/which Lorito makes no use of: tool_use/)).toBeVisible();
    const logits = async () =>
      page.evaluate(async (ids) => [...(await window.lorito.logits(ids))], right.read as number[]);
    near(await logits(), right.logits);
    const ids = await page.evaluate(
      (texts) => Promise.all(texts.map(async (text) => [...(await window.lorito.encode(text))])),
      right.texts.slice(0, 60) as string[],
    );
    expect(ids).toEqual(right.ids.slice(0, 60));

    const alert = share.getByRole("alert");
    await page.locator("#model-file").setInputFiles(shards.slice(0, 2));
    await expect(alert).toContainText(`${names[2]} is missing.`);
    await page.locator("#model-file").setInputFiles(shards.slice(0, 1));
    await expect(alert).toContainText(`${names[1]} is missing.`);
    const [first, second] = shards;
    if (!first || !second) throw new Error("a fixture is gone");
    await page.locator("#model-file").setInputFiles([first, second, { ...second, name: names[2] ?? "" }]);
    await expect(alert).toContainText("is file 2 of 3, which comes twice");
    near(await logits(), right.logits);
  });

  test("a model with chat templates of which none is the default one opens without", async ({ page }) => {
    await visit(page, "cpu");
    const settings = Buffer.from(JSON.stringify({ chat_template: named.slice(0, 1) }));
    const files = folder("qwen3").map((given) =>
      given.name === "tokenizer_config.json" ? { ...given, buffer: settings } : given,
    );
    await page.locator("#model-file").setInputFiles(files);
    const share = step(page, "Share");
    await expect(share.getByText(/is called “default”.*it has tool_use/)).toBeVisible();
    expect(await page.evaluate(async () => (await window.lorito.modelSummary())?.chat)).toBe(false);
  });
});
