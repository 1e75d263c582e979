// The page without a network. A version of the page is its list of files with their hashes, which the build puts in here.
// It is fetched into a cache of its own, is used once all of it is there, and alone: no file of another version is ever
// among those that a page gets. Files that are not on the list, the hub's among them, are none of its business.
import { homeOf } from "../shared/home";
import { cachesOf, OPEN_ELSEWHERE, SHARE_TARGET, SHARED, TAKE_OVER } from "../shared/offline";
import { keepShare } from "./shared-files";

/** Path below the page's folder -> SHA-256 in hex. The page itself is "", as some hosts lead from index.html to there. */
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

/** One file after the other, as somebody may be at work. What came of this version before an interruption is kept. */
async function fetchAll(): Promise<void> {
  const before = await Promise.all((await othersThan(current)).map((name) => caches.open(name)));
  const cache = await caches.open(current);
  for (const [path, hash] of Object.entries(FILES)) {
    const address = folder + path;
    if (!(await cache.match(address))) await cache.put(address, await fetched(address, hash, before));
  }
}

/** A file from the first place that has it with this hash. Rejects while the host has another version, or parts of it. */
async function fetched(address: string, hash: string, before: Cache[]): Promise<Response> {
  const places = [
    // The headers of the page itself are the policy of all; they may have changed alone.
    ...(address === folder ? [] : before.map((cache) => () => cache.match(address))),
    // What the page has fetched the browser still has, and asks only whether it is still so.
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
    // Made anew, as an answer that was led elsewhere opens no page.
    return new Response(bytes, { headers });
  }
  throw new Error(`${address} is not of version ${VERSION}`);
}

async function hashOf(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** This copy's caches of files but one; those of other copies on this host stay theirs. */
async function othersThan(kept: string): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(ours) && name !== kept);
}

/** No page uses another version any more. */
async function forgetOthers(): Promise<void> {
  for (const name of await othersThan(current)) await caches.delete(name);
}

/** The path of a file on the list; undefined for everything else. */
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

/** Takes in what another program shares, and opens the page for it. */
async function receive(request: Request): Promise<Response> {
  const share = await keepShare(home, await request.formData());
  return Response.redirect(`${folder}?${SHARED}=${share}`, 303);
}

async function bringBack(): Promise<void> {
  const [open] = await openPages();
  await (open ? open.focus() : worker.clients.openWindow(folder));
}

/** The windows that show this copy of the page. */
async function openPages(): Promise<WindowClient[]> {
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  return windows.filter(({ url }) => homeOf(new URL(url).pathname) === home);
}

/** Where the page is open in another tab, too, that tab would get files of two versions. */
async function takeOver(asking: MessagePort | undefined): Promise<void> {
  if ((await openPages()).length > 1) asking?.postMessage(OPEN_ELSEWHERE);
  else await worker.skipWaiting();
}
