// A worker that computes gradients for the one that trains (replica-pool.ts). It has a copy of the model in a module of its own,
// and holds neither optimizer nor run.
import init, { Replica } from "lorito-wasm";
import { type ReplicaStart, type ReplicaTask, replicaReady } from "./replica-messages";
import { link } from "./wasm-parts";

let replica: Replica | undefined;

async function begin({ module, deferred, setup }: ReplicaStart): Promise<void> {
  const exports = await init({ module_or_path: module });
  if (deferred) link("deferred", exports, deferred);
  replica = new Replica(setup);
  self.postMessage(replicaReady);
}

function compute({ step, from, to, weights }: ReplicaTask): void {
  if (!replica) throw new Error("a task came before its run");
  const share = replica.share(step, from, to, weights);
  self.postMessage(share, { transfer: [share.losses.buffer, share.sums.buffer] });
}

self.addEventListener("message", ({ data }: MessageEvent<ReplicaStart | ReplicaTask>) => {
  if ("setup" in data) return void begin(data);
  compute(data);
});
// Errors of promises do not reach the worker that started this one by themselves.
self.addEventListener("unhandledrejection", ({ reason }) => {
  self.reportError(reason);
});
