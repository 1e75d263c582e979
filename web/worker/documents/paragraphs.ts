// Joins the lines of pages to paragraphs, and words that were divided at a line's end.
import type { Line } from "./page-layout";

/** A hyphen at a line's end, after a letter; U+00AD is one that is only shown there. */
const divided = /(\p{L}\p{M}*)[-\u2010\u00AD]$/u;
/** The beginning of a list's entry. */
const entry = /^([\u2022\u25AA\u25CF\u25E6\u2023\u2043*\u2013\u2014-]|\(?(\d{1,3}|[a-z])[.)])\s/;
/** The end of a sentence, with what may close after it. */
const sentenceEnd = /[.!?:;…。！？][)\]"'»”’]*$/;

/** The pages' lines in reading order as one text: paragraphs with an empty line between them. */
export function paragraphsOf(pages: readonly Line[][]): string {
  const known = wordsOf(pages);
  const parts: string[] = [];
  let last: Placed | undefined;
  for (const [page, lines] of pages.entries()) {
    const columns = columnsOf(lines);
    for (const line of lines) {
      const column = columns.get(line.column);
      if (!column) continue;
      const placed = { line, column, page };
      const gap = last ? between(last, placed) : "";
      parts.push(...joined(parts, gap, line.text, known));
      last = placed;
    }
  }
  return parts.join("").replaceAll("\u00AD", "");
}

interface Placed {
  line: Line;
  column: Column;
  page: number;
}

/** What is added for a line: the text after `gap`, or the rest of a divided word. */
function joined(parts: string[], gap: string, text: string, known: Words): string[] {
  const before = parts.at(-1) ?? "";
  if (gap === " " && /\d[-–]$/.test(before) && /^\d/.test(text)) return [text];
  if (gap !== " " || !divided.test(before)) return [gap, text];
  // A hyphen before a capital is no division: "Austria-" "Hungary".
  if (!/^\p{Ll}/u.test(text)) return [text];
  const start = before.match(/[\p{L}\p{M}]+(?=[-\u2010\u00AD]$)/u)?.[0] ?? "";
  const rest = text.match(/^[\p{L}\p{M}]+/u)?.[0] ?? "";
  const hyphen = before.endsWith("\u00AD") ? "" : before.slice(-1);
  // "well-" "known" keeps its hyphen, if that is how it is written where no line ends.
  const whole = known.whole.has((start + rest).toLowerCase());
  const keeps = hyphen !== "" && !whole && known.hyphenated.has(`${start}-${rest}`.toLowerCase());
  if (!keeps) parts[parts.length - 1] = before.slice(0, -1);
  return [text];
}

interface Words {
  whole: Set<string>;
  hyphenated: Set<string>;
}

/** The words inside of lines, with which divided ones are compared. */
function wordsOf(pages: readonly Line[][]): Words {
  const words: Words = { whole: new Set(), hyphenated: new Set() };
  for (const { text } of pages.flat()) {
    const line = text.toLowerCase().replace(/[\p{L}\p{M}-]+[-\u2010\u00AD]$/u, "");
    for (const word of line.match(/[\p{L}\p{M}]+(-[\p{L}\p{M}]+)*/gu) ?? [])
      (word.includes("-") ? words.hyphenated : words.whole).add(word);
  }
  return words;
}

interface Column {
  left: number;
  right: number;
  /** The number of its lines. */
  lines: number;
  /** The usual distance of two baselines. */
  pitch: number;
}

function columnsOf(lines: readonly Line[]): Map<number, Column> {
  const columns = new Map<number, Line[]>();
  for (const line of lines) columns.set(line.column, [...(columns.get(line.column) ?? []), line]);
  const measured = [...columns].map(([number, own]) => {
    const pitches = own.slice(1).map((line, index) => line.y - (own[index]?.y ?? 0));
    const column: Column = {
      left: Math.min(...own.map(({ left }) => left)),
      right: Math.max(...own.map(({ right }) => right)),
      lines: own.length,
      pitch: median(pitches) ?? 1.2 * (own[0]?.height ?? 10),
    };
    return [number, column] as const;
  });
  return new Map(measured);
}

function median(numbers: number[]): number | undefined {
  return numbers.sort((one, other) => one - other)[Math.floor((numbers.length - 1) / 2)];
}

/** What stands between two lines: a space within a paragraph, else one line's end, or two at a gap of the page. */
function between(
  { line: last, column: before, page }: Placed,
  { line, column, page: now }: Placed,
): " " | "\n" | "\n\n" {
  const otherFont = Math.abs(last.height - line.height) > 0.1 * Math.max(last.height, line.height);
  const ended = sentenceEnd.test(last.text);
  const listed = entry.test(line.text) && (ended || entry.test(last.text) || !/^\d/.test(line.text));
  const indented = line.left - column.left > 0.6 * line.height;
  // The line was ended on purpose if the next word had fitted.
  const [word = ""] = line.text.split(" ", 1);
  const letter = (line.right - line.left) / Math.max(1, line.text.length);
  const fitted = last.right + letter * (word.length + 2) < before.right;
  if (page !== now || last.column !== line.column) {
    if (otherFont || listed) return "\n\n";
    // A title is as wide as its own column.
    const full = before.lines > 2 && column.lines > 2 && !fitted && !indented;
    const within = !ended && /^\p{Ll}/u.test(line.text);
    return full || within ? " " : "\n\n";
  }
  const distance = line.y - last.y;
  if (otherFont || distance > 1.3 * column.pitch || distance < 0) return "\n\n";
  return fitted ||
    listed ||
    (last.gaps && line.gaps) ||
    (ended && indented && line.left - last.left > 0.6 * line.height)
    ? "\n"
    : " ";
}
