// Shows the generated text token by token: surprise, likeliest alternatives, attention, and the logit lens.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { InspectedText, InspectedToken, LensRow, TokenChoice } from "../../../api/lorito";
import { number, t } from "../../i18n";
import { action, figures } from "../fields";
import { View } from "../view";
import { type Attention, attended, attentionFields, attentionTable } from "./attention";
import { choicesTable } from "./choices";
import { lensTable } from "./lens";
import { bits, chance, level, shades, visible } from "./token";

/** The meaning of the tokens' colours. */
type Colours = "surprise" | "attention";

/** The names of the levels of surprise. */
const LEVELS = ["inside.level.0", "inside.level.1", "inside.level.2", "inside.level.3", "inside.level.4"] as const;

@customElement("lorito-inside-text")
export class InsideText extends View {
  protected override readonly reads = ["model"] as const;
  @property({ attribute: false }) prompt = "";
  @property({ attribute: false }) written = "";
  @property({ attribute: false }) writing = false;
  @state() private text: InspectedText | undefined;
  @state() private reading = false;
  /** Index of the selected token; one past the last is the next token. */
  @state() private at = 0;
  /** Index of the token under the pointer. */
  @state() private over: number | undefined;
  @state() private colours: Colours = "surprise";
  @state() private attention: Attention = { layer: 0, head: undefined };
  @state() private lens: LensRow[] = [];
  #model: unknown;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    void this.store.lorito.inside.forget().catch(() => {});
  }

  override render(): TemplateResult {
    const { text } = this;
    const stale = this.writing || this.state.model === undefined;
    return html`<div class="inside-text">
      <p class="controls">
        ${action({ label: text ? t("inside.again") : t("inside.look"), able: !stale && !this.reading, act: () => void this.#look() })}
        <span class="hint" role="status">${this.reading ? t("inside.reading") : nothing}</span>
      </p>
      ${text ? this.#tokens(text) : nothing}
    </div>`;
  }

  /** Discards the inspection when the model changes. */
  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (this.#model !== this.state.model) this.text = undefined;
    this.#model = this.state.model;
  }

  /** Inspects again after another text was generated. */
  override updated(changed: PropertyValues): void {
    super.updated(changed);
    const wrote = changed.has("prompt") || changed.has("written") || changed.has("writing");
    if (wrote && !this.writing && this.written !== "") void this.#look();
  }

  async #look(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    const { store, prompt, written } = this;
    const text = await store.attempt("write", undefined, () => store.lorito.inside.look(prompt, written));
    this.reading = false;
    if (!text) return;
    this.text = text;
    const first = text.tokens.findIndex(({ given, probability }) => !given && probability != null);
    if (this.attention.layer >= text.layers) this.attention = { layer: 0, head: undefined };
    this.#choose(first === -1 ? text.tokens.length : first);
    // Another text may have been generated meanwhile.
    if (!this.writing && (prompt !== this.prompt || written !== this.written)) void this.#look();
  }

  #choose(at: number): void {
    this.at = at;
    this.lens = [];
    if (at > 0) void this.#readLens(at);
  }

  /** Reads the lens of a token, which is the layers' prediction after the previous token. */
  async #readLens(at: number): Promise<void> {
    const { store } = this;
    const lens = await store.attempt("write", undefined, () => store.lorito.inside.lens(at - 1));
    if (lens && this.at === at) this.lens = lens;
  }

  #tokens(text: InspectedText): TemplateResult {
    const left = text.ids.length - text.tokens.length;
    const shaded = this.#shades(text);
    return html`${left > 0 ? html`<p class="remark">${t("inside.cut", { count: text.tokens.length, left })}</p>` : nothing}
      ${this.#colours(text)}
      <div class="tokens" role="toolbar" aria-label=${t("inside.tokens")} aria-controls="inside-panel"
        @keydown=${this.#keys} @mouseleave=${() => {
          this.over = undefined;
        }}>
        ${text.tokens.map((token, index) => this.#token(token, index, shaded))}
        ${this.#button(text.tokens.length, "…", t("inside.next"), "later")}
      </div>
      <div id="inside-panel" class="panel">${this.#panel(text)}</div>`;
  }

  /** The legend of the colours, and the choice of their meaning. */
  #colours(text: InspectedText): TemplateResult {
    const radio = (
      value: Colours,
      label: string,
    ) => html`<label class="inline"><input type="radio" name="inside-colours" value=${value}
      .checked=${this.colours === value} @change=${() => {
        this.colours = value;
      }}> ${label}</label>`;
    return html`<fieldset class="colours">
        <legend>${t("inside.colours")}</legend>
        ${radio("surprise", t("inside.colours.surprise"))} ${radio("attention", t("inside.colours.attention"))}
      </fieldset>
      ${
        this.colours === "surprise"
          ? html`<p class="key hint" aria-hidden="true">${LEVELS.map((key, one) => html`<span class="token l${one}">${t(key)}</span>`)}</p>`
          : html`${attentionFields(text, this.attention, (attention) => {
              this.attention = attention;
            })}
            <p class="hint">${t("inside.attention.colours")}</p>`
      }`;
  }

  #token(token: InspectedToken, index: number, shaded: string[] | undefined): TemplateResult {
    const words =
      token.surprise == null
        ? t("inside.first", { token: visible(token.text) })
        : t("inside.token", {
            token: visible(token.text),
            chance: chance(token.probability ?? 0),
            bits: bits(token.surprise),
          });
    const colour = shaded ? (shaded[index] ?? "later") : `l${level(token.surprise ?? 0)}`;
    return html`${this.#button(index, visible(token.text), words, `${colour} ${token.given ? "given" : ""}`)}${token.text.includes("\n") ? html`<br>` : nothing}`;
  }

  /** The attention of the token under the pointer, or else of the selected one, to each token before it. */
  #shades(text: InspectedText): string[] | undefined {
    if (this.colours === "surprise") return undefined;
    const from = (this.over ?? this.at) - 1;
    return from < 0 ? [] : shades(attended(text, this.attention, from));
  }

  /** A token's button. Only one token is a tab stop; the arrow keys move between them. */
  #button(index: number, label: string, words: string, kind: string): TemplateResult {
    const chosen = index === this.at;
    return html`<button type="button" class="token ${kind}" data-index=${index} aria-label=${words} title=${words}
      aria-pressed=${chosen} tabindex=${chosen ? 0 : -1}
      @mouseenter=${() => {
        if (this.colours === "attention") this.over = index;
      }}
      @click=${() => this.#choose(index)}>${label}</button>`;
  }

  readonly #keys = (event: KeyboardEvent) => {
    const last = this.text?.tokens.length ?? 0;
    const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: last }[event.key];
    if (to === undefined || to < 0 || to > last) return;
    event.preventDefault();
    this.#choose(to);
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(`.tokens [data-index="${to}"]`)?.focus());
  };

  #panel(text: InspectedText): TemplateResult {
    const { at } = this;
    const token = text.tokens[at];
    const choices = token ? token.choices : text.next;
    const name = token ? visible(token.text) : "…";
    return html`<h3>${token ? t("inside.chosen", { number: text.ids.length - text.tokens.length + at + 1, token: name }) : t("inside.next")}</h3>
      ${
        token?.surprise != null
          ? figures([
              [t("inside.probability"), chance(token.probability ?? 0)],
              [t("inside.surprise"), bits(token.surprise)],
              [t("inside.rank"), number(token.rank ?? 0)],
            ])
          : nothing
      }
      ${
        at === 0
          ? html`<p class="hint">${t("inside.nothingBefore")}</p>`
          : html`<div class="views">
            ${choicesTable(choices, token?.id, !this.writing, (choice) => this.#continue(text, at, choice))}
            ${attentionTable(text, this.attention, at - 1, (attention) => {
              this.attention = attention;
            })}
            ${lensTable(this.lens, token)}
          </div>`
      }`;
  }

  /** Requests a new continuation from here, with another token. */
  #continue(text: InspectedText, at: number, choice: TokenChoice): void {
    const left = text.ids.length - text.tokens.length;
    const ids = [...text.ids.slice(0, left + at), choice.id];
    const begun =
      text.before +
      text.tokens
        .slice(0, at)
        .map(({ adds }) => adds)
        .join("") +
      choice.adds;
    this.dispatchEvent(new CustomEvent("continue-from", { detail: { ids, begun }, bubbles: true }));
  }
}

/** The detail of "continue-from": the ids to continue, and the text that they decode to. */
export interface ContinueFrom {
  ids: number[];
  begun: string;
}
