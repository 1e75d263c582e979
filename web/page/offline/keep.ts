// Keeps the page on this device, so that it opens without a network, and offers a new version of it when there is one.

import { trusted } from "../../api/trusted";
import type { Problem } from "../../shared/errors";
import { OPEN_ELSEWHERE, TAKE_OVER } from "../../shared/offline";
import type { Store } from "../state";

/** Milliseconds between two looks for a new version while the page stays open; the browser looks when it is opened. */
const betweenLooks = 3_600_000;

/** Milliseconds between two looks whether the page is at rest, so that it can be kept. */
const restBefore = 2000;

/** Never rejects: where the page cannot be kept, it is as it is without. */
export async function keepOffline(store: Store): Promise<void> {
  try {
    // Files opened from a disk have no address that could be kept.
    if (!location.protocol.startsWith("http")) return;
    await atRest(store);
    const script = trusted(new URL("service-worker.js", document.baseURI).href) as string;
    const registration = await navigator.serviceWorker.register(script, { updateViaCache: "none" });
    const look = () => offerWaiting(store, registration);
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
    look();
    lookAgain(store, registration);
  } catch {
    // No https, no storage, or a frame of another site's: nothing that a person could mend.
  }
}

/** Until nothing that the person waits for needs the network or the processor. In the midst of training is as good. */
async function atRest(store: Store): Promise<void> {
  const isBusy = () => store.state.busy !== undefined || (store.state.phase !== "idle" && !store.state.progress);
  do await new Promise((resolve) => setTimeout(resolve, restBefore));
  while (isBusy());
}

/** A version that waits is offered to a page that another one serves; without that it is served by the host. */
function offerWaiting(store: Store, { waiting }: ServiceWorkerRegistration): void {
  const { controller } = navigator.serviceWorker;
  if (waiting && controller) store.change({ newVersion: () => use(store, waiting) });
}

function lookAgain(store: Store, registration: ServiceWorkerRegistration): void {
  let last = performance.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !store.isAtRest || performance.now() - last < betweenLooks) return;
    last = performance.now();
    registration.update().catch(() => {}); // without a network there is none
  });
}

/** Has the waiting version take over, and opens the page anew at once: what it fetches later would be of that version. */
async function use(store: Store, waiting: ServiceWorker): Promise<void> {
  if (!store.isAtRest) return;
  store.clearErrors("page");
  await store.attempt("page", { task: "updating" }, async () => {
    const { port1, port2 } = new MessageChannel();
    const refused = new Promise<boolean>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data === OPEN_ELSEWHERE);
    });
    const taken = new Promise<boolean>((resolve) => {
      navigator.serviceWorker.addEventListener("controllerchange", () => resolve(false), { once: true });
    });
    waiting.postMessage(TAKE_OVER, [port2]);
    if (await Promise.race([refused, taken])) throw { code: "open-elsewhere" } satisfies Problem;
    location.reload();
  });
}
