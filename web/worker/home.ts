// Stores whose storage this worker uses: on the page that of this copy, which the worker's own address does not tell.
import type { Problem } from "../shared/errors";

let storage: string | false = false;

/** What the page passes at the start. */
export function useStorage(given: string | false): void {
  storage = given;
}

/** What keeps the storage apart from others'. Throws if none is to be used. */
export function storageName(): string {
  if (storage === false) throw { code: "storage-unavailable", reason: "switched off" } satisfies Problem;
  return storage;
}

/** Does work that only one tab of this copy may do at a time; waits for the others. */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  // Without https the browser has neither locks nor storage.
  return "locks" in navigator ? navigator.locks.request(name, work) : work();
}
