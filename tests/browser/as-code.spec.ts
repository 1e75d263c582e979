// Tests the steps as code: copied code runs unchanged, and does the same as the page.
import { execFile, execFileSync } from "node:child_process";
import { copyFile, readdir, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Page, TestInfo } from "@playwright/test";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { drawn, drop, onceIsEnough, press, small, step, takeSample, train, visit } from "./person";

onceIsEnough();
test.use({ permissions: ["clipboard-read", "clipboard-write"] });

const python = process.env.LORITO_PYTHON ?? "python3";
const sample = new URL("../../web/public/samples/harbour.txt", import.meta.url);
const STEPS = ["Text", "Tokens", "Model", "Train", "Write", "Share"];

/** Opens a step's code. */
async function openCode(page: Page, name: string, language: "Python" | "JavaScript"): Promise<void> {
  const view = step(page, name);
  if (!(await view.getByRole("tab", { name: language }).isVisible())) await view.getByText(`As code: ${name}`).click();
  await view.getByRole("tab", { name: language }).click();
  await drawn(page);
}

/** Returns the code of all steps, copied with the button. */
async function copyAll(page: Page, language: "Python" | "JavaScript"): Promise<string> {
  await openCode(page, "Train", language);
  await press(step(page, "Train"), "Copy all steps");
  await expect(step(page, "Train").getByText("Copied.")).toBeVisible();
  return page.evaluate(() => navigator.clipboard.readText());
}

test("the JavaScript of all steps repeats the page's run", async ({ page }) => {
  await visit(page, "cpu");
  await train(page);
  const losses = () => page.evaluate(async () => (await window.lorito.history()).steps.map(({ loss }) => loss));
  const written = () => page.evaluate(() => window.lorito.generate("", { maxTokens: 40 }));
  const [before, said] = [await losses(), await written()];
  expect(before).toHaveLength(20);

  const code = await copyAll(page, "JavaScript");
  const logged: string[] = [];
  page.on("console", (message) => logged.push(message.text()));
  const download = page.waitForEvent("download");
  await page.evaluate(`(async () => {\n${code}\n})()`);
  expect(await losses()).toEqual(before);
  expect(await written()).toBe(said);
  expect((await download).suggestedFilename()).toBe("lorito.safetensors");
  expect(
    logged.some((words) => /^20 \d/.test(words)),
    "it tells its losses",
  ).toBe(true);

  // Another seed makes another run.
  await page.evaluate(`(async () => {\n${code.replaceAll("seed: 5,", "seed: 6,")}\n})()`);
  expect(await losses()).not.toEqual(before);
});

test("the JavaScript reads the user's files with the same result as the page", async ({ page }) => {
  await visit(page, "cpu");
  const rows = Array.from({ length: 30 }, (_, row) => `${row},"The ${row}th gull looks for a fish."\n`).join("");
  const chat = "1/2/24, 9:05 - Ana: hola\n1/2/24, 9:06 - Leo: ¿qué tal? https://a.example\n1/2/24, 9:07 - Eva: bien\n";
  await drop(page, [
    { name: "chat.txt", text: chat.repeat(3) },
    { name: "gulls.csv", text: `id,words\n${rows}` },
    { name: "año.txt", bytes: [...Buffer.from("El año que pasó. ".repeat(60), "latin1")] },
  ]);
  await expect(step(page, "Text").getByText("año.txt", { exact: true })).toBeVisible();
  await step(page, "Text").getByLabel("Who are you?").selectOption("Leo");
  await expect(step(page, "Text").getByText("Leo: learned").first()).toBeVisible();
  await step(page, "Text").getByLabel("Web addresses").click();
  await expect(step(page, "Text").getByText("3 kept")).toBeVisible();
  // A given encoding is not reported as guessed.
  const summary = async () => {
    const { sources, ...text } = await page.evaluate(() => window.lorito.textSummary());
    return { ...text, sources: sources.map(({ notices: _, ...source }) => source) };
  };
  const before = await summary();
  await openCode(page, "Text", "JavaScript");
  const code = await step(page, "Text").locator("pre.code").innerText();
  expect(code).toContain('field: "words"');
  await page.evaluate(`(async () => {\n${code}\n})()`);
  expect(await summary()).toEqual(before);
});

