// Keeps the screen on while a model trains and the page is visible: a phone that goes to sleep stops training.
import type { Store } from "./state";

/** Requests a wake lock while it is needed. A browser may refuse it, or not support it. */
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
    // Refused when the battery is low, for example; requested again when the page becomes visible.
    const got = await navigator.wakeLock.request("screen").catch(() => undefined);
    isAsking = false;
    held = got;
    if (got) await settle(); // the need may have changed meanwhile
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
