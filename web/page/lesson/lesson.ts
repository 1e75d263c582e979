// Explains a step in sentences with links to the glossary, and with a picture of the user's own data.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query } from "lit/decorators.js";
import type { Step } from "../state";
import { View } from "../views/view";
import "./curve";
import "./diagram";
import "./glossary";
import type { Glossary } from "./glossary";
import "./low-rank";
import "./next-counts";
import "./pieces";
import "./probabilities";
import { linked } from "./term-link";
import "./window";
import { fetchWords, languageOfWords, stretches, w, wordsAreHere } from "./words";

@customElement("lorito-lesson")
export class Lesson extends View {
  protected override readonly reads = [] as const;
  @property() about!: Step;
  @query("lorito-glossary") private glossary!: Glossary;

  override render(): TemplateResult | typeof nothing {
    if (languageOfWords() === undefined) return nothing;
    const { about } = this;
    return html`<div class="explanation-of" lang=${languageOfWords()}>
      <div class="words">
        <p>${linked(stretches(`${about}.what`), (term) => void this.glossary.open(term))}</p>
        <p><button type="button" class="plain" aria-haspopup="dialog" @click=${() => this.glossary.open()}>${w("glossary.title")}</button></p>
      </div>
      <div class="pictures">${this.#pictures()}</div>
      <lorito-glossary id="${about}-glossary"></lorito-glossary>
    </div>`;
  }

  /** Fetches the texts in the page's language, and again when it changes. */
  protected override updated(): void {
    if (!wordsAreHere()) void this.#fetch();
  }

  async #fetch(): Promise<void> {
    await this.store.attempt(this.about, undefined, fetchWords);
    if (!wordsAreHere()) return;
    for (const element of [this, ...this.querySelectorAll("*")])
      if (element instanceof LitElement) element.requestUpdate();
  }

  #pictures(): TemplateResult {
    const { store } = this;
    switch (this.about) {
      case "text":
        return html`<lorito-next-counts .store=${store}></lorito-next-counts>`;
      case "tokens":
        return html`<lorito-pieces .store=${store}></lorito-pieces>`;
      case "model":
        return html`<lorito-diagram .store=${store}></lorito-diagram>`;
      case "train":
        return html`<lorito-window .store=${store}></lorito-window><lorito-curve .store=${store}></lorito-curve>`;
      case "write":
        return html`<lorito-probabilities .store=${store}></lorito-probabilities>`;
      case "share":
        return html`<lorito-low-rank .store=${store}></lorito-low-rank>`;
    }
  }
}
