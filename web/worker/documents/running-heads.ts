// Finds what repeats at the edges of pages: running heads, footers and page numbers, which belong to the paper.
import { type Row, textOf } from "./page-layout";

/** Rows at the top, and at the bottom, of a page that may repeat. */
const edge = 3;
/** Pages on which a row must repeat; in a short document, where heads of left and right pages alternate, two will do. */
const fewestPages = 3;
const short = 6;
/** Distance in points within which rows are at one place. */
const samePlace = 6;
/** Numbers of a row that are looked at. */
const mostNumbers = 6;

/** Returns the rows of each page without those that repeat, and how many these were. */
export function withoutRunningHeads(pages: readonly Row[][]): { pages: Row[][]; count: number } {
  const seen = new Map<string, number>();
  const edges = pages.map((rows, page) => {
    const top = rows.slice(0, edge).map((row) => keysOf(row, page));
    const bottom = rows.slice(Math.max(edge, rows.length - edge)).map((row) => keysOf(row, page));
    for (const key of new Set([...top, ...bottom].flat(2))) seen.set(key, (seen.get(key) ?? 0) + 1);
    return { top, bottom: bottom.reverse() };
  });
  const needed = pages.length > short ? fewestPages : 2;
  const repeats = (keys: string[]) => keys.some((key) => (seen.get(key) ?? 0) >= needed);
  let count = 0;
  const kept = pages.map((rows, page) => {
    // From the edge inwards: what stands outside of a row that stays has to stay, too.
    const first = firstOther(edges[page]?.top ?? [], repeats);
    const last = firstOther(edges[page]?.bottom ?? [], repeats);
    count += first + last;
    return rows.slice(first, rows.length - last);
  });
  return { pages: kept, count };
}

function firstOther(rows: readonly string[][], repeats: (keys: string[]) => boolean): number {
  const at = rows.findIndex((keys) => !repeats(keys));
  return at < 0 ? rows.length : at;
}

/**
 * What may be the same on other pages: the text at its place, as it is or with one number that counts the pages. Numbers that
 * differ in other ways are no page's: a diary has a date on top of each page.
 */
function keysOf(row: Row, page: number): string[] {
  const text = textOf(row).toLowerCase();
  const place = Math.round((row[0]?.y ?? 0) / samePlace);
  const texts = [/^[ivxlc]+$/.test(text) ? "roman" : text];
  for (const { 0: number, index } of [...text.matchAll(/\d{1,6}/g)].slice(0, mostNumbers))
    texts.push(`${text.slice(0, index)}#${Number(number) - page}${text.slice(index + number.length)}`);
  // Neighbours, too, as rounding separates what is close.
  return texts.flatMap((one) => [`${one} ${place - 1}`, `${one} ${place}`, `${one} ${place + 1}`]);
}
