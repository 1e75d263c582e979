// The chat: messages, answers, undo and edits.
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./guard";
import { problem } from "./lorito";
import { answered, converse, ended, lastAnswer, onceIsEnough, press, small, step, visit } from "./person";

onceIsEnough();

/** Written for these tests. */
const talk = Array.from(
  { length: 120 },
  (_, day) => `User: ${["is the sea calm", "who mends the net", "when does it rain"][day % 3]}?
Assistant: ${["the sea is calm", "the saver mends it", "it rains at noon"][day % 3]}\n`,
).join("");

/** The chat with a model that was trained on a text. */
async function chat(page: Page, steps: number, text = talk): Promise<Locator> {
  await visit(page, "cpu", `${small.replace("context=32", "context=64")}&evalEvery=1000&steps=${steps}`);
  await page.evaluate((text) => window.lorito.addText("talk.txt", text).then(() => {}), text);
  await press(page, "Start training");
  await ended(page);
  const view = step(page, "Write");
  await view.getByRole("tab", { name: "Chat" }).click();
  return view;
}

async function set(view: Locator, label: string, value: string): Promise<void> {
  await view.locator("details.sampling").evaluate((details: HTMLDetailsElement) => {
    details.open = true;
  });
  await view.getByLabel(label, { exact: true }).fill(value);
  await view.page().keyboard.press("Tab");
}

const said = (page: Page) => page.getByRole("log", { name: "Conversation" }).locator(".words").allTextContents();

test("messages can be answered again, edited, undone and cleared", async ({ page }) => {
  const view = await chat(page, 200);
  await expect(view.getByText(/it reads yours as lines that begin with “User:”/)).toBeVisible();
  await set(view, "Length", "12");
  await set(view, "Temperature", "2");

  const box = view.getByLabel("Your message", { exact: true });
  await expect(view.getByRole("button", { name: "Send", exact: true })).toBeDisabled();
  await box.pressSequentially("is the sea");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("calm?");
  await page.keyboard.press("Enter");
  await answered(page);
  await expect(box).toHaveValue("");
  const first = await lastAnswer(page);
  expect(first.length).toBeGreaterThan(0);
  expect(await said(page)).toEqual(["is the sea\ncalm?", first]);
  const second = await converse(page, "who mends the net?");
  const all = ["is the sea\ncalm?", first, "who mends the net?", second];
  expect(await said(page)).toEqual(all);

  // Another answer uses another seed; the first one can be restored.
  await press(view, "Answer again");
  await answered(page);
  const other = await lastAnswer(page);
  expect(other).not.toBe(second);
  expect(await said(page)).toEqual([...all.slice(0, 3), other]);
  await press(view, "Undo");
  expect(await said(page)).toEqual(all);
  await press(view, "Redo");
  await expect(view.locator(".words").last()).toHaveText(other);
  await press(view, "Undo");

  // An edit can be cancelled, or replaces all later turns.
  await press(view, /^Edit: is the sea/);
  const editor = view.getByLabel("Your message, edited");
  await expect(editor).toBeFocused();
  await editor.fill("not this");
  await press(view, "Keep it as it was");
  await expect(view.getByRole("button", { name: /^Edit: is the sea/ })).toBeFocused();
  expect(await said(page)).toEqual(all);
  await press(view, /^Edit: is the sea/);
  await editor.fill("when does it rain?");
  await page.keyboard.press("Enter");
  await expect(box).toBeFocused();
  await answered(page);
  expect(await said(page)).toEqual(["when does it rain?", await lastAnswer(page)]);
  await press(view, "Undo");
  await expect(view.locator(".words")).toHaveText(all);

  await press(view, "Clear");
  await expect(view.getByText("Nobody has said anything yet.")).toBeVisible();
  await press(view, "Undo");
  await expect(view.locator(".words")).toHaveText(all);

  // The conversation belongs to the page, not to the model.
  await page.evaluate(() => window.lorito.createModel({ layers: 1, heads: 2, width: 16, context: 32 }));
  await expect(view.locator(".words")).toHaveText(all);
  await converse(page, "and now?");
  await expect(view.locator(".words")).toHaveCount(6);
});

test("an answer can be stopped, and an unanswered message stays in the text box", async ({ page }) => {
  // No line of this text begins a turn, and few end: an answer would continue.
  const view = await chat(page, 100, "the sea is calm, who mends the net? ".repeat(100));
  await set(view, "Length", "1000000");
  await set(view, "Temperature", "0.2");
  const box = view.getByLabel("Your message", { exact: true });
  await box.fill("is the sea calm?");
  await press(view, "Send");
  const words = view.locator(".assistant .words");
  await expect(words).toHaveText(/.{20}/s);
  // Text typed meanwhile stays, and can be sent afterwards.
  await box.fill("who mends the net?");
  await page.keyboard.press("Enter");
  await expect(box).toHaveValue("who mends the net?");
  await press(view, "Stop answering");
  await answered(page);
  const stopped = await words.textContent();
  expect(stopped?.length).toBeGreaterThan(19);
  await page.waitForTimeout(300);
  expect(await words.textContent()).toBe(stopped);

  await set(view, "Temperature", "-1");
  await press(view, "Send");
  await expect(view.getByText("Temperature cannot be -1: choose 0 to 100.")).toBeVisible();
  await expect(box).toHaveValue("who mends the net?");
  await expect(view.locator(".words")).toHaveText(["is the sea calm?", stopped ?? ""]);
  // An edit is kept as well, and so is the answer that it would replace.
  await press(view, /^Edit: is the sea/);
  await view.getByLabel("Your message, edited").fill("is it?");
  await page.keyboard.press("Enter");
  await answered(page);
  await expect(view.getByLabel("Your message, edited")).toHaveValue("is it?");
  await press(view, "Keep it as it was");
  await press(view, "Answer again");
  await answered(page);
  await expect(words).toHaveText(stopped ?? "");
});

