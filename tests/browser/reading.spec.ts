// The choice of the text field in tables and JSON: how the page shows it, and how the user changes it.
import { expect, test } from "./guard";
import { drop, onceIsEnough, press, step, visit } from "./person";

onceIsEnough();

const words = (number: number) =>
  `These are the words of part ${"abcdefghij"[number % 10]}, and they go on for a while.`;

test("the page asks for the field of a file whose text cannot be detected", async ({ page }) => {
  await visit(page, "cpu");
  const parts = Object.fromEntries(Array.from({ length: 30 }, (_, number) => [`part-${number}x`, words(number)]));
  await drop(page, [{ name: "parts.json", text: JSON.stringify({ ...parts, count: 30 }) }]);
  const text = step(page, "Text");
  await expect(text.getByRole("alert")).toContainText("parts.json has its words in many fields");
  await text.getByLabel("Read parts.json from").selectOption("part-7x");
  await press(text, "Read it");
  await expect(text.locator(".sheet pre")).toHaveText(words(7));
  await expect(text.getByRole("alert")).toHaveCount(0);
  await expect(text.getByLabel("Read parts.json from")).toHaveCount(0);
  await expect(text.getByLabel("Read from")).toHaveValue("part-7x");
});

test("the page shows which field is read, and that most words are in another one", async ({ page }) => {
  await visit(page, "cpu");
  const rows = Array.from({ length: 4 }, (_, number) => ({
    text: "a short note on it",
    article: words(number),
    comment: words(number + 1),
  }));
  await drop(page, [
    { name: "articles.json", text: JSON.stringify(rows) },
    { name: "one.csv", text: "text\nonly one column, and yet a choice\n" },
  ]);
  const text = step(page, "Text");
  await expect(text.getByText(/^Only 14% of the words in articles\.json are read\..*“article”/)).toBeVisible();
  const choice = text.getByLabel("Read from");
  await expect(choice.first()).toHaveValue("text");
  await choice.first().selectOption("article");
  await expect(text.locator(".sheet pre")).toContainText(words(0));
  await expect(text.getByText(/^Only /)).toHaveCount(0);
  await expect(choice.nth(1).locator("option")).toHaveText(["text"]);
});

test("exported chats are read as conversations of their owner", async ({ page }) => {
  await visit(page, "cpu");
  const said = (from: string, text: unknown, minute: number) => ({
    type: "message",
    date: `2026-01-05T08:0${minute}:00`,
    from,
    text,
  });
  const messages = [
    said("Nela", "the ferry leaves at nine", 1),
    said("Iris", ["then ", { type: "bold", text: "hurry" }, "!"], 2),
    said("Nela", "we are there", 3),
  ];
  await drop(page, [{ name: "result.json", text: JSON.stringify({ name: "Iris", type: "personal_chat", messages }) }]);
  const text = step(page, "Text");
  await expect(text.getByText("1 conversation, 3 turns")).toBeVisible();
  await expect(text.getByLabel("Who are you?")).toHaveValue("Nela");
  const turns = text.locator(".turns .turn");
  await expect(turns).toHaveText([
    /^\s*Assistant\s*the ferry leaves at nine/,
    /^\s*User\s*then hurry!/,
    /we are there/,
  ]);
  await text.getByLabel("Who are you?").selectOption("Iris");
  await expect(turns.filter({ hasText: "then hurry!" })).toHaveText(/^\s*Assistant/);
  // The box shows how the file was read, and so is checked after it is read again.
  await text.getByLabel("Read it as plain text instead").click();
  await expect(text.locator(".sheet pre").last()).toContainText("Nela: the ferry leaves at nine");
});

test("only some columns of a very wide table are listed", async ({ page }) => {
  await visit(page, "cpu");
  const names = Array.from({ length: 20_000 }, (_, column) => `c${column}`);
  const row = names.map((_, column) => (column === 19_999 ? "some words" : "x"));
  await drop(page, [{ name: "wide.csv", text: `${names.join(",")}\n${row.join(",")}\n` }]);
  const text = step(page, "Text");
  await expect(text.getByText("and 19,744 fields more")).toBeVisible();
  await expect(text.getByLabel("Read from").locator("option")).toHaveCount(256);
  await expect(text.getByLabel("Read from")).toHaveValue("c19999");
});
