// A model leaves the page as GGUF, and llama.cpp goes on with the same text.
import { writeFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { Reader } from "./llama";
import { open, text } from "./lorito";
import { onceIsEnough } from "./person";

onceIsEnough();

const model = { layers: 2, heads: 2, width: 64, context: 128, dropout: 0, seed: 7 };
const run = { batchSize: 4, learningRate: 3e-3, warmupSteps: 10, evalEvery: 1000, seed: 5 };
const prompt = "Day 3. The ship";
const count = 64;

/** The model as a file, and the numbers of the page that llama.cpp shall come to as well. */
async function exported(page: Page, kind: "gguf-f16" | "gguf-q8", path: string): Promise<void> {
  const bytes = await page.evaluate(async (kind) => [...new Uint8Array(await (await window.lorito.exportModel(kind)).arrayBuffer())], kind);
  await writeFile(path, Uint8Array.from(bytes));
}

for (const kind of ["char", "byte", "bpe"] as const)
  test(`llama.cpp ${kind}`, async ({ page }, info) => {
    await open(page, info.project.name);
    const t0 = Date.now();
    const seen = await page.evaluate(
      async ({ kind, text, model, run, prompt, count }) => {
        const { lorito } = window;
        await lorito.addText("log.txt", text);
        await lorito.trainTokenizer({ kind, vocabSize: 400 });
        await lorito.createModel(model);
        const result = await lorito.train({ ...run, steps: 150 });
        const written = await lorito.generate(prompt, { temperature: 0, maxTokens: count });
        const start = [...(await lorito.encode(prompt))];
        const ids = [...start];
        const logits: number[][] = [];
        for (let n = 0; n < count; n++) {
          const scores = [...(await lorito.logits(ids))];
          logits.push(scores);
          ids.push(scores.indexOf(Math.max(...scores)));
        }
        return { start, ids: ids.slice(start.length), logits, written, decoded: await lorito.decode(ids.slice(start.length)), result };
      },
      { kind, text, model, run, prompt, count },
    );
    console.log(kind, Date.now() - t0, seen.result.trainLoss, JSON.stringify(seen.written));
    expect(seen.decoded).toBe(seen.written);
    const margins = seen.logits.map((l) => { const s = [...l].sort((a, b) => b - a); return s[0]! - s[1]!; });
    console.log("margins", Math.min(...margins), [...margins].sort((a, b) => a - b).slice(0, 5));
    for (const format of ["gguf-f16", "gguf-q8"] as const) {
      const path = info.outputPath(`${format}.gguf`);
      await exported(page, format, path);
      const t1 = Date.now();
      const reader = await Reader.open(path);
      console.log("open", Date.now() - t1);
      console.log(format, reader.encode(prompt).join() === seen.start.join());
      const greedy = await reader.greedy(seen.start, count);
      console.log("same", greedy.join() === seen.ids.join(), greedy.findIndex((id, n) => id !== seen.ids[n]));
      const logits = (await reader.logits([...seen.start, ...seen.ids.slice(0, -1)])).slice(seen.start.length - 1);
      let worst = 0;
      logits.forEach((row, n) => row.forEach((x, i) => { worst = Math.max(worst, Math.abs(x - seen.logits[n]![i]!)); }));
      console.log("worst", worst, "text", JSON.stringify(reader.decode(greedy)) === JSON.stringify(seen.written), Math.max(...seen.logits.flat()), Math.min(...seen.logits.flat()));
      for (const sample of ["x", "ñ¿ß日🦜", "<|endoftext|>a", " don't  'll 12a\n\n b", "Señor Ñ🦜a😀ä"]) {
        const ours = await page.evaluate(async (s) => [...(await window.lorito.encode(s))], sample);
        const theirs = reader.encode(sample);
        if (ours.join() !== theirs.join()) console.log("DIFF", JSON.stringify(sample), ours.join(), theirs.join());
      }
      await reader.close();
    }
  });
