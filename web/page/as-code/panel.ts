// Shows one step as code, to read and to copy. This file is loaded when a reader opens it.
import { html, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { t, type Words, wordsOf } from "../i18n";
import { STEPS, type Step } from "../state";
import { View } from "../views/view";
import { javascript } from "./javascript";
import { packages, python } from "./python";
import { type CodeSettings, codeSettings } from "./settings";
import { isComment } from "./source";

const LANGUAGES = { python: "Python", javascript: "JavaScript" } as const;
type Language = keyof typeof LANGUAGES;
const NAMES = Object.keys(LANGUAGES) as Language[];
const writers: Record<Language, (step: Step, settings: CodeSettings) => string> = { python, javascript };

/** The language chosen last, used for the next panel. */
let last: Language = "python";

@customElement("lorito-code")
export class CodeView extends View {
  protected override readonly reads = [
    "text",
    "tokenizer",
    "settings",
    "suggested",
    "plannedTime",
    "presets",
    "model",
    "modelOrigin",
    "trained",
    "halfPrecision",
    "sampling",
    "prompt",
  ] as const;
  @property({ attribute: false }) of: Step = "text";
  @state() private language: Language = last;
  @state() private said: Words | undefined;
  @query("pre") private shown!: HTMLPreElement;

  override render(): TemplateResult {
    const settings = codeSettings(this.store);
    if (!settings) return html`<p class="hint">${t("need.engine")}</p>`;
    const { of, language } = this;
    const name = LANGUAGES[language];
    const code = writers[language](of, settings);
    return html`<div class="tabs" role="tablist" aria-label=${t("asCode.language")} @keydown=${this.#arrow}>
        ${NAMES.map((each) => this.#tab(each))}
      </div>
      <div role="tabpanel" id="code-${of}" aria-labelledby="code-${of}-${language}">
        <p class="hint">${language === "python" ? t("asCode.about.python") : t("asCode.about.javascript")}
          ${language === "python" ? html`<code>${packages(settings)}</code>` : ""}</p>
        <pre class="code" tabindex="0" role="region" aria-label=${t("asCode.label", { step: t(`${of}.title`), language: name })}
        ><code translate="no">${code.split("\n").map((line, index) => this.#line(line, index))}</code></pre>
        <p class="controls">
          <button type="button" @click=${() => this.#copy(code)}>${t("asCode.copy")}</button>
          <button type="button" @click=${() => this.#copy(allSteps(language, settings))}>${t("asCode.copyAll")}</button>
          <span class="hint" role="status">${this.said?.()}</span>
        </p>
      </div>`;
  }

  #line(line: string, index: number): unknown {
    const start = index > 0 ? "\n" : "";
    return isComment(line) ? html`${start}<span class="comment">${line}</span>` : `${start}${line}`;
  }

  #tab(language: Language): TemplateResult {
    const selected = language === this.language;
    return html`<button type="button" role="tab" id="code-${this.of}-${language}" aria-controls="code-${this.of}"
      aria-selected=${selected} tabindex=${selected ? 0 : -1} @click=${() => this.#choose(language)}>${LANGUAGES[language]}</button>`;
  }

  #choose(language: Language): void {
    this.language = last = language;
    this.said = undefined;
  }

  /** As in every tab list, the arrow keys select the next tab. */
  #arrow(event: KeyboardEvent): void {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    this.#choose(this.language === "python" ? "javascript" : "python");
    this.querySelector<HTMLElement>(`#code-${this.of}-${this.language}`)?.focus();
  }

  async #copy(code: string): Promise<void> {
    this.said = undefined;
    try {
      await navigator.clipboard.writeText(`${code}\n`);
      this.said = wordsOf("asCode.copied");
    } catch {
      getSelection()?.selectAllChildren(this.shown);
      this.said = wordsOf("asCode.refused");
    }
  }
}

/** The code of all steps in order, each under its title. */
function allSteps(language: Language, settings: CodeSettings): string {
  const mark = language === "python" ? "#" : "//";
  return STEPS.map((step) => `${mark} ${t(`${step}.title`)}\n${writers[language](step, settings)}\n`).join("\n");
}
