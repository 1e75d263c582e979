// Reads letters: one (.eml), or a whole box of them (.mbox, RFC 4155). Only what is written in them: no heads, no attachments,
// no lines that answer somebody else's. The crate replaces addresses and numbers, as in chats.
import PostalMime from "postal-mime";
import type { Document, Progress } from "./document";
import { textOfMarkup } from "./markup";

/** Separates documents for the crate. */
const endOfText = "\n<|endoftext|>\n";
const limits = { maxNestingDepth: 64, maxHeadersSize: 2 ** 20 };

export async function readMail(name: string, file: Blob, progress: Progress): Promise<Document> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const letters = /\.mbox$/i.test(name) ? lettersIn(bytes) : [bytes];
  const texts: string[] = [];
  let [attachments, quoted, damaged] = [0, 0, 0];
  for (const [index, letter] of letters.entries()) {
    try {
      const parsed = await PostalMime.parse(letter, limits);
      attachments += parsed.attachments.length;
      const written = parsed.text?.trim() ? parsed.text : textOfMarkup(parsed.html ?? "").text;
      const { text, count } = withoutQuotes(written);
      quoted += count;
      if (text !== "") texts.push(text);
    } catch (thrown) {
      if (letters.length === 1) throw thrown;
      damaged += 1;
    }
    progress((index + 1) / letters.length);
  }
  return {
    data: new Blob([texts.join(endOfText)]),
    leftOut: [
      { kind: "attachments", count: attachments },
      { kind: "quoted-lines", count: quoted },
      { kind: "damaged-pages", count: damaged },
    ],
  };
}

type Letter = Uint8Array<ArrayBuffer>;

/** A box holds letters after lines that begin with "From ", at its start or after an empty line. */
function lettersIn(bytes: Letter): Letter[] {
  const letters: Letter[] = [];
  let start: number | undefined;
  const end = (at: number) => {
    const letter = start === undefined ? undefined : bytes.subarray(start, at);
    if (letter?.some((byte) => byte > 32)) letters.push(letter);
  };
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(10, at);
    const after = next < 0 ? bytes.length : next + 1;
    if (beginsLetter(bytes, at)) {
      end(at);
      start = after;
    }
    at = after;
  }
  // Not a box, but one letter.
  if (start === undefined) return [bytes];
  end(bytes.length);
  return letters;
}

const mark = new TextEncoder().encode("From ");

function beginsLetter(bytes: Letter, at: number): boolean {
  if (!mark.every((byte, place) => bytes[at + place] === byte)) return false;
  const before = bytes[at - 2] === 13 ? bytes[at - 3] : bytes[at - 2];
  return at === 0 || (bytes[at - 1] === 10 && before === 10);
}

/** Leaves out lines that quote, with the line that says whom, and gives back lines that a box has marked. */
function withoutQuotes(written: string): { text: string; count: number } {
  const kept: string[] = [];
  let count = 0;
  let quoting = false;
  for (const line of written.replace(/\r\n?/g, "\n").split("\n")) {
    if (/^>+From /.test(line)) kept.push(line.slice(1));
    else {
      const quotes = /^\s*>/.test(line);
      if (quotes && !quoting) dropIntroduction(kept);
      if (quotes) count += 1;
      else kept.push(line);
      quoting = quotes;
    }
  }
  return {
    text: kept
      .join("\n")
      .replace(/\n{3,}/g, "\n\n")
      .trim(),
    count,
  };
}

/** "On Monday Nuria wrote:", before what she wrote. */
function dropIntroduction(kept: string[]): void {
  const last = kept.findLastIndex((line) => line.trim() !== "");
  const line = kept[last] ?? "";
  if (last >= 0 && last >= kept.length - 2 && line.trimEnd().endsWith(":") && /[@\d]/.test(line)) kept.length = last;
}
