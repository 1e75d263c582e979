// Reports a worker whose engine is lost, with the reason, so that the page replaces it.
import { stopReason } from "lorito-wasm";
import { type Problem, problemOf, rejected } from "../shared/errors";
import { emit } from "./engine";
import { PartMissing } from "./wasm-parts";

/** Reports to the page that this worker must be replaced. */
export const lost = (problem: Problem) => emit({ event: "lost", problem });

/** The wasm's recorded reason for a trap. It may not be loaded, or unable to respond. */
function whyStopped(): Problem | undefined {
  try {
    return stopReason();
  } catch {
    return undefined;
  }
}

function whyTrapped(trap: WebAssembly.RuntimeError): Problem {
  if (trap instanceof PartMissing) return { code: "part-missing" };
  return whyStopped() ?? { code: "internal", reason: trap.message };
}

/** Milliseconds to wait for the browser's own report on the GPU after the crate has failed. */
const reasonWithin = 200;

/** Detects fatal errors of the session. */
export async function watchForEnd(thrown: unknown): Promise<void> {
  // After a trap the state of the wasm's memory is undefined; the recorded reason can still be read.
  const trap = thrown instanceof WebAssembly.RuntimeError;
  const problem = trap ? whyTrapped(thrown) : problemOf(thrown);
  if (!trap && problem.code !== "device-lost" && problem.code !== rejected) return;
  // The crate often fails before the browser reports the cause, and the page uses the first report.
  await new Promise((resolve) => setTimeout(resolve, reasonWithin));
  lost(problem);
}
