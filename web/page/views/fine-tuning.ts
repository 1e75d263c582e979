// Renders the Train step's part on fine-tuning: the settings of an adapter, and the return to the best weights after
// overfitting.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { settingOf } from "../../shared/errors";
import { SETTINGS } from "../../shared/settings";
import { fixed, number, t } from "../i18n";
import { DEFAULT_LORA, type Lora, TARGET_NAMES } from "../settings";
import type { Store } from "../state";
import { action, numberField } from "./fields";

/** Fields for an adapter's rank and matrices. An existing adapter can only be trained further, or merged. */
export function loraFields(store: Store): TemplateResult {
  const { settings, model, planReport, phase } = store.state;
  // Adapters reported by the crate have all fields.
  const there = (model?.adapter ?? undefined) as Lora | undefined;
  const lora = there ?? settings.lora;
  const set = (changed: Lora | undefined) => {
    const { lora: _, ...rest } = settings;
    store.setSettings(changed ? { ...rest, lora: changed } : rest);
  };
  const reportOf = (setting: string) => (settingOf(planReport) === setting ? planReport : undefined);
  return html`<fieldset class="fields" ?disabled=${there !== undefined}>
    <legend>${t("lora.title")}</legend>
    <div class="field switch">
      <input id="lora" type="checkbox" aria-describedby="lora-hint" .checked=${live(lora !== undefined)}
        @change=${(event: Event) => set((event.target as HTMLInputElement).checked ? DEFAULT_LORA : undefined)}>
      <label for="lora">${t("lora.use")}</label>
      <small id="lora-hint">${t(there ? "lora.there" : "lora.hint")}</small>
    </div>
    ${
      lora
        ? html`${numberField({
            id: "lora-rank",
            label: t("setting.rank"),
            value: lora.rank,
            ...SETTINGS.adapter.rank,
            hint: t("hint.rank"),
            report: reportOf("rank"),
            onChange: (rank) => set({ ...lora, rank }),
          })}
          ${numberField({
            id: "lora-alpha",
            label: t("setting.alpha"),
            value: lora.alpha,
            hint: t("hint.alpha"),
            report: reportOf("alpha"),
            onChange: (alpha) => set({ ...lora, alpha }),
          })}
          ${TARGET_NAMES.map(
            (target) => html`<div class="field switch">
              <input id="lora-${target}" type="checkbox" .checked=${live(lora.targets[target])}
                @change=${(event: Event) =>
                  set({ ...lora, targets: { ...lora.targets, [target]: (event.target as HTMLInputElement).checked } })}>
              <label for="lora-${target}">${t(`lora.${target}`)}</label>
            </div>`,
          )}
          ${reportOf("targets") ? html`<small class="error">${t("lora.noTargets")}</small>` : nothing}`
        : nothing
    }
  </fieldset>
  ${
    there
      ? html`<p>
        ${action({ label: t("lora.merge"), able: phase === "idle", act: () => void merge(store) })}
        <small>${t("lora.mergeAbout", { count: model?.adapterParameters ?? 0 })}</small>
      </p>`
      : nothing
  }`;
}

async function merge(store: Store): Promise<void> {
  const { lora: _, ...settings } = store.state.settings;
  const merged = await store.attempt("train", { task: "making" }, () => store.lorito.mergeAdapter());
  if (merged) store.setSettings(settings);
}

/** A notice of overfitting with the best evaluation; after training it offers to restore those weights. */
export function overfitting(store: Store): TemplateResult | typeof nothing {
  const { best, phase, busy } = store.state;
  if (!best || best.worseEvaluations === 0) return nothing;
  const figures = { step: best.step, loss: best.validationLoss, count: best.worseEvaluations };
  const running = phase === "training" || phase === "paused" || phase === "recovering";
  if (running && !best.overfitting) return nothing;
  return html`<div class="message notice" role="status">
    <p>${t(best.overfitting ? "best.overfitting" : "best.worse", figures)}</p>
    ${
      running
        ? html`<p>${t("best.stopFirst")}</p>`
        : action({
            label: t("best.return", { step: number(best.step), loss: fixed(best.validationLoss, 3) }),
            able: phase === "idle" && busy === undefined,
            act: () => void store.attempt("train", { task: "making" }, () => store.lorito.returnToBest()),
          })
    }
  </div>`;
}
