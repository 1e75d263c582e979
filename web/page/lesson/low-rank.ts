// Draws LoRA on one of the model's matrices: W is frozen, and the product of two thin matrices is added to it.
import { html, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { number, percent } from "../i18n";
import { DEFAULT_LORA, type Lora } from "../settings";
import { notYet, Picture } from "./picture";
import { w } from "./words";

const TOP = 30;

@customElement("lorito-low-rank")
export class LowRank extends Picture {
  protected override readonly reads = [
    "settings",
    "presets",
    "suggested",
    "plannedTime",
    "model",
    "modelOrigin",
    "plan",
    "trained",
  ] as const;

  override render(): TemplateResult {
    const { settings, model, plan } = this.state;
    const shape = model?.config ?? this.store.shape?.model;
    if (!shape) return notYet(w("picture.noModel"));
    // GPT-2's output projection of attention, a square matrix.
    const [inputs, outputs] = [shape.width, shape.width];
    const lora = (model?.adapter ?? settings.lora) as Lora | undefined;
    const { rank } = lora ?? DEFAULT_LORA;
    // W, "+", A, "·" and B in a row.
    const side = Math.min(130, (this.width - 80) / 2.4);
    const matrix = inputs * outputs;
    const thin = rank * (inputs + outputs);
    const drawn = Math.max(4, Math.min(0.4 * side, (side * rank) / inputs));
    const trained = plan?.trainedParameters;
    const middle = TOP + side / 2;
    const [ofA, ofB] = [side + 36, side + drawn + 58];
    return this.figure(
      w("picture.lora", { rank }),
      TOP + side + 52,
      w("picture.loraInWords", { inputs, outputs, rank, matrix, thin, part: percent(thin / matrix) }),
      svg`<rect class="part" x="1" y=${TOP} width=${side} height=${side} rx="4" />
        <text class="large" x=${side / 2} y=${middle + 6} text-anchor="middle">W</text>
        <text class="quiet" x=${side / 2} y=${TOP - 8} text-anchor="middle">${number(inputs)} × ${number(outputs)}</text>
        <text class="large" x=${side + 18} y=${middle + 6} text-anchor="middle">+</text>
        <rect class="learns" x=${ofA} y=${TOP} width=${drawn} height=${side} rx="2" />
        <text class="quiet" x=${ofA} y=${TOP - 8}>A: ${number(inputs)} × ${number(rank)}</text>
        <text class="large" x=${ofA + drawn + 11} y=${middle + 6} text-anchor="middle">·</text>
        <rect class="learns" x=${ofB} y=${middle - drawn / 2} width=${side} height=${drawn} rx="2" />
        <text class="quiet" x=${ofB} y=${middle + drawn / 2 + 16}>B: ${number(rank)} × ${number(outputs)}</text>
        <text x="0" y=${TOP + side + 24}>${w("picture.stays", { count: number(matrix) })}</text>
        <text x="0" y=${TOP + side + 44}>${w("picture.learns", { count: number(thin) })}</text>`,
      lora && trained !== undefined && plan
        ? html`<p class="hint">${w("picture.loraAll", { trained, parameters: plan.parameters })}</p>`
        : "",
    );
  }
}
