// Draws the beginning of the text as tokens, each with its id below it.
import { svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { list } from "../i18n";
import { OwnPieces } from "./own-pieces";
import { notYet, visible, widthOf } from "./picture";
import { w } from "./words";

const SHOWN = 28;
const ROW = 56;
const COLOURS = 5;

@customElement("lorito-pieces")
export class PiecesPicture extends OwnPieces {
  override render(): TemplateResult {
    if (this.pieces.length === 0) return notYet(w("picture.noTokens"));
    const shown = this.pieces.slice(0, SHOWN);
    let [x, y] = [0, 0];
    const cells = shown.map(({ text, ids }) => {
      const [above, below] = [visible(text), ids.join(" ")];
      const width = Math.max(widthOf(above), 7 * below.length) + 12;
      if (x > 0 && x + width > this.width) [x, y] = [0, y + ROW];
      const cell = { above, below, width, x, y, colour: (ids[0] ?? 0) % COLOURS };
      x += width + 4;
      return cell;
    });
    const inWords = shown.map(({ text, ids }) =>
      ids.length > 0
        ? w("picture.tokenWithId", { token: visible(text), id: ids.join(" ") })
        : w("picture.tokenWithoutId", { token: visible(text) }),
    );
    return this.figure(
      w(this.isTokenized ? "picture.tokens" : "picture.tokensWithoutIds"),
      y + ROW,
      w("picture.tokensInWords", { tokens: list(inWords) }),
      cells.map(
        ({
          above,
          below,
          width,
          x,
          y,
          colour,
        }) => svg`<rect class="cell c${colour}" x=${x} y=${y} width=${width} height="27" rx="4" />
          <text class="mono" x=${x + width / 2} y=${y + 18} text-anchor="middle">${above}</text>
          <text class="quiet" x=${x + width / 2} y=${y + 42} text-anchor="middle">${below}</text>`,
      ),
    );
  }
}
