// Shows what the model copied: marks in the generated text, the training passage of each, and the passages most similar
// to the rest. A view with generated text requests it once the text is complete.
import { html, nothing, type ReactiveControllerHost, type TemplateResult } from "lit";
import type { Copied, Lorito, Passage } from "../../api/lorito";
import { t } from "../i18n";

/** The result of the search for one text. The view renders `marked` in place of the text, and `below` under it. */
export class Copies {
  readonly #host: ReactiveControllerHost & HTMLElement;
  readonly #lorito: Lorito;
  /** Prefix of the ids of its elements. */
  readonly #id: string;
  readonly #found: Copied | undefined;
  /** Index of the piece whose passage is shown. */
  #shown: number | undefined;
  #nearest: "unasked" | "looking" | Passage[] = "unasked";

  private constructor(host: ReactiveControllerHost & HTMLElement, lorito: Lorito, id: string, found?: Copied) {
    this.#host = host;
    this.#lorito = lorito;
    this.#id = id;
    this.#found = found;
  }

  static async of(host: ReactiveControllerHost & HTMLElement, lorito: Lorito, id: string, text: string) {
    return new Copies(host, lorito, id, await lorito.copied(text));
  }

  /** Renders the text with its copied runs marked. */
  marked(text: string): unknown {
    return (
      this.#found?.pieces.map((piece, index) => (piece.passage ? this.#mark(piece.text, index) : piece.text)) ?? text
    );
  }

  #mark(text: string, index: number): TemplateResult {
    const shown = index === this.#shown;
    const toggle = () => this.#show(shown ? undefined : index);
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    };
    // A button element is one box, and would not break into lines with the surrounding text.
    return html`<mark class="copied" role="button" tabindex="0" data-piece=${index} aria-label=${t("copied.run", { text })}
      aria-expanded=${shown} aria-controls="${this.#id}-place" @click=${toggle} @keydown=${onKey}>${text}</mark>`;
  }

  #show(index: number | undefined): void {
    this.#shown = index;
    this.#host.requestUpdate();
  }

  /** Renders the copied share, the selected passage and the passages most similar to the rest. */
  below(): TemplateResult {
    if (!this.#found) return html`<p class="hint">${t("copied.unknown")}</p>`;
    const { share, pieces, fewestWords, fewestCharacters } = this.#found;
    const count = pieces.filter(({ passage }) => passage).length;
    const sentence =
      count > 0
        ? t("copied.some", { share, count })
        : t("copied.none", { words: fewestWords, characters: fewestCharacters });
    return html`<div class="copies">
      <p class="share">${sentence}</p>
      <div id="${this.#id}-place" aria-live="polite">${this.#place()}</div>
      ${this.#rest ? this.#similar() : nothing}
    </div>`;
  }

  #place(): TemplateResult | typeof nothing {
    const index = this.#shown;
    const passage = index === undefined ? undefined : this.#found?.pieces[index]?.passage;
    if (!passage) return nothing;
    const close = () => {
      this.#show(undefined);
      this.#host.querySelector<HTMLElement>(`mark[aria-controls="${this.#id}-place"][data-piece="${index}"]`)?.focus();
    };
    return html`${passageIn(passage, html`<mark>${passage.text}</mark>`)}
      <button type="button" class="plain" @click=${close}>${t("copied.close")}</button>`;
  }

  /** The text that is not copied, for the similarity search. */
  get #rest(): string {
    const rest = this.#found?.pieces.filter(({ passage }) => !passage) ?? [];
    return rest
      .map(({ text }) => text)
      .join(" ")
      .trim();
  }

  #similar(): TemplateResult {
    const found = this.#nearest;
    return html`<details @toggle=${this.#look}>
      <summary>${t("copied.nearest")}</summary>
      <div aria-live="polite">
        ${
          typeof found === "string"
            ? html`<p class="hint">${t("copied.looking")}</p>`
            : found.length === 0
              ? html`<p class="hint">${t("copied.nearestNone")}</p>`
              : html`<ol>${found.map((passage) => html`<li>${passageIn(passage, passage.text)}</li>`)}</ol>`
        }
      </div>
    </details>`;
  }

  /** Searches once, when the section is opened. */
  readonly #look = async (event: Event) => {
    if (this.#nearest !== "unasked" || !(event.target as HTMLDetailsElement).open) return;
    this.#nearest = "looking";
    // After an error, such as a lost engine, the next opening searches again.
    this.#nearest = (await this.#lorito.mostLike(this.#rest).catch(() => "unasked" as const)) ?? [];
    this.#host.requestUpdate();
  };
}

function passageIn({ source, at, before, after }: Passage, text: unknown): TemplateResult {
  return html`<figure class="passage">
    <figcaption>${source === null ? t("copied.at", { at }) : t("copied.atIn", { source, at })}</figcaption>
    <blockquote tabindex="0"><span class="around">${before}</span>${text}<span class="around">${after}</span></blockquote>
  </figure>`;
}
