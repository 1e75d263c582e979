// Four goals to begin with, and the settings that suit each. A goal is only a beginning: every setting stays in reach.
import { SAMPLES, type SampleName } from "./intake";
import type { Settings } from "./settings";
import type { Store } from "./state";

/** What a goal sets: few things, each for the reason beside it. The size of the model is chosen by how long it would take. */
export interface Goal {
  tokenizer?: Settings["tokenizer"];
  changed: Settings["changed"];
}

export const GOALS = {
  // Characters or word pieces as the text's length suggests; dropout, as one author's text is soon read many times over.
  style: { changed: { dropout: 0.1 } },
  // Word pieces, so that a message and its answer fit into the window.
  chat: { tokenizer: "bpe", changed: { context: 128, dropout: 0.1 } },
  // Every character of the text is a token, whatever its script; little text is overfitted early, so it is tested often.
  language: { tokenizer: "char", changed: { dropout: 0.2, evalEvery: 100 } },
  // The same for a question and its answer.
  assistant: { tokenizer: "bpe", changed: { context: 128, dropout: 0.1 } },
} as const satisfies Record<string, Goal>;

export type GoalName = keyof typeof GOALS;
export const GOAL_NAMES = Object.keys(GOALS) as GoalName[];

/** The sample that shows what a goal leads to, in the person's language. */
export function sampleOf(goal: GoalName, language: string): SampleName | undefined {
  if (goal !== "style") return undefined;
  return SAMPLES.find((name) => name === (language === "es" ? "cuentos" : "harbour"));
}

/** The settings before the goal set its own. */
let before: Settings | undefined;

export function chooseGoal(store: Store, name: GoalName): void {
  leaveGoal(store);
  const { settings } = store.state;
  const goal: Goal = GOALS[name];
  before = settings;
  const tokenizer = goal.tokenizer ? { tokenizer: goal.tokenizer } : {};
  store.setSettings({ ...settings, ...tokenizer, changed: { ...settings.changed, ...goal.changed } });
  store.change({ goal: name });
}

/** What the goal set becomes as it was, but for what the person has changed since. */
export function leaveGoal(store: Store): void {
  const { goal: name, settings } = store.state;
  if (!name || !before) return;
  const goal: Goal = GOALS[name];
  const { tokenizer: _, ...rest } = settings;
  const kind = settings.tokenizer === goal.tokenizer ? before.tokenizer : settings.tokenizer;
  const changed = { ...settings.changed };
  for (const field of Object.keys(goal.changed) as (keyof Settings["changed"])[]) {
    if (changed[field] !== goal.changed[field]) continue;
    const value = before.changed[field];
    if (value === undefined) delete changed[field];
    else changed[field] = value;
  }
  before = undefined;
  store.setSettings({ ...rest, ...(kind ? { tokenizer: kind } : {}), changed });
  store.change({ goal: undefined });
}
