// The answers of a model without and with its adapter, and both losses, side by side in the Write step.
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { text, tinyModel, tinyRun } from "./lorito";
import { drawn, press, small, step, train, visit } from "./person";

const prompt = "KEEPER:";
const lora = { rank: 4, alpha: 8, targets: { attention: true } };

test("both continuations of a text and both losses stand side by side", async ({ page }, info) => {
  await visit(page, info.project.name, `${small}&steps=20&evalEvery=10`);
  await train(page);
  const write = step(page, "Write");
  await expect(write.getByRole("tab")).toHaveText(["Continue a text", "Chat"]);
  const greedy = { temperature: 0, maxTokens: 30 };
  const generate = (options: object) =>
    page.evaluate(([prompt, options]) => window.lorito.generate(prompt, options), [prompt, options] as const);
  const before = await generate(greedy);
  const [losses, evaluated] = await page.evaluate(
    async ([run, lora]) => {
      await window.lorito.train({ ...run, steps: 60, learningRate: 0.03, lora });
      const { evaluations } = await window.lorito.history();
      return [await window.lorito.adapterLosses(), evaluations.map(({ validationLoss }) => validationLoss)] as const;
    },
    [tinyRun, lora] as const,
  );
  const after = await generate(greedy);
  expect(after).not.toBe(before);
  expect(await generate({ ...greedy, adapter: false })).toBe(before);
  // The last evaluation was on the same windows; that before the adapter was on others of the same text.
  expect(losses?.with).toBeCloseTo(evaluated.at(-1) ?? 0, 4);
  expect(losses?.without).toBeGreaterThan((losses?.with ?? 0) + 0.05);

  // By keyboard alone.
  await write.locator(".sampling summary").press("Enter");
  await write.getByLabel("Temperature").fill("0");
  await write.locator("#write-maxTokens").fill("30");
  await write.getByRole("tab", { name: "Continue a text" }).press("ArrowLeft");
  await expect(write.getByRole("tab", { name: "Before and after" })).toBeFocused();
  const panel = write.getByRole("tabpanel", { name: "Before and after" });
  await panel.getByLabel("Begin with").fill(prompt);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const loss = (value: number | undefined) => `Validation loss: ${value?.toFixed(3)}`;
  for (const [side, words, value] of [
    ["Before: without the adapter", before, losses?.without],
    ["After: with the adapter", after, losses?.with],
  ] as const) {
    const sheet = panel.getByRole("figure", { name: side });
    await expect(sheet.getByText(loss(value))).toBeVisible({ timeout: 60_000 });
    expect(await sheet.locator("blockquote").textContent()).toBe(prompt + words);
  }
  // A screen reader hears both once they are there.
  const heard = await panel.getByRole("status").textContent();
  expect(heard).toContain(before);
  expect(heard).toContain(loss(losses?.with));
  if (info.project.name === "cpu") await expectNoFault(page);

  // Training takes the texts away, which are no longer the model's.
  await page.evaluate(async ([run, lora]) => window.lorito.train({ ...run, steps: 2, lora }), [tinyRun, lora] as const);
  await drawn(page);
  await expect(panel.locator("blockquote")).toHaveCount(0);
  // Without an adapter there is nothing to compare.
  await page.evaluate(() => window.lorito.mergeAdapter());
  await expect(write.getByRole("tab")).toHaveText(["Continue a text", "Chat"]);
});

test("a model that knows conversations answers a question both times", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await visit(page, "cpu");
  const [before, after] = await page.evaluate(
    async ([model, run, lora]) => {
      const { lorito } = window;
      const talk = (answer: string) =>
        Array.from({ length: 60 }, (_, at) =>
          JSON.stringify({
            messages: [
              { role: "user", content: `Ship ${at % 7}?` },
              { role: "assistant", content: answer },
            ],
          }),
        ).join("\n");
      await lorito.addText("talk.jsonl", talk("It sailed at dawn."));
      await lorito.trainTokenizer({ kind: "byte" });
      await lorito.createModel({ ...model, context: 64 });
      await lorito.train({ ...run, steps: 60 });
      const ask = () => lorito.chat([{ role: "user", content: "Ship 3?" }], { temperature: 0, maxTokens: 20 });
      const before = (await ask()).text;
      await lorito.clearText();
      await lorito.addText("other.jsonl", talk("Nobody knows."));
      await lorito.train({ ...run, steps: 60, learningRate: 0.03, lora });
      return [before, (await ask()).text] as const;
    },
    [tinyModel, tinyRun, lora] as const,
  );
  expect(after).not.toBe(before);
  const write = step(page, "Write");
  await write.locator(".sampling summary").click();
  await write.getByLabel("Temperature").fill("0");
  await write.locator("#write-maxTokens").fill("20");
  await write.getByRole("tab", { name: "Before and after" }).click();
  const panel = write.getByRole("tabpanel", { name: "Before and after" });
  await expect(panel.getByRole("button", { name: "Let both write" })).toBeDisabled();
  await panel.getByLabel("Your question").fill("Ship 3?");
  await press(panel, "Let both write");
  await expect(panel.getByText(/^Validation loss/)).toHaveCount(2, { timeout: 60_000 });
  await expect(panel.locator("#both-before")).toHaveText(before);
  await expect(panel.locator("#both-after")).toHaveText(after);
});

test("while a model trains both write, and the losses come later", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await visit(page, "cpu");
  await page.evaluate(
    async ([log, model, run, lora]) => {
      const { lorito } = window;
      await lorito.addText("log.txt", log);
      await lorito.trainTokenizer({ kind: "char" });
      await lorito.createModel(model);
      await lorito.train({ ...run, steps: 5, lora });
      void lorito.train({ ...run, steps: 100_000, evalEvery: 100_000, lora }).catch(() => {});
    },
    [text, tinyModel, tinyRun, lora] as const,
  );
  const write = step(page, "Write");
  await write.getByRole("tab", { name: "Before and after" }).click();
  const panel = write.getByRole("tabpanel", { name: "Before and after" });
  await panel.getByLabel("Begin with").fill("The ship");
  await press(panel, "Let both write");
  await expect(panel.getByText("The losses can be measured once the training has ended.")).toBeVisible({
    timeout: 60_000,
  });
  await expect(panel.locator("blockquote")).toHaveCount(2);
  const refused = await page.evaluate(() => window.lorito.adapterLosses().catch(({ code }) => code));
  expect(refused).toBe("busy");
  await page.evaluate(() => window.lorito.stop());
});
