// Tables as Parquet files: the choice of columns, rows as documents, and invalid files.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { rowsOf } from "../../web/worker/parquet";
import { expect, test } from "./guard";
import { open, problem } from "./lorito";
import { onceIsEnough, step, visit } from "./person";

onceIsEnough();

const file = (name: string) => readFileSync(new URL(`../fixtures/parquet/${name}`, import.meta.url));
const given = (name: string, buffer: Buffer = file(name)) => ({
  name,
  mimeType: "application/vnd.apache.parquet",
  buffer,
});

const choose = (page: Page, ...files: ReturnType<typeof given>[]) => page.locator("#files").setInputFiles(files);

test("a table's text column is detected, and another one can be chosen", async ({ page }) => {
  await visit(page, "cpu");
  await choose(page, given("stories.parquet"));
  const text = step(page, "Text");
  await expect(text.getByText("117 documents")).toBeVisible();
  await expect(text.getByText("3 entries of stories.parquet have no text in the chosen field")).toBeVisible();
  const column = text.getByLabel("Read from");
  await expect(column).toHaveValue("story");
  await expect(column.locator("option")).toHaveText(["link", "story", "title"]);
  await expect(text.locator(".sheet pre")).toContainText(
    "Day 1. We counted 7 gulls above the harbour, and señor Núñez drew each of them. ✍️\nThen it rained.",
  );
  await column.selectOption("title");
  await expect(text.getByText("120 documents")).toBeVisible();
  await expect(text.locator(".sheet pre")).toContainText("Day 120");
});

test("the parts of one table are one text, whatever their compression", async ({ page }) => {
  await open(page, "cpu");
  const parts = ["stories-0.parquet", "stories-1.parquet"].map((name) => [...file(name)]);
  const whole = [...file("stories.parquet")];
  const seen = await page.evaluate(
    async ([parts, whole]) => {
      const blob = (bytes: number[]) => new Blob([new Uint8Array(bytes)]);
      const loaded: number[] = [];
      const inParts = await window.lorito.addText("log.parquet", parts.map(blob), {
        onProgress: (done, total) => loaded.push(done / total),
      });
      await window.lorito.clearText();
      const atOnce = await window.lorito.addText("log.parquet", blob(whole));
      return { inParts, atOnce, loaded };
    },
    [parts, whole] as const,
  );
  expect(seen.inParts.sources[0]).toMatchObject({ documents: 117, field: "story", name: "log.parquet" });
  expect({ ...seen.inParts, sources: [] }).toEqual({ ...seen.atOnce, sources: [] });
  expect(seen.loaded.at(-1)).toBe(1);
  expect(seen.loaded).toEqual([...seen.loaded].sort((one, other) => one - other));
});

test("parts that are shorter than the crate's sample are read whole", async ({ page }) => {
  await open(page, "cpu");
  const part = [...file("chats.parquet")];
  const documents = await page.evaluate(async (bytes) => {
    const parts = [1, 2, 3, 4].map(() => new Blob([new Uint8Array(bytes)]));
    const { sources } = await window.lorito.addText("chats.parquet", parts, { field: "id" });
    return sources[0]?.documents;
  }, part);
  expect(documents).toBe(80);
});

test("conversations are read as lines of messages, in addition to the string columns", async () => {
  const blob = new Blob([new Uint8Array(file("chats.parquet"))]);
  const lines = async (wanted?: string) => {
    const { field, pieces } = await rowsOf("chats.parquet", [blob], wanted, {
      lines: 2,
      likely: async () => undefined,
    });
    let text = "";
    for await (const { bytes } of pieces) text += new TextDecoder().decode(bytes);
    return {
      field,
      rows: text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    };
  };
  const messages = (day: number) => [
    { role: "user", content: `How many gulls on day ${day}?` },
    { role: "assistant", content: `We counted ${7 * day}.` },
  ];
  const chats = await lines("messages");
  expect(chats.rows).toHaveLength(20);
  expect(chats.rows[1]).toEqual({ id: "chat-1", messages: messages(1) });
  expect(chats.rows[2]).toEqual({ messages: messages(2) });
  expect((await lines("id")).rows[2]).toEqual({ id: "chat-2" });
  // If the crate names no field, whole records are read.
  const records = await lines();
  expect(records.field).toBeUndefined();
  expect(records.rows[19]).toEqual({ id: "chat-19", messages: messages(19) });
});

