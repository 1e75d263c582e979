// Measures how well a model predicts text that it has not seen, after the minutes that a person gives: bits per byte of the
// whole held-back part. The page's own choice of everything, in turn with nanoGPT's small recipe in Lorito and in PyTorch.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { openLorito } from "./browser.mjs";
import { median } from "./configurations.mjs";

/** What is chosen in the page's forms, by its address. "by hand" is what it does if nobody says how long it may train. */
const choices = {
  page: ({ minutes }) => `minutes=${minutes}`,
  "by hand": () => "",
  "nanoGPT's recipe": ({ minutes }) => `minutes=${minutes}&preset=shakespeare-small&tokenizer=char`,
};

/** Opens the page, gives it the text and the time, presses Train, and measures when training is over. */
async function trained(browser, given, choice, seed) {
  const { page, close } = await openLorito(browser, given.engine, { hash: `#seed=${seed}&${choice(given)}` });
  await page.locator("#files").setInputFiles(given.text);
  // The hint beside the button then says how many steps are planned.
  await page.waitForFunction(() =>
    /\d/.test(document.querySelector("lorito-train .controls .hint")?.textContent ?? ""),
  );
  await page.evaluate(() => {
    globalThis.bench = new Promise((resolve) => {
      let began;
      lorito.on("phase", ({ phase }) => {
        if (phase === "training") began ??= performance.now();
        if (phase === "idle" && began) resolve({ ended: performance.now() });
      });
    });
  });
  const button = page.locator("lorito-train .controls button").first();
  const pressed = await page.evaluate(() => performance.now());
  await button.click();
  const { ended } = await page.evaluate(() => globalThis.bench);
  const measured = await page.evaluate(async () => {
    const [{ steps }, summary, text] = [
      await lorito.history(),
      await lorito.modelSummary(),
      await lorito.textSummary(),
    ];
    return {
      bitsPerByte: await lorito.heldBackBitsPerByte(),
      steps: steps.length,
      parameters: summary.parameters,
      text,
    };
  });
  await close();
  return { ...measured, seconds: (ended - pressed) / 1000 };
}

/** `python`: a Python with torch; without it PyTorch is left out. */
function inPyTorch(python, { text, minutes }, heldBack, seed) {
  const script = path.join(import.meta.dirname, "quality", "small_recipe.py");
  const options = ["--text", text, "--held-back", heldBack, "--minutes", minutes, "--seed", seed].map(String);
  const { status, stdout, stderr } = spawnSync(python, [script, ...options], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

export async function quality(browser, engine, { text, minutes, seeds, contenders }, tell) {
  if (!text) throw new Error("--only quality needs --text FILE");
  const file = path.resolve(text);
  const given = { engine, text: file, minutes };
  const python = process.env.LORITO_PYTHON;
  const takers = Object.entries(choices).map(([name, choice]) => [
    name,
    (seed) => trained(browser, given, choice, seed),
  ]);
  let heldBack;
  if (python) takers.push(["PyTorch", (seed) => inPyTorch(python, given, heldBack, seed)]);
  const all = Object.fromEntries(takers.map(([name]) => [name, []]));
  for (let seed = 1; seed <= seeds; seed++) {
    for (const [name, run] of takers) {
      if (contenders && !contenders.includes(name)) continue;
      const { text: summary, ...result } = await run(seed);
      // The same part for all: the characters at the end that the page holds back.
      heldBack ??= summary && charactersHeldBack(file, summary);
      all[name].push(result.bitsPerByte);
      tell({ name: "quality", contender: name, text: path.basename(file), minutes, seed, ...result });
    }
  }
  for (const [name, values] of Object.entries(all)) {
    if (values.length === 0) continue;
    const spread = Math.max(...values) - Math.min(...values);
    const of = { contender: name, text: path.basename(file), minutes, unit: "bits per byte" };
    tell({
      name: "quality of all seeds",
      ...of,
      mean: values.reduce((a, b) => a + b) / values.length,
      spread,
      median: median(values),
      values,
    });
  }
}

function charactersHeldBack(file, { trainCharacters }) {
  return [...readFileSync(file, "utf8")].length - trainCharacters;
}
