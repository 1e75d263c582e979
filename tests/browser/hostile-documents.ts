// Documents that are made to break their readers: bombs, loops, false sizes, depth, and numbers of things.
import { deflateSync } from "node:zlib";
import { flated, pdf, stream } from "./pdf";
import { type Lie, zip } from "./zip";

export interface Hostile {
  /** Its ending chooses the reader. */
  name: string;
  about: string;
  bytes: Buffer;
}

const million = 1_000_000;

const catalog = "<</Type/Catalog/Pages 2 0 R>>";
const pages = "<</Type/Pages/Kids[3 0 R]/Count 1>>";
const page = (more = "/Resources<</Font<</F 5 0 R>>>>") =>
  `<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Contents 4 0 R${more}>>`;
const font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
const written = (content: string) => pdf([catalog, pages, page(), stream(content), font]);
const spaces = Buffer.alloc(2 ** 28, 0x20);

export const hostilePdfs = (): Hostile[] =>
  Object.entries({
    "only its first line": Buffer.from("%PDF-1.7\n"),
    noise: Buffer.concat([
      Buffer.from("%PDF-1.7\n"),
      Buffer.from(Array.from({ length: 100_000 }, (_, place) => (place * 7919) % 251)),
    ]),
    "pages that hold themselves": pdf([catalog, "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 4>>"]),
    "a thousand million pages of which none is there": pdf([catalog, "<</Type/Pages/Kids[]/Count 1000000000>>"]),
    "a chain of tables that goes in a circle": pdf([catalog, pages, page(), stream("BT ET"), font], "/Prev 15"),
    "a million objects and no page": pdf([
      catalog,
      "<</Type/Pages/Kids[]/Count 0>>",
      ...Array<string>(million).fill("null"),
    ]),
    "arrays in arrays": pdf([catalog, pages, page(`/Deep ${"[".repeat(200_000)}`), stream("BT ET"), font]),
    "a picture that draws itself": pdf([
      catalog,
      pages,
      page("/Resources<</XObject<</X 4 0 R>>>>"),
      stream("/X Do /X Do", "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>"),
    ]),
    "a bomb": pdf([catalog, pages, page(), flated(spaces), font]),
    "a bomb in a bomb": pdf([
      catalog,
      pages,
      page(),
      stream(deflateSync(deflateSync(Buffer.concat([spaces, spaces, spaces]))), "/Filter[/FlateDecode/FlateDecode]"),
      font,
    ]),
    "ten million words at one place": pdf([
      catalog,
      pages,
      page(),
      flated(`BT /F 1 Tf ${"(a)Tj ".repeat(10 * million)}ET`),
      font,
    ]),
    "a length of a thousand million": pdf([catalog, pages, page(), stream("BT ET", "", 1_000_000_000), font]),
    "a table of contents with room for everything": Buffer.from(
      "%PDF-1.7\n1 0 obj\n<</Type/XRef/Size 2147483647/W[8 8 8]/Index[0 2147483647]/Root 1 0 R/Length 24>>stream\n000000000000000000000000\nendstream\nendobj\nstartxref\n9\n%%EOF",
    ),
    "parents in a circle": pdf([
      catalog,
      "<</Type/Pages/Parent 3 0 R/Kids[3 0 R]/Count 1>>",
      "<</Type/Page/Parent 2 0 R/Contents 4 0 R>>",
      stream("BT /F 9 Tf (a) Tj ET"),
    ]),
    "a letter that draws itself": pdf([
      catalog,
      pages,
      page(),
      stream("BT /F 9 Tf (aaaa) Tj ET"),
      "<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 97/Widths[1]/Encoding<</Differences[97/a]>>/CharProcs<</a 6 0 R>>/Resources<</Font<</F 5 0 R>>>>>>",
      stream("1 0 d0 BT /F 9 Tf (aaaa) Tj ET"),
    ]),
    "states that are never given back": written(`${"q ".repeat(2 * million)}BT ET`),
  }).map(([about, bytes]) => ({ name: "hostile.pdf", about, bytes }));

type Parts = Record<string, string | Buffer>;
const packed = (parts: Parts, lies: Record<string, Lie> = {}) =>
  zip(Object.entries(parts).map(([name, text]) => ({ name, buffer: Buffer.from(text), lie: lies[name] ?? {} })));

const laughs = `<!DOCTYPE x [<!ENTITY a0 "ha">${Array.from({ length: 40 }, (_, place) => `<!ENTITY a${place + 1} "&a${place};&a${place};">`).join("")}]>`;

