// Owns the worker: starts it, and when its GPU is lost or its wasm traps, starts another one and brings back what it
// held. What the page asks of it goes on where it can: training does, other calls reject and can be made again.
import { wrap } from "comlink";
import type { SelfCheckResult, TrainConfig } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import { type ErrorCode, LoritoError, markHandled, type Problem, problemOf, rejected } from "../shared/errors";
import type { EngineInfo, RunRequest, StartOptions, TrainResult, WorkerApi, WorkerEvent } from "../shared/protocol";
import { home } from "./home";
import { Losses } from "./losses";
import { memoryFailures, noteMemoryFailure } from "./memory-failures";
import { ReplayLog } from "./replay-log";
import { startWorker } from "./worker-start";

/** What ends a worker whose engine somebody changes for another one. */
const changed = "engine-changed" satisfies ErrorCode;

/** What the page does with the worker's word. */
export interface Listener {
  received(event: WorkerEvent): void;
  notice(notice: Problem): void;
  /** The phase may have changed. */
  phase(): void;
  /** Text, tokenizer and model were brought back, perhaps as they were some steps ago. */
  broughtBack(): void;
}

/** What a report says of this page's engines, those that are no more among them. */
export interface Seen {
  /** The GPU that was found, in use or not. */
  gpu?: Pick<EngineInfo, "adapter" | "software" | "offers">;
  /** How the GPU was checked last. */
  check?: SelfCheckResult;
  /** Of the run trained last. */
  millisecondsPerStep?: number;
  /** Why engines came to their ends, as codes. */
  losses: string[];
}

/** One worker, from its start to its end. */
class Live {
  readonly #worker = startWorker();
  // Every method is async and takes what can be cloned, so Comlink changes no type.
  readonly #api = wrap(this.#worker) as unknown as WorkerApi;
  readonly #waiting = new Set<(problem: LoritoError) => void>();
  #end: LoritoError | undefined;

  constructor(received: (event: WorkerEvent) => void) {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<WorkerEvent | { event?: never }>) => {
      if (data.event && !this.#end) received(data);
    });
    // Its script cannot be had, or something went wrong in it that nobody waited for.
    this.#worker.addEventListener("error", (event) => {
      received({ event: "lost", problem: { code: "internal", reason: event.message || "the worker did not start" } });
    });
  }

  /** Asks the worker something. Unlike Comlink's own promise, this one settles when the worker is no more. */
  ask<T>(question: (api: WorkerApi) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(this.#end);
      this.#waiting.add(reject);
      question(this.#api)
        .then(resolve, (thrown) => reject(LoritoError.from(thrown)))
        .finally(() => this.#waiting.delete(reject));
    });
  }

  /** Why it is no more. */
  get problem(): Problem | undefined {
    return this.#end && problemOf(this.#end);
  }

  end(problem: Problem): void {
    const error = new LoritoError(problem);
    this.#end = error;
    this.#worker.terminate();
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
  }
}

export class WorkerOwner {
  readonly ready: Promise<EngineInfo>;
  readonly replay = new ReplayLog();
  readonly seen: Seen = { losses: [] };
  readonly #listener: Listener;
  /** What to start. Only a person's own word is kept to after losses. */
  #options: StartOptions;
  readonly #forced: Engine | undefined;
  /** The worker in use; while one starts, undefined. */
  #live: Live | undefined;
  #current: Promise<Live>;
  #info: EngineInfo | undefined;
  readonly #losses = new Losses();
  /** The furthest step that was seen, and that a checkpoint was saved at. */
  #furthest = { seen: 0, saved: 0 };
  /** What the person wants of the run in training; undefined when there is none. */
  #request: RunRequest | undefined;
  #paused = false;
  /** Whether this tab may write runs to the browser's storage. */
  #mayStore = false;
  /** Whether the run in training has been saved since it was asked for. */
  #saved = false;
  #starting: "starting" | "recovering" | undefined = "starting";

