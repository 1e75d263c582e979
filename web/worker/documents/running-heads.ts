// Finds what repeats at the edges of pages: running heads, footers and page numbers, which belong to the paper.
import { type Row, textOf } from "./page-layout";

/** Rows at the top, and at the bottom, of a page that may repeat. */
const edge = 3;
/** Pages on which a row must repeat; in a short document, where heads of left and right pages alternate, two will do. */
const fewestPages = 3;
const short = 6;
/** Distance in points within which rows are at one place. */
const samePlace = 6;

/** Returns the rows of each page without those that repeat, and how many these were. */
export function withoutRunningHeads(pages: readonly Row[][]): { pages: Row[][]; count: number } {
  const seen = new Map<string, number>();
  const keys = pages.map((rows, page) => {
    const top = rows.slice(0, edge).map((row) => keyOf(row, page));
    const bottom = rows.slice(Math.max(edge, rows.length - edge)).map((row) => keyOf(row, page));
    for (const key of new Set([...top, ...bottom].flatMap(beside))) seen.set(key, (seen.get(key) ?? 0) + 1);
    return { top, bottom: bottom.reverse() };
  });
  const needed = pages.length > short ? fewestPages : 2;
  const repeats = (key: string) => (seen.get(key) ?? 0) >= needed;
  let count = 0;
  const kept = pages.map((rows, page) => {
    // From the edge inwards: what stands outside of a row that stays has to stay, too.
    const { top, bottom } = keys[page] ?? { top: [], bottom: [] };
    const first = firstOther(top, repeats);
    const last = firstOther(bottom, repeats);
    count += first + last;
    return rows.slice(first, rows.length - last);
  });
  return { pages: kept, count };
}

function firstOther(keys: readonly string[], repeats: (key: string) => boolean): number {
  const at = keys.findIndex((key) => !repeats(key));
  return at < 0 ? keys.length : at;
}

/** What is the same on each page: the words and the place, and of a number how far it is from the page's own. */
function keyOf(row: Row, page: number): string {
  const text = textOf(row).toLowerCase();
  const place = Math.round((row[0]?.y ?? 0) / samePlace);
  const numbers = text.match(/\d+/g) ?? [];
  const words = text.replace(/\d+/g, "#");
  // Of rows without words only page numbers repeat, and not the last lines of tables.
  if (!/\p{L}{2}/u.test(words) && numbers.length === 1) return `${Number(numbers[0]) - page} ${place}`;
  if (!/\p{L}/u.test(words)) return `${text} ${place}`;
  return /^[ivxlc]+$/.test(words) ? `roman ${place}` : `${words} ${place}`;
}

/** The key itself, and those of the places beside it, as rounding separates neighbours. */
function beside(key: string): string[] {
  const at = key.lastIndexOf(" ");
  const place = Number(key.slice(at + 1));
  return [key, `${key.slice(0, at)} ${place - 1}`, `${key.slice(0, at)} ${place + 1}`];
}
