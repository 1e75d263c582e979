// Tests the explanation of each step: in both languages, drawn from the user's own data, with links to the glossary.
import type { Page } from "@playwright/test";
import type { Lorito } from "../../web/api/lorito";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { drawn, drop, ended, onceIsEnough, press, small, step, takeSample, train, visit } from "./person";

onceIsEnough();

const STEPS = ["text", "tokens", "model", "train", "write", "share"];

/** Opens the explanation of a step, and waits for its text. */
async function explain(page: Page, name: string): Promise<void> {
  await page.locator(`#${name} .explain > summary`).click();
  await expect(page.locator(`#${name} lorito-lesson .words p`).first()).not.toBeEmpty();
}

async function explainAll(page: Page): Promise<void> {
  for (const name of STEPS) await explain(page, name);
}

/** The text alternative of a step's picture. */
async function inWords(page: Page, name: string, which = 0): Promise<string> {
  return (
    (await page
      .locator(`#${name} lorito-lesson .picture p.visually-hidden`)
      .nth(which)
      .textContent({ timeout: 10_000 })) ?? ""
  );
}

/** The settings in the address's hash. */
async function settings(page: Page): Promise<Record<string, string>> {
  const hash = await page.evaluate(() => location.hash.slice(1));
  return Object.fromEntries(new URLSearchParams(hash));
}

const number = (value: number) => value.toLocaleString("en");

test("the pictures of counts, tokens and window show the user's text", async ({ page }) => {
  await visit(page, "cpu");
  for (const name of ["text", "tokens", "train"]) await explain(page, name);
  await expect(page.locator("#text .picture")).toHaveCount(0);
  await expect(page.locator("#text .explanation-of")).toContainText(
    "With a text of some length, this shows what follows what in it.",
  );
  await drop(page, [{ name: "cats.txt", text: "cat can cap car cat\n".repeat(50) }]);
  await expect
    .poll(() => inWords(page, "text"))
    .toMatch(/^After “ca”, counted 250 times .* comes: “t” 40%, “n” 20%, “p” 20%, “r” 20%\.$/);
  await expect(page.locator("#tokens figcaption").first()).toContainText("in characters");

  await page.locator("#tokens details.more > summary").click();
  await press(page, "Train tokenizer");
  const ids = await page.evaluate(async () => [
    ...(await (window as unknown as { lorito: Lorito }).lorito.encode("cat ")),
  ]);
  const said = ["c", "a", "t", "·"].map((token, index) => `“${token}” is ${ids[index]}`).join(", ");
  await expect.poll(() => inWords(page, "tokens")).toContain(`Your text in tokens: ${said}, “c”`);
  const window = await inWords(page, "train");
  expect(window).toMatch(/^It reads c, a, t, ·, c, .*\. It has to guess a, t, ·, c, /);
  await expect(page.locator("#train .picture + *, #train .picture .hint").first()).toContainText(
    "A window of yours has 32 tokens, and a step has 4 windows: 128 guesses.",
  );
});

test("the diagram follows the settings, and its parts add up to all parameters", async ({ page }) => {
  await visit(page, "cpu");
  await takeSample(page);
  await explain(page, "model");
  const counts = async () => {
    const said = await inWords(page, "model");
    const numbers = [...said.matchAll(/\d[\d,]*/g)].map(([text]) => Number(text.replaceAll(",", "")));
    const [context, width, vocabulary, tokens, positions, layers, heads, attention, mlp, norms, , head, all] = numbers;
    return { context, width, vocabulary, tokens, positions, layers, heads, attention, mlp, norms, head, all };
  };
  await expect.poll(async () => (await counts()).layers).toBe(1);
  const first = await counts();
  expect([first.context, first.width, first.heads]).toEqual([32, 32, 4]);
  expect(first.tokens).toBe((first.vocabulary ?? 0) * 32);
  const sum = (of: typeof first) =>
    [of.tokens, of.positions, of.attention, of.mlp, of.norms, of.head].reduce<number>(
      (all, part) => all + (part ?? 0),
      0,
    );
  expect(sum(first)).toBe(first.all);
  await expect(page.locator(".rail a[href='#model-title'] small")).toContainText("parameters");

  await page.locator("#model details.more > summary").click();
  await step(page, "Model").getByLabel("Layers").fill("3");
  await page.keyboard.press("Tab");
  await expect.poll(async () => (await counts()).layers).toBe(3);
  const second = await counts();
  expect(second.attention).toBe(3 * (first.attention ?? 0));
  expect(sum(second)).toBe(second.all);
});

