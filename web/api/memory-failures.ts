// Memory that ran out is remembered for a while: what did not fit yesterday will hardly fit today.
import { deviceName } from "../shared/engines";
import type { EngineInfo } from "../shared/protocol";

const place = "lorito.memoryFailures";
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

/** Memory of this engine ran out, though its limits were kept. */
export function noteMemoryFailure(info: EngineInfo): void {
  kept = { ...kept, [deviceName(info)]: { bytes: info.limits.total, at: Date.now() } };
  try {
    localStorage.setItem(place, JSON.stringify(kept));
  } catch {
    // No storage.
  }
}

/** The totals that were assumed when memory ran out, by the device it belongs to. */
export function memoryFailures(): Record<string, number> {
  const recent = Object.entries(kept).filter(([, { at }]) => Date.now() - at < forgottenAfter);
  return Object.fromEntries(recent.map(([on, { bytes }]) => [on, bytes]));
}
