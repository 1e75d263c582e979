// Shows the samples of all evaluations: the newest large, the earlier ones from step 0 below it.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Sample, TurnTokens } from "../../api/lorito";
import { t } from "../i18n";
import { turnsIn } from "./turns";

@customElement("lorito-story")
export class Story extends LitElement {
  @property({ attribute: false }) samples: Sample[] = [];
  /** The special tokens of a model trained on conversations. */
  @property({ attribute: false }) turns: TurnTokens | undefined;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override render(): TemplateResult {
    const now = this.samples.at(-1);
    const before = this.samples.slice(0, -1).reverse();
    return html`<h3>${t("story.title")}</h3>
      <figure class="sheet now">
        <img src="parrot.svg" alt="" width="44" height="44">
        ${
          now
            ? html`<figcaption>${t("story.step", { step: now.step })}</figcaption>
              ${this.#written(now.text)}`
            : html`<p class="hint">${t("story.soon")}</p>`
        }
      </figure>
      ${
        before.length === 0
          ? nothing
          : html`<h4>${t("story.before")}</h4>
            <ol reversed class="before" tabindex="0" aria-label=${t("story.before")}>
              ${before.map(
                ({ step, text }) => html`<li>
                  <span class="at">${t("story.step", { step })}</span>
                  ${this.#written(text)}
                </li>`,
              )}
            </ol>`
      }`;
  }

  /** Trained on conversations, a model learns only the answers, so a sample begins with one. */
  #written(text: string): TemplateResult {
    return html`<blockquote>${turnsIn(text, this.turns, { first: "assistant" }) ?? text.trimStart()}</blockquote>`;
  }
}
