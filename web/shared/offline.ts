// What the page and its service worker say to each other.
import { action } from "./share-target.json";

/** The page asks the waiting service worker to take over; it answers with one of these, or takes over. */
export const TAKE_OVER = "take-over";
export const OPEN_ELSEWHERE = "open-elsewhere";

/** What all caches of one copy of the page begin with: several copies may lie in folders of one host. */
export function cachesOf(home: string): string {
  return `lorito ${home} `;
}

// What another program hands to the installed page lies in a cache of its own between the service worker, which takes it
// in, and the page, which opens for it. It never leaves the machine.

/** Below the page's folder: where a system sends what somebody shares with the installed page. */
export const SHARE_TARGET = action;
/** In the page's address: which of the things shared it opens for. */
export const SHARED = "shared";

export function sharedCache(home: string): string {
  return `lorito-shared ${home}`;
}

/** Where the parts of one share lie; none of these is an address that the host answers. */
export function shareFolder(home: string, share: string): string {
  return `${home}${SHARE_TARGET}/${share}/`;
}
