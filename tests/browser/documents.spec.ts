// Documents whose text the page extracts: what is read of them, what is said to be left out, and what hostile ones do.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { sortFiles } from "../../web/shared/kinds";
import { type Fragment, linesOf, rowsOf } from "../../web/worker/documents/page-layout";
import { paragraphsOf } from "../../web/worker/documents/paragraphs";
import { withoutRunningHeads } from "../../web/worker/documents/running-heads";
import { expect, test } from "./guard";
import {
  type Hostile,
  hostileBooks,
  hostileMail,
  hostileOdt,
  hostilePages,
  hostilePdfs,
  hostileSubtitles,
  hostileWord,
} from "./hostile-documents";
import { longestTask } from "./longest-task";
import { text as log, open } from "./lorito";
import { book } from "./pdf";
import { drop, onceIsEnough, step, visit } from "./person";
import { zip } from "./zip";

onceIsEnough();

const file = (name: string) => readFileSync(new URL(`../fixtures/documents/${name}`, import.meta.url));
const given = (...names: string[]) => names.map((name) => ({ name, bytes: [...file(name)] }));
const preview = (page: Page) => step(page, "Text").locator(".sheet pre");

/** Drops a document on the page and returns the text that it shows of it. */
async function dropped(page: Page, name: string): Promise<string> {
  await drop(page, given(name));
  await expect(step(page, "Text").locator(".sources .name")).toHaveText([name]);
  return (await preview(page).textContent()) ?? "";
}

test("a PDF of two columns is read column by column, words that lines divide are whole, and what repeats on pages is left out", async ({
  page,
}) => {
  await visit(page, "cpu");
  const right = file("two-columns.txt").toString();
  const begin = await dropped(page, "two-columns.pdf");
  expect(begin.length).toBeGreaterThan(500);
  expect(right.startsWith(begin)).toBe(true);
  const text = step(page, "Text");
  await expect(text.getByText(`${right.length.toLocaleString("en-US")} characters`).first()).toBeVisible();
  await expect(text.getByText("10 lines at the edges of pages of two-columns.pdf were left out")).toBeVisible();
});

test("a PDF that a browser has printed keeps its verses, and none of its running heads", async ({ page }) => {
  await visit(page, "cpu");
  const right = file("printed.txt").toString();
  const begin = await dropped(page, "printed.pdf");
  expect(begin).toContain("The gulls fly out,\nthe gulls fly in,");
  expect(right.startsWith(begin)).toBe(true);
  const text = step(page, "Text");
  await expect(text.getByText(`${right.length.toLocaleString("en-US")} characters`).first()).toBeVisible();
  await expect(text.getByText("8 lines at the edges of pages of printed.pdf were left out")).toBeVisible();
});

test("a PDF is known by its first bytes, and in another language its notices are, too", async ({ page }) => {
  await visit(page, "cpu");
  await drop(page, [{ name: "NAMELESS", bytes: [...file("half-scanned.pdf")] }]);
  await expect(preview(page)).toHaveText("A page with words.\n\nAnother one.");
  await page.getByLabel("Language").selectOption("es");
  await expect(page.getByText("1 página de NAMELESS no tiene texto y se ha omitido.")).toBeVisible();
});

test("scans and locked documents are refused with a sentence, and the text stays", async ({ page }) => {
  await visit(page, "cpu");
  // Word keeps a document with a password, as older ones, in a container of its own.
  const older = (content: string) => [0xd0, 0xcf, 0x11, 0xe0, ...Buffer.from(content, "utf16le")];
  await drop(page, [
    { name: "log.txt", text: log },
    ...given("scanned.pdf", "locked.pdf"),
    { name: "locked.docx", bytes: older("EncryptedPackage") },
    { name: "older.docx", bytes: older("WordDocument") },
  ]);
  const text = step(page, "Text");
  await expect(text.getByText("scanned.pdf has 2 pages and no text in them")).toBeVisible();
  await expect(text.getByText("locked.pdf is locked, with a password")).toBeVisible();
  await expect(text.getByText("locked.docx is locked, with a password")).toBeVisible();
  await expect(text.getByText("older.docx is a document of an older Office program.")).toBeVisible();
  await expect(text.locator(".sources .name")).toHaveText(["log.txt"]);
});