  constructor(forced: Engine | undefined, listener: Listener) {
    this.#listener = listener;
    this.#forced = forced;
    this.#options = { engine: forced };
    this.#current = markHandled(this.#launch());
    this.ready = markHandled(this.#current.then(() => this.#info as EngineInfo));
  }

  get phase(): "starting" | "recovering" | "training" | "paused" | "idle" {
    if (this.#starting) return this.#starting;
    if (this.#request === undefined) return "idle";
    return this.#paused ? "paused" : "training";
  }

  get training(): boolean {
    return this.#request !== undefined;
  }

  /** The engine in use; waits for one if there is none just now. */
  async info(): Promise<EngineInfo> {
    await this.#current;
    return this.#info as EngineInfo;
  }

  /** Asks the worker something; waits for one if there is none just now. */
  async ask<T>(question: (api: WorkerApi) => Promise<T>): Promise<T> {
    return (await this.#current).ask(question);
  }

  control(request: RunRequest): void {
    if (this.#request === undefined || this.#request === "stop") return;
    this.#request = request;
    if (this.#live) markHandled(this.#live.ask((api) => api.control(request))); // one that is starting gets it by `train`
  }

  /** This tab may write runs to the browser's storage from now on. */
  mayStore(): void {
    this.#mayStore = true;
    if (this.#live) markHandled(this.#live.ask((api) => api.mayStore())); // one that is starting gets it by `train`
  }

  /** Goes on with another engine, which gets what this one holds; a run in training goes on from where it was last saved. */
  async change(engine: Engine): Promise<EngineInfo> {
    const live = await this.#current;
    this.#options = { engine, reason: "chosen" };
    this.#lose(live, { code: changed });
    await this.#current;
    return this.#info as EngineInfo;
  }

  /**
   * Trains anew with `config`, or goes on with the run that the session holds; through losses of the engine, but not where
   * the GPU rejects what it would be asked again.
   */
  async train(config: TrainConfig | undefined, save: () => Promise<boolean>): Promise<TrainResult> {
    if (this.training) throw new LoritoError({ code: "busy" });
    this.#request = "go";
    this.#saved = false;
    this.#furthest = { seen: 0, saved: 0 };
    this.#listener.phase();
    try {
      this.#mayStore = (await save()) || this.#mayStore;
      for (;;) {
        const live = await this.#current;
        const request = this.#request;
        try {
          return await live.ask((api) =>
            config && !this.#saved
              ? api.train(config, this.#mayStore, request)
              : api.continueRun(this.#mayStore, request),
          );
        } catch (thrown) {
          const error = LoritoError.from(thrown);
          if (error.code === "diverged")
            await this.#toLastCheckpoint().catch((lost) => {
              this.#listener.notice({ code: "state-lost", reason: problemOf(lost).code });
            });
          if (!live.problem || live.problem.code === rejected) throw error;
        }
      }
    } finally {
      this.#request = undefined;
      this.#paused = false;
      this.#listener.phase();
    }
  }

  /** The weights have come to nothing: back to those that were good. */
  async #toLastCheckpoint(): Promise<void> {
    const { model } = this.replay;
    if (!model || !("run" in model)) return;
    await this.ask((api) => api.restoreRun(model.file, model.run));
    this.#listener.broughtBack();
  }

  async #spawn(): Promise<Live> {
    const live: Live = new Live((event) => {
      if (event.event === "lost") this.#lose(live, event.problem);
      else this.#receive(event);
    });
    try {
      this.#info = await live.ask((api) => api.start({ ...this.#options, home, memoryFailures: memoryFailures() }));
      const { adapter, software, offers } = this.#info;
      if (offers) this.seen.gpu = { offers, ...(adapter ? { adapter } : {}), ...(software ? { software } : {}) };
      return live;
    } catch (thrown) {
      live.end(problemOf(thrown));
      if (this.#options.engine !== undefined) throw thrown;
      this.#options = { engine: "cpu", reason: "webgpu-failed" };
      return this.#spawn();
    }
  }

  #lose(live: Live, problem: Problem): void {
    if (live.problem) return;
    if (this.#info && /^(gpu-)?out-of-memory$/.test(problem.code)) noteMemoryFailure(this.#info);
    if (live === this.#live) {
      this.#live = undefined;
      // Before those who wait hear of it, so that they find the next worker when they ask.
      this.#current = markHandled(this.#launch(problem));
    }
    live.end(problem);
  }

  #receive(event: WorkerEvent): void {
    switch (event.event) {
      case "paused":
        this.#paused = event.paused;
        this.#listener.phase();
        break;
      case "saved":
        this.#saved = true;
        this.replay.model = { run: event.run };
        this.#advance("saved", event.step);
        break;
      case "kept":
        this.#saved = true;
        this.replay.model = { run: event.run, file: event.file };
        break;
      case "checked":
        this.seen.check = event.found;
        break;
      case "progress":
        this.seen.millisecondsPerStep = event.progress.millisecondsPerStep;
        this.#advance("seen", event.progress.step);
        break;
    }
    this.#listener.received(event);
  }

  #advance(how: "seen" | "saved", step: number): void {
    if (step <= this.#furthest[how]) return;
    this.#furthest[how] = step;
    this.#losses.progressed();
  }

  /** A worker ready for use; after a loss, with what the one before it held. */
  async #launch(loss?: Problem): Promise<Live> {
    if (loss) {
      this.#starting = "recovering";
      this.#paused = false;
      this.#listener.phase();
    }
    try {
      for (let cause = loss; ; ) {
        if (cause) this.#count(cause);
        const live = await this.#spawn();
        if (cause) await this.#bringBack(live);
        if (!live.problem) {
          this.#live = live;
          return live;
        }
        cause = live.problem;
      }
    } finally {
      this.#starting = undefined;
      this.#listener.phase();
    }
  }

  /** Tries the same engine again, but not for ever. */
  #count(problem: Problem): void {
    if (problem.code === changed) return;
    this.seen.losses.push(problem.code);
    // A GPU that was wrong once will be wrong again.
    const wrong = problem.code === "self-check-failed";
    if (wrong && this.#forced) throw new LoritoError({ ...problem, kind: "forced" });
    this.#listener.notice(problem);
    const tooMany = this.#losses.add(performance.now());
    // The GPU may need a moment.
    this.#options = { ...this.#options, ...(this.#options.engine === undefined ? { attempts: 5 } : {}), again: true };
    if (!tooMany && !wrong) return;
    if (this.#info?.engine !== "webgpu" || this.#forced) throw new LoritoError(problem);
    this.#losses.clear();
    this.#options = { engine: "cpu", reason: wrong ? "self-check-failed" : "webgpu-lost" };
  }

  async #bringBack(live: Live): Promise<void> {
    try {
      const run = await live.ask((api) => this.replay.follow(api));
      const { engine, reason } = this.#info as EngineInfo;
      this.#listener.notice({ code: "recovered", engine, reason, ...(run ? { step: run.step } : {}) });
    } catch (thrown) {
      if (live.problem) return; // lost again
      // The file was moved, or the checkpoints are damaged: what could be brought back is there.
      this.#listener.notice({ code: "state-lost", reason: problemOf(thrown).code });
    }
    this.#listener.broughtBack();
  }
}
