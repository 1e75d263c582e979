// The service worker, which serves the page offline. A version of the page is its list of files with their hashes, which
// the build inserts here. It is fetched into its own cache, and is used once complete: no page ever gets files of two
// versions. Requests for files that are not on the list, such as the hub's, are not handled.
import { homeOf } from "../shared/home";
import { cachesOf, OPEN_ELSEWHERE, SHARE_TARGET, SHARED, TAKE_OVER } from "../shared/offline";
import { keepShare } from "./shared-files";

/** Path below the page's folder -> SHA-256 in hex. The page itself is "", as some hosts redirect index.html to it. */
declare const FILES: Record<string, string>;
/** The hash of that list. */
declare const VERSION: string;

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
const folder = worker.registration.scope;
const home = new URL(folder).pathname;
const ours = cachesOf(home);
const current = ours + VERSION;

worker.addEventListener("install", (event) => event.waitUntil(fetchAll()));
worker.addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
worker.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "POST" && url === folder + SHARE_TARGET) event.respondWith(receive(event.request));
  const path = pathOf(event.request);
  if (path !== undefined) event.respondWith(answer(path, event.request));
});
worker.addEventListener("message", (event) => {
  if (event.data === TAKE_OVER) event.waitUntil(takeOver(event.ports[0]));
});

worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(bringBack());
});

/** Fetches file by file, to leave bandwidth for the user. Files fetched before an interruption are kept. */
async function fetchAll(): Promise<void> {
  const before = await Promise.all((await othersThan(current)).map((name) => caches.open(name)));
  const cache = await caches.open(current);
  for (const [path, hash] of Object.entries(FILES)) {
    const address = folder + path;
    if (!(await cache.match(address))) await cache.put(address, await fetched(address, hash, before));
  }
}

/** A file from the first source that has it with this hash. Rejects while the host serves another version. */
async function fetched(address: string, hash: string, before: Cache[]): Promise<Response> {
  const places = [
    // The page's own headers contain the policy of all its files; they may have changed without the body.
    ...(address === folder ? [] : before.map((cache) => () => cache.match(address))),
    // The browser's HTTP cache has the files that the page has fetched, and only revalidates them.
    () => fetch(address),
    () => fetch(address, { cache: "reload" }),
  ];
  for (const place of places) {
    const found = await place();
    if (!found?.ok) continue;
    const bytes = await found.arrayBuffer();
    if ((await hashOf(bytes)) !== hash) continue;
    const headers = new Headers(found.headers);
    for (const ofTransfer of ["content-encoding", "content-length"]) headers.delete(ofTransfer);
    // A new response, as browsers reject a redirected one for a navigation.
    return new Response(bytes, { headers });
  }
  throw new Error(`${address} is not of version ${VERSION}`);
}

async function hashOf(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** This copy's file caches except one; other copies on this host keep theirs. */
async function othersThan(kept: string): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(ours) && name !== kept);
}

/** Deletes the other versions' caches once no page uses them. */
async function forgetOthers(): Promise<void> {
  for (const name of await othersThan(current)) await caches.delete(name);
}

/** The path of a request for a file on the list; undefined for other requests. */
function pathOf({ method, url }: Request): string | undefined {
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || !(origin + pathname).startsWith(folder)) return undefined;
  const path = pathname.slice(home.length).replace(/^index\.html$/, "");
  return Object.hasOwn(FILES, path) ? path : undefined;
}

async function answer(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(current);
  return (await cache.match(folder + path)) ?? fetch(request);
}

/** Stores data shared by another program, and opens the page to read it. */
async function receive(request: Request): Promise<Response> {
  const share = await keepShare(home, await request.formData());
  return Response.redirect(`${folder}?${SHARED}=${share}`, 303);
}

async function bringBack(): Promise<void> {
  const [open] = await openPages();
  await (open ? open.focus() : worker.clients.openWindow(folder));
}

/** The windows in which this copy of the page is open. */
async function openPages(): Promise<WindowClient[]> {
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter(({ url }) => homeOf(new URL(url).pathname) === home);
}

/** Activates the new version, unless the page is open in another tab, which would get files of two versions. */
async function takeOver(asking: MessagePort | undefined): Promise<void> {
  if ((await openPages()).length > 1) asking?.postMessage(OPEN_ELSEWHERE);
  else await worker.skipWaiting();
}
