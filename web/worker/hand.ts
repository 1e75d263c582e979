// A worker that computes gradients for the one that trains (crew.ts). It has a copy of the model in a module of its own,
// and holds neither optimizer nor run.
import init, { Hand } from "lorito-wasm";
import { type HandStart, type HandTask, handReady } from "./hand-messages";
import { link } from "./wasm-parts";

let hand: Hand | undefined;

async function begin({ module, deferred, brief }: HandStart): Promise<void> {
  const exports = await init({ module_or_path: module });
  if (deferred) link("deferred", exports, deferred);
  hand = new Hand(brief);
  self.postMessage(handReady);
}

function compute({ step, from, to, weights }: HandTask): void {
  if (!hand) throw new Error("a task came before its run");
  const share = hand.share(step, from, to, weights);
  self.postMessage(share, { transfer: [share.losses.buffer, share.sums.buffer] });
}

self.addEventListener("message", ({ data }: MessageEvent<HandStart | HandTask>) => {
  if ("brief" in data) return void begin(data);
  compute(data);
});
// Errors of promises do not reach the worker that started this one by themselves.
self.addEventListener("unhandledrejection", ({ reason }) => {
  self.reportError(reason);
});