test("turns that no longer fit are left out whole, and the page reports it", async ({ page }) => {
  const view = await chat(page, 5);
  await set(view, "Length", "8");
  await view.getByText("No system message").click();
  await view.getByLabel("System message").fill("mend it all");
  await expect(view.getByText("System message: mend it all")).toBeVisible();
  await converse(page, "who?");
  const remarks = view.locator(".remark:not(:first-child)");
  await expect(remarks).toHaveCount(0);
  await converse(page, "when does it rain?");
  await expect(remarks.filter({ hasText: "The first 2 turns are too far back for the model to see" })).toBeVisible();
  await converse(page, "who mends the net? ".repeat(8));
  await expect(remarks.filter({ hasText: "The first 4 turns are too far back" })).toBeVisible();
  await expect(remarks.filter({ hasText: "The model cannot see the system message any more" })).toBeVisible();
  await expect(remarks.filter({ hasText: "it does not see the beginning any more" })).toBeVisible();
  // The remarks belong to the last answer.
  await press(view, "Undo");
  await expect(remarks.filter({ hasText: "The first 2 turns are too far back" })).toBeVisible();
  await expect(remarks.filter({ hasText: "it does not see the beginning any more" })).toHaveCount(0);
});

test("screen readers announce whole answers, not every token", async ({ page }) => {
  const view = await chat(page, 5);
  await set(view, "Length", "30");
  await expect(view.getByRole("log")).toHaveAttribute("aria-live", "off");
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    const status = document.querySelector("lorito-chat > [role=status]");
    if (status)
      new MutationObserver(() => heard.push(status.textContent ?? "")).observe(status, {
        childList: true,
        characterData: true,
        subtree: true,
      });
  });
  const answer = await converse(page, "is the sea calm?");
  const heard = await page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  expect(heard[0]).toBe("It answers.");
  expect(heard.at(-1)).toContain(`It has answered: ${answer}`);
  expect(heard.length).toBeLessThan(4);
});

test("the public API answers, also during training, and reports impossible questions", async ({ page }) => {
  await visit(page, "cpu");
  expect(await problem(page, "chat([{ role: 'user', content: 'a' }])")).toMatchObject({ code: "no-model" });
  const seen = await page.evaluate(async (text) => {
    const { lorito } = window;
    await lorito.addText("talk.txt", text);
    await lorito.trainTokenizer({ kind: "char" });
    const { chat } = await lorito.createModel({ layers: 1, heads: 2, width: 32, context: 64, dropout: 0, seed: 7 });
    const run = { batchSize: 4, learningRate: 0.01, warmupSteps: 4, evalEvery: 100_000, seed: 5 };
    await lorito.train({ ...run, steps: 200 });
    const pieces: string[] = [];
    const turns = [{ role: "user" as const, content: "is the sea calm?" }];
    const greedy = { temperature: 0, maxTokens: 60 };
    const one = await lorito.chat(turns, { ...greedy, onToken: (piece) => pieces.push(piece) });
    const begun = new Promise<void>((resolve) => lorito.on("progress", () => resolve()));
    const training = lorito.train({ ...run, steps: 100_000 });
    await begun;
    const during = await lorito.chat(turns, greedy);
    lorito.stop();
    await training;
    return { chat, one, pieces, during };
  }, talk);
  expect(seen.chat).toBe(false);
  expect(seen.one).toMatchObject({ dropped: 0, systemDropped: false });
  expect(seen.one.text.length).toBeGreaterThan(0);
  expect(seen.one.text).not.toMatch(/\n(User|Assistant|System):/);
  expect(seen.pieces.join("")).toBe(seen.one.text);
  expect(seen.during.text.length).toBeGreaterThan(0);
  expect(await problem(page, "chat([])")).toMatchObject({ code: "no-question" });
  const late =
    "chat([{ role: 'user', content: 'a' }, { role: 'system', content: 'b' }, { role: 'user', content: 'c' }])";
  expect(await problem(page, late)).toMatchObject({ code: "system-not-first", turn: 2 });
  expect(await problem(page, "chat([{ role: 'narrator', content: 'a' }])")).toMatchObject({ code: "setting-invalid" });
});
