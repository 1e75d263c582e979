// The third step: the model's size, and its costs on this machine.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import type { Memory, ModelConfig } from "../../api/lorito";
import { settingOf } from "../../shared/errors";
import { MODEL_FAMILIES } from "../../shared/protocol";
import { bytes, duration, list, sentenceOf, settingName, short, t, wordFor } from "../i18n";
import { modelDiffers } from "../prepare";
import { type Field, MODEL_FIELDS, type Settings } from "../settings";
import type { Report } from "../state";
import { choices, figures, settingField } from "./fields";
import "./starters";
import { timeChoice } from "./time";
import { View } from "./view";

/** The settings that determine memory, by their names in the crate's proposal. */
const TAKING_MEMORY = ["batchSize", "windowLength", "context", "layers", "heads", "width"] as const;

@customElement("lorito-model")
export class ModelView extends View {
  protected override readonly reads = [
    "presets",
    "settings",
    "suggested",
    "plannedTime",
    "ready",
    "plan",
    "planReport",
    "model",
    "modelOrigin",
    "trained",
    "text",
    "messages",
  ] as const;
  #refused: Report | undefined;

  override render(): TemplateResult {
    const { presets, planReport } = this.state;
    const chosen = this.#touched ? undefined : this.store.preset?.name;
    return this.step(
      "model",
      html`${timeChoice(this.store)}
      <details class="more">
        <summary><span class="state">${this.#sentence()}</span> <span class="open">${t("details.change")}</span></summary>
        ${
          presets.length === 0
            ? html`<p class="hint">${t("need.engine")}</p>`
            : html`<div class="columns">
              <div>
                ${choices(
                  "preset",
                  t("model.preset"),
                  presets.map(({ name, model, fits }) => ({
                    value: name,
                    label: presetName(name),
                    explanation: t(fits ? "model.presetShape" : "model.presetTooLarge", counted(model)),
                  })),
                  chosen,
                  (preset) => this.#set({ preset, changed: {} }),
                )}
              </div>
              <div>
                ${choices(
                  "family",
                  t("model.family"),
                  MODEL_FAMILIES.map((name) => ({
                    value: name,
                    label: t(`family.${name}`),
                    explanation: t(`family.${name}.about`),
                  })),
                  this.state.settings.family ?? "gpt2",
                  (family) => this.#set({ family }),
                )}
                <fieldset class="fields">
                  <legend>${t("model.shape")}</legend>
                  ${MODEL_FIELDS.map((field) => settingField(this.store, "model", field))}
                  ${settingField(this.store, "model", "seed")}
                </fieldset>
              </div>
            </div>`
        }
      </details>
      ${planReport && !settingOf(planReport) ? this.#refusal(planReport) : this.#costs()}
      <lorito-starters .store=${this.store}></lorito-starters>`,
    );
  }

  /** Shows the fields on an error, as it is easier to fix with the numbers in sight. */
  override updated(): void {
    const { planReport } = this.state;
    const details = this.querySelector<HTMLDetailsElement>("details.more");
    if (planReport && planReport !== this.#refused && details) details.open = true;
    this.#refused = planReport;
  }

  get #touched(): boolean {
    const { changed } = this.state.settings;
    return MODEL_FIELDS.some((field) => changed[field] !== undefined);
  }

