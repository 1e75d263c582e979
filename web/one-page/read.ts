// Takes the model out of a page that holds one. The worker loads this when somebody opens such a page.
import { type HeaderCheck, receive } from "../download";
import type { Problem } from "../errors";
import { unpacked } from "./packing";
import { numberBytes, opening } from "./scripts";

/** Bytes of the page that are looked through at once. */
const slice = 2 ** 20;

/** Lorito's own file, which `check` has seen the beginning of. */
export async function modelIn(page: Blob, check: HeaderCheck, progress: (loaded: number, total: number) => void) {
  const damaged: Problem = { code: "one-page-damaged" };
  const texts: Blob[] = [];
  const tag = new TextEncoder().encode(opening("model"));
  const angle = new TextEncoder().encode("<");
  for (let at = 0; ; ) {
    const start = await find(page, tag, at);
    if (start < 0) break;
    at = await find(page, angle, start + tag.length);
    if (at < 0) throw damaged; // cut off
    texts.push(page.slice(start + tag.length, at));
  }
  if (texts.length === 0) throw damaged;
  const file = new Response(unpacked(new Blob(texts).stream(), numberBytes.model));
  return receive(damaged, file, undefined, check, progress);
}

/** Where some bytes are, from a place on; -1 if they are nowhere. */
async function find(page: Blob, wanted: Uint8Array, from: number): Promise<number> {
  for (let at = from; at < page.size; at += slice) {
    // What lies across the end of a slice begins in it.
    const bytes = new Uint8Array(await page.slice(at, at + slice + wanted.length - 1).arrayBuffer());
    for (
      let index = bytes.indexOf(wanted[0] as number);
      index >= 0;
      index = bytes.indexOf(wanted[0] as number, index + 1)
    )
      if (wanted.every((byte, place) => bytes[index + place] === byte)) return at + index;
  }
  return -1;
}
