// For a person who looks elsewhere while it trains: the title of the tab says how far it is, a notification that it is done,
// if they asked for one, and on their return the page says how it ended.

import { home } from "../api/home";
import { fixed, percent, sentenceOf, t } from "./i18n";
import type { Store } from "./state";

/** What this copy of the page remembers of the person's choice, in `localStorage`. */
const key = () => `lorito notify ${home}`;

/** Whether the person wants a notification; "refused": they do, and the browser does not let the page. */
export type Notify = "off" | "on" | "refused";

/** What the person wished before; undefined where the browser has no notifications. */
function remembered(): Notify | undefined {
  if (!("Notification" in globalThis)) return undefined;
  try {
    return localStorage.getItem(key()) === "on" && Notification.permission === "granted" ? "on" : "off";
  } catch {
    return "off"; // no storage: nothing is remembered
  }
}

/** Remembers the choice. The browser asks the person for its permission then, and not before. */
export async function setNotify(wanted: boolean): Promise<Notify> {
  const permission = wanted ? await Notification.requestPermission() : "denied";
  const state = permission === "granted" ? "on" : wanted ? "refused" : "off";
  try {
    if (state === "on") localStorage.setItem(key(), "on");
    else localStorage.removeItem(key());
  } catch {
    // It holds for this visit.
  }
  return state;
}

/** Follows every run of this page to its end. */
export function followInBackground(store: Store): void {
  let wasRunning = false;
  let unseen: { words: string; isError: boolean } | undefined;

  const show = () => {
    const { phase, progress } = store.state;
    const isRunning = ["training", "paused", "recovering"].includes(phase);
    if (wasRunning && !isRunning) setTimeout(end); // once the page knows why it ended
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
    // Put in once the page is in sight, so that a screen reader hears it.
    if (!unseen.isError) store.say("train", { code: "ended-unseen", words: unseen.words }, "notice");
    unseen = undefined;
    show();
  });
  store.addEventListener("change", show);
  store.change({ notify: remembered() });
}

/** The last figures of a run, as a sentence. */
function figures({ state: { progress, evaluations } }: Store): string {
  const last = evaluations.at(-1);
  const figure = (value: number | null | undefined) => (value == null ? "–" : fixed(value, 3));
  return t("away.ended", {
    step: progress?.step ?? 0,
    train: figure(progress?.loss ?? last?.trainLoss),
    validation: figure(last?.validationLoss),
  });
}

/** Telephones take notifications from the service worker alone; it brings the page back, too, when one is pressed. */
async function notify(title: string, body: string): Promise<void> {
  const options = { body, icon: "icons/192.png", tag: home };
  try {
    const registration = await navigator.serviceWorker?.getRegistration();
    // Another page's may be all there is, of a folder around this one.
    const isOurs = registration?.scope === new URL("./", document.baseURI).href;
    if (isOurs && registration.active) return await registration.showNotification(title, options);
    const shown = new Notification(title, options);
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch {
    // The browser shows none: the title and the page still say it.
  }
}
