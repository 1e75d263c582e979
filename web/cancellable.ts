// What takes its time and can be ended by the person: with progress, at its place on the page.
import type { Busy, Message, Store } from "./state";

export interface Transfer {
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}

/** Does something that is shown as `busy`, with a button that ends it; undefined if it was ended or went wrong. */
export async function cancellable<T>(
  store: Store,
  place: Message["place"],
  busy: Busy,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T | undefined> {
  const passing = ["cancelled", "hub-not-kept", "weights-passed-over", "adapter-left-out", "tokens-left-out"];
  store.forgive(place);
  const messages = store.state.messages.filter((said) => said.place !== place || !passing.includes(said.report.code));
  store.change({ messages });
  const abort = new AbortController();
  return store.attempt(place, { ...busy, cancel: () => abort.abort() }, (update) =>
    work({ signal: abort.signal, onProgress: (done, total) => update({ done, total }) }),
  );
}
