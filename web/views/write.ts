// The fifth step: it writes on from what the person begins.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { settingName, t } from "../i18n";
import { action, numberField } from "./fields";
import { View } from "./view";

const OPTIONS = {
  maxTokens: { value: 300, min: 1, max: 100_000, step: 1 },
  temperature: { value: 0.8, min: 0, max: 5, step: 0.1 },
  topK: { value: 0, min: 0, max: 100_000, step: 1 },
  topP: { value: 1, min: 0, max: 1, step: 0.05 },
  repetitionPenalty: { value: 1, min: 0.1, max: 5, step: 0.05 },
  seed: { value: 1, min: 0, max: 4_294_967_295, step: 1 },
} as const;
type Option = keyof typeof OPTIONS;
const NAMES = Object.keys(OPTIONS) as Option[];

@customElement("lorito-write")
export class WriteView extends View {
  @state() private prompt = "";
  @state() private begun: string | undefined;
  @state() private written = "";
  @state() private writing = false;
  @state() private announcement = "";
  private options = Object.fromEntries(NAMES.map((name) => [name, OPTIONS[name].value])) as Record<Option, number>;

  override render(): TemplateResult {
    const able = this.state.model !== undefined;
    return this.step(
      "write",
      html`<div class="columns">
          <form @submit=${this.#submit}>
            <div class="field wide">
              <label for="prompt">${t("write.prompt")}</label>
              <textarea id="prompt" rows="3" .value=${this.prompt} aria-describedby="prompt-hint"
                @input=${(event: Event) => {
                  this.prompt = (event.target as HTMLTextAreaElement).value;
                }}></textarea>
              <small id="prompt-hint">${t("write.promptHint")}</small>
            </div>
            <p class="controls">
              ${action({ label: t("write.write"), able: able && !this.writing, act: () => {}, kind: "primary", submit: true })}
              ${action({ label: t("write.stop"), able: this.writing, act: () => this.store.lorito.stopWriting() })}
              ${able ? nothing : html`<span class="hint">${t("need.model")}</span>`}
            </p>
            <details class="more">
              <summary><span class="state">${t("write.options")}</span> <span class="open">${t("details.change")}</span></summary>
              <fieldset class="fields">
                <legend>${t("write.options")}</legend>
                ${NAMES.map((name) => this.#option(name))}
              </fieldset>
            </details>
          </form>
          <figure class="sheet written">
            <figcaption id="written-title">${t("write.written")}</figcaption>
            ${
              this.begun === undefined
                ? html`<p class="hint">${t("write.nothing")}</p>`
                : html`<blockquote id="written" tabindex="0" aria-labelledby="written-title" aria-live="off"><span class="prompt">${this.begun}</span>${this.written}${this.writing ? html`<span class="caret" aria-hidden="true"></span>` : nothing}</blockquote>`
            }
          </figure>
        </div>
        <p class="visually-hidden" role="status">${this.announcement}</p>`,
    );
  }

  #option(name: Option): TemplateResult {
    const { min, max, step } = OPTIONS[name];
    return numberField({
      id: `write-${name}`,
      label: settingName(name),
      value: this.options[name],
      min,
      max,
      step,
      hint: t(`hint.write.${name}`),
      onChange: (value) => {
        this.options[name] = Math.min(max, Math.max(min, value));
        this.requestUpdate();
      },
    });
  }

  #submit(event: Event): void {
    event.preventDefault();
    if (this.state.model && !this.writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.store.forgive("write");
    this.begun = this.prompt;
    this.written = "";
    this.writing = true;
    this.announcement = t("write.started");
    const onToken = (piece: string) => {
      this.written += piece;
    };
    const all = await this.store.attempt("write", undefined, () =>
      this.store.lorito.generate(this.prompt, { ...this.options, onToken }),
    );
    this.writing = false;
    if (all === undefined) this.announcement = "";
    else {
      this.written = all;
      this.announcement = t("write.ended", { text: this.begun + all });
    }
  }
}
