// Puts the fragments of a page, as a PDF places them, into lines in reading order. A PDF has no order, lines or columns: they
// follow from the places. Columns are found by the white gutter between them, line by line from the top, so that a title
// above two columns, or a table in one, does not hide them.

/** A piece of text at its place; in points, from the left and from the top. */
export interface Fragment {
  text: string;
  x: number;
  /** The baseline. */
  y: number;
  width: number;
  /** The size of the font. */
  height: number;
}

/** One line of one column. */
export interface Line {
  text: string;
  left: number;
  right: number;
  y: number;
  height: number;
  /** Whether it has gaps as between the cells of a table. */
  gaps: boolean;
  /** Identifies its column: lines with the same number follow one another in it. */
  column: number;
}

/** The fragments with one baseline, from left to right. */
export type Row = Fragment[];

/** A gutter is at least as wide as this share of the height of the letters: wider than the spaces of a justified line. */
const gutterWidth = 0.9;
/** Smallest gap between two cells, as a share of the height. */
const cellGap = 1.5;
/** Rows on either side of a gutter, and letters in each on average: tables have shorter cells, and are read row by row. */
const fewestRows = 3;
const fewestLetters = 14;
/** Largest number of fragments of a page that are searched for columns: posters and maps have more, in no order. */
const mostFragments = 20_000;

/** All rows of a page, from the top to the bottom. */
export function rowsOf(fragments: readonly Fragment[]): Row[] {
  const sorted = fragments.filter(({ text }) => text.trim() !== "").sort((one, other) => one.y - other.y);
  const rows: { y: number; height: number; parts: Row }[] = [];
  for (const fragment of sorted) {
    const row = rows.at(-1);
    // Raised numbers of footnotes belong to the line.
    const near = row && Math.abs(fragment.y - row.y) < 0.45 * Math.max(row.height, fragment.height);
    if (!near) {
      rows.push({ y: fragment.y, height: fragment.height, parts: [fragment] });
      continue;
    }
    if (fragment.height > row.height) Object.assign(row, { y: fragment.y, height: fragment.height });
    row.parts.push(fragment);
  }
  return rows.map(({ parts }) => parts.sort((one, other) => one.x - other.x));
}

/** The lines of rows in reading order. */
export function linesOf(rows: readonly Row[]): Line[] {
  const lines: Line[] = [];
  let column = 0;
  const write = (some: readonly Row[]) => {
    for (const row of some) lines.push(lineOf(row, column));
    column += 1;
  };
  const read = (some: readonly Row[], depth: number) => {
    let plain: Row[] = [];
    const outer = extentOf(some);
    for (let at = 0; at < some.length; ) {
      const found = depth < 6 ? columnsFrom(some, at, outer) : undefined;
      const row = some[at];
      if (!found) {
        if (row) plain.push(row);
        at += 1;
        continue;
      }
      write(plain);
      plain = [];
      read(found.left, depth + 1);
      read(found.right, depth + 1);
      at = found.end;
    }
    if (plain.length > 0) write(plain);
  };
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  read(rows, count > mostFragments ? Number.POSITIVE_INFINITY : 0);
  return lines;
}

interface Columns {
  left: Row[];
  right: Row[];
  /** The row after the last one of the columns. */
  end: number;
}

/** The longest run of rows from `start` on that one gutter divides; undefined if there are no columns. */
function columnsFrom(rows: readonly Row[], start: number, outer: Span): Columns | undefined {
  let gutters = whiteOf(rows[start] ?? [], outer);
  let end = start;
  let kept = gutters;
  for (; end < rows.length; end++) {
    gutters = shared(gutters, whiteOf(rows[end] ?? [], outer));
    if (gutters.length === 0) break;
    kept = gutters;
  }
  const run = rows.slice(start, end);
  const divided = kept
    .map(({ from, to }) => sidesOf(run, (from + to) / 2))
    .filter(({ left, right }) => isText(left) && isText(right));
  // The leftmost gutter: the rest of the columns are found on its right side.
  const [sides] = divided;
  return sides && { ...sides, end };
}

interface Span {
  from: number;
  to: number;
}

function extentOf(rows: readonly Row[]): Span {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const fragment of rows.flat()) {
    from = Math.min(from, fragment.x);
    to = Math.max(to, endOf(fragment));
  }
  return { from, to };
}

/** The white of a row that may be a gutter. */
function whiteOf(row: Row, { from, to }: Span): Span[] {
  const spans: Span[] = [];
  let at = from;
  for (const fragment of row) {
    // The white is judged by the letters beside it; an empty row beside it is the other column's.
    if (fragment.x - at > gutterWidth * fragment.height) spans.push({ from: at, to: fragment.x });
    at = Math.max(at, endOf(fragment));
  }
  const height = row[0]?.height ?? 0;
  if (to - at > gutterWidth * height) spans.push({ from: at, to });
  return spans;
}

function shared(some: readonly Span[], others: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const one of some)
    for (const other of others) {
      const [from, to] = [Math.max(one.from, other.from), Math.min(one.to, other.to)];
      if (to - from > 4) found.push({ from, to });
    }
  return found;
}

function sidesOf(rows: readonly Row[], middle: number): { left: Row[]; right: Row[] } {
  const side = (wanted: (fragment: Fragment) => boolean) =>
    rows.map((row) => row.filter(wanted)).filter((row) => row.length > 0);
  return { left: side(({ x }) => x < middle), right: side(({ x }) => x >= middle) };
}

function isText(rows: readonly Row[]): boolean {
  const letters = rows.flat().reduce((sum, { text }) => sum + text.trim().length, 0);
  return rows.length >= fewestRows && letters >= fewestLetters * rows.length;
}

const endOf = ({ x, width }: Pick<Fragment, "x" | "width">): number => x + width;

/** The text of a row. Fragments are words or parts of them: a gap between two is a space. */
export function textOf(row: Row): string {
  let text = "";
  let end: number | undefined;
  for (const fragment of row) {
    const gap = end === undefined ? 0 : fragment.x - end;
    if (gap > 0.15 * fragment.height && !/\s$/.test(text) && !/^\s/.test(fragment.text)) text += " ";
    text += fragment.text;
    end = endOf(fragment);
  }
  // A table of contents leads the eye to its page numbers by dots.
  return text
    .replace(/(?: ?\.){5,}/g, " … ")
    .replace(/\s+/g, " ")
    .trim();
}

function lineOf(row: Row, column: number): Line {
  const tallest = row.reduce((one, other) => (other.height > one.height ? other : one));
  const left = Math.min(...row.map(({ x }) => x));
  return {
    text: textOf(row),
    left,
    right: Math.max(...row.map(endOf)),
    y: tallest.y,
    height: tallest.height,
    gaps: row.some(({ x, height }, index) => x - endOf(row[index - 1] ?? { x, width: 0 }) > cellGap * height),
    column,
  };
}
