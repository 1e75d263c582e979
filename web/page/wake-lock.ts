// The screen stays on while a model trains and the page is in sight: a telephone that falls asleep stops training.
import type { Store } from "./state";

/** Asks for the screen when it is needed and gives it back as soon as it is not. A browser may refuse, or have no such thing. */
export function keepAwake(store: Store): void {
  let held: WakeLockSentinel | undefined;
  let isAsking = false;

  const isWanted = () => !document.hidden && ["training", "recovering"].includes(store.state.phase);

  const settle = async () => {
    if (held && (held.released || !isWanted())) {
      const given = held;
      held = undefined;
      await given.release().catch(() => {});
    }
    if (held || isAsking || !isWanted()) return;
    isAsking = true;
    // With little battery left, for example, it is refused; asked again when the page comes into sight.
    const got = await navigator.wakeLock.request("screen").catch(() => undefined);
    isAsking = false;
    held = got;
    if (got) await settle(); // what was wanted may have changed meanwhile
  };

  if (!("wakeLock" in navigator)) return;
  let phase = store.state.phase;
  store.addEventListener("change", () => {
    if (store.state.phase === phase) return;
    phase = store.state.phase;
    void settle();
  });
  document.addEventListener("visibilitychange", () => void settle());
}
