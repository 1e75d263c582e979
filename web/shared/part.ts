// Parts of the page that come in files of their own, when they are first needed.
import { LoritoError } from "./errors";

/** A part on its way: `await part(import("../worker/archive"))`. Rejects with "part-missing" where it does not come. */
export function part<T>(coming: Promise<T>): Promise<T> {
  return coming.catch(() => {
    throw new LoritoError({ code: "part-missing" });
  });
}