/** Faults of one part of XML: from what stands around its text. */
const faults = (
  open: string,
  close: string,
  nest: [string, string],
  text: (words: string) => string,
): Record<string, string | Buffer> => ({
  "entities that double": `<?xml version="1.0"?>${laughs}${open}${text("&a40;")}${close}`,
  "an entity from a file": `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${open}${text("&a;")}${close}`,
  "elements nested too deep": open + nest[0].repeat(300_000) + nest[1].repeat(300_000) + close,
  "elements that are never closed": open + nest[0].repeat(million),
  "a million attributes": `${open}<a ${Array.from({ length: million }, (_, place) => `a${place}=""`).join(" ")}/>${close}`,
  "only the beginning of a name": "<".repeat(5 * million),
  "no XML": Buffer.from(Array.from({ length: 100_000 }, (_, place) => (place * 7919) % 251)),
  "a bomb": Buffer.concat([Buffer.from(open), spaces, Buffer.from(close)]),
  nothing: "",
});

/** Faults of the container, with `parts` that are right but for the one that is named. */
function containers(parts: Parts, main: string): Record<string, Buffer> {
  const { [main]: _, ...without } = parts;
  return {
    "no container": Buffer.from("PK but no more"),
    "a container without its main part": packed(without),
    "a false size": packed(parts, { [main]: { size: 10 } }),
    "a size of four thousand million": packed(parts, { [main]: { zip64: true, size: 2 ** 32 } }),
    "a false sum": packed(parts, { [main]: { crc: 7 } }),
    "a locked part": packed(parts, { [main]: { flags: 1 } }),
    "a place after the end": packed(parts, { [main]: { offset: 0xfffffff } }),
    "sixty thousand parts": packed({
      ...parts,
      ...Object.fromEntries(Array.from({ length: 60_000 }, (_, place) => [`${place}.xml`, ""])),
    }),
  };
}

const types =
  '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>';
const relations =
  '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="a" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>';
const word = (content: string | Buffer): Parts => ({
  "[Content_Types].xml": types,
  "_rels/.rels": relations,
  "word/document.xml": content,
});
const wordOpen = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>';
const wordClose = "</w:body></w:document>";
const wordText = (words: string) => `<w:p><w:r><w:t>${words}</w:t></w:r></w:p>`;

export const hostileWord = (): Hostile[] => {
  const right = word(wordOpen + wordText("a") + wordClose);
  return [
    ...Object.entries(containers(right, "word/document.xml")),
    ...Object.entries(faults(wordOpen, wordClose, ["<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"], wordText)).map(
      ([about, content]) => [about, packed(word(content))] as const,
    ),
  ].map(([about, bytes]) => ({ name: "hostile.docx", about, bytes }));
};

const odtOpen = '<office:document-content xmlns:office="o" xmlns:text="t"><office:body><office:text>';
const odtClose = "</office:text></office:body></office:document-content>";
const odtText = (words: string) => `<text:p>${words}</text:p>`;

export const hostileOdt = (): Hostile[] => {
  const right = {
    mimetype: "application/vnd.oasis.opendocument.text",
    "content.xml": odtOpen + odtText("a") + odtClose,
  };
  return [
    ...Object.entries(containers(right, "content.xml")),
    ...Object.entries(faults(odtOpen, odtClose, ["<text:section>", "</text:section>"], odtText)).map(
      ([about, content]) => [about, packed({ ...right, "content.xml": content })] as const,
    ),
  ].map(([about, bytes]) => ({ name: "hostile.odt", about, bytes }));
};

const container = '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>';
const book = (chapter: string | Buffer): Parts => ({
  mimetype: "application/epub+zip",
  "META-INF/container.xml": container,
  "a.xml": '<package><manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine></package>',
  "a.xhtml": chapter,
});

export const hostileBooks = (): Hostile[] => {
  const right = book("<html><body><p>a</p></body></html>");
  const spine = (manifest: string, refs: string) =>
    packed({ ...right, "a.xml": `<package><manifest>${manifest}</manifest><spine>${refs}</spine></package>` });
  return [
    ...Object.entries(containers(right, "a.xml")),
    ...Object.entries(faults("<html><body>", "</body></html>", ["<div>", "</div>"], (words) => `<p>${words}</p>`)).map(
      ([about, content]) => [about, packed(book(content))] as const,
    ),
    ["a million chapters", spine('<item id="a" href="a.xhtml"/>', '<itemref idref="a"/>'.repeat(million))] as const,
    ["a chapter outside", spine('<item id="a" href="../../../etc/passwd"/>', '<itemref idref="a"/>')] as const,
    [
      "a chapter elsewhere",
      spine('<item id="a" href="https://harbour.example/a.xhtml"/>', '<itemref idref="a"/>'),
    ] as const,
    [
      "a book that is its own list",
      packed({ ...right, "META-INF/container.xml": container.replace("a.xml", "META-INF/container.xml") }),
    ] as const,
  ].map(([about, bytes]) => ({ name: "hostile.epub", about, bytes }));
};

