// Renders a text as turns with their speakers or, if it is no conversation, as it is.
import { html, type TemplateResult } from "lit";
import type { TurnTokens } from "../../api/lorito";
import { t } from "../i18n";
import { type ShownTurn, splitTurns } from "../split-turns";

const SPEAKERS = { system: "turns.system", user: "turns.user", assistant: "turns.assistant" } as const;

/** The speaker's name. */
export function speaker(role: keyof typeof SPEAKERS): string {
  return t(SPEAKERS[role]);
}

/** Undefined if the text has no turns; `how` as for `splitTurns`. */
export function turnsIn(
  text: string,
  tokens: TurnTokens | undefined,
  how: { onlyRead?: string; first?: ShownTurn["role"] } = {},
): TemplateResult | undefined {
  const turns = splitTurns(text, tokens, how);
  return (
    turns &&
    html`<ol class="turns">
      ${turns.map(
        ({ role, text }) => html`<li class="turn ${role ?? ""}">
          ${role ? html`<p class="who">${speaker(role)}</p>` : ""}
          <p class="words">${text}</p>
        </li>`,
      )}
    </ol>`
  );
}