  #set(part: Partial<Settings>): void {
    this.store.setSettings({ ...this.state.settings, ...part });
  }

  /** Merges changed values into the settings. */
  #change(changed: Settings["changed"]): void {
    this.#set({ changed: { ...this.state.settings.changed, ...changed } });
  }

  #sentence(): string {
    const { model, plan } = this.state;
    if (model && this.store.canContinue && !modelDiffers(this.store)) {
      return t("model.made", { ...counted(model.config), parameters: short(model.parameters) });
    }
    const { preset, shape } = this.store;
    if (!preset || !shape) return t("model.starting");
    const name = this.#touched ? t("model.own") : presetName(preset.name);
    if (!plan) return t("model.plannedPlain", { name, ...counted(shape.model) });
    return t("model.planned", { name, parameters: short(plan.parameters), ...counted(shape.model) });
  }

  #costs(): TemplateResult | typeof nothing {
    const { plan, settings, text } = this.state;
    if (!plan) return nothing;
    const { weights, optimizer, activations, workers } = plan.memory;
    const memory = { weights, optimizer, activations, workers, text: plan.textBytes };
    return html`<div class="costs">
      ${figures([
        [t("model.figure.parameters"), plan.parameters],
        [t("model.figure.time"), duration(plan.seconds), t("model.figure.timeNote")],
        [t("model.figure.memory"), bytes(sum(memory))],
        ...(text
          ? [[t("model.figure.epochs"), t("model.epochs", { count: Math.round(plan.epochs * 10) / 10 })] as const]
          : []),
      ])}
      ${memoryBar(memory)}
      ${settings.preset || settings.minutes !== undefined || this.#touched ? nothing : html`<p class="hint">${t("model.suggested")}</p>`}
    </div>`;
  }

  /** Why these numbers are impossible, with buttons for the nearest possible ones. */
  #refusal(report: Report): TemplateResult {
    return html`<div class="message error" role="alert">
      <p>${sentenceOf(report)}</p>
      <p class="answers">${this.#answers(report)}</p>
    </div>`;
  }

  #answers(report: Report): unknown {
    const answer = (label: string, changed: Settings["changed"]) =>
      html`<button type="button" @click=${() => this.#change(changed)}>${label}</button>`;
    if (report.code === "heads-do-not-divide-width") {
      const { heads, allowed, widths } = report;
      const near = allowed.toSorted((a, b) => Math.abs(a - heads) - Math.abs(b - heads)).slice(0, 2);
      return [
        ...near.map((count) => answer(t("model.useHeads", { count }), { heads: count })),
        ...widths.map((width) => answer(t("model.useWidth", { width }), { width })),
      ];
    }
    const { shape } = this.store;
    if (report.code === "model-too-large" && report.nearest && shape) {
      const { nearest } = report;
      const { model, modelOrigin } = this.state;
      const there = modelOrigin === "given" ? model?.config : undefined;
      const asked: Partial<Record<Field, unknown>> = { ...shape.model, ...there, ...shape.train };
      const changes = TAKING_MEMORY.filter((field) => nearest[field] !== asked[field]);
      const phrases = changes.map((field) => t("model.change", { setting: settingName(field), value: nearest[field] }));
      const changed = Object.fromEntries(changes.map((field) => [field, nearest[field]]));
      return answer(t("model.useNearest", { changes: list(phrases) }), changed);
    }
    return nothing;
  }
}

export function presetName(name: string): string {
  return wordFor(`preset.${name}`) ?? name;
}

/** The counts of a shape for use in sentences: "1 layer", "2 layers". */
function counted({ layers, heads, width, context }: Omit<ModelConfig, "vocabulary" | "dropout">) {
  return { layers: t("model.layers", { count: layers }), heads: t("model.heads", { count: heads }), width, context };
}

/** Memory in bytes by use: the model and its training, and the text with its token ids. */
type Shares = Omit<Memory, "largestBuffer"> & { text: number };

const sum = ({ weights, optimizer, activations, workers, text }: Shares): number =>
  weights + optimizer + activations + workers + text;

/** The parts of memory in one bar; the same numbers are listed beside it. */
function memoryBar(shares: Shares): TemplateResult {
  const parts = (["weights", "optimizer", "activations", "workers", "text"] as const)
    // Other processors take part only on the CPU engine.
    .filter((name) => name !== "workers" || shares.workers > 0)
    .map((name) => [name, shares[name]] as const);
  const total = sum(shares);
  let from = 0;
  return html`<div class="memory">
    <svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
      ${parts.map(([name, amount]) => {
        const x = (1000 * from) / total;
        from += amount;
        return svg`<rect class=${name} x=${x} width=${(1000 * amount) / total} height="10" />`;
      })}
    </svg>
    <ul>
      ${parts.map(([name, amount]) => html`<li class=${name}>${t(`model.memory.${name}`, { size: bytes(amount) })}</li>`)}
    </ul>
  </div>`;
}
