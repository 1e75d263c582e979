// The protocol between the page and its service worker.
import { action } from "./share-target.json";

/** The page asks the waiting service worker to take over; the worker replies with one of these, or takes over. */
export const TAKE_OVER = "take-over";
export const OPEN_ELSEWHERE = "open-elsewhere";

/** The prefix of all cache names of one copy of the page: several copies may lie in folders of one host. */
export function cachesOf(home: string): string {
  return `lorito ${home} `;
}

// Data that another program shares with the installed page is kept in its own cache between the service worker, which
// receives it, and the page, which opens to read it. It never leaves the machine.

/** The path below the page's folder to which the system sends data that a user shares with the installed page. */
export const SHARE_TARGET = action;
/** The query parameter that names the share for which the page was opened. */
export const SHARED = "shared";

export function sharedCache(home: string): string {
  return `lorito-shared ${home}`;
}

/** The cache address of one share's parts; the host serves nothing there. */
export function shareFolder(home: string, share: string): string {
  return `${home}${SHARE_TARGET}/${share}/`;
}
