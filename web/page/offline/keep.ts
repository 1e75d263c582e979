// Installs the service worker, so that the page opens offline, and offers new versions.

import type { Problem } from "../../shared/errors";
import { OPEN_ELSEWHERE, TAKE_OVER } from "../../shared/offline";
import { trusted } from "../../shared/trusted";
import type { Store } from "../state";

/** Milliseconds between two checks for a new version while the page is open; the browser itself checks when it is opened. */
const betweenLooks = 3_600_000;

/** Milliseconds between two checks whether the page is idle, so that the service worker can be installed. */
const restBefore = 2000;

/** Never rejects: without a service worker the page still works online. */
export async function keepOffline(store: Store): Promise<void> {
  try {
    // A service worker needs http or https.
    if (!location.protocol.startsWith("http")) return;
    await atRest(store);
    const script = trusted(new URL("service-worker.js", document.baseURI).href) as string;
    const registration = await navigator.serviceWorker.register(script, { updateViaCache: "none" });
    const look = () => offerWaiting(store, registration);
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
    look();
    lookAgain(store, registration);
  } catch {
    // No https, no storage, or a frame of another site: nothing that a user could fix.
  }
}

/** Resolves once no task of the user needs the network or the CPU; a running training does not count. */
async function atRest(store: Store): Promise<void> {
  const isBusy = () => store.state.busy !== undefined || (store.state.phase !== "idle" && !store.state.progress);
  do await new Promise((resolve) => setTimeout(resolve, restBefore));
  while (isBusy());
}

/** Offers a waiting version if this page is served by another one; otherwise the host serves it. */
function offerWaiting(store: Store, { waiting }: ServiceWorkerRegistration): void {
  const { controller } = navigator.serviceWorker;
  if (waiting && controller) store.change({ newVersion: () => use(store, waiting) });
}

function lookAgain(store: Store, registration: ServiceWorkerRegistration): void {
  let last = performance.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !store.isAtRest || performance.now() - last < betweenLooks) return;
    last = performance.now();
    registration.update().catch(() => {}); // fails offline
  });
}

/** Activates the waiting version, and reloads the page at once: its later requests would get files of that version. */
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
