// Renders labelled controls for the settings.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { settingOf } from "../../shared/errors";
import { SETTINGS, type Setting, type Unit } from "../../shared/settings";
import { list, number, sentenceOf, settingName, t } from "../i18n";
import type { Field } from "../settings";
import type { Report, Store } from "../state";

export interface NumberField {
  id: string;
  label: string;
  value: number | undefined;
  onChange: (value: number) => void;
  hint?: string | undefined;
  /** The unit of the value. */
  unit?: Unit | undefined;
  /** An error of the value, shown beside it. */
  report?: Report | undefined;
  /** A whole number of at least `min` (0); the crate checks its own limits. */
  whole?: boolean;
  min?: number | undefined;
  max?: number | undefined;
  step?: number | undefined;
}

export function numberField(field: NumberField): TemplateResult {
  const { id, label, value, hint, unit, report, onChange } = field;
  const notes = [unit && `${id}-unit`, hint && `${id}-hint`, report && `${id}-error`];
  const described = notes.filter(Boolean).join(" ");
  return html`<div class="field ${report ? "wrong" : ""}">
    <label for=${id}>${label}</label>
    <span class="measured"><input id=${id} type="number" inputmode="decimal" required
      min=${field.min ?? nothing} max=${field.max ?? nothing} step=${field.whole ? 1 : (field.step ?? "any")}
      .value=${value === undefined ? "" : String(value)}
      aria-describedby=${described || nothing} aria-invalid=${report ? "true" : nothing}
      @change=${(event: Event) => {
        const input = event.target as HTMLInputElement;
        const given = field.whole ? Math.max(field.min ?? 0, Math.round(input.valueAsNumber)) : input.valueAsNumber;
        if (Number.isFinite(given)) onChange(given);
        input.value = String(Number.isFinite(given) ? given : (value ?? ""));
      }}>${unit ? html` <span id="${id}-unit">${t(`unit.${unit}`)}</span>` : nothing}</span>
    ${hint ? html`<small id="${id}-hint">${hint}</small>` : nothing}
    ${report ? html`<small id="${id}-error" class="error">${sentenceOf(report)}</small>` : nothing}
  </div>`;
}

/** A field for one number of the model or of training, with the crate's error if it is invalid. */
export function settingField(store: Store, place: string, field: Field): TemplateResult {
  const { settings, planReport } = store.state;
  const shape = store.shape;
  const value = shape && { ...shape.model, ...shape.train }[field];
  const { whole, unit }: Setting = { ...SETTINGS.model, ...SETTINGS.train }[field];
  return numberField({
    id: `${place}-${field}`,
    label: settingName(field),
    value,
    whole,
    unit,
    hint: t(`hint.${field}`),
    report: settingOf(planReport) === field ? planReport : undefined,
    onChange: (given) => {
      const { minutes, ...byHand } = settings;
      const kept = field === "steps" || minutes === undefined ? byHand : { ...byHand, minutes };
      store.setSettings({ ...kept, changed: { ...settings.changed, [field]: given } });
    },
  });
}

export interface Action {
  label: unknown;
  /** Whether the action is possible now. If not, the button can still be focused, so that keyboard users keep their position. */
  able: boolean;
  act: () => void;
  kind?: "primary" | "plain" | "sample";
  submit?: boolean;
}

/** A button. Submit buttons act through their form's event. */
export function action({ label, able, act, kind, submit = false }: Action): TemplateResult {
  const press = (event: Event) => {
    if (!able) event.preventDefault();
    else if (!submit) act();
  };
  return html`<button type=${submit ? "submit" : "button"} class=${kind ?? nothing}
    aria-disabled=${able ? nothing : "true"} @click=${press}>${label}</button>`;
}

export interface Choice<T extends string> {
  value: T;
  label: string;
  explanation: string;
}

/** Radio buttons as cards with explanations. */
export function choices<T extends string>(
  name: string,
  legend: string,
  all: readonly Choice<T>[],
  chosen: T | undefined,
  onChange: (value: T) => void,
): TemplateResult {
  return html`<fieldset class="choices">
    <legend>${legend}</legend>
    ${all.map(({ value, label, explanation }) => {
      const id = `${name}-${value}`;
      return html`<label class="choice">
        <input type="radio" name=${name} value=${value} aria-labelledby="${id}-name" aria-describedby="${id}-about"
          .checked=${live(value === chosen)} @change=${() => onChange(value)}>
        <span>
          <strong id="${id}-name">${label}</strong> <span id="${id}-about" class="explanation">${explanation}</span>
        </span>
      </label>`;
    })}
  </fieldset>`;
}

/** A notice that names the characters which the tokenizer has no token for. */
export function unknownCharacters(characters: string): TemplateResult | typeof nothing {
  if (!characters) return nothing;
  return html`<p class="remark">${namesOf(characters)}</p>`;
}

/** The same characters as a sentence. */
export function namesOf(unknown: string): string {
  return t("tokens.unknown", { characters: list([...unknown].slice(0, 40)) });
}

/** Numbers as a description list: [name, value, the value in words if needed]. */
export function figures(all: readonly (readonly [string, string | number, string?])[]): TemplateResult {
  return html`<dl class="figures">
    ${all.map(
      ([name, value, note]) => html`<div>
        <dt>${name}</dt>
        <dd>${typeof value === "number" ? number(value) : value}${note ? html` <small>${note}</small>` : nothing}</dd>
      </div>`,
    )}
  </dl>`;
}
