// Draws a window of the text and its targets: the same tokens, shifted by one.
import { html, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { list } from "../i18n";
import { OwnPieces } from "./own-pieces";
import { notYet, visible, widthOf } from "./picture";
import { w } from "./words";

const TOP = 22;

@customElement("lorito-window")
export class WindowPicture extends OwnPieces {
  protected override readonly reads = [
    "text",
    "tokenizer",
    "settings",
    "presets",
    "suggested",
    "plannedTime",
    "model",
  ] as const;

  override render(): TemplateResult {
    const { shape } = this.store;
    if (!this.isTokenized || !shape || this.pieces.length < 2) return notYet(w("picture.noWindow"));
    const all = this.pieces.map(({ text }) => visible(text));
    const length = shape.train.windowLength || (this.state.model?.config.context ?? shape.model.context);
    const columns: { input: string; target: string; x: number; width: number }[] = [];
    let x = 0;
    for (const [at, input] of all.slice(0, Math.min(length, all.length - 1)).entries()) {
      const target = all[at + 1] ?? "";
      const width = Math.max(widthOf(input), widthOf(target)) + 12;
      if (x + width > this.width) break;
      columns.push({ input, target, x, width });
      x += width + 5;
    }
    const { batchSize, gradientAccumulation } = shape.train;
    return this.figure(
      w("picture.window"),
      132,
      w("picture.windowInWords", {
        inputs: list(columns.map(({ input }) => input)),
        targets: list(columns.map(({ target }) => target)),
      }),
      svg`<text class="quiet" x="0" y="14">${w("picture.reads")}</text>
        ${columns.map(
          ({
            input,
            target,
            x,
            width,
          }) => svg`<rect class="cell c0" x=${x} y=${TOP} width=${width} height="27" rx="4" />
            <text class="mono" x=${x + width / 2} y=${TOP + 18} text-anchor="middle">${input}</text>
            <path class="arrow" d="M${x + width / 2} ${TOP + 31}v14m-4 -5l4 5l4 -5" />
            <rect class="cell target" x=${x} y=${TOP + 50} width=${width} height="27" rx="4" />
            <text class="mono" x=${x + width / 2} y=${TOP + 68} text-anchor="middle">${target}</text>`,
        )}
        <text class="quiet" x="0" y=${TOP + 98}>${w("picture.guesses")}</text>`,
      html`<p class="hint">${w("picture.windowLength", {
        count: length,
        batchSize: batchSize * gradientAccumulation,
        guesses: length * batchSize * gradientAccumulation,
      })}</p>`,
    );
  }
}
