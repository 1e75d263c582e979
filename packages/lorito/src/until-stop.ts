// Ends a text that comes in pieces before the first of the texts that are to stop it.

/** `pieces` up to the first of `stops`. What could be the beginning of one is passed on once it turns out to be none. */
export async function* untilStop(pieces: AsyncIterable<string>, stops: readonly string[]): AsyncGenerator<string> {
  const all = stops.filter((stop) => stop !== "");
  let held = "";
  for await (const piece of pieces) {
    held += piece;
    const places = all.map((stop) => held.indexOf(stop)).filter((place) => place >= 0);
    if (places.length > 0) {
      const before = held.slice(0, Math.min(...places));
      if (before) yield before;
      return;
    }
    const safe = held.length - longestBeginning(held, all);
    if (safe > 0) yield held.slice(0, safe);
    held = held.slice(safe);
  }
  if (held) yield held;
}

/** How many characters at the end of a text begin one of `stops`. */
function longestBeginning(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--)
    if (stops.some((stop) => stop.startsWith(text.slice(-length)))) return length;
  return 0;
}
