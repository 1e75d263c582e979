// That memory gave out is remembered for a while: what did not fit yesterday will hardly fit today. In the page.
import { onWhat } from "./machine";
import type { EngineInfo } from "./protocol";

const place = "lorito.gaveOut";
/** Then it is believed in again: other programs may have had the memory. */
const forgottenAfter = 14 * 24 * 60 * 60 * 1000;

interface Kept {
  /** Bytes that were believed to fit. */
  bytes: number;
  /** When they did not. */
  at: number;
}

/** Where the browser keeps nothing it holds as long as the page is open. */
let kept: Record<string, Kept> = read();

function read(): Record<string, Kept> {
  try {
    return JSON.parse(localStorage.getItem(place) ?? "{}");
  } catch {
    return {}; // no storage, or not what was written there
  }
}

/** Memory gave out on this engine, which was believed to have what its limits say. */
export function memoryGaveOut(info: EngineInfo): void {
  kept = { ...kept, [onWhat(info)]: { bytes: info.limits.total, at: Date.now() } };
  try {
    localStorage.setItem(place, JSON.stringify(kept));
  } catch {
    // No storage.
  }
}

/** What was believed to fit when memory gave out, by what it gave out on. */
export function gaveOut(): Record<string, number> {
  const recent = Object.entries(kept).filter(([, { at }]) => Date.now() - at < forgottenAfter);
  return Object.fromEntries(recent.map(([on, { bytes }]) => [on, bytes]));
}
