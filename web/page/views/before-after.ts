// Lets the model answer one prompt without and with its adapter, and shows both losses on the held-back text.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { AdapterLosses, ModelSummary } from "../../api/lorito";
import { t, type Words, wordsOf } from "../i18n";
import { action } from "./fields";
import type { Sampling } from "./sampling";
import { View } from "./view";

const SIDES = ["before", "after"] as const;
type Side = (typeof SIDES)[number];

@customElement("lorito-before-after")
export class BeforeAfter extends View {
  protected override readonly reads = ["model", "phase", "prompt"] as const;
  @property({ attribute: false }) sampling!: Sampling;
  /** The prompt of the texts that are shown. */
  @state() private begun = "";
  @state() private texts: Partial<Record<Side, string>> = {};
  /** The side that is being written. */
  @state() private writing: Side | undefined;
  @state() private measuring: AbortController | undefined;
  @state() private losses: AdapterLosses | undefined;
  /** Why there are no losses. */
  @state() private noLosses: Words | undefined;
  @state() private announcement: Words | undefined;
  /** The model that wrote the texts. */
  #writer: ModelSummary | undefined;

  /** Texts of another model, or of an adapter that has been trained since, are removed. */
  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (this.#busy || this.#writer === this.state.model) return;
    this.texts = {};
    this.losses = undefined;
    this.noLosses = undefined;
  }

  get #busy(): boolean {
    return this.writing !== undefined || this.measuring !== undefined;
  }

  get #chats(): boolean {
    return this.state.model?.chat ?? false;
  }

  override render(): TemplateResult {
    const able = !this.#busy && (!this.#chats || this.state.prompt.trim() !== "");
    return html`<p class="hint">${t("both.about")}</p>
      <form @submit=${(event: Event) => this.#submit(event, able)}>
        <div class="field wide">
          <label for="both-prompt">${this.#chats ? t("both.question") : t("write.prompt")}</label>
          <textarea id="both-prompt" rows="2" .value=${this.state.prompt} @input=${(event: Event) => {
            this.store.change({ prompt: (event.target as HTMLTextAreaElement).value });
          }}></textarea>
        </div>
        <p class="controls">
          ${action({ label: t("both.write"), able, act: () => {}, kind: "primary", submit: true })}
          ${action({ label: t("write.stop"), able: this.#busy, act: () => this.#stop() })}
        </p>
      </form>
      <div class="side-by-side">${SIDES.map((side) => this.#sheet(side))}</div>
      ${this.noLosses ? html`<p class="hint">${this.noLosses()}</p>` : nothing}
      <p class="visually-hidden" role="status">${this.announcement?.()}</p>`;
  }

  #sheet(side: Side): TemplateResult {
    const text = this.texts[side];
    const loss = this.losses?.[side === "before" ? "without" : "with"];
    return html`<figure class="sheet">
      <figcaption id="both-${side}-title">${t(`both.${side}`)}</figcaption>
      ${
        text === undefined
          ? html`<p class="hint">${t("write.nothing")}</p>`
          : html`<blockquote id="both-${side}" tabindex="0" aria-labelledby="both-${side}-title">${this.#chats ? nothing : html`<span class="prompt">${this.begun}</span>`}${text}${this.writing === side ? html`<span class="caret" aria-hidden="true"></span>` : nothing}</blockquote>`
      }
      ${this.measuring ? html`<p class="hint">${t("both.measuring")}</p>` : nothing}
      ${loss === undefined ? nothing : html`<p class="loss">${t("both.loss", { loss })}</p>`}
    </figure>`;
  }

  #submit(event: Event, able: boolean): void {
    event.preventDefault();
    if (able) void this.#both();
  }

  async #both(): Promise<void> {
    this.store.clearErrors("write");
    this.begun = this.#chats ? this.state.prompt.trim() : this.state.prompt;
    this.#writer = this.state.model;
    this.texts = {};
    this.losses = undefined;
    this.noLosses = undefined;
    this.announcement = wordsOf("both.writing");
    const done = await this.store.attempt("write", undefined, async () => {
      for (const side of SIDES) {
        this.writing = side;
        const text = await this.#write(side);
        // It was stopped, or an option is invalid.
        if (text === undefined || this.writing !== side) return false;
        this.texts = { ...this.texts, [side]: text };
      }
      this.writing = undefined;
      await this.#measure();
      return true;
    });
    this.writing = undefined;
    this.announcement = done ? this.#inWords(this.texts, this.losses) : undefined;
  }

  #write(side: Side): Promise<string | undefined> {
    const { lorito } = this.store;
    this.texts = { ...this.texts, [side]: "" };
    const onToken = (piece: string) => {
      this.texts = { ...this.texts, [side]: (this.texts[side] ?? "") + piece };
    };
    return this.sampling.use(async (chosen) => {
      const options = { ...chosen, adapter: side === "after", onToken };
      if (!this.#chats) return lorito.generate(this.begun, options);
      return (await lorito.chat([{ role: "user", content: this.begun }], options)).text;
    });
  }

  /** Measures both losses, unless the model is being trained. */
  async #measure(): Promise<void> {
    if (["training", "paused"].includes(this.state.phase)) {
      this.noLosses = wordsOf("both.lossesLater");
      return;
    }
    const measuring = new AbortController();
    this.measuring = measuring;
    try {
      this.losses = await this.store.lorito.adapterLosses(measuring.signal);
      if (!this.losses) this.noLosses = wordsOf("both.noLosses");
    } finally {
      this.measuring = undefined;
    }
  }

  #inWords({ before = "", after = "" }: Partial<Record<Side, string>>, losses: AdapterLosses | undefined): Words {
    return () => {
      const loss = (value: number | undefined) => (value === undefined ? "" : t("both.loss", { loss: value }));
      return [t("both.before"), before, loss(losses?.without), t("both.after"), after, loss(losses?.with)].join(" ");
    };
  }

  #stop(): void {
    this.writing = undefined;
    this.store.lorito.stopWriting();
    this.measuring?.abort();
  }
}