export const hostilePages = (): Hostile[] => {
  // A bomb is what is packed.
  const { "a bomb": _, ...plain } = faults(
    "<html><body>",
    "</body></html>",
    ["<div>", "</div>"],
    (words) => `<p>${words}</p>`,
  );
  return Object.entries({
    ...plain,
    "a comment without an end": `<!--${"-".repeat(5 * million)}`,
    "a script without an end": `<script>${"<!--<script>".repeat(million)}`,
    "tables in tables": "<table><tr><td>".repeat(200_000),
    "five million ampersands": "&".repeat(5 * million),
    "links that close each other": "<a><p>".repeat(500_000),
  }).map(([about, bytes]) => ({ name: "hostile.html", about, bytes: Buffer.from(bytes) }));
};

export const hostileSubtitles = (): Hostile[] => {
  const cue = "1\n00:00:01,000 --> 00:00:02,000\n";
  return Object.entries({
    "marks without an end": `${cue}${"<a".repeat(5 * million)}`,
    "braces without an end": `${cue}${"{\\".repeat(5 * million)}`,
    "digits without an end": "1".repeat(10 * million),
    "a time of digits": `${"1".repeat(10 * million)}:00:00 --> `,
    "a million times": cue.repeat(million / 4),
    "white space alone": " \t".repeat(5 * million),
    "only a head": "WEBVTT",
    "a style without an end": `WEBVTT\n\nSTYLE\n${"a\n".repeat(million)}`,
    "half a character": Buffer.concat([
      Buffer.from([0xff, 0xfe]),
      Buffer.from(cue, "utf16le"),
      Buffer.from([0x00, 0xd8, 0x61]),
    ]),
    noise: Buffer.from(Array.from({ length: 100_000 }, (_, place) => (place * 7919) % 251)),
    zeros: Buffer.alloc(10 * million),
    ampersands: `${cue}${"&a".repeat(5 * million)}`,
  }).map(([about, bytes]) => ({ name: "hostile.srt", about, bytes: Buffer.from(bytes) }));
};

export const hostileMail = (): Hostile[] => {
  const nested = (count: number) =>
    Array.from(
      { length: count },
      (_, place) => `Content-Type: multipart/mixed; boundary=b${place}\n\n--b${place}\n`,
    ).join("");
  return Object.entries({
    "parts in parts": nested(20_000),
    "letters in letters": "Content-Type: message/rfc822\n\n".repeat(50_000),
    "a million lines of a head": "X: a\n".repeat(million),
    "a head of one line": `Subject: ${"a".repeat(10 * million)}\n\na`,
    "a line that never ends its folding": `Subject: a\n${" a\n".repeat(million)}`,
    "a boundary of nothing": `Content-Type: multipart/mixed; boundary=""\n\n${"--\n".repeat(million)}`,
    "a million parts": `Content-Type: multipart/mixed; boundary=a\n\n${"--a\n\nb\n".repeat(million / 2)}`,
    "base64 that is none": `Content-Transfer-Encoding: base64\n\n${"=".repeat(5 * million)}`,
    "an encoding nobody knows": "Content-Type: text/plain; charset=klingon\nContent-Transfer-Encoding: qapla\n\n",
    "words that are encoded a million times": `Subject: ${"=?utf-8?q?a?= ".repeat(million / 4)}\n\n`,
    "pieces of a parameter": `Content-Type: text/plain; ${Array.from({ length: 100_000 }, (_, place) => `a*${place}*=b`).join("; ")}\n\n`,
    "elements nested too deep": `Content-Type: text/html\n\n${"<div>".repeat(500_000)}`,
    "signs of quoting": `\n\n${">".repeat(5 * million)}`,
    noise: Buffer.from(Array.from({ length: 100_000 }, (_, place) => (place * 7919) % 251)),
  })
    .map(([about, bytes]): Hostile => ({ name: "hostile.eml", about, bytes: Buffer.from(bytes) }))
    .concat([
      { name: "hostile.mbox", about: "a box of empty letters", bytes: Buffer.from("From a\n\n".repeat(million / 2)) },
    ]);
};
