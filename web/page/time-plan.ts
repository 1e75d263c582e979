// Plans model and training for the minutes that the person gives. The crate decides (src/config/time_plan.rs).
import type { TimePlan } from "../api/lorito";
import type { State, Store } from "./state";

/** A plan, and what it was made for. */
export interface PlannedTime {
  for: string;
  plan: TimePlan;
}

/** What a plan depends on; undefined if the settings need none. */
function needed({ settings, text, ready }: State): string | undefined {
  const { minutes, preset, tokenizer, vocabulary, family } = settings;
  if (minutes === undefined || preset || !text) return undefined;
  return JSON.stringify([minutes, tokenizer, vocabulary, family, text.hash, text.heldBack, ready?.engine]);
}

/** The plan for the present settings and text; undefined if they need none, or until it is made. */
export function timePlanOf(state: State): TimePlan | undefined {
  const { plannedTime } = state;
  return plannedTime && plannedTime.for === needed(state) ? plannedTime.plan : undefined;
}

/** Makes the plan, if the settings need one. */
export async function planTime(store: Store): Promise<void> {
  const wanted = needed(store.state);
  const { minutes, tokenizer, vocabulary, family } = store.state.settings;
  if (wanted === undefined || minutes === undefined || store.state.plannedTime?.for === wanted) return;
  const chosen = { ...(tokenizer ? { tokenizer } : {}), ...(vocabulary === undefined ? {} : { vocabulary }) };
  const plan = await store.lorito.planForTime(60 * minutes, { ...chosen, llama: family === "llama" });
  store.change({ plannedTime: { for: wanted, plan } });
}
