// The glossary dialog: a term's definition and a list of all terms. Closing it restores the focus.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { linked, termLink } from "./term-link";
import { languageOfWords, stretches, type Term, terms, w } from "./words";

@customElement("lorito-glossary")
export class Glossary extends LitElement {
  @state() private term: Term | undefined;
  @query("dialog") private dialog!: HTMLDialogElement;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Opens the dialog at a term, or at the list. */
  async open(term?: Term): Promise<void> {
    this.term = term;
    await this.updateComplete;
    this.dialog.showModal();
  }

  override render(): TemplateResult {
    return html`<dialog class="glossary" lang=${languageOfWords() ?? nothing} aria-labelledby="${this.id}-title"
      @click=${(event: Event) => event.target === this.dialog && this.dialog.close()}>
      <div class="inside">
        <header>
          <p class="hint" id="${this.id}-title">${w("glossary.title")}</p>
          <button type="button" class="plain" @click=${() => this.dialog.close()}>${w("glossary.close")}</button>
        </header>
        <div class="entry" aria-live="polite">${this.term ? this.#entry(this.term) : nothing}</div>
        <details class="fold" .open=${this.term === undefined}>
          <summary>${w("glossary.open")}</summary>
          <ul>${terms().map((term) => html`<li>${termLink(w(`term.${term}`), () => this.#show(term), { opens: false, current: term === this.term })}</li>`)}</ul>
        </details>
      </div>
    </dialog>`;
  }

  #entry(term: Term): TemplateResult {
    return html`<h3>${w(`term.${term}`)}</h3>
      <p>${linked(stretches(`about.${term}`), (other) => this.#show(other), false)}</p>`;
  }

  #show(term: Term): void {
    this.term = term;
    this.dialog.scrollTop = 0;
  }
}
