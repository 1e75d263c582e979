// Archives: which texts are extracted from them, and how malicious ones are refused before they fill the memory.
import { Archive } from "../../web/worker/archive";
import { textsOf } from "../../web/worker/archive-texts";
import { modelIn } from "../../web/worker/one-page/read";
import { checkThrift } from "../../web/worker/parquet-thrift";
import { expect, test } from "./guard";
import { onceIsEnough } from "./person";
import { type Lie, zip } from "./zip";

onceIsEnough();

type Entries = Record<string, string | Buffer>;
const blobOf = (bytes: Buffer) => new Blob([new Uint8Array(bytes)]);
const packed = (entries: Entries, lies: Record<string, Lie> = {}) =>
  blobOf(
    zip(Object.entries(entries).map(([name, text]) => ({ name, buffer: Buffer.from(text), lie: lies[name] ?? {} }))),
  );

const chat = "12/20/25, 5:02 PM - Bruno: is the boat dry\n";
/** Like the crate's detection of chats. */
const isChat = async (start: string) => /^\d+\/\d+\/\d+,/.test(start);

async function texts(entries: Entries, name = "things.zip") {
  const { texts, notices } = await textsOf(await Archive.open(packed(entries)), name, isChat);
  return {
    names: texts.map(({ name }) => name),
    words: await Promise.all(texts.map(({ data }) => data.text())),
    notices,
  };
}

const problemOf = (work: Promise<unknown>) =>
  work.then(
    () => ({ code: "none" }),
    (thrown) => thrown,
  );

test("every chat in an archive is added as a text, whatever its name, and no other file is", async () => {
  const photos = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`IMG-${index}.jpg`, "\xff\xd8"]));
  const two = await texts({
    ...photos,
    "Чат WhatsApp с Bruno.txt": chat,
    "conversa.txt": chat,
    "recipe.txt": "Bread, salt, and time.",
    "__MACOSX/._conversa.txt": "\0\0",
  });
  expect(two.names).toEqual(["Чат WhatsApp с Bruno.txt", "conversa.txt"]);
  expect(two.words).toEqual([chat, chat]);
  expect(two.notices).toEqual([{ code: "left-in-archive", name: "things.zip", count: 1, found: ["recipe.txt"] }]);
  // An iPhone gives every chat the same name: the folder or the archive has the person's name.
  const phone = "WhatsApp Chat - Ilse.zip";
  expect((await texts({ "_chat.txt": chat, ...photos }, phone)).names).toEqual([phone]);
  const folders = { "WhatsApp Chat - Ilse/_chat.txt": chat, "WhatsApp Chat - Bruno/_chat.txt": chat };
  expect((await texts(folders)).names).toEqual(["WhatsApp Chat - Ilse.txt", "WhatsApp Chat - Bruno.txt"]);
  expect((await texts({ "Chats\\": "", "Chats\\Ilse.txt": chat })).names).toEqual(["Ilse.txt"]);
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(chat, "utf16le")]);
  expect((await texts({ "a.txt": utf16, "b.txt": "no chat" })).names).toEqual(["a.txt"]);
});

test("chat exports of other programs are added without their lists of contacts and settings", async () => {
  const talk = '[{"title": "Lavender", "mapping": {}}]';
  const gpt = await texts({
    "user.json": '{"email": "maro@a.example"}',
    "conversations.json": talk,
    "chat.html": "<p>",
  });
  expect(gpt.names).toEqual(["conversations.json"]);
  expect(gpt.notices).toMatchObject([{ code: "left-in-archive", found: ["user.json"] }]);
  // A long history is divided into several files.
  const parts = { "conversations-000.json": talk, "conversations-001.json": talk };
  const long = await texts({ ...parts, "chat.html": "<p>", "export_manifest.json": "{}", "user.json": "{}" });
  expect(long.names).toEqual(Object.keys(parts));
  const inbox = '{"participants": [], "messages": []}';
  const meta = await texts({ "inbox/ana/message_1.json": inbox, "inbox/leo/message_1.json": inbox, "ads.json": "[]" });
  expect(meta.names).toEqual(["inbox/ana/message_1.json", "inbox/leo/message_1.json"]);
  // Another file with that name is an ordinary text.
  expect((await texts({ "result.json": '[{"text": "One"}]', "a.txt": "Two" })).names).toEqual(["result.json", "a.txt"]);
});

test("an archive without chats gives its texts, or an error with advice", async () => {
  const notes = await texts({
    "notes/monday.txt": "wet",
    "notes/tuesday.md": "dry",
    "notes/old/monday.txt": "cold",
    "cat.jpg": "x",
  });
  expect(notes.names).toEqual(["notes/monday.txt", "tuesday.md", "notes/old/monday.txt"]);
  expect(notes.notices).toMatchObject([{ code: "left-in-archive", count: 1, found: ["cat.jpg"] }]);
  const refused = (entries: Entries) => problemOf(texts(entries));
  expect(await refused({ "cat.jpg": "x", "inner.zip": "PK" })).toMatchObject({
    code: "archive-without-text",
    found: ["cat.jpg", "inner.zip"],
  });
  expect(await refused({})).toMatchObject({ code: "archive-without-text", kind: "empty" });
  for (const document of ["[Content_Types].xml", "mimetype", "META-INF/container.xml"])
    expect(await refused({ [document]: "x", "notes.txt": "wet" })).toMatchObject({ code: "file-binary", kind: "zip" });
  expect(await refused({ "gpt/config.json": "{}", "gpt/model.safetensors": "x" })).toMatchObject({
    code: "model-not-text",
  });
  const many = Object.fromEntries(Array.from({ length: 257 }, (_, index) => [`${index}.txt`, "a"]));
  expect(await refused(many)).toMatchObject({ code: "too-many-texts", count: 257, limit: 256 });
});