const noted = `Notes from the Harbour

The boats leave at five & come back at noon.

- Two nets
- A lamp

Boat\tFish
Ilse\t12

Señor Núñez cooked beans again.`;

/** Documents, what is read of them, and what is said of the rest. */
const cases: [string, string, ...string[]][] = [
  [
    "notes.docx",
    noted,
    "1 picture in notes.docx was left out.",
    "1 line at the edge of a page of notes.docx was left out",
  ],
  ["notes.odt", noted, "1 picture in notes.odt was left out.", "1 comment on notes.odt was left out."],
  [
    "book.epub",
    "One\n\nThe parrot woke\u00a0first.\n\nIt said nothing.\nThen it rained.\n\nTwo\n\nThe ferry was late—again.",
    "1 picture in book.epub was left out.",
  ],
  [
    "page.html",
    "Beans & rice\n\nSeñor Núñez cooks beans.\n\n- Beans\n- Rice\n\none\n  two",
    "1 picture in page.html was left out.",
  ],
  [
    "film.srt",
    "¿Quién vive en el faro?\n- La señora Núñez.\n- ¿Sola?\nCon el loro.",
    "film.srt was read without the times of its 3 subtitles.",
  ],
  ["talk.vtt", "The boats are out & away.\nAll of them.", "talk.vtt was read without the times of its 2 subtitles."],
  [
    "letter.eml",
    "Señor Arango,\n\nall boats are home. Write to … or call ….\n\nNuria",
    "1 attachment in letter.eml was left out.",
    "2 addresses and long numbers in letter.eml were replaced by “…”.",
  ],
];

for (const [name, right, ...notices] of cases)
  test(`${name} gives its text, and says what is left out`, async ({ page }) => {
    await visit(page, "cpu");
    expect(await dropped(page, name)).toBe(right);
    for (const notice of notices) await expect(step(page, "Text").getByText(notice)).toBeVisible();
  });

test("each letter of a box is a document, and what it quotes is left out", async ({ page }) => {
  await visit(page, "cpu");
  const begin = await dropped(page, "letters.mbox");
  const text = step(page, "Text");
  await expect(text.getByText("3 documents").first()).toBeVisible();
  await expect(text.getByText("1 line of letters.mbox that repeats an earlier message was left out.")).toBeVisible();
  expect(begin).toContain("Only two boats today.");
  expect(begin).not.toContain("harbour.example");
});

test("documents in an archive and from the file chooser are read as well", async ({ page }) => {
  await visit(page, "cpu");
  const names = ["half-scanned.pdf", "notes.docx", "film.srt"];
  const archive = zip([
    ...names.map((name) => ({ name: `papers/${name}`, buffer: file(name) })),
    { name: "papers/cat.jpg", buffer: Buffer.from("x") },
  ]);
  const chooser = page.locator("#files");
  await expect(chooser).toHaveAttribute("accept", /\.pdf,.*\.docx,.*\.epub/);
  await chooser.setInputFiles([
    { name: "papers.zip", mimeType: "application/zip", buffer: archive },
    { name: "notes.odt", mimeType: "application/vnd.oasis.opendocument.text", buffer: file("notes.odt") },
  ]);
  await expect(step(page, "Text").locator(".sources .name")).toHaveText([...names, "notes.odt"]);
  await expect(step(page, "Text").getByText("1 file of papers.zip was not read: cat.jpg.")).toBeVisible();
});

