// What another program hands to the installed page: its files lie in a cache of their own between the service worker, which
// takes them in, and the page, which opens for them. They never leave the machine.

import { action, params } from "./share-target.json";

/** Below the page's folder: where a system sends what somebody shares with the installed page. */
export const SHARE_TARGET = action;
/** In the page's address: which of the things shared it opens for. */
export const SHARED = "shared";

export function sharedCache(home: string): string {
  return `lorito-shared ${home}`;
}

/** Where the parts of one share lie; none of these is an address that the host answers. */
function folderOf(home: string, share: string): string {
  return `${home}${SHARE_TARGET}/${share}/`;
}

/** Keeps a share, and returns its name. */
export async function keepShare(home: string, form: FormData): Promise<string> {
  const share = crypto.randomUUID();
  const cache = await caches.open(sharedCache(home));
  const files = form.getAll(params.files[0]?.name ?? "").filter((given) => given instanceof File);
  const text = form.get(params.text);
  // Of a file that is shared, words beside it are what a program says of it.
  const parts = files.length > 0 ? files : typeof text === "string" && text.trim() ? [text] : [];
  for (const [index, given] of parts.entries()) {
    const name = typeof given === "string" ? "" : given.name;
    await cache.put(
      folderOf(home, share) + index,
      new Response(given, { headers: { name: encodeURIComponent(name) } }),
    );
  }
  return share;
}

/** What was shared: files, or a text as one without a name. Each share is given once. */
export async function takeShare(home: string, share: string): Promise<File[]> {
  const cache = await caches.open(sharedCache(home));
  const files: File[] = [];
  for (let index = 0; ; index++) {
    const address = folderOf(home, share) + index;
    const part = await cache.match(address);
    if (!part) return files;
    files.push(new File([await part.blob()], decodeURIComponent(part.headers.get("name") ?? "")));
    await cache.delete(address);
  }
}
