// Draws bigram-like statistics: the characters that follow the most frequent pair of letters in the text's beginning,
// with their counts, as the simplest language model.
import { svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { list, percent } from "../i18n";
import { notYet, Picture, visible } from "./picture";
import { w } from "./words";

const SHOWN = 5;
const ROW = 26;

/** The counts of the characters that follow the most frequent letters. */
export interface Following {
  letters: string;
  total: number;
  /** The most frequent first. */
  counts: [character: string, count: number][];
}

/**
 * Counts what follows each run of `length` letters, and returns the most frequent run; undefined if none occurs twice.
 */
function after(characters: readonly string[], length: number): Following | undefined {
  const all = new Map<string, Map<string, number>>();
  for (let at = 0; at + length < characters.length; at++) {
    const letters = characters.slice(at, at + length).join("");
    if (!/^\p{L}+$/u.test(letters)) continue;
    const counts = all.get(letters) ?? new Map<string, number>();
    const next = characters[at + length] ?? "";
    counts.set(next, (counts.get(next) ?? 0) + 1);
    all.set(letters, counts);
  }
  const totals = [...all].map(([letters, counts]) => ({
    letters,
    total: [...counts.values()].reduce((sum, count) => sum + count, 0),
    counts: [...counts].sort((a, b) => b[1] - a[1]),
  }));
  return totals.filter(({ total }) => total > 1).sort((a, b) => b.total - a.total)[0];
}

/** Counts after two letters; after one, if the script has so many that no pair occurs twice. */
export function following(text: string): Following | undefined {
  const characters = [...text.toLowerCase()];
  return after(characters, 2) ?? after(characters, 1);
}

@customElement("lorito-next-counts")
export class NextCounts extends Picture {
  protected override readonly reads = ["text"] as const;

  override render(): TemplateResult {
    // Removes the special tokens between turns.
    const found = following(this.state.text?.preview.replace(/<\|\w+\|>/g, "\n") ?? "");
    if (!found) return notYet(w("picture.noText"));
    const { letters, total, counts } = found;
    const shown = counts.slice(0, SHOWN);
    const rest = total - shown.reduce((sum, [, count]) => sum + count, 0);
    const rows: [string, number][] = shown.map(([token, count]) => [visible(token), count]);
    if (rest > 0) rows.push([w("picture.others"), rest]);
    const shares = rows.map(([token, count]) => w("picture.share", { token, part: percent(count / total) }));
    const most = Math.max(...rows.map(([, count]) => count));
    return this.figure(
      w("picture.next", { after: letters }),
      ROW * rows.length + 4,
      w("picture.nextInWords", { after: letters, count: total, shares: list(shares) }),
      rows.map(([token, count], index) => {
        const y = ROW * index + 4;
        const isRest = index === SHOWN;
        return svg`<text class="mono" x="80" y=${y + 15} text-anchor="end">${isRest ? token : `${letters}${token}`}</text>
          <rect class=${isRest ? "rest" : "bar"} x="90" y=${y} width=${((this.width - 150) * count) / most} height="20" rx="3" />
          <text x=${96 + ((this.width - 150) * count) / most} y=${y + 15}>${percent(count / total)}</text>`;
      }),
    );
  }
}
