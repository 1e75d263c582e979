// Answers from documents: passages are found, go into the prompt, and are shown; what fits nothing is said.
import { readFile } from "node:fs/promises";
import type { Locator, Page } from "@playwright/test";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { longestTask } from "./longest-task";
import { open, problem } from "./lorito";
import { answered, converse, onceIsEnough, press, step, visit } from "./person";

onceIsEnough();

interface Question {
  /** The name of the document that has the answer; null: none has. */
  document: string | null;
  question: string;
  /** Words of the right passage. */
  passage: string | null;
}

const fixture = (name: string) => readFile(new URL(`../fixtures/asking/${name}`, import.meta.url), "utf8");
const sample = (name: string) => readFile(new URL(`../../web/public/samples/${name}`, import.meta.url), "utf8");
const questions = JSON.parse(await fixture("questions.json")) as Question[];
const texts = {
  "lighthouse.txt": await fixture("lighthouse.txt"),
  "huerto.txt": await fixture("huerto.txt"),
  "harbour.txt": await sample("harbour.txt"),
  "cuentos.txt": await sample("cuentos.txt"),
  "recetas.txt": await sample("recetas.txt"),
};

/** A model that has learned nothing, with a context of some passages; its tokens are bytes. */
async function model(page: Page, context: number): Promise<void> {
  await page.evaluate(async (context) => {
    await window.lorito.trainTokenizer({ kind: "byte" });
    await window.lorito.createModel({ layers: 1, heads: 2, width: 16, context, dropout: 0, seed: 7 });
  }, context);
}

async function chat(page: Page, context: number): Promise<Locator> {
  await visit(page, "cpu");
  await page.evaluate((text) => window.lorito.addText("lighthouse.txt", text).then(() => {}), texts["lighthouse.txt"]);
  await model(page, context);
  const view = step(page, "Write");
  await view.getByRole("tab", { name: "Chat" }).click();
  await view.locator("details.sampling").evaluate((details: HTMLDetailsElement) => {
    details.open = true;
  });
  await view.getByLabel("Length", { exact: true }).fill("12");
  await page.keyboard.press("Tab");
  return view;
}

test("for at least 9 of 10 questions the right passage is among the first three, and others find nothing", async ({
  page,
}) => {
  await open(page, "cpu");
  const found = await page.evaluate(
    async ([texts, questions]) => {
      for (const [name, text] of Object.entries(texts)) await window.lorito.addText(name, text);
      const found = [];
      for (const { question } of questions) found.push(await window.lorito.documents.search(question));
      return found;
    },
    [texts, questions] as const,
  );
  const missed = { en: [] as string[], es: [] as string[], none: [] as string[] };
  for (const [place, { document, question, passage }] of questions.entries()) {
    const passages = found[place] ?? [];
    expect(passages.length).toBeLessThanOrEqual(3);
    if (document === null || passage === null) {
      if (passages.length > 0) missed.none.push(question);
    } else if (!passages.some(({ source, text }) => source === document && text.includes(passage)))
      missed[document === "huerto.txt" ? "es" : "en"].push(question);
  }
  test.info().annotations.push({ type: "missed", description: JSON.stringify(missed) });
  const count = (name: string | null) => questions.filter(({ document }) => document === name).length;
  expect([count("lighthouse.txt"), count("huerto.txt"), count(null)]).toEqual([20, 20, 20]);
  expect(missed.en.length, missed.en.join("\n")).toBeLessThanOrEqual(2);
  expect(missed.es.length, missed.es.join("\n")).toBeLessThanOrEqual(2);
  expect(missed.none.length, missed.none.join("\n")).toBeLessThanOrEqual(2);
});

