// What takes its time and can be ended by the person: with progress, at its place on the page.
import type { Busy, Message, Store } from "./state";

export interface Transfer {
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}

/**
 * Does something that is shown as `busy`, with a button that ends it; undefined if it was ended or went wrong. Messages on
 * what was done at that place before go.
 */
export function cancellable<T>(
  store: Store,
  place: Message["place"],
  busy: Busy,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T | undefined> {
  const passing = ["cancelled", "hub-not-kept", "weights-passed-over", "adapter-left-out", "tokens-left-out"];
  store.clearErrors(place);
  const messages = store.state.messages.filter((said) => said.place !== place || !passing.includes(said.report.code));
  store.change({ messages });
  return withCancel(store, place, busy, new AbortController(), work);
}

/** The same for one of several pieces of work that `abort` ends together. What was said of the others stays. */
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
