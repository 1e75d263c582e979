// Shows four goals for beginners at the top of the page until there is a text. Each sets suitable settings and leads to
// the Text step, which describes the text to bring.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import { chooseGoal, GOAL_NAMES, GOALS, type Goal, type GoalName, leaveGoal, sampleOf } from "../goals";
import { currentLanguage, list, settingName, t } from "../i18n";
import { takeSample } from "../intake";
import type { Field } from "../settings";
import type { Store } from "../state";
import { action } from "./fields";
import { goTo, View } from "./view";

@customElement("lorito-goals")
export class Goals extends View {
  protected override readonly reads = ["goal", "text", "model"] as const;

  override render(): TemplateResult | typeof nothing {
    const { goal, text, model } = this.state;
    if (goal || text || model) return nothing;
    return html`<section class="goals" aria-labelledby="goals-title">
      <h2 id="goals-title">${t("goals.heading")}</h2>
      <ul>
        ${GOAL_NAMES.map(
          (name) => html`<li>
            ${action({
              able: true,
              kind: "sample",
              act: () => void this.#choose(name),
              label: html`<svg viewBox="0 0 48 48" aria-hidden="true">${PICTURES[name]}</svg>
                <strong>${t(`goals.title.${name}`)}</strong>`,
            })}
          </li>`,
        )}
      </ul>
    </section>`;
  }

  async #choose(name: GoalName): Promise<void> {
    chooseGoal(this.store, name);
    await this.updateComplete; // the goals above the step have been removed by then
    goTo("text");
  }
}

/** Shows the chosen goal beside the path, at every step, with a button to leave it. */
@customElement("lorito-goal")
export class ChosenGoal extends View {
  protected override readonly reads = ["goal"] as const;

  override render(): TemplateResult | typeof nothing {
    const { goal } = this.state;
    if (!goal) return nothing;
    return html`<p><small>${t("goals.chosen")}</small> <strong>${t(`goals.title.${goal}`)}</strong></p>
      ${leaving(this.store, () => document.querySelector<HTMLElement>("nav [aria-current]")?.focus())}`;
  }
}

/** In the Text step: the text to bring for the goal, the settings it has changed, and a button to leave it. */
export function goalNote(store: Store): TemplateResult | typeof nothing {
  const { goal, text } = store.state;
  if (!goal) return nothing;
  const sample = text ? undefined : sampleOf(goal, currentLanguage());
  return html`<div class="goal" role="note" aria-labelledby="goal-title">
    <p><strong id="goal-title">${t(`goals.title.${goal}`)}</strong> ${text ? nothing : t(`goals.bring.${goal}`)}</p>
    <p class="hint">${t("goals.set", { settings: list(setBy(goal)) })}</p>
    <p class="controls">
      ${
        sample
          ? html`<button type="button" @click=${() => void takeSample(store, sample)}>${t("goals.sample", { name: t(`sample.${sample}.name`) })}</button>`
          : nothing
      }
      ${leaving(store, () => goTo("text"))}
    </p>
  </div>`;
}

/** A button to leave the goal. It is removed by its click, so `next` moves the focus once the page is updated. */
function leaving(store: Store, next: () => void): TemplateResult {
  const leave = async () => {
    leaveGoal(store);
    await document.querySelector<View>("lorito-goals")?.updateComplete;
    next();
  };
  return html`<button type="button" class="plain" @click=${leave}>${t("goals.leave")}</button>`;
}

/** The settings that a goal changes, as text. */
function setBy(name: GoalName): string[] {
  const goal: Goal = GOALS[name];
  const fields = Object.entries(goal.changed) as [Field, number][];
  const figures = fields.map(([field, value]) => t("model.change", { setting: settingName(field), value }));
  return goal.tokenizer ? [t(`tokens.${goal.tokenizer}`), ...figures] : figures;
}

/**
 * A pen, two speech bubbles, a mountain with a sun, a book: drawn with circles and quarter circles, like the samples.
 */
const PICTURES: Record<GoalName, TemplateResult> = {
  style: svg`<path class="coral" d="M30 4a14 14 0 0 1 14 14L20 42H6V28z"/><path class="sun" d="M6 28l14 14H6z"/>`,
  chat: svg`<path class="leafy" d="M4 6h26a10 10 0 0 1 0 20H14l-10 8z"/><path class="sun" d="M44 42v-8a9 9 0 0 0 -9 -9H24a9 9 0 0 0 0 17z"/>`,
  language: svg`<circle class="sun" cx="34" cy="14" r="9"/><path class="sky" d="M0 44a22 22 0 0 1 22-22v22z"/><path class="leafy" d="M22 44a22 22 0 0 1 24-18v18z"/>`,
  assistant: svg`<path class="leafy" d="M24 10v32H4V14a18 18 0 0 1 20-4z"/><path class="coral" d="M24 10v32h20V14a18 18 0 0 0 -20-4z"/>`,
};
