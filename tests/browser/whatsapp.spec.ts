// A chat exported from WhatsApp: the choice of "you", filters, and a model that learns to answer.
import { crc32 } from "node:zlib";
import { expect, test } from "./guard";
import { drop, ended, onceIsEnough, press, step, visit } from "./person";

onceIsEnough();

const things = ["bread", "salt", "tea", "honey", "cheese"];

/** Some days of two people's chat on an Android phone set to American English. */
const days = Array.from({ length: 60 }, (_, day) => {
  const date = `${1 + Math.floor(day / 28)}/${1 + (day % 28)}/24`;
  return [
    `${date}, 9:01 PM - Ana Paz: What shall I bring on day ${day}?`,
    `${date}, 9:02 PM - Leo: ${things[day % 5]}`,
    `${date}, 9:03 PM - Leo: <Media omitted>`,
    `${date}, 9:04 PM - Ana Paz: it is at https://shop.example/${day}, or ask shop@shop.example`,
  ].join("\n");
});
const chat = [
  "1/1/24, 9:00 PM - Messages and calls are end-to-end encrypted. Only people in this chat can read them.",
  ...days,
  "3/5/24, 9:00 PM - Ana Paz: This message was deleted",
  "3/5/24, 9:01 PM - Ana Paz: my number is +1 555 010 9999 <This message was edited>",
].join("\n");

const settings =
  "preset=tiny&layers=1&heads=2&width=32&context=48&batchSize=8&steps=12&evalEvery=6&warmupSteps=2&learningRate=0.01&seed=5";

test("a WhatsApp chat is filtered as the user wants, and their messages are learned", async ({ page }) => {
  await visit(page, "cpu", settings);
  await drop(page, [{ name: "WhatsApp Chat with Ana Paz.txt", text: chat }]);
  const text = step(page, "Text");
  // The file's name contains the other person's name.
  const you = text.getByLabel("Who are you?");
  await expect(you).toHaveValue("Leo");
  await expect(text.getByText("60 conversations, 180 turns")).toBeVisible();
  await expect(text.getByText("62 of 243 lines are left out.")).toBeVisible();
  await expect(text.getByText("1 conversation in which Leo says nothing is left out, too.")).toBeVisible();
  const media = text.getByRole("checkbox", { name: "Photos, videos and other files" });
  await expect(media).toHaveAccessibleDescription("60 left out");
  await expect(text.getByRole("checkbox", { name: "Web addresses" })).toHaveAccessibleDescription("60 replaced");
  const preview = text.getByRole("group", { name: "How its conversations begin" });
  await expect(preview.getByRole("list", { name: "Conversation 1" })).toContainText("it is at …, or ask …");
  await expect(preview).not.toContainText("<Media omitted>");

  // By keyboard, and twice in quick succession: neither choice is lost.
  await media.focus();
  await page.keyboard.press("Space");
  await text.getByRole("checkbox", { name: "Web addresses" }).click();
  await expect(text.getByText("2 of 243 lines are left out.")).toBeVisible();
  await expect(preview).toContainText("<Media omitted>");
  await expect(preview).toContainText("https://shop.example/0");
  await expect(media).not.toBeChecked();
  await expect(media).toHaveAccessibleDescription("60 kept");
  await media.click();
  await expect(text.getByText("62 of 243 lines are left out.")).toBeVisible();

  await you.selectOption("Ana Paz");
  await expect(preview.locator(".assistant").first()).toContainText("What shall I bring on day 0?");
  await expect(text.getByText("61 conversations, 181 turns")).toBeVisible();
  await you.selectOption("Leo");
  await expect(preview.locator(".assistant .words").first()).toHaveText("bread");

  await press(page, "Train now");
  await ended(page);
  const tokens = step(page, "Tokens");
  await tokens.getByText("Change", { exact: true }).click();
  await expect(tokens.getByText("Of a conversation the model learns the assistant’s words")).toBeVisible();
  const learned = await tokens.locator(".pieces .piece:not(.read)").allTextContents();
  expect(learned.join("")).toMatch(/^breadend of the turn/);
});

test("the user can correct the page's choices: another you, plain text, a chat without messages", async ({ page }) => {
  await visit(page, "cpu");
  const text = step(page, "Text");
  await drop(page, [{ name: "silent.txt", text: "[31/12/23, 9:00:00] Ana: \u200Eimagen omitida\n" }]);
  await expect(text.getByRole("alert")).toContainText("Nothing is left of the chat silent.txt");
  await expect(text.getByText("What it learns from")).toHaveCount(0);

  const links = "[31/12/23, 9:00:00] Ana: hola\n[31/12/23, 9:01:00] Leo: https://a.example\n";
  await drop(page, [{ name: "chat.txt", text: links }]);
  await drop(page, [{ name: "notes.txt", text: "Some notes" }]);
  await expect(text.getByText("notes.txt")).toBeVisible();
  // After it is read again, the position and the focus stay.
  await text.getByRole("checkbox", { name: "Web addresses" }).focus();
  await page.keyboard.press("Space");
  await expect(text.getByRole("checkbox", { name: "Web addresses" })).toHaveAccessibleDescription("1 kept");
  await expect(text.getByRole("checkbox", { name: "Web addresses" })).toBeFocused();
  await expect(text.locator(".sources .name")).toHaveText(["chat.txt", "notes.txt"]);
  await text.getByLabel("Who are you?").selectOption("Leo");
  await expect(text.getByText("1 conversation, 2 turns")).toBeVisible();
  // Without addresses Leo has no messages: this is reported, and the chat stays as it was.
  await text.getByRole("checkbox", { name: "Web addresses" }).click();
  await expect(text.getByRole("alert")).toContainText("Leo says nothing in chat.txt. Those who do: Ana.");
  await expect(text.getByRole("checkbox", { name: "Web addresses" })).not.toBeChecked();
  await expect(text.getByText("1 conversation, 2 turns")).toBeVisible();

  const plain = text.getByRole("checkbox", { name: "Read it as plain text instead" });
  await plain.click();
  await expect(text.getByText("1 document ·")).toHaveCount(2);
  await expect(text.locator(".summary pre")).toContainText("[31/12/23, 9:00:00] Ana: hola");
  await plain.click();
  await expect(text.getByText("1 conversation, 2 turns")).toBeVisible();
  await expect(text.getByLabel("Who are you?")).toHaveValue("Leo");
});