test("the curve shows the run's losses, and the probabilities are those of the model", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=20&evalEvery=5`);
  await explain(page, "train");
  await explain(page, "write");
  await expect(page.locator("#write .picture figcaption")).toContainText("An example");
  await train(page);
  const { loss, perplexity, vocabulary, probabilities } = await page.evaluate(async () => {
    const { lorito } = window as unknown as { lorito: Lorito };
    const { evaluations } = await lorito.history();
    const last = evaluations.at(-1);
    const prompt = document.querySelector("#write .picture figcaption")?.textContent?.match(/“(.*)”/)?.[1] ?? "";
    const logits = [...(await lorito.logits(await lorito.encode(prompt)))];
    const powers = logits.map((logit) => Math.exp(logit / 0.8));
    const total = powers.reduce((sum, power) => sum + power, 0);
    const { vocabulary } = (await lorito.modelSummary()) ?? { vocabulary: 0 };
    return {
      loss: last?.validationLoss ?? 0,
      perplexity: last?.perplexity ?? 0,
      vocabulary,
      probabilities: powers.map((power) => power / total).sort((a, b) => b - a),
    };
  });
  await expect
    .poll(() => inWords(page, "train", 1))
    .toContain(`At step 20 the validation loss is ${loss.toFixed(3)}, a perplexity of ${perplexity.toFixed(1)}.`);
  expect(await inWords(page, "train", 1)).toContain(
    `would be ${Math.log(vocabulary).toFixed(3)}, a perplexity of ${vocabulary}.`,
  );
  const shares = async () => [...(await inWords(page, "write")).matchAll(/” (\d+)%/g)].map(([, part]) => Number(part));
  await expect.poll(shares).toEqual(probabilities.slice(0, 8).map((part) => Math.round(100 * part)));
  await expect(page.locator("#write .picture figcaption")).toContainText("What your model finds likely after");

  await page.getByLabel("Top-k (0: all)").fill("1");
  await expect.poll(shares).toEqual([100]);
  await expect(page.locator("#write .picture")).toContainText("not in the draw");
  await page.getByLabel("Top-k (0: all)").fill("0");
  const before = (await shares())[0] ?? 0;
  await page.locator("#lesson-temperature").fill("0");
  await expect.poll(async () => (await shares())[0]).toBe(100);
  await page.locator("#lesson-temperature").fill("2");
  await expect.poll(async () => (await shares())[0]).toBeLessThan(before);
});

test("the picture of an adapter shows its present rank and parameter counts", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=4&lora=4:8:attention`);
  await takeSample(page);
  await explain(page, "share");
  await expect
    .poll(() => inWords(page, "share"))
    .toBe(
      `W has 32 × 32 = ${number(1024)} numbers, which stay. A has 32 × 4 and B has 4 × 32 numbers: 256 that learn, 25% of W.`,
    );
  // Queries, keys and values in one matrix: A is 32 × 4, B is 4 × 96.
  await expect(page.locator("#share .pictures .hint")).toContainText("In all, 512 of");
});

test("overfitting is marked where the validation loss was lowest", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=60&evalEvery=10&learningRate=0.1`);
  const noise = Array.from({ length: 500 }, (_, index) => "abcdefghij"[(index * index * 7 + index) % 10]).join("");
  await drop(page, [{ name: "noise.txt", text: `${noise}${"zyxw".repeat(20)}` }]);
  await press(page, "Train now");
  await ended(page);
  await explain(page, "train");
  const evaluations = await page.evaluate(
    async () => (await (window as unknown as { lorito: Lorito }).lorito.history()).evaluations,
  );
  const measured = evaluations.map(({ step, validationLoss }) => ({ step, loss: validationLoss ?? 0 }));
  const best = measured.reduce((one, other) => (other.loss < one.loss ? other : one));
  expect(best.step).toBeLessThan(60);
  await expect.poll(() => inWords(page, "train", 1)).toContain(`It was lowest at step ${best.step}.`);
  await expect(page.locator("#train .picture .overfit")).toHaveCount(1);
});

test("terms open the glossary by keyboard, and closing it restores the focus", async ({ page }) => {
  await visit(page, "cpu");
  await explain(page, "model");
  const term = step(page, "Model").getByRole("button", { name: "attention" });
  await term.focus();
  await page.keyboard.press("Enter");
  const glossary = page.getByRole("dialog", { name: "Glossary" });
  await expect(glossary.getByRole("heading", { name: "Attention" })).toBeVisible();
  await expect(glossary.locator(".entry")).toContainText("look at the ones before it");
  await glossary.locator(".entry").getByRole("button", { name: "layer" }).click();
  await expect(glossary.getByRole("heading", { name: "Layer" })).toBeVisible();
  await glossary.getByText("All terms").click();
  expect(await glossary.locator("li").count()).toBeGreaterThanOrEqual(40);
  await glossary.getByRole("button", { name: "Perplexity" }).click();
  await expect(glossary.locator(".entry")).toContainText("5 equally likely tokens");
  await page.keyboard.press("Escape");
  await expect(glossary).toBeHidden();
  await expect(term).toBeFocused();
});

test("every explanation exists in both languages, and follows the page's language", async ({ page }) => {
  const english = await page.goto(`?engine=cpu&lang=es#${small}&steps=4`).then(() => "¿Qué pasa aquí?");
  await expect(page.locator(".explain > summary").first()).toHaveText(english);
  await explainAll(page);
  const words = () => page.locator(".explanation-of .words p:first-child").allTextContents();
  const spanish = await words();
  expect(spanish).toHaveLength(6);
  expect(spanish[0]).toContain("modelo de lenguaje");
  expect(spanish[3]).toContain("sobreajuste");
  await page.locator("#train").getByRole("button", { name: "perplejidad" }).click();
  await expect(page.getByRole("dialog", { name: "Glosario" })).toContainText("5 tokens igual de probables");
  await page.keyboard.press("Escape");

  await page.getByLabel("Idioma").selectOption("en");
  await expect(page.locator("#train .explanation-of")).toHaveAttribute("lang", "en");
  await drawn(page);
  const translated = await words();
  for (const [index, text] of translated.entries()) {
    const sentences = text.split(/[.:?] /).length;
    expect(sentences, text).toBeGreaterThanOrEqual(3);
    expect(text).not.toBe(spanish[index]);
    expect(text).not.toMatch(/[[\]|{}]/);
  }
  await expect(page.locator("#write .picture")).toContainText("Temperature");
});

