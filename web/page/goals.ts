// Defines four goals for beginners, with settings that suit each. Every setting can still be changed afterwards.
import { SAMPLES, type SampleName } from "./intake";
import type { Settings } from "./settings";
import type { Store } from "./state";

/** The settings of a goal: few, each with its reason beside it. The model's size is chosen by the estimated time. */
export interface Goal {
  tokenizer?: Settings["tokenizer"];
  changed: Settings["changed"];
}

export const GOALS = {
  // The text's length decides between characters and BPE; dropout, because one author's text is soon repeated many
  // times.
  style: { changed: { dropout: 0.1 } },
  // BPE, so that a message and its answer fit into the context.
  chat: { tokenizer: "bpe", changed: { context: 128, dropout: 0.1 } },
  // Each character is a token, in any script; a short text is overfitted early, so evaluations are frequent.
  language: { tokenizer: "char", changed: { dropout: 0.2, evalEvery: 100 } },
  // BPE, so that a question and its answer fit into the context.
  assistant: { tokenizer: "bpe", changed: { context: 128, dropout: 0.1 } },
} as const satisfies Record<string, Goal>;

export type GoalName = keyof typeof GOALS;
export const GOAL_NAMES = Object.keys(GOALS) as GoalName[];

/** The sample text that illustrates a goal, in the user's language. */
export function sampleOf(goal: GoalName, language: string): SampleName | undefined {
  if (goal !== "style") return undefined;
  return SAMPLES.find((name) => name === (language === "es" ? "cuentos" : "harbour"));
}

/** The settings before a goal was chosen. */
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

/** Restores the settings that the goal changed, except those that the user has changed since. */
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
