// The workers that share the steps of a run on the processor: each computes the gradients of some shards of a batch, from
// weights that come with each step. Messages carry copies, so no memory is shared and no host needs special headers. How
// many take part is the crate's decision (src/train/shards/worker_count.rs); what one that is lost had to do, the crate does.
import type { ReplicaSetup, ReplicaShare, ReplicaWorkers } from "lorito-wasm";
import { startWorker } from "../shared/worker-start";
import { type ReplicaStart, type ReplicaTask, replicaReady } from "./replica-messages";

/** Milliseconds that a replica may take longer than this worker, and how often as long: a lost one may not say so. */
const patience = { longer: 10_000, times: 10 };

/** One worker of the pool. */
class ReplicaWorker {
  readonly #worker: Worker;
  readonly #changed: () => void;
  #answer: ((share: ReplicaShare | undefined) => void) | undefined;
  /** The share that it computes, undefined if it is lost meanwhile. */
  coming: Promise<ReplicaShare | undefined> | undefined;
  #state: "starting" | "ready" | "lost" = "starting";

  constructor(script: URL, start: Promise<ReplicaStart>, changed: () => void) {
    this.#worker = startWorker(script);
    this.#changed = changed;
    this.#worker.addEventListener("message", ({ data }: MessageEvent<ReplicaShare | typeof replicaReady>) => {
      if (data === replicaReady) this.#become("ready");
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

  give(task: ReplicaTask): void {
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

export class ReplicaPool implements ReplicaWorkers {
  readonly #script: URL;
  readonly #modules: () => Promise<Pick<ReplicaStart, "module" | "deferred">>;
  #all: ReplicaWorker[] = [];
  /** Those that can compute, in a fixed order until the next step. */
  #ready: ReplicaWorker[] = [];
  #given = 0;

  /** `script`: the address of replica.js; `modules`: the compiled parts of the wasm. */
  constructor(script: URL, modules: () => Promise<Pick<ReplicaStart, "module" | "deferred">>) {
    this.#script = script;
    this.#modules = modules;
  }

  get replicas(): number {
    return this.#ready.length;
  }

  begin(setup: ReplicaSetup, replicas: number): void {
    this.end();
    const count = () => {
      this.#ready = this.#all.filter(({ ready }) => ready);
    };
    const start = this.#modules().then((modules) => ({ ...modules, setup }));
    try {
      for (let replica = 0; replica < replicas; replica++)
        this.#all.push(new ReplicaWorker(this.#script, start, count));
    } catch (thrown) {
      // Some browsers have no workers within workers: those that there are train.
      console.warn(thrown);
    }
  }

  give(replica: number, step: number, from: number, to: number, weights: Float32Array): void {
    this.#given = performance.now();
    this.#ready[replica]?.give({ step, from, to, weights });
  }

  async take(): Promise<ReplicaShare[]> {
    const now = performance.now();
    const allowed = patience.longer + patience.times * (now - this.#given);
    const busy = this.#all.filter(({ coming }) => coming);
    const timer = setTimeout(() => {
      for (const replica of busy) if (replica.coming) replica.lose();
    }, allowed);
    const shares = await Promise.all(
      busy.map(async (replica) => {
        const share = await replica.coming;
        replica.coming = undefined;
        return share;
      }),
    );
    clearTimeout(timer);
    return shares.filter((share) => share !== undefined);
  }

  end(): void {
    for (const replica of this.#all) replica.lose();
    this.#all = [];
    this.#ready = [];
  }
}