const GOALS = [
  ["It writes like my text", /texts of one author/, { dropout: "0.1" }],
  ["It chats like me", /WhatsApp/, { tokenizer: "bpe", context: "128", dropout: "0.1" }],
  ["A model in my language", /Quechua, Mapudungun/, { tokenizer: "char", dropout: "0.2", evalEvery: "100" }],
  ["An assistant for my subject", /“question” and “answer”/, { tokenizer: "bpe", context: "128", dropout: "0.1" }],
] as const;

for (const [goal, bring, set] of GOALS) {
  test(`the goal “${goal}” describes the text to bring, sets suitable settings, and can be left`, async ({ page }) => {
    await visit(page, "cpu", "steps=300");
    await press(page.getByRole("region", { name: "What do you want to make?" }), goal);
    await expect(page.locator("#text-title")).toBeFocused();
    const note = page.getByRole("note", { name: goal });
    await expect(note).toContainText(bring);
    expect(await settings(page)).toEqual({ steps: "300", ...set });
    await expect(page.getByRole("region", { name: "What do you want to make?" })).toHaveCount(0);
    // No setting is hidden, and the user's changes are kept.
    await page.locator("#model details.more > summary").click();
    await step(page, "Model").getByLabel("Dropout").fill("0.3");
    await page.keyboard.press("Tab");
    await drop(page, [{ name: "text.txt", text: "words and words\n".repeat(100) }]);
    await expect(step(page, "Text").getByText("text.txt")).toBeVisible();
    await press(page.locator("lorito-goal"), "Leave this goal");
    expect(await settings(page)).toEqual({ steps: "300", dropout: "0.3" });
    await expect(note).toHaveCount(0);
    await expect(page.getByRole("region", { name: "What do you want to make?" })).toHaveCount(0);
  });
}

test("the first goal offers the sample that suits it", async ({ page }) => {
  await visit(page, "cpu");
  await press(page, "It writes like my text");
  await press(page.getByRole("note", { name: "It writes like my text" }), "Try it with The Harbour");
  await expect(step(page, "Text").getByText("harbour.txt")).toBeVisible();
});

test("axe finds no violation with all explanations and the glossary open", async ({ page }) => {
  test.slow();
  await visit(page, "cpu", `${small}&steps=20&evalEvery=10`);
  await press(page, "It writes like my text");
  await explainAll(page);
  await expectNoFault(page);
  await train(page);
  await expect(page.locator("#train .picture")).toHaveCount(2);
  await expectNoFault(page);
  await page.locator("#train").getByRole("button", { name: "loss", exact: true }).click();
  await page.getByRole("dialog").getByText("All terms").click();
  await expectNoFault(page);
});

test("no explanation is downloaded before one is opened", async ({ page }) => {
  const fetched: string[] = [];
  page.on("response", async (response) => {
    if (/parts\/.*\.js$/.test(response.url())) fetched.push(await response.text());
  });
  const hasIt = () => fetched.filter((text) => text.includes("Multi-layer perceptron")).length;
  await visit(page, "cpu");
  await takeSample(page);
  expect(hasIt()).toBe(0);
  await explain(page, "model");
  await expect.poll(hasIt).toBe(1);
});