test("an answer is asked with passages and shows them", async ({ page }) => {
  const parts: string[] = [];
  page.on("request", (request) => parts.push(new URL(request.url()).pathname));
  const view = await chat(page, 2048);
  const isOfSearch = (path: string) => /passages\.js$|document-search/.test(path);
  expect(parts.filter(isOfSearch)).toEqual([]);

  const box = view.getByRole("checkbox", { name: "Answer from my documents" });
  await box.focus();
  await page.keyboard.press("Space");
  await expect(view.getByText(/^\d+ passages can be searched\.$/)).toBeVisible();
  await expect(view.getByRole("list", { name: "Documents that are searched" })).toContainText(/lighthouse\.txt/);
  await expect(view.getByText(/It cannot calculate or compare/)).toBeVisible();
  expect(parts.filter(isOfSearch).length).toBeGreaterThan(0);

  await converse(page, "What are the names of the goats?");
  const answer = view.locator(".turn.assistant");
  await expect(answer.getByText("The model was given these passages:")).toBeVisible();
  const place = answer.getByText(/^lighthouse\.txt, passage \d+ of \d+$/).first();
  const passage = answer.locator("blockquote", { hasText: "Bramble, Thistle" }).first();
  await expect(passage).toBeHidden();
  await place.click();
  await expect(passage).toBeVisible();
  await place.focus();
  await page.keyboard.press("Enter");
  await expect(passage).toBeHidden();
  await page.keyboard.press("Enter");

  // The prompt has the passages; the conversation shows the person's own words.
  await answer.getByText("What the model was asked").click();
  const asked = answer.locator("details", { hasText: "What the model was asked" }).locator("blockquote");
  await expect(asked).toContainText(/^The goats\s[\s\S]*Bramble, Thistle/);
  await expect(asked).toContainText(/Answer from the text above: What are the names of the goats\?$/);
  await expect(view.locator(".turn.user .words")).toHaveText(["What are the names of the goats?"]);
  await expect(view.locator("lorito-chat > [role=status]")).toContainText(/lighthouse\.txt, passage \d+ of \d+/);
  await expectNoFault(page);

  await page.setViewportSize({ width: 320, height: 800 });
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
  for (const control of [place, view.getByRole("button", { name: "Add files to search" })])
    expect((await control.boundingBox())?.height).toBeGreaterThanOrEqual(44);

  // Without the switch the model is asked as before.
  await box.click();
  await converse(page, "and the boat?");
  await expect(view.locator(".turn.assistant").last().getByText("The model was given")).toHaveCount(0);
});

test("what nothing fits, and what has no room, is said, and the message stays", async ({ page }) => {
  const view = await chat(page, 256);
  await view.getByLabel("Answer from my documents").check();
  await expect(view.getByText(/^\d+ passages can be searched\.$/)).toBeVisible();
  const message = view.getByLabel("Your message", { exact: true });
  await message.fill("Which planet has the most moons?");
  await page.keyboard.press("Enter");
  await answered(page);
  await expect(view.locator(".remark", { hasText: "Nothing in your documents fits this message" })).toBeVisible();
  await expect(view.locator("lorito-chat > [role=status]")).toContainText("Nothing in your documents fits");
  await expect(message).toHaveValue("Which planet has the most moons?");
  await expect(view.locator(".turn")).toHaveCount(0);

  // In 256 bytes there is room for some sentences of the best passage only.
  await message.fill("goats' names?");
  await page.keyboard.press("Enter");
  await answered(page);
  const answer = view.locator(".turn.assistant");
  await expect(view.locator(".remark", { hasText: "Nothing in your documents" })).toHaveCount(0);
  await answer.getByText(/^lighthouse\.txt, passage/).click();
  const words = (await answer.locator("blockquote").first().textContent()) ?? "";
  expect(words).toMatch(/Bramble, Thistle and Sir Walter\./);
  expect(texts["lighthouse.txt"]).toContain(words);
  expect(words.length).toBeLessThan(200);

  await page.evaluate(() =>
    window.lorito.createModel({ layers: 1, heads: 2, width: 16, context: 64, dropout: 0, seed: 7 }).then(() => {}),
  );
  await message.fill("What are the names of the goats?");
  await page.keyboard.press("Enter");
  await answered(page);
  await expect(view.locator(".remark", { hasText: "this model sees only 64 tokens at once" })).toBeVisible();
  await expect(message).toHaveValue("What are the names of the goats?");
});

