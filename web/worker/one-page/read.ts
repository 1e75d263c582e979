// Extracts the model from a one-page model. The worker loads this when such a page is opened.

import type { Problem } from "../../shared/errors";
import { unpacked } from "../../shared/one-page/packing";
import { numberBytes, opening } from "../../shared/one-page/scripts";
import { type HeaderCheck, receive } from "../download";

/** Bytes of the page that are searched at once. */
const slice = 2 ** 20;
/** Largest number of scripts with model data. A page with the largest model has about six hundred. */
const mostScripts = 4096;

const angle = "<".charCodeAt(0);

/** Lorito's own file; `check` sees its beginning first. `signal` cancels the search. */
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

/** The content of the model's scripts; undefined if the last one is cut off, or there are too many. */
async function textsIn(page: Blob, signal: AbortSignal): Promise<Blob[] | undefined> {
  const tag = new TextEncoder().encode(opening("model"));
  const texts: Blob[] = [];
  /** The start of the script that the search is inside. */
  let from = -1;
  for (let at = 0; at < page.size; at += slice) {
    if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
    // Slices overlap, so that a tag across a boundary is found in the first one.
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
