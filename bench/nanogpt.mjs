// `node bench/nanogpt.mjs FILE [ENGINE] [STEPS]`: trains nanoGPT's small recipe on a text (tiny Shakespeare, to compare with
// nanoGPT's own loss of 1.88) on the page at LORITO_URL. Prints a JSON line at each evaluation and one at the end.
import { readFile } from "node:fs/promises";
import { launch, openLorito } from "./browser.mjs";

const [file, engine = "cpu", steps = "2000"] = process.argv.slice(2);
const browser = await launch();
const { page } = await openLorito(browser, engine);
await page.exposeFunction("tell", (line) => console.log(JSON.stringify(line)));
const result = await page.evaluate(
  async ([body, steps]) => {
    await lorito.addText("text.txt", body);
    await lorito.trainTokenizer({ kind: "char" });
    await lorito.createModel({ layers: 4, heads: 4, width: 128, context: 64, dropout: 0, seed: 1337 });
    lorito.addEventListener("evaluation", (event) => tell(event.detail));
    let share;
    const result = await lorito.train({
      steps,
      batchSize: 12,
      learningRate: 1e-3,
      warmupSteps: 100,
      weightDecay: 0.1,
      beta2: 0.99,
      gradClip: 1,
      evalEvery: Math.min(250, steps),
      seed: 1337,
      onProgress: (progress) => {
        share = progress.evaluationShare;
      },
    });
    return { ...result, evaluationShare: share };
  },
  [await readFile(file, "utf8"), Number(steps)],
);
console.log(JSON.stringify(result));
await browser.close();
