// Handles the page's use of the hub: fetches models and datasets by name, and uploads a model. The page names the host
// before a request, and shows the progress; every transfer can be cancelled.

import type { HubDataset, HubPlace, HubTable, NamedFile } from "../api/lorito";
import { problemOf } from "../shared/errors";
import { HUGGING_FACE, hostOf, isHubName, placeName } from "../shared/hub/place";
import { cancellable } from "./cancellable";
import { currentLanguage } from "./i18n";
import { sayLeftOut, takeTable } from "./intake";
import { mayReplace } from "./prepare";
import type { Busy, Message, Step, Store } from "./state";

/** Bytes of a dataset that are fetched without confirmation. */
export const LARGE_DATASET = 200_000_000;

/** Changes the hub for all later requests; shows an error if the text is not an address. */
export function useHub(store: Store, place: Message["place"], address: string): void {
  store.clearErrors(place);
  try {
    store.lorito.hub.address = address;
  } catch (thrown) {
    store.say(place, problemOf(thrown));
  }
  showHub(store);
}

function showHub(store: Store): void {
  const { address, sendingAddress } = store.lorito.hub;
  store.change({ hub: address, sendingHub: sendingAddress });
}

/** The host from which models and datasets are fetched. */
export function hubHost(store: Store): string {
  return hostOf({ hub: store.state.hub });
}

/** The host to which models are uploaded. */
export function sendingHost(store: Store): string {
  return hostOf({ hub: store.state.sendingHub });
}

/** Whether a hub's address is Hugging Face's own: only then may the page call it so. */
export function isHuggingFace(hub: string): boolean {
  return hub === HUGGING_FACE;
}

/** Whether a link chose the hub. */
export function isLinkedHub(store: Store): boolean {
  return store.state.hub !== store.state.sendingHub;
}

/** Uses the hub of `?hub=ADDRESS` in the page's address, or the default one. */
export function useLinkedHub(store: Store): void {
  const address = new URLSearchParams(location.search).get("hub");
  try {
    if (address) store.lorito.hub.followLink(address);
  } catch (thrown) {
    store.say("page", problemOf(thrown));
  }
  showHub(store);
}

/** Returns to the default hub. */
export function leaveLinkedHub(store: Store): void {
  store.lorito.hub.address = HUGGING_FACE;
  showHub(store);
}

/** Whether the text of `?model=` or of a field is a name on the hub. */
export { isHubName };

/** Opens a model by its name. `where`: the step that shows messages about it. */
export async function openFromHub(store: Store, text: string, where: Step = "share"): Promise<boolean> {
  if (!mayReplace(store)) return false;
  store.clearErrors(where);
  const opened = await store.attempt(where, undefined, async () => store.lorito.hub.place(text));
  if (!opened) return false;
  const busy: Busy = { task: "opening", name: `${placeName(opened)} (${hostOf(opened)})` };
  const done = await cancellable(store, where, busy, async (options) => {
    const { unkept, notices, ...model } = await store.lorito.hub.open(opened, options);
    sayLeftOut(store, model);
    for (const notice of unkept ? [...notices, unkept] : notices) store.say(where, notice, "notice");
    return true;
  });
  await store.attempt("share", undefined, () => store.readModels());
  return done ?? false;
}

export async function findDataset(store: Store, text: string): Promise<HubDataset | undefined> {
  store.clearErrors("text");
  const place = await store.attempt("text", undefined, async () => store.lorito.hub.place(text, "dataset"));
  if (!place) return undefined;
  const busy: Busy = { task: "fetching", name: `${placeName(place)} (${hostOf(place)})` };
  return cancellable(store, "text", busy, ({ signal }) => store.lorito.hub.dataset(place, { signal }));
}

/** Fetches the first parts of a table and adds them to the text. */
export async function takeFromHub(store: Store, dataset: HubDataset, table: HubTable, parts: number): Promise<void> {
  const busy: Busy = { task: "fetching", name: `${dataset.place.name} (${hostOf(dataset.place)})` };
  const fetched = await cancellable(store, "text", busy, (options) =>
    store.lorito.hub.fetchTable(dataset, table, { ...options, parts }),
  );
  if (!fetched) return;
  if (fetched.unkept) store.say("text", fetched.unkept, "notice");
  await takeTable(store, fetched.name, fetched.data);
  await store.attempt("text", undefined, () => store.readModels());
}

export interface Upload {
  place: HubPlace;
  isPrivate: boolean;
  files: NamedFile[];
}

/** All files of an upload, for review. */
export function packForHub(store: Store, repo: string, isPrivate: boolean): Promise<Upload | undefined> {
  store.clearErrors("share");
  return store.attempt("share", { task: "packing" }, async () => {
    const place = store.lorito.hub.placeToSend(repo);
    const name = place.name.split("/").pop() ?? place.name;
    const files = await store.lorito.hub.filesToSend(name, { language: currentLanguage() });
    return { place, isPrivate, files };
  });
}

/** Returns the address of the uploaded repository. */
export function sendToHub(
  store: Store,
  { place, isPrivate, files }: Upload,
  token: string,
): Promise<string | undefined> {
  const busy: Busy = { task: "sending", name: `${place.name} (${hostOf(place)})` };
  return cancellable(store, "share", busy, (options) =>
    store.lorito.hub.send(place, files, { ...options, token, isPrivate }),
  );
}
