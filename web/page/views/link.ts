// Shares a link with settings and language: copied, or as a QR code for a class.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { part } from "../../shared/part";
import { isClassView, linkTo } from "../class-view";
import { currentLanguage, t, type Words, wordsOf } from "../i18n";
import { toHash } from "../settings";
import { View } from "./view";

@customElement("lorito-link")
export class LinkView extends View {
  protected override readonly reads = ["settings"] as const;
  @state() private forClass = isClassView();
  @state() private done: Words | undefined;
  /** The function that draws the code, once it is loaded. */
  @state() private code: ((link: string) => TemplateResult) | undefined;
  /** Whether the code is shown. */
  @state() private shown = false;
  @query("dialog") private dialog!: HTMLDialogElement;

  override render(): TemplateResult {
    const link = this.#link;
    return html`<span class="row">
        <button type="button" class="plain" @click=${this.#copy}>${t("share.link")}</button>
        <button type="button" class="plain" @click=${this.#show}>${t("class.code")}</button>
      </span>
      <small>${t("share.link.about")}</small>
      <div class="field switch">
        <input id="link-class" type="checkbox" aria-describedby="link-class-about" .checked=${this.forClass}
          @change=${(event: Event) => {
            this.forClass = (event.target as HTMLInputElement).checked;
          }}>
        <label for="link-class">${t("class.link")}</label>
        <small id="link-class-about">${t("class.link.about")}</small>
      </div>
      <p class="done" role="status">${this.done?.()}</p>
      <dialog aria-labelledby="code-title" @close=${this.#closed}>
        <h2 id="code-title">${t("class.code.title")}</h2>
        ${this.shown && this.code ? html`<div class="code" role="img" aria-label=${t("class.code.about", { link })}>${this.code(link)}</div>` : nothing}
        <p class="address">${link}</p>
        <form method="dialog" class="controls"><button>${t("class.close")}</button></form>
      </dialog>`;
  }

  get #link(): string {
    return linkTo(toHash(this.state.settings), currentLanguage(), this.forClass);
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#link);
      this.done = wordsOf("share.linkCopied");
    } catch {
      this.done = wordsOf("share.linkByHand", { link: this.#link });
    }
  }

  async #show(): Promise<void> {
    await this.store.attempt("share", undefined, async () => {
      const { qrCode } = await part(import("../qr-code"));
      this.code = qrCode;
      this.shown = true;
      await this.updateComplete;
      this.dialog.showModal();
    });
  }

  readonly #closed = () => {
    this.shown = false;
  };
}
