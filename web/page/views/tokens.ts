// The second step: the tokenizer, with a preview of the tokens.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import type { Piece, TokenizerKind, TurnTokens } from "../../api/lorito";
import { problemOf } from "../../shared/errors";
import { SETTINGS } from "../../shared/settings";
import { fixed, sentenceOf, t } from "../i18n";
import { tokenizerIsStale, trainTokenizer } from "../prepare";
import { TOKENIZER_KINDS } from "../settings";
import { turnToken } from "../split-turns";
import type { Report } from "../state";
import { action, choices, figures, numberField, unknownCharacters } from "./fields";
import { speaker } from "./turns";
import { View } from "./view";

/** Length of the preview: enough to see how words are split, and fast to render. */
const SHOWN_CHARACTERS = 600;
const COLOURS = 5;

@customElement("lorito-tokens")
export class TokensView extends View {
  protected override readonly reads = [
    "tokenizer",
    "text",
    "busy",
    "messages",
    "settings",
    "suggested",
    "plannedTime",
    "model",
    "modelOrigin",
    "trained",
  ] as const;
  @state() private own = "";
  /** The preview's loss mask: 1 for tokens that are learned, 0 for context. */
  @state() private learned: Uint8Array = new Uint8Array();
  @state() private pieces: Piece[] = [];
  @state() private unknown = "";
  @state() private report: Report | undefined;
  #previewed: unknown[] = [];

  override render(): TemplateResult {
    const { tokenizer, text, busy } = this.state;
    const kind = this.store.tokenizerKind;
    return this.step(
      "tokens",
      html`<details class="more" @toggle=${() => this.requestUpdate()}>
        <summary><span class="state">${this.#sentence()}</span> <span class="open">${t("details.change")}</span></summary>
        <div class="columns">
          <div>
            ${choices(
              "tokenizer",
              t("tokens.kind"),
              TOKENIZER_KINDS.map((value) => ({
                value,
                label: t(`tokens.${value}`),
                explanation: t(`tokens.${value}.about`),
              })),
              kind,
              (chosen) => this.#choose(chosen),
            )}
            ${kind === "bpe" ? this.#vocabulary() : nothing}
            <p>
              ${action({ label: t("tokens.train"), able: text !== undefined && !busy, act: () => this.#train() })}
              ${text ? nothing : html`<span class="hint">${t("need.text")}</span>`}
            </p>
          </div>
          <div>${tokenizer ? this.#preview() : html`<p class="hint">${t("tokens.none")}</p>`}</div>
        </div>
      </details>`,
    );
  }

  /** The step as one line, for users who accept the default. */
  #sentence(): string {
    const { tokenizer, text } = this.state;
    const kind = this.store.tokenizerKind;
    const name = t(`tokens.${tokenizer?.kind ?? kind}`);
    if (tokenizer && tokenizerIsStale(this.store)) return t("tokens.stale", { name });
    if (tokenizer) return t("tokens.made", { name, count: tokenizer.vocabulary });
    return text ? t("tokens.planned", { name }) : t("tokens.plannedNoText");
  }

  #choose(kind: TokenizerKind): void {
    this.store.setSettings({ ...this.state.settings, tokenizer: kind });
  }

  #vocabulary(): TemplateResult {
    const { settings } = this.state;
    const suggested = this.store.suggestedVocabulary;
    return numberField({
      id: "vocabulary",
      label: t("setting.vocabulary"),
      value: settings.vocabulary ?? suggested,
      ...SETTINGS.tokenizer.vocabulary,
      hint: suggested ? t("tokens.suggested", { count: suggested }) : undefined,
      onChange: (vocabulary) => this.store.setSettings({ ...settings, tokenizer: "bpe", vocabulary }),
    });
  }

  #train(): void {
    this.store.clearErrors("tokens");
    void this.store.attempt("tokens", { task: "tokenizing" }, () => trainTokenizer(this.store));
  }

  #preview(): TemplateResult {
    const { tokenizer } = this.state;
    return html`${figures([
      [t("tokens.figure.vocabulary"), tokenizer?.vocabulary ?? 0],
      [t("tokens.figure.perCharacter"), fixed(tokenizer?.tokensPerCharacter ?? 0, 2)],
      ...(tokenizer?.trainTokens ? [[t("tokens.figure.train"), tokenizer.trainTokens] as const] : []),
    ])}
      <div class="field wide">
        <label for="own-text">${t("tokens.own")}</label>
        <input id="own-text" type="text" autocomplete="off" .value=${this.own}
          @input=${(event: Event) => {
            this.own = (event.target as HTMLInputElement).value;
          }}>
      </div>
      <div class="pieces" role="group" tabindex="0" aria-label=${t("tokens.preview")}>${this.#pieces()}</div>
      ${this.learned.includes(0) ? html`<p class="hint legend">${t("tokens.learned")} <span class="piece c1">${t("tokens.learnedExample")}</span> <span class="piece c1 read">${t("tokens.readExample")}</span></p>` : nothing}
      <p class="hint">${t("tokens.count", { count: this.pieces.reduce((sum, { ids }) => sum + ids.length, 0) })}</p>
      ${unknownCharacters(this.unknown)}
      ${this.report ? html`<p class="error">${sentenceOf(this.report)}</p>` : nothing}`;
  }

  #pieces(): TemplateResult[] {
    let place = 0;
    return this.pieces.map((piece) => {
      const drawn = drawPiece(piece, this.learned[place] === 0, this.state.model?.turns ?? this.state.text?.turns);
      place += piece.ids.length;
      return drawn;
    });
  }

  /** Tokenizes the preview again when its input has changed and it is visible. */
  override updated(changed: PropertyValues): void {
    super.updated(changed);
    const { tokenizer, text } = this.state;
    const shown = this.own || (text?.preview.slice(0, SHOWN_CHARACTERS) ?? "");
    if (!this.querySelector<HTMLDetailsElement>("details.more")?.open) return;
    if (!tokenizer || (this.#previewed[0] === tokenizer && this.#previewed[1] === shown)) return;
    this.#previewed = [tokenizer, shown];
    void this.#cut(shown);
  }

  async #cut(shown: string): Promise<void> {
    try {
      const { lorito } = this.store;
      const [pieces, unknown] = [await lorito.previewTokens(shown), await lorito.unknownCharacters(shown)];
      const learned = await lorito.learnedTokens(shown);
      if (this.#previewed[1] !== shown) return;
      this.pieces = pieces;
      this.learned = learned;
      this.unknown = unknown;
      this.report = undefined;
    } catch (error) {
      this.report = problemOf(error);
    }
  }
}

/**
 * Renders a piece with its spaces and line ends made visible; its colour depends on its id, so equal tokens look the
 * same. A token that begins or ends a turn is shown as text.
 */
function drawPiece(piece: Piece, read: boolean, turns: TurnTokens | undefined): TemplateResult {
  const role = piece.ids.length === 1 ? turnToken(piece.text, turns) : undefined;
  if (role) {
    const title = `${piece.text} · ${t("tokens.id", { count: 1, ids: String(piece.ids[0]) })}`;
    const label = role === "end" ? t("turns.end") : speaker(role);
    return html`<span class="piece turn-token ${read ? "read" : ""}" title=${title}>${label}</span>`;
  }
  const visible = piece.text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵\n");
  const [first] = piece.ids;
  if (first === undefined) return html`<del class="piece" title=${t("tokens.leftOut")}>${visible}</del>`;
  return html`<span class="piece c${first % COLOURS} ${read ? "read" : ""}" title=${t("tokens.id", { count: piece.ids.length, ids: piece.ids.join(" ") })}>${visible}</span>`;
}
