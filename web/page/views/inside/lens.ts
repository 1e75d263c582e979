// The logit lens: a table of each layer's prediction, as if it were the last.
import { html, nothing, type TemplateResult } from "lit";
import type { InspectedToken, LensRow } from "../../../api/lorito";
import { number, t } from "../../i18n";
import { chance, shade, visible } from "./token";

/** `token`: the present one. */
export function lensTable(rows: readonly LensRow[], token: InspectedToken | undefined): TemplateResult {
  const columns = Math.max(0, ...rows.map(({ choices }) => choices.length));
  return html`<section class="view wide">
    <h4>${t("inside.lens")}</h4>
    <p class="hint">${t("inside.lens.about")}</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("inside.lens")}>
      <table>
        <thead>
          <tr>
            <th scope="col">${t("inside.column.after")}</th>
            <th scope="col" colspan=${columns || 1}>${t("inside.lens.likeliest")}</th>
            ${token ? html`<th scope="col">${t("inside.lens.following", { token: visible(token.text) })}</th>` : nothing}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ layers, choices, following }) => html`<tr>
              <th scope="row">${layers === 0 ? t("inside.lens.embedding") : t("inside.lens.layer", { layer: number(layers) })}</th>
              ${choices.map(
                ({ id, text, probability }) =>
                  html`<td><span class="token ${shade(probability)} ${id === token?.id ? "drawn" : ""}">${visible(text)}</span> <small>${chance(probability)}</small></td>`,
              )}
              ${token ? html`<td>${following == null ? "–" : chance(following)}</td>` : nothing}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`;
}
