// The model as a diagram, from the present settings: the way of the tokens from the bottom to the top, and how many
// parameters each part has.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { number } from "../i18n";
import { expectedVocabulary } from "../prepare";
import { View } from "../views/view";
import { notYet, picture, WIDTH } from "./picture";
import { w } from "./words";

/** Layers that are drawn behind the first. */
const MOST_DRAWN = 6;
const [LEFT, RIGHT] = [28, WIDTH - 8];

@customElement("lorito-diagram")
export class Diagram extends View {
  protected override readonly reads = [
    "plan",
    "settings",
    "presets",
    "suggested",
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
    const behind = Math.min(layers, MOST_DRAWN) - 1;
    // From top to bottom.
    const top = 4;
    const block = top + 62 + 5 * behind;
    return picture(
      w("picture.model"),
      block + 268,
      w("picture.modelInWords", { layers, heads, width, context, vocabulary, ...parts, parameters: plan.parameters }),
      svg`${box(top, "part", w("picture.scores", { vocabulary }), parts.head > 0 ? parameters(parts.head) : w("picture.scoresTied"))}
        ${arrow(block - 5 * behind - 4, 10)}
        ${Array.from({ length: behind }, (_, index) => svg`<rect class="layer" x=${LEFT - 20 + 4 * (behind - index)} y=${block - 5 * (behind - index)} width=${RIGHT - LEFT + 20 - 4 * (behind - index)} height="136" rx="8" />`)}
        <rect class="layer" x=${LEFT - 20} y=${block} width=${RIGHT - LEFT + 20 - 4 * behind} height="136" rx="8" />
        <text x=${LEFT - 10} y=${block + 18}>${w("picture.layers", { count: layers })}</text>
        ${box(block + 26, "mlp", w("picture.mlp"), parameters(parts.mlp), 4 * behind + 10)}
        ${box(block + 80, "attention", w("picture.attention", { count: heads }), parameters(parts.attention), 4 * behind + 10)}
        ${arrow(block + 154, 14)}
        ${box(block + 158, "part", w("picture.embedding", { vocabulary, width }), parameters(parts.tokens))}
        ${box(block + 208, "part", w("picture.positions", { context, width }), parameters(parts.positions))}
        <text class="quiet" x=${(LEFT + RIGHT) / 2} y=${block + 266} text-anchor="middle">${w("picture.context", { context })}</text>`,
      html`<p class="hint">${w("picture.norms")}: ${number(parts.norms)} · ${parameters(plan.parameters)}</p>`,
    );
  }
}

/** A part with its name and how many numbers it has. */
function box(y: number, kind: string, name: string, count: string, right = 0): TemplateResult {
  return svg`<rect class="part ${kind}" x=${LEFT - 10} y=${y} width=${RIGHT - LEFT - right + 10} height="46" rx="6" />
    <text x=${LEFT + 2} y=${y + 19}>${name}</text>
    <text class="quiet" x=${LEFT + 2} y=${y + 37}>${count || nothing}</text>`;
}

/** An arrow up to this height. */
function arrow(bottom: number, length: number): TemplateResult {
  const x = (LEFT + RIGHT) / 2;
  return svg`<path class="arrow" d="M${x} ${bottom}v-${length}m-4 5l4 -5l4 5" />`;
}