test("files are searched that no model learns from, until they are removed", async ({ page }) => {
  const view = await chat(page, 2048);
  await page.evaluate(() => window.lorito.clearText().then(() => {}));
  await view.getByLabel("Answer from my documents").check();
  await expect(view.getByText(/There is nothing to search yet/)).toBeVisible();
  const chooser = page.waitForEvent("filechooser");
  await press(view, "Add files to search");
  await (await chooser).setFiles([
    { name: "huerto.txt", mimeType: "text/plain", buffer: Buffer.from(texts["huerto.txt"]) },
    { name: "page.html", mimeType: "text/html", buffer: Buffer.from("<p>The kettle is blue and very old.</p>") },
  ]);
  const list = view.getByRole("list", { name: "Documents that are searched" });
  await expect(list.getByRole("listitem")).toHaveText([/huerto\.txt\s+\d+ passages/, /page\.html\s+1 passage/]);
  expect(await page.evaluate(() => window.lorito.textSummary().then(({ sources }) => sources.length))).toBe(0);
  await converse(page, "¿Cómo se llama el espantapájaros?");
  const asked = view.locator(".turn.assistant blockquote").last();
  await expect(asked).toContainText(/don Anselmo[\s\S]*Responde con el texto de arriba: ¿Cómo se llama/);
  // In a document of one passage no word is rare.
  expect((await page.evaluate(() => window.lorito.documents.search("What colour is the kettle?")))[0]?.source).toBe(
    "page.html",
  );
  await press(view, "Remove huerto.txt");
  await expect(list.getByRole("listitem")).toHaveCount(1);
  await expect(view.getByRole("button", { name: "Add files to search" })).toBeFocused();
  // A text that is added later is searched, too.
  await page.evaluate((text) => window.lorito.addText("lighthouse.txt", text).then(() => {}), texts["lighthouse.txt"]);
  await expect(list.getByRole("listitem")).toHaveText([/page\.html/, /lighthouse\.txt/]);
});

test("the public API searches, asks with passages, and keeps to the context", async ({ page }) => {
  await open(page, "cpu");
  expect(await page.evaluate(() => window.lorito.documents.search("goats"))).toEqual([]);
  expect(await problem(page, "chat([{ role: 'user', content: 'goats' }], { documents: true })")).toMatchObject({
    code: "none",
  });
  await page.evaluate((text) => window.lorito.addText("lighthouse.txt", text).then(() => {}), texts["lighthouse.txt"]);
  expect(await problem(page, "chat([{ role: 'user', content: 'goats' }], { documents: true })")).toMatchObject({
    code: "no-model",
  });
  // A greeting or a second question in the same message hides nothing.
  const long = "I'm new here. When is the lamp lit, and who looks after the goats?";
  const found = await page.evaluate((long) => window.lorito.documents.search(long), long);
  expect(found[0]?.text).toContain("Bramble, Thistle");
  await model(page, 1024);
  const seen = await page.evaluate(async () => {
    const { lorito } = window;
    const said = [
      { role: "system" as const, content: "Be brief." },
      { role: "user" as const, content: "Good morning. ".repeat(20) },
      { role: "assistant" as const, content: "Good morning. ".repeat(20) },
      { role: "user" as const, content: "When does the supply boat come?" },
    ];
    const options = { maxTokens: 16, temperature: 0 };
    return {
      one: await lorito.chat(said, { ...options, documents: { count: 1 } }),
      five: await lorito.chat(said, { ...options, documents: { count: 5 } }),
      none: await lorito.chat([{ role: "user", content: "Which planet has moons?" }], { ...options, documents: true }),
      listed: await lorito.documents.list(),
    };
  });
  expect(seen.one.documents?.passages).toHaveLength(1);
  expect(seen.five.documents?.found).toBeGreaterThan(1);
  const room = new TextEncoder().encode(seen.five.documents?.question).length;
  expect(room).toBeLessThan(1024 - 16);
  // Earlier turns make room for the passages; neither the system message nor the question is cut.
  expect(seen.five).toMatchObject({ dropped: 2, systemDropped: false, questionCut: false });
  expect(seen.none).toMatchObject({ text: "", documents: { passages: [], found: 0 } });
  expect(seen.listed).toEqual([{ name: "lighthouse.txt", passages: expect.any(Number), isText: true, isWhole: true }]);
});

test("a text of 300 pages is searched without a task of the page over 50 ms", async ({ page }) => {
  await visit(page, "cpu");
  // About 1,800 characters a page, each with a word of its own.
  const pages = Array.from({ length: 300 }, (_, place) => {
    const paragraph = texts["lighthouse.txt"].slice((place * 97) % 3000).slice(0, 1700);
    return `${paragraph}\n\nThe secret word of this page is zebra${place}.`;
  });
  let text = "";
  const longest = await longestTask(page, async () => {
    text = await page.evaluate(async (long) => {
      await window.lorito.addText("long.txt", long);
      const [found] = await window.lorito.documents.search("Where is the word zebra217?");
      return found?.text ?? "";
    }, pages.join("\n\n"));
  });
  expect(text).toContain("zebra217.");
  const [listed] = await page.evaluate(() => window.lorito.documents.list());
  expect(listed?.passages).toBeGreaterThan(600);
  expect(listed?.isWhole).toBe(true);
  test.info().annotations.push({ type: "longest task", description: `${longest.toFixed(1)} ms` });
  expect(longest).toBeLessThan(50);
});
