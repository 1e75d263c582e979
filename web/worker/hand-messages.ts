// The messages between a crew (crew.ts) and its hands (hand.ts).
import type { HandBrief } from "lorito-wasm";

/** The first message. The modules are compiled already. */
export interface HandStart {
  module: WebAssembly.Module;
  /** The deferred part, if the model may need it. */
  deferred: WebAssembly.Module | undefined;
  brief: HandBrief;
}

/** Every later message: shards of a step, with the trained weights. */
export interface HandTask {
  step: number;
  from: number;
  to: number;
  weights: Float32Array;
}

/** Posted once, when it can compute; then a share follows each task. An error ends it, which crew.ts notices. */
export const handReady = "ready";
