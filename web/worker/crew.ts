// The workers that share the steps of a run on the processor: each computes the gradients of some shards of a batch, from
// weights that come with each step. Messages carry copies, so no memory is shared and no host needs special headers. How
// many take part is the crate's decision (src/train/shards/headcount.rs); what one that is lost had to do, the crate does.
import type { CrewOfWorkers, HandBrief, HandShare } from "lorito-wasm";
import { startWorker } from "../shared/worker-start";
import { type HandStart, type HandTask, handReady } from "./hand-messages";

/** Milliseconds that a hand may take longer than this worker, and how often as long: a lost one may not say so. */
const patience = { longer: 10_000, times: 10 };

/** One worker of the crew. */
class HandWorker {
  readonly #worker: Worker;
  readonly #changed: () => void;
  #answer: ((share: HandShare | undefined) => void) | undefined;
  /** The share that it computes, undefined if it is lost meanwhile. */
  coming: Promise<HandShare | undefined> | undefined;
  #state: "starting" | "ready" | "lost" = "starting";

  constructor(script: URL, start: Promise<HandStart>, changed: () => void) {
    this.#worker = startWorker(script);
    this.#changed = changed;
    this.#worker.addEventListener("message", ({ data }: MessageEvent<HandShare | typeof handReady>) => {
      if (data === handReady) this.#become("ready");
      else this.#answer?.(data);
    });
    for (const failure of ["error", "messageerror"]) {
      this.#worker.addEventListener(failure, (event) => {
        event.preventDefault();
        this.lose();
      });
    }
    void start.then((start) => this.#worker.postMessage(start));
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  #become(state: "ready" | "lost"): void {
    if (this.#state === "lost") return;
    this.#state = state;
    this.#changed();
  }

  give(task: HandTask): void {
    this.coming = new Promise((resolve) => {
      this.#answer = resolve;
    });
    this.#worker.postMessage(task, [task.weights.buffer]);
  }

  lose(): void {
    this.#worker.terminate();
    this.#become("lost");
    this.#answer?.(undefined);
  }
}

export class Crew implements CrewOfWorkers {
  readonly #script: URL;
  readonly #modules: () => Promise<Pick<HandStart, "module" | "deferred">>;
  #all: HandWorker[] = [];
  /** Those that can compute, in a fixed order until the next step. */
  #ready: HandWorker[] = [];
  #given = 0;

  /** `script`: the address of hand.js; `modules`: the compiled parts of the wasm. */
  constructor(script: URL, modules: () => Promise<Pick<HandStart, "module" | "deferred">>) {
    this.#script = script;
    this.#modules = modules;
  }

  get hands(): number {
    return this.#ready.length;
  }

  begin(brief: HandBrief, hands: number): void {
    this.end();
    const count = () => {
      this.#ready = this.#all.filter(({ ready }) => ready);
    };
    const start = this.#modules().then((modules) => ({ ...modules, brief }));
    try {
      for (let hand = 0; hand < hands; hand++) this.#all.push(new HandWorker(this.#script, start, count));
    } catch (thrown) {
      // Some browsers have no workers within workers: those that there are train.
      console.warn(thrown);
    }
  }

  give(hand: number, step: number, from: number, to: number, weights: Float32Array): void {
    this.#given = performance.now();
    this.#ready[hand]?.give({ step, from, to, weights });
  }

  async take(): Promise<HandShare[]> {
    const now = performance.now();
    const allowed = patience.longer + patience.times * (now - this.#given);
    const busy = this.#all.filter(({ coming }) => coming);
    const timer = setTimeout(() => {
      for (const hand of busy) if (hand.coming) hand.lose();
    }, allowed);
    const shares = await Promise.all(
      busy.map(async (hand) => {
        const share = await hand.coming;
        hand.coming = undefined;
        return share;
      }),
    );
    clearTimeout(timer);
    return shares.filter((share) => share !== undefined);
  }

  end(): void {
    for (const hand of this.#all) hand.lose();
    this.#all = [];
    this.#ready = [];
  }
}
