// Conversations as training text: how they are read, which tokens are learned, and how they become plain text.
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "./guard";
import { drop, ended, figure, onceIsEnough, press, step, visit } from "./person";

onceIsEnough();

const words = ["zero", "one", "two", "three", "four"];
const records = Array.from({ length: 120 }, (_, number) =>
  JSON.stringify({
    messages: [
      { role: "user", content: `what is ${number % 5}` },
      { role: "assistant", content: words[number % 5] },
    ],
  }),
);

test("only the answers in a file of conversations are learned", async ({ page }) => {
  await visit(
    page,
    "cpu",
    "preset=tiny&layers=2&heads=2&width=32&context=64&batchSize=16&steps=200&evalEvery=100&warmupSteps=5&learningRate=0.01&dropout=0&seed=5",
  );
  await drop(page, [{ name: "digits.jsonl", text: `${records.join("\n")}\nnot json\n` }]);
  const text = step(page, "Text");
  await expect(text.getByText("120 conversations, 240 turns")).toBeVisible();
  await expect(text.getByText(/line 121/)).toBeVisible();
  await press(page, "Train now");
  await ended(page);
  expect(Number(await figure(step(page, "Train"), "Training loss").textContent())).toBeLessThan(0.5);
  const tokens = step(page, "Tokens");
  await tokens.getByText("Change", { exact: true }).click();
  await expect(tokens.getByText("Of a conversation the model learns the assistant’s words")).toBeVisible();
  // Of "<|im_start|>user\nwhat is 0<|im_end|>\n<|im_start|>assistant\nzero<|im_end|>\n" only the answer and its end, which
  // is shown as text, count.
  const learned = await tokens.locator(".pieces .piece:not(.read)").allTextContents();
  expect(learned.slice(0, 5).join("")).toBe("zeroend of the turn");
  expect((await tokens.locator(".pieces .piece.read").allTextContents()).slice(0, 3).join("")).toBe("<|im_start|>us");
  await expect(tokens.locator(".turn-token").first()).toHaveAttribute("title", /^<\|im_end\|> · token \d+$/);

  // Text preview and samples show conversations without their special tokens.
  const turns = text.locator(".turns .turn");
  await expect(turns.nth(0)).toHaveText(/^\s*User\s*what is 0\s*$/);
  await expect(turns.nth(1)).toHaveText(/^\s*Assistant\s*zero\s*$/);
  const story = step(page, "Train").locator("lorito-story");
  const sample = await page.evaluate(async () => (await window.lorito.history()).samples.at(-1)?.text ?? "");
  const [written = ""] = sample.split("<|");
  expect(sample, "the sample ends its answer").toContain("<|im_end|>");
  await expect(story.locator(".now .turn.assistant .words").first()).toHaveText(written.trim());
  for (const view of [text.locator(".summary"), story]) await expect(view).not.toContainText("<|");

  const answer = await page.evaluate(() =>
    window.lorito.generate("<|im_start|>user\nwhat is 3<|im_end|>\n<|im_start|>assistant\n", {
      maxTokens: 6,
      temperature: 0,
    }),
  );
  expect(answer).toContain("three");
});

test("prompts and completions are conversations unless a field is chosen", async ({ page }) => {
  await visit(page, "cpu");
  const lines = records.map((record, number) => {
    const { messages } = JSON.parse(record);
    return JSON.stringify({
      prompt: messages[0].content,
      completion: `${messages[1].content} it is, number ${number}`,
    });
  });
  await drop(page, [{ name: "pairs.jsonl", text: lines.join("\n") }]);
  const text = step(page, "Text");
  await expect(text.getByText("120 conversations, 240 turns")).toBeVisible();
  await text.getByLabel("Read from").selectOption("completion");
  await expect(text.getByText("120 documents")).toBeVisible();
  await expect(text.locator("pre")).toContainText("zero it is, number 0");
  await expect(text.locator("pre")).not.toContainText("<|user|>");
  await text.getByLabel("Read from").selectOption("Conversations");
  await expect(text.getByText("120 conversations, 240 turns")).toBeVisible();
});

test("a pretrained model learns conversations, whether it or they were opened first", async ({ page }) => {
  await visit(page, "cpu", "steps=20&evalEvery=10&batchSize=4&warmupSteps=2&learningRate=0.01&seed=5");
  await drop(page, [{ name: "digits.jsonl", text: records.join("\n") }]);
  await expect(step(page, "Text").getByText("120 conversations, 240 turns")).toBeVisible();
  const folder = new URL("../fixtures/pretrained/prefixed/", import.meta.url);
  await page
    .locator("#model-file")
    .setInputFiles(readdirSync(folder).map((name) => fileURLToPath(new URL(name, folder))));
  await expect(step(page, "Share").getByText(/ is open\.$/)).toBeVisible();
  await press(page, "Train 20 more steps");
  await expect(step(page, "Train").getByText("Step 20 of 20")).toBeVisible();
  await ended(page);
  expect(await page.evaluate(async () => (await window.lorito.modelSummary())?.chat)).toBe(true);
  // It has learned the tokens that it lacked, and the chat uses turns.
  await expect(step(page, "Write").getByRole("tab", { name: "Chat", selected: true })).toBeVisible();
});
