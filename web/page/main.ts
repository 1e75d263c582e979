// The page's entry point: renders the page at once, then starts the engine.

import { createLorito } from "../api/create";
import type { Lorito } from "../api/lorito";
import { filesBeside } from "../shared/engine-files";
import type { Engine } from "../shared/engines";
import { problemOf } from "../shared/errors";
import { startWorker } from "../shared/worker-start";
import { followAddress } from "./class-view";
import { wordsOfExports } from "./export-words";
import { useLinkedHub } from "./from-hub";
import { home } from "./home";
import { followInBackground } from "./in-background";
import { chooseLanguage } from "./language";
import { keepOffline } from "./offline/keep";
import { takeReceived } from "./offline/received";
import { wordsOfOnePage } from "./one-page-words";
import { keepPlanning } from "./prepare";
import { Store } from "./state";
import { Page } from "./views/page";
import { keepAwake } from "./wake-lock";

declare global {
  interface Window {
    lorito: Lorito;
  }
}

/** The engine requested by the address. */
function forcedEngine(): Engine | undefined {
  const asked = new URLSearchParams(location.search).get("engine");
  return asked === "cpu" || asked === "webgpu" ? asked : undefined;
}

const lorito = createLorito({
  engine: forcedEngine(),
  storage: home,
  // main.js lies beside them.
  files: filesBeside(import.meta.url),
  startWorker,
  workerStart: "blob",
  words: { ofOnePage: wordsOfOnePage, ofExports: wordsOfExports },
});
// The only global that Lorito sets.
window.lorito = lorito;

followAddress();
await chooseLanguage();
const store = new Store(lorito);
useLinkedHub(store);
const page = new Page();
page.store = store;
document.querySelector("#app")?.replaceWith(page);
keepPlanning(store);
keepAwake(store);
followInBackground(store);
// The browser shows its own text.
addEventListener("beforeunload", (event) => {
  if (lorito.unsaved) event.preventDefault();
});

try {
  const ready = await lorito.ready;
  store.change({ ready, presets: await lorito.presets() });
  await store.attempt("page", undefined, async () => store.change({ lastRun: (await lorito.savedRun()) ?? undefined }));
  await store.attempt("share", undefined, () => store.readRuns());
  await store.attempt("share", undefined, () => store.readModels());
  await takeReceived(store);
} catch (error) {
  store.change({ failed: true });
  store.say("page", problemOf(error));
}
void keepOffline(store);
