// A table of the likeliest tokens at a position, with their probabilities. Each can replace the present one.
import { html, nothing, type TemplateResult } from "lit";
import type { TokenChoice } from "../../../api/lorito";
import { t } from "../../i18n";
import { bar, visible } from "./token";

/** `drawn`: the id of the present token. */
export function choicesTable(
  choices: readonly TokenChoice[],
  drawn: number | undefined,
  able: boolean,
  choose: (choice: TokenChoice) => void,
): TemplateResult {
  return html`<section class="view">
    <h4>${t("inside.choices")}</h4>
    <p class="hint">${t("inside.choices.about")}</p>
    <table>
      <thead>
        <tr><th scope="col">${t("inside.column.token")}</th><th scope="col">${t("inside.probability")}</th></tr>
      </thead>
      <tbody>
        ${choices.map((choice) => {
          const token = visible(choice.text);
          return html`<tr class=${choice.id === drawn ? "drawn" : ""}>
            <th scope="row"><button type="button" class="token" aria-label=${t("inside.continueWith", { token })} title=${t("inside.continueWith", { token })}
              aria-disabled=${able ? nothing : "true"} @click=${() => able && choose(choice)}>${token}</button>${choice.id === drawn ? html` <small>${t("inside.drawn")}</small>` : ""}</th>
            <td>${bar(choice.probability)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </section>`;
}
