// Renders the sampling settings that text generation and chat share.
import { html, type TemplateResult } from "lit";
import { problemOf, settingOf } from "../../shared/errors";
import { SETTINGS, type Setting } from "../../shared/settings";
import { settingName, t } from "../i18n";
import type { Sampling as Options, Report } from "../state";
import { numberField } from "./fields";
import type { View } from "./view";

type Option = keyof Options;
const NAMES = Object.keys(SETTINGS.generate) as Option[];

/** The increments of the fields with fractional values. */
const STEPS: Partial<Record<Option, number>> = { temperature: 0.1, topP: 0.05, repetitionPenalty: 0.05 };

export class Sampling {
  readonly #host: View;
  /** An error of one of the options. */
  #report: Report | undefined;

  constructor(host: View) {
    this.#host = host;
  }

  get #options(): Options {
    return this.#host.store.state.sampling;
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
    const { whole, min, unit }: Setting = SETTINGS.generate[name];
    return numberField({
      whole,
      min: whole ? min : undefined,
      unit,
      step: STEPS[name],
      id: `write-${name}`,
      label: settingName(name),
      value: this.#options[name],
      hint: t(`hint.write.${name}`),
      report: settingOf(this.#report) === name ? this.#report : undefined,
      onChange: (value) => {
        this.#host.store.change({ sampling: { ...this.#options, [name]: value } });
        this.#report = undefined;
        this.#host.requestUpdate();
      },
    });
  }

  /** Generates text with these options. An invalid option is reported at its field, and nothing is generated. */
  async use<T>(write: (options: Options) => Promise<T>): Promise<T | undefined> {
    try {
      return await write(this.#options);
    } catch (error) {
      const report = problemOf(error);
      if (!NAMES.some((name) => name === settingOf(report))) throw error;
      this.#report = report;
      this.#host.requestUpdate();
      this.#host.querySelector("details.sampling")?.setAttribute("open", "");
      return undefined;
    }
  }
}
