// Links a word to the glossary. It is a span because a button element does not break across lines like its sentence.
import { html, nothing, type TemplateResult } from "lit";
import type { Stretch, Term } from "./words";

/** `opens`: whether a click opens the dialog. */
export function termLink(words: string, open: () => void, { opens = true, current = false } = {}): TemplateResult {
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  };
  return html`<span class="term" role="button" tabindex="0" aria-haspopup=${opens ? "dialog" : nothing}
    aria-current=${current ? "true" : nothing} @click=${open} @keydown=${press}>${words}</span>`;
}

/** Renders a sentence with its glossary links. */
export function linked(sentence: readonly Stretch[], open: (term: Term) => void, opens = true): unknown {
  return sentence.map(({ words, term }) => (term ? termLink(words, () => open(term), { opens }) : words));
}
