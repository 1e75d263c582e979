// The messages between a pool (replica-pool.ts) and its replicas (replica.ts).
import type { ReplicaSetup } from "lorito-wasm";

/** The first message. The modules are compiled already. */
export interface ReplicaStart {
  module: WebAssembly.Module;
  /** The deferred part, if the model may need it. */
  deferred: WebAssembly.Module | undefined;
  setup: ReplicaSetup;
}

/** Every later message: shards of a step, with the trained weights. */
export interface ReplicaTask {
  step: number;
  from: number;
  to: number;
  weights: Float32Array;
}

/** Posted once, when it can compute; then a share follows each task. An error ends it, which replica-pool.ts notices. */
export const replicaReady = "ready";
