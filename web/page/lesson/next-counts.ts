// Of the text's beginning: what comes after its most frequent pair of letters, counted. All that a language model learns,
// in its smallest form.
import { svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { list, percent } from "../i18n";
import { notYet, Picture, visible } from "./picture";
import { w } from "./words";

const SHOWN = 5;
const ROW = 26;

/** How often each character comes after the pair of letters that has the most varied company. */
export interface Following {
  pair: string;
  total: number;
  /** The most frequent first. */
  counts: [character: string, count: number][];
}

/** Counts in a text; undefined where no pair of letters is in it twice. */
export function following(text: string): Following | undefined {
  const after = new Map<string, Map<string, number>>();
  const characters = [...text.toLocaleLowerCase()];
  for (let at = 0; at + 2 < characters.length; at++) {
    const pair = `${characters[at]}${characters[at + 1]}`;
    if (!/^\p{L}\p{L}$/u.test(pair)) continue;
    const counts = after.get(pair) ?? new Map<string, number>();
    const next = characters[at + 2] ?? "";
    counts.set(next, (counts.get(next) ?? 0) + 1);
    after.set(pair, counts);
  }
  const all = [...after].map(([pair, counts]) => ({
    pair,
    total: [...counts.values()].reduce((sum, count) => sum + count, 0),
    counts: [...counts].sort((a, b) => b[1] - a[1]),
  }));
  return all.filter(({ total }) => total > 1).sort((a, b) => b.total - a.total)[0];
}

@customElement("lorito-next-counts")
export class NextCounts extends Picture {
  protected override readonly reads = ["text"] as const;

  override render(): TemplateResult {
    // The marks between a conversation's turns are not its words.
    const found = following(this.state.text?.preview.replace(/<\|\w+\|>/g, "\n") ?? "");
    if (!found) return notYet(w("picture.noText"));
    const { pair, total, counts } = found;
    const shown = counts.slice(0, SHOWN);
    const rest = total - shown.reduce((sum, [, count]) => sum + count, 0);
    const rows: [string, number][] = shown.map(([token, count]) => [visible(token), count]);
    if (rest > 0) rows.push([w("picture.others"), rest]);
    const shares = rows.map(([token, count]) => w("picture.share", { token, part: percent(count / total) }));
    const most = Math.max(...rows.map(([, count]) => count));
    return this.figure(
      w("picture.next", { after: pair }),
      ROW * rows.length + 4,
      w("picture.nextInWords", { after: pair, count: total, shares: list(shares) }),
      rows.map(([token, count], index) => {
        const y = ROW * index + 4;
        const isRest = index === SHOWN;
        return svg`<text class="mono" x="80" y=${y + 15} text-anchor="end">${isRest ? token : `${pair}${token}`}</text>
          <rect class=${isRest ? "rest" : "bar"} x="90" y=${y} width=${((this.width - 150) * count) / most} height="20" rx="3" />
          <text x=${96 + ((this.width - 150) * count) / most} y=${y + 15}>${percent(count / total)}</text>`;
      }),
    );
  }
}