test("the code has the user's present settings", async ({ page }) => {
  await visit(page, "cpu");
  await takeSample(page);
  for (const name of STEPS) await openCode(page, name, "Python");
  const code = (name: string) => step(page, name).locator("pre.code");
  await expect(code("Text")).toContainText('"harbour.txt"');
  await expect(code("Tokens")).toContainText("One token for each different character.");
  await step(page, "Tokens").locator("details.more > summary").click();
  await step(page, "Tokens").getByLabel("Word pieces (BPE)").check();
  await expect(code("Tokens")).toContainText("vocab_size=511,");
  await expect(code("Model")).toContainText("n_embd=32,");
  await step(page, "Model").locator("details.more > summary").click();
  await step(page, "Model").getByLabel("Width").fill("48");
  await page.keyboard.press("Tab");
  await expect(code("Model")).toContainText("n_embd=48,");
  await expect(code("Write")).toContainText("temperature=0.8,");
  await step(page, "Write").locator("details.sampling > summary").click();
  await step(page, "Write").getByLabel("Temperature").fill("0.5");
  await page.keyboard.press("Tab");
  await expect(code("Write")).toContainText("temperature=0.5,");
  await expect(code("Write")).toContainText('prompt = ""');
  await step(page, "Write").locator("#prompt").fill('He said "mañana"\nand left');
  await expect(code("Write")).toContainText(String.raw`prompt = "He said \"mañana\"\nand left"`);
  await openCode(page, "Write", "JavaScript");
  await expect(code("Write")).toContainText(String.raw`lorito.generate("He said \"mañana\"\nand left", {`);
  await step(page, "Train").locator("details.more > summary").click();
  await step(page, "Train").getByLabel("Train an adapter (LoRA)").check();
  await expect(code("Train")).toContainText('target_modules=["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]');
  // Selects a tab with the arrow key.
  await step(page, "Train").getByRole("tab", { name: "Python" }).focus();
  await page.keyboard.press("ArrowRight");
  await expect(step(page, "Train").getByRole("tab", { name: "JavaScript", selected: true })).toBeFocused();
  await expect(code("Train")).toContainText('lora: {"rank":8');
});

for (const [lang, title] of [
  ["en", "As code: "],
  ["es", "En código: "],
] as const)
  test(`axe finds no violation in the code of all steps, in ${lang}`, async ({ page }) => {
    await page.goto(`?engine=cpu&lang=${lang}#${small}`);
    const titles = page.getByText(title);
    await expect(titles).toHaveCount(6);
    for (const each of await titles.all()) await each.click();
    await expect(page.locator("pre.code")).toHaveCount(6);
    await expect(page.locator("pre.code").first()).toContainText(
      lang === "es" ? "Todavía no hay ningún texto" : "There is no text on the page yet",
    );
    await expectNoFault(page);
  });

test("the code is selected if the browser denies copying", async ({ page }) => {
  await page.addInitScript(() => {
    navigator.clipboard.writeText = () => Promise.reject(new Error("refused"));
  });
  await visit(page, "cpu");
  await openCode(page, "Model", "Python");
  await press(step(page, "Model"), "Copy this step");
  await expect(step(page, "Model").getByText("The code is selected now")).toBeVisible();
  expect(await page.evaluate(() => getSelection()?.toString())).toContain("GPT2LMHeadModel(config)");
});

