// Remembers out-of-memory failures for two weeks: the same allocation would most likely fail again.
import { deviceName } from "../shared/engines";
import type { EngineInfo } from "../shared/protocol";

const place = "lorito.memoryFailures";
/** How long a failure counts, in milliseconds: other programs may have used the memory. */
const forgottenAfter = 14 * 24 * 60 * 60 * 1000;

interface Kept {
  /** The total memory that was assumed to be available. */
  bytes: number;
  /** The time of the failure. */
  at: number;
}

/** In a browser without storage, failures are remembered as long as the page is open. */
let kept: Record<string, Kept> = read();

function read(): Record<string, Kept> {
  try {
    return JSON.parse(localStorage.getItem(place) ?? "{}");
  } catch {
    return {}; // no storage, or a damaged entry
  }
}

/** Records that this engine ran out of memory although its limits were respected. */
export function noteMemoryFailure(info: EngineInfo): void {
  kept = { ...kept, [deviceName(info)]: { bytes: info.limits.total, at: Date.now() } };
  try {
    localStorage.setItem(place, JSON.stringify(kept));
  } catch {
    // No storage.
  }
}

/** The assumed memory totals of failed allocations, by device. */
export function memoryFailures(): Record<string, number> {
  const recent = Object.entries(kept).filter(([, { at }]) => Date.now() - at < forgottenAfter);
  return Object.fromEntries(recent.map(([on, { bytes }]) => [on, bytes]));
}
