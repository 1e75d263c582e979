// What the chat answers from, once "Answer from my documents" is switched on: the list of documents, files that are given for
// this alone, and below an answer the passages that the model was given. Loaded when it is first switched on.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import type { AskedDocuments, FoundPassage, SearchedDocument } from "../../api/lorito";
import { mostSearched } from "../../shared/passages";
import { t, type Words, wordsOf } from "../i18n";
import { ACCEPT_TEXTS } from "../intake";
import type { Busy } from "../state";
import { refocus, waiting } from "./hub-fields";
import { View } from "./view";

@customElement("lorito-documents")
export class DocumentsView extends View {
  protected override readonly reads = ["text"] as const;
  @query("#document-files") private files!: HTMLInputElement;
  /** Undefined until the documents have been read. */
  @state() private listed: readonly SearchedDocument[] | undefined;
  /** The file that is being read. */
  @state() private reading: Busy | undefined;
  /** The texts that the list was made of. */
  #seen: unknown = Symbol("none");

  override render(): TemplateResult {
    return html`<p class="hint">${t("documents.about")}</p>
      ${this.#list()}
      ${this.reading ? waiting("document-reading", t("text.reading", { name: this.reading.name }), this.reading) : nothing}
      <input id="document-files" type="file" multiple hidden accept=${ACCEPT_TEXTS} @change=${this.#chosen}>
      <p class="controls">
        <button type="button" id="documents-add" aria-describedby="documents-add-hint"
          @click=${() => this.files.click()}>${t("documents.add")}</button>
        <small id="documents-add-hint">${t("documents.addHint")}</small>
      </p>`;
  }

  #list(): TemplateResult {
    if (!this.listed) return html`<p role="status">${t("documents.reading")}</p>`;
    if (this.listed.length === 0) return html`<p class="remark" role="status">${t("documents.none")}</p>`;
    const count = this.listed.reduce((sum, { passages }) => sum + passages, 0);
    return html`<p role="status">${t("documents.ready", { count })}</p>
      <ul class="sources" aria-label=${t("documents.listed")}>${this.listed.map((document) => this.#document(document))}</ul>`;
  }

  #document({ name, passages, isText, isWhole }: SearchedDocument): TemplateResult {
    return html`<li>
      <span class="name">${name}</span>
      <span class="size">${t("documents.passages", { count: passages })}</span>
      ${
        isText
          ? nothing
          : html`<button type="button" class="plain" aria-label=${t("text.removeNamed", { name })}
              @click=${() => this.#remove(name)}>${t("text.remove")}</button>`
      }
      ${isWhole ? nothing : html`<p class="remark">${t("documents.partly", { limit: mostSearched })}</p>`}
    </li>`;
  }

  /** The texts may have changed: another was added, or one removed. */
  override updated(): void {
    if (this.state.text === this.#seen) return;
    this.#seen = this.state.text;
    void this.#show(() => this.store.lorito.documents.list());
  }

  async #show(list: () => Promise<readonly SearchedDocument[]>): Promise<void> {
    this.listed = (await this.store.attempt("write", undefined, list)) ?? this.listed ?? [];
  }

  readonly #chosen = async (): Promise<void> => {
    const chosen = [...(this.files.files ?? [])];
    this.files.value = "";
    this.store.clearErrors("write");
    const abort = new AbortController();
    for (const file of chosen) {
      if (abort.signal.aborted) break;
      const { name, size: total } = file;
      this.reading = { task: "reading", name, total, cancel: () => abort.abort() };
      const onProgress = (done: number, total: number) => {
        if (this.reading) this.reading = { ...this.reading, done, total };
      };
      await this.#show(() => this.store.lorito.documents.add(name, file, { signal: abort.signal, onProgress }));
    }
    this.reading = undefined;
    await this.updateComplete;
    refocus(this.querySelector("#documents-add"));
  };

  async #remove(name: string): Promise<void> {
    await this.#show(() => this.store.lorito.documents.remove(name));
    await this.updateComplete;
    this.querySelector<HTMLElement>("#documents-add")?.focus();
  }
}

/** The passages that an answer is from: a click shows one. Below them is what the model was asked. */
export function passagesBelow({ passages, question }: AskedDocuments): TemplateResult {
  return html`<div class="passages">
    <p class="who">${t("documents.sources")}</p>
    <ol aria-label=${t("documents.sources")}>
      ${passages.map((passage) => html`<li>${folded(t("documents.place", placeOf(passage)), passage.text)}</li>`)}
    </ol>
    ${folded(t("documents.asked"), question)}
  </div>`;
}

function folded(title: string, text: string): TemplateResult {
  return html`<details class="fold">
    <summary>${title}</summary>
    <blockquote class="words" tabindex="0" aria-label=${title}>${text}</blockquote>
  </details>`;
}

const placeOf = ({ source, number, of }: FoundPassage) => ({ source, number, of });

/** Which passages an answer is from, in words, for screen readers. */
export function passagesInWords({ passages }: AskedDocuments): string {
  return passages.map((passage) => t("documents.place", placeOf(passage))).join("; ");
}

/** Why the model was not asked; undefined if it was. */
export function whyNotAsked({ passages, found }: AskedDocuments, context: number): Words | undefined {
  if (passages.length > 0) return undefined;
  return found > 0 ? wordsOf("documents.noRoom", { context }) : wordsOf("documents.nothingFits");
}