test.describe("the Python code of all steps", () => {
  test.skip(!hasTransformers(), `${python} lacks torch, transformers, tokenizers or peft`);

  for (const [kind, family] of [
    ["char", "gpt2"],
    ["byte", "gpt2"],
    ["bpe", "gpt2"],
    ["bpe", "llama"],
  ] as const)
    test(`runs unchanged and reaches the page's loss: ${family}, tokenizer ${kind}`, async ({ page }, info) => {
      // Long enough for the noise of the first steps to fade.
      const run300 = "steps=300&evalEvery=100&batchSize=4&warmupSteps=20&learningRate=0.005&seed=5";
      const shape = "preset=tiny&layers=1&heads=4&width=32&context=32&dropout=0";
      await visit(page, "cpu", `${shape}&${run300}&family=${family}&tokenizer=${kind}&vocabulary=400`);
      await train(page);
      const code = await copyAll(page, "Python");
      const [model, history] = await page.evaluate(async () => {
        return [await window.lorito.modelSummary(), await window.lorito.history()] as const;
      });
      await copyFile(sample, info.outputPath("harbour.txt"));
      const said = await run(code, info);
      expect(said).toContain(`Vocabulary: ${model?.vocabulary}\n`);
      expect(said).toContain(`Parameters: ${model?.parameters}\n`);
      // The windows differ, so the losses differ slightly.
      const there = Number(said.match(/step 300: .* validation loss ([\d.]+)/)?.[1]);
      const here = history.evaluations.at(-1)?.validationLoss ?? Number.NaN;
      expect(Math.abs(there - here), `${there} there, ${here} here`).toBeLessThan(0.25);
      expect(history.evaluations[0]?.validationLoss).toBeGreaterThan(there + 0.5);

      // The page opens the saved model.
      const names = (await readdir(info.outputPath("lorito"))).filter((name) => /\.(json|safetensors)$/.test(name));
      await page.locator("#model-file").setInputFiles(names.map((name) => info.outputPath("lorito", name)));
      await expect(step(page, "Share").getByText(/is open/)).toBeVisible();
      const again = await page.evaluate(async () => window.lorito.decode(await window.lorito.encode("BAKER: Good")));
      expect(again).toBe("BAKER: Good");
      await openCode(page, "Model", "Python");
      await expect(step(page, "Model").locator("pre.code")).toContainText("AutoModelForCausalLM.from_pretrained");
    });

  test("runs unchanged with an adapter, gradient accumulation, a table and Spanish comments", async ({
    page,
  }, info) => {
    const settings = `${small}&steps=6&evalEvery=3&gradientAccumulation=2&lora=4:8:attention.mlpOut`;
    await page.goto(`?engine=cpu&lang=es#${settings}`);
    const rows = Array.from({ length: 40 }, (_, row) => `${row};"¿Qué busca la gaviota ${row}? Un pez."\n`).join("");
    const files = {
      "aves.csv": `id,frase\n${rows.replaceAll(";", ",")}`,
      "más.txt": "Otra línea de texto.\n".repeat(40),
    };
    await drop(
      page,
      Object.entries(files).map(([name, text]) => ({ name, text })),
    );
    for (const [name, text] of Object.entries(files)) await writeFile(info.outputPath(name), text);
    await expect(page.getByText("más.txt", { exact: true })).toBeVisible();
    const view = page.getByRole("region", { name: "Texto", exact: true });
    await view.getByText("En código: Texto").click();
    await press(view, "Copiar todos los pasos");
    await expect(view.getByText("Copiado.")).toBeVisible();
    const code = await page.evaluate(() => navigator.clipboard.readText());
    expect(code).toContain("# Aprende un adaptador (LoRA). El modelo en sí no cambia.");
    const said = await run(code, info);
    expect(said).toMatch(/paso 6: pérdida de entrenamiento \d\.\d+, pérdida de validación \d\.\d+/);
    expect(await readdir(info.outputPath())).toEqual(expect.arrayContaining(["lorito", "lorito-adapter"]));
  });
});

function hasTransformers(): boolean {
  try {
    execFileSync(python, ["-c", "import torch, transformers, tokenizers, peft"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Runs a script in the folder of the test's files, and returns its output. */
async function run(code: string, info: TestInfo): Promise<string> {
  await writeFile(info.outputPath("steps.py"), code);
  const env = { ...process.env, CUDA_VISIBLE_DEVICES: "", HF_HUB_OFFLINE: "1", PYTHONIOENCODING: "utf-8" };
  const { stdout } = await promisify(execFile)(python, ["steps.py"], { cwd: info.outputPath(), env });
  return stdout;
}
