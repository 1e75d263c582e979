// Reads the text of HTML: of web pages, e-books, letters, and of Word's documents, which mammoth turns into HTML.
// A worker has no DOMParser. htmlparser2 reads HTML and XML alike without building a tree, and defines no entities of a file's.
import { Parser } from "htmlparser2";
import { Prose } from "./prose";

/** Deepest nesting: no writer comes near it, and the parser's time grows with its square. */
const deepest = 2_000;

/** Elements without text of the document. */
const skipped = new Set(
  "audio button canvas iframe math nav noscript object script select style svg template textarea title video".split(
    " ",
  ),
);
/** Elements with an empty line around them, and those that only begin a line. */
const blocks = new Set("blockquote dl figure h1 h2 h3 h4 h5 h6 hr ol p pre table ul".split(" "));
const lines = new Set(
  "address article aside body caption center dd details div dt figcaption footer form header html li main section summary tr".split(
    " ",
  ),
);

export interface Markup {
  text: string;
  pictures: number;
}

/** XHTML is read as HTML, too: many e-books have entities that XML does not know. */
export function textOfMarkup(markup: string): Markup {
  const prose = new Prose();
  /** The names of the open elements. */
  const open: string[] = [];
  /** The last number of each open list; undefined for one without numbers. */
  const lists: (number | undefined)[] = [];
  let [skip, cells, items, exact, pictures, cellsBefore] = [0, 0, 0, 0, 0, 0];
  const block = (name: string) => {
    // Within a table's cell and a list's entry, paragraphs do not stand apart.
    if (cells > 0) prose.write(" ");
    else if (blocks.has(name)) prose.break(items > 0 ? 1 : 2);
    else if (lines.has(name)) prose.break(1);
  };
  const parser = new Parser(
    {
      onopentag(name, { id = "", href = "" }) {
        open.push(name);
        if (open.length > deepest) throw new Error("its elements are nested too deep");
        if (name === "img" || name === "svg" || name === "image") pictures += skip === 0 ? 1 : 0;
        // mammoth's numbers of footnotes, and the arrows back to them.
        const ofNote = /^(foot|end)note-ref/.test(id) || /^#(foot|end)note-ref/.test(href);
        if (skip > 0 || skipped.has(name) || ofNote) {
          skip += 1;
          return;
        }
        block(name);
        if (name === "br" && cells > 0) prose.write(" ");
        else if (name === "br") prose.lineEnd();
        if (name === "tr") cellsBefore = 0;
        if (name === "td" || name === "th") {
          if (cellsBefore > 0) prose.cellEnd();
          cellsBefore += 1;
          cells += 1;
        }
        if (name === "ul" || name === "ol") lists.push(name === "ol" ? 0 : undefined);
        if (name === "li" && cells === 0) {
          const number = lists.at(-1);
          if (number !== undefined) lists[lists.length - 1] = number + 1;
          prose.mark(number === undefined ? "- " : `${number + 1}. `);
        }
        if (name === "li") items += 1;
        if (name === "pre") exact += 1;
      },
      ontext(text) {
        if (skip > 0) return;
        if (exact > 0 && cells === 0) prose.exactly(text);
        else prose.write(text);
      },
      onclosetag(name) {
        open.pop();
        if (skip > 0) {
          skip -= 1;
          return;
        }
        if (name === "td" || name === "th") cells = Math.max(0, cells - 1);
        if (name === "ul" || name === "ol") lists.pop();
        if (name === "li") items = Math.max(0, items - 1);
        if (name === "pre") exact = Math.max(0, exact - 1);
        block(name);
      },
    },
    { recognizeSelfClosing: true },
  );
  parser.end(markup);
  return { text: prose.text().trim(), pictures };
}

/** A page in the encoding that it names, or UTF-8, or else the one of most old pages. */
export function decodedPage(bytes: Uint8Array): string {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 2048));
  const marked =
    bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : "";
  const named = start.match(/(?:charset|encoding)\s*=\s*["']?\s*([\w-]+)/i)?.[1];
  for (const encoding of [marked, "utf-8", named, "windows-1252"]) {
    if (!encoding) continue;
    try {
      return new TextDecoder(encoding, { fatal: encoding !== "windows-1252" }).decode(bytes);
    } catch {
      // An unknown name, or other bytes than its own.
    }
  }
  return "";
}
