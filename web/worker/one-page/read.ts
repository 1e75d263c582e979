// Takes the model out of a page that holds one. The worker loads this when somebody opens such a page.

import type { Problem } from "../../shared/errors";
import { unpacked } from "../../shared/one-page/packing";
import { numberBytes, opening } from "../../shared/one-page/scripts";
import { type HeaderCheck, receive } from "../download";

/** Bytes of the page that are looked through at once. */
const slice = 2 ** 20;
/** Scripts with a part of the model. A page of the largest model has some six hundred. */
const mostScripts = 4096;

const angle = "<".charCodeAt(0);

/** Lorito's own file, which `check` has seen the beginning of. `signal` ends the search. */
export async function modelIn(
  page: Blob,
  check: HeaderCheck,
  progress: (loaded: number, total: number) => void,
  signal: AbortSignal,
) {
  const damaged: Problem = { code: "one-page-damaged" };
  const texts = await textsIn(page, signal);
  if (!texts || texts.length === 0) throw damaged;
  const file = new Response(unpacked(new Blob(texts).stream(), numberBytes.model));
  return receive(damaged, file, undefined, check, progress);
}

/** What stands in the model's scripts; undefined if the last one is cut off, or there are more than any page has. */
async function textsIn(page: Blob, signal: AbortSignal): Promise<Blob[] | undefined> {
  const tag = new TextEncoder().encode(opening("model"));
  const texts: Blob[] = [];
  /** Where the script begins that the search is in. */
  let from = -1;
  for (let at = 0; at < page.size; at += slice) {
    if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
    // A tag that lies across the end of a slice begins in it.
    const bytes = new Uint8Array(await page.slice(at, at + slice + tag.length - 1).arrayBuffer());
    const end = Math.min(slice, bytes.length);
    for (let place = bytes.indexOf(angle); place >= 0 && place < end; place = bytes.indexOf(angle, place + 1)) {
      if (from >= 0) {
        texts.push(page.slice(from, at + place));
        from = -1;
        if (texts.length > mostScripts) return undefined;
      }
      if (tag.every((byte, index) => bytes[place + index] === byte)) from = at + place + tag.length;
    }
  }
  return from >= 0 ? undefined : texts;
}
