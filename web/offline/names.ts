// What the page and its service worker say to each other.

/** The page asks the waiting service worker to take over; it answers with one of these, or takes over. */
export const TAKE_OVER = "take-over";
export const OPEN_ELSEWHERE = "open-elsewhere";

/** What all caches of one copy of the page begin with: several copies may lie in folders of one host. */
export function cachesOf(home: string): string {
  return `lorito ${home} `;
}
