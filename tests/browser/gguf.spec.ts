// Models exported as GGUF, from which llama.cpp generates the same text.
import { readFile, writeFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { hasLlama, Llama } from "./llama";
import { open } from "./lorito";
import { onceIsEnough, press, step, train, visit } from "./person";

onceIsEnough();
test.skip(!hasLlama, "the lockfile brings llama.cpp for Linux on x64 alone");

/** Overfitted within the steps below, so that no two tokens have nearly the same probability. */
const text = "Señor Núñez from 日本 has a 🦜; don't ask him why. ".repeat(60);
const model = { layers: 2, heads: 2, width: 64, context: 80, dropout: 0, seed: 7 };
const run = { steps: 250, batchSize: 4, learningRate: 6e-3, warmupSteps: 10, evalEvery: 1000, seed: 5 };
const prompt = "Señor Núñez";
/** Spaces, line ends, accents and characters that the tokenizers know, and some that the character tokenizer drops. */
const samples = [
  "Don't  we'll 42\n\n\t x",
  "¿Ñandú? 日曜日 🦝🦜",
  "two<|endoftext|>documents",
  "\u0000\u00a0é\u0301«ß»",
  "",
];

async function exported(page: Page, kind: "gguf-f16" | "gguf-q8", path: string): Promise<string> {
  const bytes = await page.evaluate(
    async (kind) => [...new Uint8Array(await (await window.lorito.exportModel(kind)).arrayBuffer())],
    kind,
  );
  await writeFile(path, Uint8Array.from(bytes));
  return path;
}

for (const { kind, shape, what } of [
  { kind: "char", shape: {}, what: "" },
  { kind: "byte", shape: {}, what: "" },
  { kind: "bpe", shape: {}, what: "" },
  { kind: "char", shape: { variant: { bias: false } }, what: ", without biases" },
  { kind: "bpe", shape: { family: "llama" }, what: ", as a Llama" },
] as const)
  test(`llama.cpp generates the same text as the page, with the tokens of "${kind}"${what}`, async ({ page }, info) => {
    await open(page, info.project.name);
    const ours = await page.evaluate(
      async ({ kind, shape, text, model, run, prompt, samples }) => {
        const { lorito } = window;
        await lorito.addText("parrot.txt", text);
        await lorito.trainTokenizer({ kind, vocabSize: 300 });
        await lorito.createModel({ ...model, ...shape });
        await lorito.train(run);
        const written = await lorito.generate(prompt, { temperature: 0, maxTokens: 64 });
        const start = [...(await lorito.encode(prompt))];
        const ids: number[] = [];
        const logits: number[][] = [];
        for (let at = 0; at < 64; at++) {
          const scores = [...(await lorito.logits([...start, ...ids]))];
          ids.push(scores.indexOf(Math.max(...scores)));
          logits.push(scores);
        }
        const decoded = await lorito.decode(ids);
        const encoded = await Promise.all(samples.map(async (sample) => [...(await lorito.encode(sample))]));
        return { written, start, ids, logits, decoded, encoded };
      },
      { kind, shape, text, model, run, prompt, samples },
    );
    expect(ours.decoded).toBe(ours.written);

    const margins = ours.logits.map((scores) => {
      const [first = 0, second = 0] = [...scores].sort((a, b) => b - a);
      return first - second;
    });
    expect(Math.min(...margins), "the model is sure of each token, so that rounding changes none").toBeGreaterThan(1);

    // The largest observed difference is 0.008 with 16 bits, also from GELU's table in llama.cpp, and 0.16 with 8.
    for (const [kind, tolerance] of [
      ["gguf-f16", 0.02],
      ["gguf-q8", 0.4],
    ] as const) {
      const llama = await Llama.open(await exported(page, kind, info.outputPath(`parrot.${kind}.gguf`)));
      expect(
        samples.map((sample) => llama.encode(sample)),
        kind,
      ).toEqual(ours.encoded);
      expect(llama.encode(prompt), kind).toEqual(ours.start);
      expect(await llama.greedy(ours.start, 64), kind).toEqual(ours.ids);
      expect(llama.decode(ours.ids), kind).toBe(ours.written);
      const logits = await llama.logits([...ours.start, ...ours.ids]);
      const distances = ours.logits.map((scores, at) => {
        const theirs = logits[ours.start.length - 1 + at] ?? [];
        expect(theirs).toHaveLength(scores.length);
        return Math.max(...scores.map((score, id) => Math.abs(score - (theirs[id] ?? Number.NaN))));
      });
      expect(Math.max(...distances), kind).toBeLessThan(tolerance);
      await llama.close();
    }
  });

/** A file of the tokenizers' fixtures. */
const fixture = async (name: string) =>
  readFile(new URL(`../fixtures/tokenizer/families/${name}.json`, import.meta.url), "utf8");

/** A Llama with the tokenizer of a family and arbitrary weights, as transformers writes it: the files' names and bytes. */
async function pretrained(family: string, settings: object): Promise<[string, number[]][]> {
  const tokenizer = await fixture(family);
  const { model, added_tokens: added } = JSON.parse(tokenizer);
  const vocabulary = Math.max(...Object.values<number>(model.vocab), ...added.map(({ id }: { id: number }) => id)) + 1;
  const [width, inner, heads] = [64, 96, 2];
  const config = {
    model_type: "llama",
    vocab_size: vocabulary,
    hidden_size: width,
    intermediate_size: inner,
    num_hidden_layers: 1,
    num_attention_heads: heads,
    num_key_value_heads: 1,
    hidden_act: "silu",
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    ...settings,
  };
  const block = "model.layers.0";
  const shapes: Record<string, number[]> = {
    "model.embed_tokens.weight": [vocabulary, width],
    [`${block}.input_layernorm.weight`]: [width],
    [`${block}.self_attn.q_proj.weight`]: [width, width],
    [`${block}.self_attn.k_proj.weight`]: [width / heads, width],
    [`${block}.self_attn.v_proj.weight`]: [width / heads, width],
    [`${block}.self_attn.o_proj.weight`]: [width, width],
    [`${block}.post_attention_layernorm.weight`]: [width],
    [`${block}.mlp.gate_proj.weight`]: [inner, width],
    [`${block}.mlp.up_proj.weight`]: [inner, width],
    [`${block}.mlp.down_proj.weight`]: [width, inner],
    "model.norm.weight": [width],
  };
  const header: Record<string, object> = {};
  let end = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const start = end;
    end += 4 * shape.reduce((product, length) => product * length);
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
  }
  const numbers = Float32Array.from({ length: end / 4 }, (_, at) => Math.sin(at * at) / 2);
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return [
    ["config.json", [...Buffer.from(JSON.stringify(config))]],
    ["tokenizer.json", [...Buffer.from(tokenizer)]],
    ["model.safetensors", [...Buffer.concat([length, text, Buffer.from(numbers.buffer)])]],
  ];
}

