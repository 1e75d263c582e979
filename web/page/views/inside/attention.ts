// Shows the attention weights of a token, in one head of one layer or averaged over a layer's heads.
import { html, type TemplateResult } from "lit";
import type { InspectedText } from "../../../api/lorito";
import { number, t } from "../../i18n";
import { bar, visible } from "./token";

export interface Attention {
  layer: number;
  /** Undefined: the mean of all heads. */
  head: number | undefined;
}

/** Rows of the table. */
const SHOWN = 8;

/** The attention weights of the token at `from`: one for each token up to itself. */
export function attended(text: InspectedText, { layer, head }: Attention, from: number): Float32Array {
  const time = text.tokens.length;
  const shares = new Float32Array(from + 1);
  const heads = head === undefined ? Array.from({ length: text.heads }, (_, index) => index) : [head];
  for (const one of heads) {
    const start = ((layer * text.heads + one) * time + from) * time;
    for (let index = 0; index <= from; index++)
      shares[index] = (shares[index] ?? 0) + (text.attention[start + index] ?? 0) / heads.length;
  }
  return shares;
}

/** The fields for layer and head. */
export function attentionFields(
  text: InspectedText,
  { layer, head }: Attention,
  change: (attention: Attention) => void,
  place = "colours",
): TemplateResult {
  const options = (count: number) => Array.from({ length: count }, (_, index) => index);
  return html`<p class="controls attention-fields">
    <label class="inline" for="inside-layer-${place}">${t("inside.layer")}
      <select id="inside-layer-${place}" @change=${(event: Event) => change({ layer: Number((event.target as HTMLSelectElement).value), head })}>
        ${options(text.layers).map((index) => html`<option value=${index} .selected=${index === layer}>${number(index + 1)}</option>`)}
      </select></label>
    <label class="inline" for="inside-head-${place}">${t("inside.head")}
      <select id="inside-head-${place}" @change=${(event: Event) => {
        const { value } = event.target as HTMLSelectElement;
        change({ layer, head: value === "" ? undefined : Number(value) });
      }}>
        <option value="" .selected=${head === undefined}>${t("inside.head.all")}</option>
        ${options(text.heads).map((index) => html`<option value=${index} .selected=${index === head}>${number(index + 1)}</option>`)}
      </select></label>
  </p>`;
}

/** A table of the tokens that the one at `from` attends to most. */
export function attentionTable(
  text: InspectedText,
  attention: Attention,
  from: number,
  change: (attention: Attention) => void,
): TemplateResult {
  const shares = attended(text, attention, from);
  const most = [...shares.keys()].sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0)).slice(0, SHOWN);
  const left = text.ids.length - text.tokens.length;
  return html`<section class="view">
    <h4>${t("inside.attention")}</h4>
    <p class="hint">${t("inside.attention.about")}</p>
    ${attentionFields(text, attention, change, "table")}
    <table>
      <thead>
        <tr><th scope="col">${t("inside.column.token")}</th><th scope="col">${t("inside.column.place")}</th><th scope="col">${t("inside.column.share")}</th></tr>
      </thead>
      <tbody>
        ${most.map(
          (index) => html`<tr>
            <th scope="row"><span class="token">${visible(text.tokens[index]?.text ?? "")}</span></th>
            <td>${number(left + index + 1)}</td>
            <td>${bar(shares[index] ?? 0)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}
