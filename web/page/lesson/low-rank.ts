// LoRA on one of the model's matrices: W stays, and the product of two thin ones is added to it.
import { html, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { number, percent } from "../i18n";
import { DEFAULT_LORA, type Lora } from "../settings";
import { View } from "../views/view";
import { notYet, picture } from "./picture";
import { w } from "./words";

/** Of the drawing's height and widths, in units. */
const [TOP, SIDE] = [30, 120];

@customElement("lorito-low-rank")
export class LowRank extends View {
  protected override readonly reads = [
    "settings",
    "presets",
    "suggested",
    "model",
    "modelOrigin",
    "plan",
    "trained",
  ] as const;

  override render(): TemplateResult {
    const { settings, model, plan } = this.state;
    const shape = model?.config ?? this.store.shape?.model;
    if (!shape) return notYet(w("picture.noModel"));
    // GPT-2's second matrix of attention: from the heads back, as wide as it is high.
    const [inputs, outputs] = [shape.width, shape.width];
    const lora = (model?.adapter ?? settings.lora) as Lora | undefined;
    const { rank } = lora ?? DEFAULT_LORA;
    const matrix = inputs * outputs;
    const thin = rank * (inputs + outputs);
    const drawn = Math.max(4, Math.min(SIDE, (SIDE * rank) / inputs));
    const trained = plan?.trainedParameters;
    return picture(
      w("picture.lora", { rank }),
      TOP + SIDE + 46,
      w("picture.loraInWords", { inputs, outputs, rank, matrix, thin, part: percent(thin / matrix) }),
      svg`<rect class="part" x="4" y=${TOP} width=${SIDE} height=${SIDE} rx="4" />
        <text class="large" x=${4 + SIDE / 2} y=${TOP + SIDE / 2 + 6} text-anchor="middle">W</text>
        <text class="quiet" x=${4 + SIDE / 2} y=${TOP - 8} text-anchor="middle">${number(inputs)} × ${number(outputs)}</text>
        <text class="large" x="145" y=${TOP + SIDE / 2 + 6} text-anchor="middle">+</text>
        <rect class="learns" x="164" y=${TOP} width=${drawn} height=${SIDE} rx="2" />
        <text class="quiet" x="164" y=${TOP - 8}>A: ${number(inputs)} × ${number(rank)}</text>
        <text class="large" x=${174 + drawn} y=${TOP + SIDE / 2 + 6}>·</text>
        <rect class="learns" x=${186 + drawn} y=${TOP + SIDE / 2 - drawn / 2} width=${Math.min(SIDE, 350 - 186 - drawn)} height=${drawn} rx="2" />
        <text class="quiet" x="354" y=${TOP + SIDE + 14} text-anchor="end">B: ${number(rank)} × ${number(outputs)}</text>
        <text x=${4 + SIDE / 2} y=${TOP + SIDE + 36} text-anchor="middle">${w("picture.stays", { count: number(matrix) })}</text>
        <text x="354" y=${TOP + SIDE + 36} text-anchor="end">${w("picture.learns", { count: number(thin) })}</text>`,
      lora && trained !== undefined && plan
        ? html`<p class="hint">${w("picture.loraAll", { trained, parameters: plan.parameters })}</p>`
        : "",
    );
  }
}
