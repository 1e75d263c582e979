// Runs long tasks that the user can cancel, with their progress at a given place on the page.
import type { Busy, Message, Store } from "./state";

export interface Transfer {
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}

/**
 * Runs a task that is shown as `busy`, with a cancel button; undefined if it was cancelled or failed. Earlier errors and
 * short-lived notices at that place are removed.
 */
export function cancellable<T>(
  store: Store,
  place: Message["place"],
  busy: Busy,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T | undefined> {
  const leftOut = ["weights-passed-over", "adapter-left-out", "tokens-left-out", "templates-left-out"];
  const passing = ["cancelled", "hub-not-kept", ...leftOut];
  store.clearErrors(place);
  const messages = store.state.messages.filter((said) => said.place !== place || !passing.includes(said.report.code));
  store.change({ messages });
  return withCancel(store, place, busy, new AbortController(), work);
}

/** The same for one of several tasks with a common `abort`. Messages about the others stay. */
export function withCancel<T>(
  store: Store,
  place: Message["place"],
  busy: Busy,
  abort: AbortController,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T | undefined> {
  return store.attempt(place, { ...busy, cancel: () => abort.abort() }, (update) =>
    work({ signal: abort.signal, onProgress: (done, total) => update({ done, total }) }),
  );
}
