// What people do with the hub: models and datasets that they fetch by name, and a model that they send. The page says
// which host it asks before it does, and shows how far it is; each can be ended on the way.
import { problemOf } from "./errors";
import { hostOf, isHubName, placeName } from "./hub/place";
import { takeTable } from "./intake";
import type { HubDataset, HubPlace, HubTable, NamedFile } from "./lorito";
import { mayReplace } from "./prepare";
import type { Busy, Message, Store } from "./state";

/** Bytes of a dataset that are fetched without asking again. */
export const LARGE_DATASET = 200_000_000;

/** Another hub, for all that follows; says so if the text is no address. */
export function useHub(store: Store, place: Message["place"], address: string): void {
  store.forgive(place);
  try {
    store.lorito.hub.address = address;
  } catch (thrown) {
    store.say(place, problemOf(thrown));
  }
  store.change({ hub: store.lorito.hub.address });
}

export function hubHost(store: Store): string {
  return hostOf({ hub: store.state.hub });
}

/** That of `?hub=ADDRESS` in the page's own address, or the usual one. */
export function useLinkedHub(store: Store): void {
  const address = new URLSearchParams(location.search).get("hub");
  useHub(store, "share", address || store.lorito.hub.address);
}

/** Whether the text of `?model=` or of a field is to be looked for on the hub. */
export { isHubName };

interface Transfer {
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}

/** Does something that takes its time, with progress and a way to end it. */
async function transfer<T>(
  store: Store,
  place: Message["place"],
  busy: Busy,
  work: (transfer: Transfer) => Promise<T>,
): Promise<T | undefined> {
  const passing = ["cancelled", "hub-not-kept"];
  store.forgive(place);
  const messages = store.state.messages.filter((said) => said.place !== place || !passing.includes(said.report.code));
  store.change({ messages });
  const abort = new AbortController();
  const shown = { ...busy, cancel: () => abort.abort() };
  const onProgress = (done: number, total: number) => store.change({ busy: { ...shown, done, total } });
  return store.attempt(place, shown, () => work({ signal: abort.signal, onProgress }));
}

/** Opens a model by its name. */
export async function openFromHub(store: Store, text: string): Promise<boolean> {
  if (!mayReplace(store)) return false;
  store.forgive("share");
  const opened = await store.attempt("share", undefined, async () => store.lorito.hub.place(text));
  if (!opened) return false;
  const busy: Busy = { task: "opening", name: `${placeName(opened)} (${hostOf(opened)})` };
  const done = await transfer(store, "share", busy, async (options) => {
    const { unkept } = await store.lorito.hub.open(opened, options);
    if (unkept) store.say("share", unkept, "notice");
    return true;
  });
  await store.attempt("share", undefined, () => store.readModels());
  return done ?? false;
}

export async function findDataset(store: Store, text: string): Promise<HubDataset | undefined> {
  store.forgive("text");
  const place = await store.attempt("text", undefined, async () => store.lorito.hub.place(text, "dataset"));
  if (!place) return undefined;
  const busy: Busy = { task: "fetching", name: `${placeName(place)} (${hostOf(place)})` };
  return transfer(store, "text", busy, ({ signal }) => store.lorito.hub.dataset(place, { signal }));
}

/** Fetches the first parts of a table and adds them to the text. */
export async function takeFromHub(store: Store, dataset: HubDataset, table: HubTable, parts: number): Promise<void> {
  const busy: Busy = { task: "fetching", name: `${dataset.place.name} (${hostOf(dataset.place)})` };
  const fetched = await transfer(store, "text", busy, (options) =>
    store.lorito.hub.fetchTable(dataset, table, { ...options, parts }),
  );
  if (!fetched) return;
  if (fetched.unkept) store.say("text", fetched.unkept, "notice");
  await takeTable(store, fetched.name, fetched.data);
  await store.attempt("text", undefined, () => store.readModels());
}

export interface Parcel {
  place: HubPlace;
  isPrivate: boolean;
  files: NamedFile[];
}

/** Everything that would be sent, to be looked at. */
export function packForHub(store: Store, repo: string, isPrivate: boolean): Promise<Parcel | undefined> {
  store.forgive("share");
  return store.attempt("share", { task: "packing" }, async () => {
    const place = store.lorito.hub.place(repo);
    if (!place.name.includes("/")) throw { code: "hub-name-invalid", name: repo };
    const files = await store.lorito.hub.filesToSend(place.name.split("/").pop() ?? place.name);
    return { place, isPrivate, files };
  });
}

/** Returns the address of what was sent. */
export function sendToHub(
  store: Store,
  { place, isPrivate, files }: Parcel,
  token: string,
): Promise<string | undefined> {
  const busy: Busy = { task: "sending", name: `${place.name} (${hostOf(place)})` };
  return transfer(store, "share", busy, (options) =>
    store.lorito.hub.send(place, files, { ...options, token, isPrivate }),
  );
}
