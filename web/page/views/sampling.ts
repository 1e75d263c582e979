// How it writes: the settings that a text and an answer have in common.
import { html, type ReactiveControllerHost, type TemplateResult } from "lit";
import { problemOf } from "../../shared/errors";
import { settingName, t } from "../i18n";
import type { Report } from "../state";
import { numberField } from "./fields";

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

export class Sampling {
  readonly #host: ReactiveControllerHost & HTMLElement;
  #options = Object.fromEntries(NAMES.map((name) => [name, OPTIONS[name].value])) as Record<Option, number>;
  /** What is wrong with one of the options. */
  #report: Report | undefined;

  constructor(host: ReactiveControllerHost & HTMLElement) {
    this.#host = host;
  }

  fields(): TemplateResult {
    return html`<details class="more sampling">
      <summary><span class="state">${t("write.options")}</span> <span class="open">${t("details.change")}</span></summary>
      <fieldset class="fields">
        <legend>${t("write.options")}</legend>
        ${NAMES.map((name) => this.#field(name))}
      </fieldset>
    </details>`;
  }

  #field(name: Option): TemplateResult {
    return numberField({
      ...OPTIONS[name],
      id: `write-${name}`,
      label: settingName(name),
      value: this.#options[name],
      hint: t(`hint.write.${name}`),
      report: this.#report?.setting === name ? this.#report : undefined,
      onChange: (value) => {
        this.#options = { ...this.#options, [name]: value };
        this.#report = undefined;
        this.#host.requestUpdate();
      },
    });
  }

  /** Writes with these options. What is wrong with one of them is said at its field; nothing is written then. */
  async use<T>(write: (options: Record<Option, number>) => Promise<T>): Promise<T | undefined> {
    try {
      return await write(this.#options);
    } catch (error) {
      const report = problemOf(error);
      if (!NAMES.some((name) => name === report.setting)) throw error;
      this.#report = report;
      this.#host.requestUpdate();
      this.#host.querySelector("details.sampling")?.setAttribute("open", "");
      return undefined;
    }
  }
}
