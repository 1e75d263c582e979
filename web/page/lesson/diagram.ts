// Draws the model of the present settings as a diagram, from the tokens at the bottom to the logits at the top, with
// the parameter count of each part.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { number } from "../i18n";
import { expectedVocabulary } from "../prepare";
import { notYet, Picture } from "./picture";
import { w } from "./words";

/** Most layers drawn behind the first. */
const MOST_DRAWN = 6;
const LEFT = 24;

@customElement("lorito-diagram")
export class Diagram extends Picture {
  protected override readonly reads = [
    "plan",
    "settings",
    "presets",
    "suggested",
    "plannedTime",
    "model",
    "modelOrigin",
    "text",
    "tokenizer",
    "trained",
  ] as const;

  override render(): TemplateResult {
    const { plan, model, modelOrigin } = this.state;
    const shape = modelOrigin === "given" && model ? model.config : this.store.shape?.model;
    if (!plan || !shape) return notYet(w("picture.noModel"));
    const { layers, heads, width, context } = shape;
    const vocabulary = modelOrigin === "given" && model ? model.vocabulary : expectedVocabulary(this.store);
    const { parts } = plan;
    const parameters = (count: number) => w("picture.parameters", { count: number(count) });
    const right = this.width - 2;
    const behind = Math.min(layers, MOST_DRAWN) - 1;
    // Coordinates from top to bottom.
    const top = 4;
    const block = top + 62 + 5 * behind;
    return this.figure(
      w("picture.model"),
      block + 292,
      w("picture.modelInWords", { layers, heads, width, context, vocabulary, ...parts, parameters: plan.parameters }),
      svg`${box(right, top, "part", w("picture.scores", { vocabulary }), parts.head > 0 ? parameters(parts.head) : w("picture.scoresTied"))}
        ${arrow((LEFT + right) / 2, block - 5 * behind - 4, 10)}
        ${Array.from({ length: behind }, (_, index) => svg`<rect class="layer" x=${LEFT - 20 + 4 * (behind - index)} y=${block - 5 * (behind - index)} width=${right - LEFT + 20 - 4 * (behind - index)} height="136" rx="8" />`)}
        <rect class="layer" x=${LEFT - 20} y=${block} width=${right - LEFT + 20 - 4 * behind} height="136" rx="8" />
        <text x=${LEFT - 10} y=${block + 18}>${w("picture.layers", { count: layers })}</text>
        ${box(right, block + 26, "mlp", w("picture.mlp"), parameters(parts.mlp), 4 * behind + 8)}
        ${box(right, block + 80, "attention", w("picture.attention", { count: heads }), parameters(parts.attention), 4 * behind + 8)}
        ${arrow((LEFT + right) / 2, block + 154, 14)}
        ${box(right, block + 158, "part", w("picture.embedding", { vocabulary, width }), parameters(parts.tokens))}
        ${
          parts.positions > 0
            ? box(right, block + 208, "part", w("picture.positions", { context, width }), parameters(parts.positions))
            : box(right, block + 208, "part", w("picture.rotary"), w("picture.rotaryAbout"))
        }
        ${arrow((LEFT + right) / 2, block + 272, 14)}
        <text class="quiet" x=${(LEFT + right) / 2} y=${block + 288} text-anchor="middle">${w("picture.context", { context })}</text>`,
      html`<p class="hint">${w("picture.sum", { norms: parts.norms, parameters: plan.parameters })}</p>`,
    );
  }
}

/** A box for a part, with its name and parameter count. */
function box(right: number, y: number, kind: string, name: string, count: string, inside = 0): TemplateResult {
  return svg`<rect class="part ${kind}" x=${LEFT - 10} y=${y} width=${right - LEFT - inside + 10} height="46" rx="6" />
    <text x=${LEFT + 2} y=${y + 19}>${name}</text>
    <text class="quiet" x=${LEFT + 2} y=${y + 37}>${count || nothing}</text>`;
}

/** An upward arrow. */
function arrow(x: number, bottom: number, length: number): TemplateResult {
  return svg`<path class="arrow" d="M${x} ${bottom}v-${length}m-4 5l4 -5l4 5" />`;
}
