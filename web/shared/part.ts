// Loads scripts of the page on first use.
import { LoritoError } from "./errors";

/** Awaits a dynamic import: `await part(import("../worker/archive"))`. Rejects with "part-missing" if it cannot be fetched. */
export function part<T>(coming: Promise<T>): Promise<T> {
  return coming.catch(() => {
    throw new LoritoError({ code: "part-missing" });
  });
}
