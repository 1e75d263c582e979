// The fifth step: it writes on from what the person begins.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { problemOf } from "../errors";
import { settingName, t } from "../i18n";
import type { Report } from "../state";
import { action, numberField } from "./fields";
import { View } from "./view";

/** How it writes at first; the steps are those of the fields' arrows. */
const OPTIONS = {
  maxTokens: { value: 300, whole: true, min: 1 },
  temperature: { value: 0.8, step: 0.1 },
  topK: { value: 0, whole: true },
  topP: { value: 1, step: 0.05 },
  repetitionPenalty: { value: 1, step: 0.05 },
  seed: { value: 1, whole: true },
} as const;
type Option = keyof typeof OPTIONS;
const NAMES = Object.keys(OPTIONS) as Option[];

@customElement("lorito-write")
export class WriteView extends View {
  protected override readonly reads = ["model", "messages"] as const;
  @state() private prompt = "";
  @state() private begun: string | undefined;
  @state() private written = "";
  @state() private writing = false;
  @state() private announcement = "";
  /** What is wrong with one of the options. */
  @state() private report: Report | undefined;
  @state() private options = Object.fromEntries(NAMES.map((name) => [name, OPTIONS[name].value])) as Record<
    Option,
    number
  >;

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
    return numberField({
      ...OPTIONS[name],
      id: `write-${name}`,
      label: settingName(name),
      value: this.options[name],
      hint: t(`hint.write.${name}`),
      report: this.report?.setting === name ? this.report : undefined,
      onChange: (value) => {
        this.options = { ...this.options, [name]: value };
        this.report = undefined;
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
    const all = await this.store.attempt("write", undefined, async () => {
      try {
        return await this.store.lorito.generate(this.prompt, { ...this.options, onToken });
      } catch (error) {
        this.report = problemOf(error);
        if (!NAMES.some((name) => name === this.report?.setting)) throw error;
        this.querySelector("details")?.setAttribute("open", "");
        return undefined;
      }
    });
    this.writing = false;
    if (all === undefined) this.announcement = "";
    else {
      this.written = all;
      this.announcement = t("write.ended", { text: this.begun + all });
    }
  }
}
