// Informs a user whose tab is in the background during training: the tab's title shows the progress, an optional notification
// reports the end, and the page shows the result when it becomes visible again.

import { home } from "./home";
import { fixed, percent, sentenceOf, t } from "./i18n";
import type { Store } from "./state";

/** The key of the user's choice in `localStorage`, for this copy of the page. */
const key = () => `lorito notify ${home}`;

/** Whether the user wants a notification; "refused": they do, but the browser denies permission. */
export type Notify = "off" | "on" | "refused";

/** The stored choice; undefined if the browser has no notifications. */
function remembered(): Notify | undefined {
  if (!("Notification" in globalThis)) return undefined;
  try {
    return localStorage.getItem(key()) === "on" && Notification.permission === "granted" ? "on" : "off";
  } catch {
    return "off"; // no storage
  }
}

/** Stores the choice. Only then does the browser prompt for permission. */
export async function setNotify(wanted: boolean): Promise<Notify> {
  const permission = wanted ? await Notification.requestPermission() : "denied";
  const state = permission === "granted" ? "on" : wanted ? "refused" : "off";
  try {
    if (state === "on") localStorage.setItem(key(), "on");
    else localStorage.removeItem(key());
  } catch {
    // Without storage, the choice is valid for this visit.
  }
  return state;
}

/** Follows all runs of this page. */
export function followInBackground(store: Store): void {
  let wasRunning = false;
  let unseen: { words: string; isError: boolean } | undefined;

  const show = () => {
    const { phase, progress } = store.state;
    const isRunning = ["training", "paused", "recovering"].includes(phase);
    if (wasRunning && !isRunning) setTimeout(end); // after the reason is known
    wasRunning = isRunning;
    const part = percent((progress?.step ?? 0) / (progress?.endStep || 1));
    const title = isRunning
      ? t("title.training", { part })
      : unseen
        ? t(unseen.isError ? "title.stopped" : "title.ended")
        : t("title");
    if (document.title !== title) document.title = title;
  };

  const end = () => {
    if (!document.hidden && document.hasFocus()) return;
    const wrong = store.state.messages.findLast(({ place, tone }) => place === "train" && tone === "error");
    const words = wrong ? sentenceOf(wrong.report) : figures(store);
    if (store.state.notify === "on") void notify(t(wrong ? "away.stopped" : "away.done"), words);
    if (!document.hidden) return;
    unseen = { words, isError: wrong !== undefined };
    show();
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !unseen) return;
    // Shown only once the page is visible, so that screen readers announce it.
    if (!unseen.isError) store.say("train", { code: "ended-unseen", words: unseen.words }, "notice");
    unseen = undefined;
    show();
  });
  store.addEventListener("change", show);
  store.change({ notify: remembered() });
}

/** The last metrics of a run, as a sentence. */
function figures({ state: { progress, evaluations } }: Store): string {
  const last = evaluations.at(-1);
  const figure = (value: number | null | undefined) => (value == null ? "–" : fixed(value, 3));
  return t("away.ended", {
    step: progress?.step ?? 0,
    train: figure(progress?.loss ?? last?.trainLoss),
    validation: figure(last?.validationLoss),
  });
}

/** Phones accept notifications only from the service worker, which also focuses the page on a click. */
async function notify(title: string, body: string): Promise<void> {
  const options = { body, icon: "icons/192.png", tag: home };
  try {
    const registration = await navigator.serviceWorker?.getRegistration();
    // The registration found may belong to another page, in a parent folder.
    const isOurs = registration?.scope === new URL("./", document.baseURI).href;
    if (isOurs && registration.active) return await registration.showNotification(title, options);
    const shown = new Notification(title, options);
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch {
    // The browser shows no notification: the title and the page show the result.
  }
}
