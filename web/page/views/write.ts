// The fifth step: text generation and chat.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { part } from "../../shared/part";
import { t, type Words, wordsOf } from "../i18n";
import type { Copies } from "./copied";
import { action, unknownCharacters } from "./fields";
import type { ContinueFrom } from "./inside/text";
import { Sampling } from "./sampling";
import { View } from "./view";

type Way = "text" | "chat" | "both";
const LABELS = { text: "write.way.text", chat: "write.way.chat", both: "write.way.both" } as const;

@customElement("lorito-write")
export class WriteView extends View {
  protected override readonly reads = ["model", "messages", "prompt"] as const;
  /** The user's choice between text and chat. */
  @state() private chosen: Way | undefined;
  @state() private begun: string | undefined;
  @state() private written = "";
  @state() private writing = false;
  /** The copied parts of the text, once it is complete. */
  @state() private copies: Copies | undefined;
  /** Characters of the prompt that the model has no token for. */
  @state() private unknown = "";
  @state() private announcement: Words | undefined;
  readonly #sampling = new Sampling(this);
  /** The chat comes when it is first shown; after a failure, when it is chosen again. */
  @state() private chat: "unasked" | "asked" | "failed" | "here" = "unasked";

  /** What the model can do: with an adapter, it can also answer without it. A one-page model has none. */
  get #ways(): readonly Way[] {
    const adapts = this.state.model?.adapter && "adapterLosses" in this.store.lorito;
    return adapts ? ["text", "chat", "both"] : ["text", "chat"];
  }

  /** A model trained on conversations starts with the chat. */
  get #way(): Way {
    const chosen = this.#ways.find((way) => way === this.chosen);
    return chosen ?? (this.state.model?.chat ? "chat" : "text");
  }

  override render(): TemplateResult {
    return this.step(
      "write",
      html`<div class="tabs" role="tablist" aria-label=${t("write.ways")} @keydown=${this.#arrow}>
          ${this.#ways.map((way) => this.#tab(way, t(LABELS[way])))}
        </div>
        <div id="write-panel-text" role="tabpanel" aria-labelledby="write-tab-text" ?hidden=${this.#way !== "text"}>
          ${this.#text()}
        </div>
        <div id="write-panel-chat" role="tabpanel" aria-labelledby="write-tab-chat" ?hidden=${this.#way !== "chat"}>
          ${this.chat === "here" ? html`<lorito-chat .store=${this.store} .sampling=${this.#sampling}></lorito-chat>` : nothing}
        </div>
        ${this.#ways.includes("both") ? this.#both() : nothing}
        ${this.#sampling.fields()}
        <p class="visually-hidden" role="status">${this.announcement?.()}</p>`,
    );
  }

  protected override updated(): void {
    if (this.#way === "chat" && this.chat === "unasked") void this.#loadChat();
  }

  async #loadChat(): Promise<void> {
    this.chat = "asked";
    const came = await this.store.attempt("write", undefined, () => part(import("./chat")));
    this.chat = came ? "here" : "failed";
  }

  #tab(way: Way, label: string): TemplateResult {
    const selected = way === this.#way;
    return html`<button type="button" role="tab" id="write-tab-${way}" aria-controls="write-panel-${way}"
      aria-selected=${selected} tabindex=${selected ? 0 : -1}
      @click=${() => {
        this.chosen = way;
        if (this.chat === "failed") this.chat = "unasked";
      }}>${label}</button>`;
  }

  /** As in every tab list, the arrow keys select the next tab. */
  #arrow(event: KeyboardEvent): void {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const ways = this.#ways;
    const step = event.key === "ArrowRight" ? 1 : ways.length - 1;
    this.chosen = ways[(ways.indexOf(this.#way) + step) % ways.length];
    this.querySelector<HTMLElement>(`#write-tab-${this.chosen}`)?.focus();
  }

  #both(): TemplateResult {
    return html`<div id="write-panel-both" role="tabpanel" aria-labelledby="write-tab-both" ?hidden=${this.#way !== "both"}>
      <lorito-before-after .store=${this.store} .sampling=${this.#sampling}></lorito-before-after>
    </div>`;
  }

  #text(): TemplateResult {
    const able = this.state.model !== undefined;
    return html`<div class="columns">
      <form @submit=${this.#submit}>
        <div class="field wide">
          <label for="prompt">${t("write.prompt")}</label>
          <textarea id="prompt" rows="3" .value=${this.state.prompt} aria-describedby="prompt-hint"
            @input=${(event: Event) => {
              this.store.change({ prompt: (event.target as HTMLTextAreaElement).value });
              this.chosen = "text";
              this.unknown = "";
            }}></textarea>
          <small id="prompt-hint">${t("write.promptHint")}</small>
          ${unknownCharacters(this.unknown)}
        </div>
        <p class="controls">
          ${action({ label: t("write.write"), able: able && !this.writing, act: () => {}, kind: "primary", submit: true })}
          ${action({ label: t("write.stop"), able: this.writing, act: () => this.store.lorito.stopWriting() })}
          ${able ? nothing : html`<span class="hint">${t("need.model")}</span>`}
        </p>
      </form>
      <figure class="sheet written">
        <figcaption id="written-title">${t("write.written")}</figcaption>
        ${
          this.begun === undefined
            ? html`<p class="hint">${t("write.nothing")}</p>`
            : html`<blockquote id="written" tabindex="0" aria-labelledby="written-title" aria-live="off"><span class="prompt">${this.begun}</span>${this.copies?.marked(this.written) ?? this.written}${this.writing ? html`<span class="caret" aria-hidden="true"></span>` : nothing}</blockquote>
              ${this.copies?.below()}`
        }
      </figure>
    </div>
    ${this.#inside()}`;
  }

  /** The fold for inspecting the model; a one-page model has none. */
  #inside(): TemplateResult | typeof nothing {
    if (this.begun === undefined || !("inside" in this.store.lorito)) return nothing;
    return html`<lorito-inside .store=${this.store} .prompt=${this.begun} .written=${this.written} .writing=${this.writing}
      @continue-from=${({ detail }: CustomEvent<ContinueFrom>) => {
        if (!this.writing) void this.#write(detail.begun, detail.ids);
      }}></lorito-inside>`;
  }

  #submit(event: Event): void {
    event.preventDefault();
    if (this.state.model && !this.writing) void this.#write(this.state.prompt);
  }

  /** `ids`: the token ids of the beginning, if they are given. */
  async #write(begun: string, ids?: readonly number[]): Promise<void> {
    this.store.clearErrors("write");
    this.begun = begun;
    this.written = "";
    this.copies = undefined;
    this.unknown = "";
    this.writing = true;
    this.announcement = wordsOf("write.started");
    const onToken = (piece: string) => {
      this.written += piece;
    };
    const onUnknown = (characters: string) => {
      this.unknown = characters;
    };
    const all = await this.store.attempt("write", undefined, () =>
      this.#sampling.use((options) => this.store.lorito.generate(ids ?? begun, { ...options, onToken, onUnknown })),
    );
    this.writing = false;
    if (all === undefined) this.announcement = undefined;
    else {
      this.written = all;
      this.announcement = wordsOf("write.ended", { text: this.begun + all });
      await this.store.attempt("write", undefined, () => this.#lookForCopies(all));
    }
  }

  async #lookForCopies(text: string): Promise<void> {
    // A one-page model has no training text.
    if (!this.store.lorito.copied) return;
    const { Copies } = await part(import("./copied"));
    const copies = await Copies.of(this, this.store.lorito, "written", text);
    // Another text may have been started.
    if (!this.writing && this.written === text) this.copies = copies;
  }
}