for (const { family, settings } of [
  { family: "llama2", settings: {} },
  {
    family: "llama3",
    settings: {
      rope_theta: 500_000,
      rope_scaling: {
        rope_type: "llama3",
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    },
  },
])
  test(`a model with the tokenizer of ${family} leaves for llama.cpp and comes back`, async ({ page }, info) => {
    await open(page, info.project.name);
    const texts: string[] = JSON.parse(await fixture("texts")).slice(0, 200);
    const files = await pretrained(family, settings);
    const ours = await page.evaluate(
      async ([files, texts]) => {
        const { lorito } = window;
        await lorito.importModel(files.map(([name, bytes]) => ({ name, data: new Blob([Uint8Array.from(bytes)]) })));
        const measured = async () => {
          const ids = await Promise.all(texts.map(async (text) => [...(await lorito.encode(text))]));
          const read = ids.flat().slice(0, 40);
          const rope = (await lorito.modelSummary())?.config.variant?.llama?.rope;
          return { ids, read, rope, logits: [...(await lorito.logits(read))] };
        };
        const before = await measured();
        await lorito.importModel([{ name: "model.gguf", data: await lorito.exportModel("gguf-f16") }]);
        return { before, after: await measured() };
      },
      [files, texts] as const,
    );
    expect(ours.after.ids).toEqual(ours.before.ids);
    expect(ours.after.rope).toEqual(ours.before.rope);

    const llama = await Llama.open(await exported(page, "gguf-f16", info.outputPath(`${family}.gguf`)));
    expect(texts.map((text) => llama.encode(text))).toEqual(ours.before.ids);
    const logits = (await llama.logits(ours.before.read)).at(-1) ?? [];
    const largest = Math.max(...ours.before.logits.map(Math.abs));
    for (const [id, logit] of ours.before.logits.entries()) {
      expect(Math.abs(logit - (logits[id] ?? Number.NaN)), `token ${id}`).toBeLessThan(0.01 * largest);
      expect(Math.abs(logit - (ours.after.logits[id] ?? Number.NaN)), `token ${id}`).toBeLessThan(0.01 * largest);
    }
    await llama.close();
  });

test("both files can be downloaded on the page", async ({ page }, info) => {
  await visit(page, info.project.name);
  await train(page);
  const share = step(page, "Share");
  await share.getByLabel("Name").fill("Quiet bell");
  for (const [button, name] of [
    ["Download GGUF for llama.cpp", "Quiet-bell.f16.gguf"],
    ["Download smaller GGUF", "Quiet-bell.q8_0.gguf"],
  ] as const) {
    const download = page.waitForEvent("download");
    await press(share, button);
    const file = await download;
    expect(file.suggestedFilename()).toBe(name);
    const path = info.outputPath(name);
    await file.saveAs(path);
    const llama = await Llama.open(path);
    const ids = llama.encode("KEEPER:");
    expect(llama.decode(ids)).toBe("KEEPER:");
    expect(await llama.greedy(ids, 16)).toHaveLength(16);
    await llama.close();
  }
});