test("table metadata that are too long, or have too many parts, are refused before they are parsed", async () => {
  const refusal = (description: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(description.length);
    const bytes = Buffer.concat([Buffer.from("PAR1"), description, length, Buffer.from("PAR1")]);
    const sample = { lines: 2, likely: async () => undefined };
    return rowsOf("hostile.parquet", [new Blob([bytes])], undefined, sample).catch((thrown) => thrown);
  };
  const long = await refusal(Buffer.alloc(2 ** 24 + 1));
  expect(long).toMatchObject({ code: "parquet-damaged" });
  expect(long.reason).toMatch(/16777217 bytes/);
  // A list of five million empty structs.
  const empty = Buffer.concat([Buffer.from("29fc80e1eb17", "hex"), Buffer.alloc(5_000_001)]);
  const refused = await refusal(empty);
  expect(refused).toMatchObject({ code: "parquet-damaged" });
  expect(refused.reason).toMatch(/more than \d+ parts/);
});

test("a table of conversations is read as such, unless one of its columns is chosen", async ({ page }) => {
  await visit(page, "cpu");
  await choose(page, given("chats.parquet"));
  const text = step(page, "Text");
  await expect(text.getByText("20 conversations, 40 turns")).toBeVisible();
  const column = text.getByLabel("Read from");
  await column.selectOption("id");
  await expect(text.locator(".sheet pre")).toContainText("chat-19");
  await column.selectOption("Conversations");
  await expect(text.getByText("20 conversations, 40 turns")).toBeVisible();
});

test("files that are no table, or have no text, are refused, and the text stays", async ({ page }) => {
  await visit(page, "cpu");
  const text = step(page, "Text");
  await choose(page, given("stories.parquet"));
  await expect(text.getByText("117 documents")).toBeVisible();
  const whole = file("stories.parquet");
  /** The file with some bytes replaced; `from` and `to` have the same length. */
  const changed = (bytes: Buffer, from: string, to: string) => {
    const at = bytes.indexOf(Buffer.from(from, "hex"));
    expect(at).toBeGreaterThan(0);
    const copy = Buffer.from(bytes);
    copy.write(to, at, "hex");
    return copy;
  };
  // The header of the stories' first page: 3,336 bytes uncompressed, 519 compressed, as Thrift's integers.
  const saying = (unpacked: string, packed: string) =>
    changed(whole, "1504159034158e08", `150415${unpacked}15${packed}`);
  const unreadable = /cannot be read as Parquet/;
  const cases: [string, Buffer, RegExp][] = [
    ["numbers.parquet", file("numbers.parquet"), /has no column of text\. It has: day, wind/],
    ["cut.parquet", whole.subarray(0, -20), unreadable],
    ["end.parquet", whole.subarray(-600), unreadable],
    ["shifted.parquet", Buffer.concat([whole.subarray(0, 300), whole.subarray(1300)]), unreadable],
    ["empty.parquet", Buffer.alloc(0), unreadable],
    ["words.parquet", Buffer.from("only words, many of them, and no table at all"), unreadable],
    ["zeros.parquet", Buffer.from(whole).fill(0, 4, 1200), unreadable],
    [
      "noise.parquet",
      Buffer.concat([Buffer.alloc(4000, "PAR1\u0019\u00ff<,"), Buffer.from("\x80\x01\0\0PAR1")]),
      unreadable,
    ],
    ["footer.parquet", Buffer.concat([whole.subarray(0, -8), Buffer.from("ffffff7f50415231", "hex")]), unreadable],
    ["no-footer.parquet", Buffer.concat([whole.subarray(0, -8), Buffer.from("0000000050415231", "hex")]), unreadable],
    ["below-nothing.parquet", saying("9134", "8e08"), /a page has -\d+ bytes/],
    ["too-long.parquet", saying("9034", "fe7f"), /a page is longer than its column/],
    ["other-size.parquet", saying("fe7f", "8e08"), unreadable],
    // A hundred million values in 383 bytes.
    ["bomb.parquet", changed(file("nothing.parquet"), "15c0a38601", "15feffff7f"), /hold 134217727 values/],
  ];
  for (const [name, buffer, sentence] of cases) {
    await choose(page, given(name, buffer));
    await expect(text.getByRole("alert"), name).toContainText(sentence);
    await expect(text.getByText("117 documents")).toBeVisible();
  }
  expect(
    await problem(page, `addText("a.parquet", new Blob([new Uint8Array([${[...whole]}])]), { field: "day" })`),
  ).toMatchObject({ code: "field-missing", field: "day", fields: ["link", "story", "title"] });
});