test("a malicious archive is refused with a code, and is not unpacked", async () => {
  const text = "wet ".repeat(1000);
  const lying = (lie: Lie) =>
    problemOf(Archive.open(packed({ "a.txt": text }, { "a.txt": lie })).then((archive) => archive.unpack("a.txt")));
  expect(await lying({})).toEqual({ code: "none" });
  expect(await lying({ method: 0 })).toEqual({ code: "none" });
  expect(await lying({ zip64: true })).toEqual({ code: "none" });
  expect(await lying({ flags: 1 })).toEqual({ code: "archive-encrypted", name: "a.txt" });
  const damaged: Lie[] = [
    { size: 10 },
    { size: 10_000 },
    { size: 0xfffffff0 },
    { zip64: true, size: 2 ** 52 },
    { zip64: true, size: 10 },
    { crc: 7 },
    { method: 14 },
    { offset: 0xfffffff },
  ];
  for (const lie of damaged) expect(await lying(lie), JSON.stringify(lie)).toMatchObject({ code: "archive-damaged" });
  const whole = zip([{ name: "a.txt", buffer: Buffer.from(text) }]);
  for (let length = 0; length < whole.length - 1; length += 7)
    expect(await problemOf(Archive.open(blobOf(whole.subarray(0, length)))), `${length} bytes`).toMatchObject({
      code: "archive-damaged",
    });
  // Changes each byte in turn: the content stays the same, or the archive is refused.
  for (let place = 0; place < whole.length; place += 1) {
    const other = Buffer.from(whole);
    other[place] = (other[place] ?? 0) ^ 0x55;
    const read = Archive.open(blobOf(other)).then((archive) => archive.unpack(archive.names[0] ?? ""));
    const found = await read.then(
      (blob) => blob.text(),
      ({ code }) => code,
    );
    expect([text, "archive-damaged", "archive-encrypted", "file-missing"], `byte ${place}`).toContain(found);
  }
});

test("only the requested bytes of a file in an archive are unpacked, and unpacking can be cancelled", async () => {
  const archive = () => Archive.open(packed({ "a.txt": Buffer.alloc(2 ** 26) }, { "a.txt": { crc: 1 } }));
  // Damage in the rest is only detected by unpacking it.
  expect((await (await archive()).start("a.txt", 2 ** 14)).length).toBe(2 ** 14);
  expect(await problemOf((await archive()).unpack("a.txt"))).toMatchObject({ code: "archive-damaged" });
  const abort = new AbortController();
  const opened = await Archive.open(packed({ "a.txt": Buffer.alloc(2 ** 26) }), abort.signal);
  const ending = problemOf(opened.unpack("a.txt"));
  abort.abort();
  expect(await ending).toEqual({ code: "cancelled" });
});

test("a page with more scripts than any model has is refused without being searched completely", async () => {
  const script = '<script type="application/x-lorito-model"></script>\n';
  const abort = new AbortController();
  const open = (page: Blob) =>
    problemOf(
      modelIn(
        page,
        async () => 8,
        () => {},
        abort.signal,
      ),
    );
  let looks = 0;
  const page = new Blob([script.repeat(200_000)]);
  const counted = {
    size: page.size,
    slice(from: number, to: number) {
      looks += to - from > 2 ** 16 ? 1 : 0;
      return page.slice(from, to);
    },
  };
  expect(await open(counted as Blob)).toEqual({ code: "one-page-damaged" });
  expect(looks).toBe(1);
  expect(await open(new Blob(["<".repeat(2 ** 21)]))).toEqual({ code: "one-page-damaged" });
  abort.abort();
  expect(await open(new Blob([script]))).toEqual({ code: "cancelled" });
});

test("the metadata of a table are checked before anything is allocated for them", () => {
  const check = (...bytes: number[]) => {
    try {
      return checkThrift(new DataView(Uint8Array.from(bytes).buffer), 0);
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  // A number, a string, a list of two structs, then the end; the following bytes belong to other data.
  expect(check(0x15, 0x02, 0x18, 0x01, 0x61, 0x19, 0x2c, 0x00, 0x00, 0x00, 0xff)).toBe(10);
  expect(check(0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00)).toMatch(/more than \d+ parts/);
  expect(check(...Array(200).fill(0x1c))).toMatch(/too deep/);
  expect(
    check(
      ...Array(400)
        .fill(0x19)
        .map((byte, place) => (place % 2 ? 0x19 : byte)),
    ),
  ).toMatch(/too deep/);
  for (const bytes of [[], [0x15], [0x18, 0x09], [0x17, 0, 0], [0x1b, 0], [0x15, ...Array(20).fill(0xff)]])
    expect(check(...bytes), bytes.join(" ")).toMatch(/cut off|unknown kind|digits/);
});