test("window.lorito reads a chat with the given options", async ({ page }) => {
  await visit(page, "cpu");
  const seen = await page.evaluate(async (text) => {
    const { lorito } = window;
    const first = await lorito.addText("chat.txt", text, { chat: { you: "Ana Paz", filters: { links: false } } });
    const { you, filters, found, people } = first.sources[0]?.chat ?? {};
    await lorito.addText("notes.txt", "Some notes");
    const again = await lorito.addText("chat.txt", text, { chat: { plain: true }, replaces: 0 });
    const missing = await lorito.addText("chat.txt", text, { chat: { you: "Eva" } }).catch((error) => ({
      code: error.code,
      people: error.fields.people,
    }));
    return { you, filters, found, people, preview: first.preview, again, missing };
  }, chat);
  expect(seen.you).toBe("Ana Paz");
  expect(seen.filters).toMatchObject({ links: false, media: true });
  expect(seen.found).toEqual({ media: 60, deleted: 1, edited: 1, system: 1, links: 60, mails: 60, numbers: 1 });
  expect(seen.people).toEqual([
    { name: "Ana Paz", messages: 121 },
    { name: "Leo", messages: 60 },
  ]);
  expect(seen.preview).toMatch(/^<\|assistant\|>What shall I bring on day 0\?<\|end\|><\|user\|>bread/);
  expect(seen.again.sources.map(({ name, turns }) => [name, turns])).toEqual([
    ["chat.txt", 0],
    ["notes.txt", 0],
  ]);
  expect(seen.missing).toEqual({ code: "chat-person-missing", people: ["Ana Paz", "Leo"] });
});

test("a chat in another language is detected, and a text that only resembles a chat is reported", async ({ page }) => {
  await visit(page, "cpu");
  const text = step(page, "Text");
  const french = [
    "26/09/2025 à 22:02 - Les messages et les appels sont chiffrés de bout en bout.",
    "26/09/2025 à 22:03 - Ilse: le four est chaud",
    "26/09/2025 à 22:04 - Maro: <Médias omis>",
    "26/09/2025 à 22:05 - Maro: alors dimanche",
  ].join("\n");
  await drop(page, [{ name: "Discussion WhatsApp avec Ilse.txt", text: french }]);
  await expect(text.getByLabel("Who are you?")).toHaveValue("Maro");
  await expect(text.getByText("1 conversation, 2 turns")).toBeVisible();
  const other = "26 Sep 2025 22:02 Ilse: hot\n26 Sep 2025 22:03 Maro: then\n26 Sep 2025 22:04 Ilse: Sunday\n";
  await drop(page, [{ name: "other.txt", text: other }]);
  await expect(text.getByText("other.txt looks like a chat, as 3 lines begin with a date and a name")).toBeVisible();
});

test("the archive exported by a phone is opened, and any other is not", async ({ page }) => {
  await visit(page, "cpu");
  const text = step(page, "Text");
  await drop(page, [{ name: "WhatsApp Chat - Ana Paz.zip", bytes: zip("_chat.txt", chat) }]);
  await expect(text.getByLabel("Who are you?")).toHaveValue("Leo");
  await text.getByRole("checkbox", { name: "Photos, videos and other files" }).click();
  await expect(text.getByText("2 of 243 lines are left out.")).toBeVisible();
  await drop(page, [{ name: "book.zip", bytes: zip("mimetype", "application/epub+zip") }]);
  await expect(text.getByRole("alert")).toContainText("book.zip is a packed archive");
});

/** An archive with one uncompressed file. */
function zip(name: string, text: string): number[] {
  const [path, data] = [Buffer.from(name), Buffer.from(text)];
  const head = Buffer.alloc(26);
  head.writeUInt16LE(20, 0); // version
  head.writeUInt32LE(crc32(data), 10);
  head.writeUInt32LE(data.length, 14);
  head.writeUInt32LE(data.length, 18);
  head.writeUInt16LE(path.length, 22);
  const file = Buffer.concat([Buffer.from("PK\x03\x04"), head, path, data]);
  const entry = Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), head, Buffer.alloc(14), path]);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(1, 4);
  end.writeUInt16LE(1, 6);
  end.writeUInt32LE(entry.length, 8);
  end.writeUInt32LE(file.length, 12);
  return [...file, ...entry, ...Buffer.from("PK\x05\x06"), ...end];
}