test("reading can be cancelled, and the readers come only with the first document", async ({ page }) => {
  const parts: string[] = [];
  page.on("request", (request) => parts.push(request.url().replace(/.*\//, "")));
  await open(page, "cpu");
  await page.evaluate((log) => window.lorito.addText("log.txt", log), log);
  expect(parts.filter((name) => /^(documents|pdf|docx|markup)/.test(name))).toEqual([]);
  const pages = Array.from({ length: 1000 }, (_, number) => [`This is page ${number + 1} of many.`]);
  const found = await page.evaluate(
    async (bytes) => {
      const abort = new AbortController();
      const adding = window.lorito.addText("many.pdf", new Uint8Array(bytes), {
        signal: abort.signal,
        onProgress: (loaded, total) => loaded > total / 100 && abort.abort(),
      });
      const code = await adding.then(
        () => "none",
        ({ code }) => code,
      );
      return { code, sources: (await window.lorito.textSummary()).sources.map(({ name }) => name) };
    },
    [...book(pages)],
  );
  expect(found).toEqual({ code: "cancelled", sources: ["log.txt"] });
  expect(parts.filter((name) => /^pdf-/.test(name))).toHaveLength(1);
});

test(
  "300 pages are read in less than 10 s, and no task of the page takes 50 ms meanwhile",
  { tag: "@alone" },
  async ({ page }, info) => {
    await visit(page, "cpu");
    const line = (place: number) => `on day ${place} the ship left the harbour early and the gulls went with it`;
    const pages = Array.from({ length: 300 }, (_, number) =>
      Array.from({ length: 40 }, (_, place) => line(number * 40 + place)),
    );
    const chooser = page.locator("#files");
    // The transfer of the bytes to the page is the test's own; the time counts from the change of the chooser.
    await chooser.evaluate((input) => {
      input.addEventListener("change", () => performance.mark("chosen"));
      window.lorito.addEventListener("text", () => performance.mark("added"));
    });
    const longest = await longestTask(page, async () => {
      await chooser.setInputFiles({ name: "long.pdf", mimeType: "application/pdf", buffer: book(pages) });
      await expect(step(page, "Text").locator(".sources .name")).toHaveText(["long.pdf"]);
    });
    const seconds =
      (await page.evaluate(
        () =>
          (performance.getEntriesByName("added")[0]?.startTime ?? 0) -
          (performance.getEntriesByName("chosen")[0]?.startTime ?? 0),
      )) / 1000;
    info.annotations.push({ type: "measured", description: `${seconds.toFixed(2)} s, longest task ${longest} ms` });
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(10);
    expect(longest).toBeLessThan(50);
    await expect(
      step(page, "Text").getByText("300 lines at the edges of pages of long.pdf were left out"),
    ).toBeVisible();
  },
);

const hostile: [string, () => Hostile[]][] = [
  ["PDF", hostilePdfs],
  ["Word", hostileWord],
  ["OpenDocument", hostileOdt],
  ["EPUB", hostileBooks],
  ["HTML", hostilePages],
  ["subtitles", hostileSubtitles],
  ["letters", hostileMail],
];

for (const [kind, make] of hostile)
  test(`hostile documents (${kind}) end with a code or as texts within 10 s, and nothing is lost`, {
    tag: "@alone",
  }, async ({ page }) => {
    await open(page, "cpu");
    await page.evaluate((log) => window.lorito.addText("log.txt", log), log);
    const documents = make();
    expect(documents.length).toBeGreaterThanOrEqual(12);
    let bytes: Buffer = Buffer.alloc(0);
    await page.route("**/hostile-document", (route) => route.fulfill({ body: bytes }));
    for (const one of documents) {
      bytes = one.bytes;
      const found = await page.evaluate(async (name) => {
        const blob = await (await fetch("hostile-document")).blob();
        const began = performance.now();
        const code = await window.lorito.addText(name, blob).then(
          () => "read",
          ({ code, fields }) => (fields.name === name || code.startsWith("file-") ? code : `${code} without a name`),
        );
        const milliseconds = performance.now() - began;
        const { sources } = await window.lorito.textSummary();
        for (const index of sources.slice(1).keys()) await window.lorito.removeText(sources.length - 1 - index);
        return { code, milliseconds, first: sources[0]?.name };
      }, one.name);
      expect(found.code, one.about).toMatch(
        /^(read|document-(damaged|encrypted|too-slow)|pdf-without-text|no-text-in-file|file-\w+)$/,
      );
      expect(found.milliseconds, one.about).toBeLessThan(10_000);
      expect(found.first, one.about).toBe("log.txt");
    }
    // The engine is the one that it was, and the workers that read are gone.
    await expect.poll(() => page.workers().length).toBe(1);
  });

/** Fragments of 10 points, a row for each line, the words of a line at their places. */
function fragments(rows: [y: number, ...parts: [x: number, text: string][]][]): Fragment[] {
  return rows.flatMap(([y, ...parts]) =>
    parts.map(([x, text]) => ({ text, x, y, width: text.length * 5, height: 10 })),
  );
}
const read = (...pages: Fragment[][]) => paragraphsOf(withoutRunningHeads(pages.map(rowsOf)).pages.map(linesOf));

test("columns are told from tables, whatever the order in the file", () => {
  const column = (x: number, words: string) =>
    [0, 1, 2, 3].map((line): [number, [number, string]] => [
      100 + 12 * line + (x > 100 ? 4 : 0),
      [x, `${words} number ${line} here`],
    ]);
  const two = fragments([
    [80, [40, "A title that stands above both of the columns here"]],
    ...column(200, "right"),
    ...column(40, "left"),
  ]);
  expect(read(two.reverse()).match(/title|left|right/g)).toEqual([
    "title",
    ...Array(4).fill("left"),
    ...Array(4).fill("right"),
  ]);
  const table = fragments(
    [0, 1, 2, 3].map((row) => [100 + 12 * row, [40, `Boat ${row}`], [140, `${row} fish`], [240, "home"]]),
  );
  expect(read(table)).toBe("Boat 0 0 fish home\nBoat 1 1 fish home\nBoat 2 2 fish home\nBoat 3 3 fish home");
});

test("divided words are joined, and keep a hyphen that is theirs", () => {
  // Justified: each line is as wide as the other.
  const lines = (...texts: string[]) =>
    texts.map((text, line) => ({ text, x: 40, y: 100 + 12 * line, width: 200, height: 10 }));
  const joined = (...texts: string[]) => read(lines(...texts));
  expect(joined(`the lighthouse keeps all har-`, "bour and all of the boats that are in it")).toContain("harbour and");
  expect(joined(`a well-known storm, the well-`, "known one which is still talked about so")).toContain(
    "the well-known one",
  );
  expect(joined(`the years of the wars 1914-`, "1918 and all of the boats that sank then")).toContain("1914-1918");
  expect(joined(`the empire of Austria-`, "Hungary and all of the boats that it had")).toContain("Austria-Hungary");
});

test("running heads are what repeats at one place of pages; rows of tables and other numbers stay", () => {
  const page = (number: number, ...more: string[]) =>
    fragments([
      [20, [40, `The Harbour, chapter ${number}`]],
      ...["first", "second", "third", "fourth"].map((word, line): [number, [number, string]] => [
        100 + 12 * line,
        [40, `${word} line of page ${number} ${"and so on ".repeat(number)}`],
      ]),
      ...more.map((text, line): [number, [number, string]] => [200 + 12 * line, [40, text]]),
      [580, [200, `${number + 6}`]],
    ]);
  const found = withoutRunningHeads(
    [1, 2, 3, 4, 5, 6, 7].map((number) => rowsOf(page(number, `${number * number} 7`))),
  );
  expect(found.count).toBe(14);
  const text = paragraphsOf(found.pages.map(linesOf));
  expect(text).not.toContain("chapter");
  expect(text).toContain("49 7");
  const diary = [3, 8, 11, 20].map((day) =>
    rowsOf(
      fragments([
        [100, [40, `Day ${day}`]],
        [112, [40, "It rained."]],
      ]),
    ),
  );
  expect(paragraphsOf(withoutRunningHeads(diary).pages.map(linesOf))).toContain("Day 11");
});

test("documents are texts, also beside a model's files and in folders", () => {
  const data = new Blob();
  const names = ["a.pdf", "b.docx", "c.epub", "d.html", "e.mbox"];
  const model = ["config.json", "tokenizer.json", "model.safetensors"];
  const sorted = sortFiles(
    [...names, ...model, ...names.map((name) => `papers/${name}`)].map((name) => ({ name, data })),
  );
  expect(sorted.models.map((files) => files.map(({ name }) => name))).toEqual([model]);
  expect(sorted.texts.map(({ name }) => name)).toEqual([...names, ...names.map((name) => `papers/${name}`)]);
});
