// Owns the worker: starts it, and after a lost GPU or a wasm trap starts another one and restores its state. Training
// continues; other calls reject and can be repeated.
import { wrap } from "comlink";
import type { SelfCheckResult, TrainConfig } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import { type ErrorCode, LoritoError, markHandled, type Problem, problemOf, rejected } from "../shared/errors";
import type {
  EngineInfo,
  RunRequest,
  StartOptions,
  TrainResult,
  WorkerApi,
  WorkerEvent,
  Workers,
} from "../shared/protocol";
import type { Setup } from "./host";
import { Losses } from "./losses";
import { memoryFailures, noteMemoryFailure } from "./memory-failures";
import { ReplayLog } from "./replay-log";

/** The code of calls that are ended by a change of engine. */
const changed = "engine-changed" satisfies ErrorCode;

/** The page's handlers of events. */
export interface Listener {
  received(event: WorkerEvent): void;
  notice(notice: Problem): void;
  /** The phase may have changed. */
  phase(): void;
  /** Text, tokenizer and model have been restored, perhaps to an earlier step. */
  broughtBack(): void;
}

/** What a bug report says about this page's engines, former ones included. */
export interface Seen {
  /** The GPU that was found, whether in use or not. */
  gpu?: Pick<EngineInfo, "adapter" | "software" | "offers">;
  /** The result of the last self-check. */
  check?: SelfCheckResult;
  /** Milliseconds per step of the last run. */
  millisecondsPerStep?: number;
  /** The codes of the errors that ended engines. */
  losses: string[];
}

/** One worker, from start to end. */
class Live {
  readonly #worker: Worker;
  readonly #api: WorkerApi;
  readonly #waiting = new Set<(problem: LoritoError) => void>();
  #end: LoritoError | undefined;

  constructor(worker: Worker, received: (event: WorkerEvent) => void) {
    this.#worker = worker;
    // Every method is async and takes cloneable arguments, so Comlink changes no type.
    this.#api = wrap(worker) as unknown as WorkerApi;
    this.#worker.addEventListener("message", ({ data }: MessageEvent<WorkerEvent | { event?: never }>) => {
      if (data.event && !this.#end) received(data);
    });
    // The script could not be fetched, or an error was thrown that no call awaits.
    this.#worker.addEventListener("error", (event) => {
      received({ event: "lost", problem: { code: "internal", reason: event.message || "the worker did not start" } });
    });
  }

  /** Calls the worker. Unlike Comlink's own promise, this one also settles when the worker ends. */
  ask<T>(question: (api: WorkerApi) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(this.#end);
      this.#waiting.add(reject);
      question(this.#api)
        .then(resolve, (thrown) => reject(LoritoError.from(thrown)))
        .finally(() => this.#waiting.delete(reject));
    });
  }

  /** Why it ended. */
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
  /** What to start. After losses, only an engine that the user requested is kept. */
  #options: Pick<StartOptions, "engine" | "reason" | "attempts" | "again">;
  readonly #setup: Setup;
  /** The worker in use; undefined while one starts. */
  #live: Live | undefined;
  /** The worker that was started last. */
  #newest: Live | undefined;
  /** Set once the instance is closed. */
  #closed = false;
  #current: Promise<Live>;
  #info: EngineInfo | undefined;
  readonly #losses = new Losses();
  /** The furthest step that was reached, and the furthest with a checkpoint. */
  #furthest = { seen: 0, saved: 0 };
  /** The state that the user requests for the run in training; undefined without one. */
  #request: RunRequest | undefined;
  #paused = false;
  /** Whether this tab may write runs to the browser's storage. */
  #mayStore = false;
  /** Whether the run in training has been saved since `train` was called. */
  #saved = false;
  #starting: "starting" | "recovering" | undefined = "starting";

  constructor(setup: Setup, listener: Listener) {
    this.#listener = listener;
    this.#setup = setup;
    this.#options = { engine: setup.engine };
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

  /** The engine in use; waits until one has started. */
  async info(): Promise<EngineInfo> {
    await this.#current;
    return this.#info as EngineInfo;
  }

  /** Calls the worker; waits until one has started. */
  async ask<T>(question: (api: WorkerApi) => Promise<T>): Promise<T> {
    return (await this.#current).ask(question);
  }

  control(request: RunRequest): void {
    if (this.#request === undefined || this.#request === "stop") return;
    this.#request = request;
    if (this.#live) markHandled(this.#live.ask((api) => api.control(request))); // a starting one gets it by `train`
  }

  /** Allows this tab to write runs to the browser's storage. */
  mayStore(): void {
    this.#mayStore = true;
    if (this.#live) markHandled(this.#live.ask((api) => api.mayStore())); // a starting one gets it by `train`
  }

  /** Switches to another engine, which gets the state of this one; a run in training continues from its last checkpoint. */
  async change(engine: Engine): Promise<EngineInfo> {
    const live = await this.#current;
    this.#options = { engine, reason: "chosen" };
    this.#lose(live, { code: changed });
    await this.#current;
    return this.#info as EngineInfo;
  }

  /**
   * Starts a run with `config`, or continues the session's run; restarts lost engines, but not after a command that the GPU
   * would reject again.
   */
  async train(config: TrainConfig | undefined, workers: Workers, save: () => Promise<boolean>): Promise<TrainResult> {
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
              ? api.train(config, this.#mayStore, request, workers)
              : api.continueRun(this.#mayStore, request, workers),
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

  /** The weights are no longer numbers: restores the last checkpoint. */
  async #toLastCheckpoint(): Promise<void> {
    const { model } = this.replay;
    if (!model || !("run" in model)) return;
    await this.ask((api) => api.restoreRun(model.file, model.run));
    this.#listener.broughtBack();
  }

  /** Ends the worker for good: every call rejects with "closed". */
  close(): void {
    this.#closed = true;
    const problem: Problem = { code: "closed" };
    this.#current = markHandled(Promise.reject(new LoritoError(problem)));
    this.#newest?.end(problem);
    this.#live = undefined;
  }

  async #spawn(): Promise<Live> {
    if (this.#closed) throw new LoritoError({ code: "closed" });
    const { files, storage, workers, workerStart, startWorker } = this.#setup;
    const live: Live = new Live(startWorker(new URL(files.worker)), (event) => {
      if (event.event === "lost") this.#lose(live, event.problem);
      else this.#receive(event);
    });
    this.#newest = live;
    try {
      const host = { files, workerStart, storage, workers, memoryFailures: memoryFailures() };
      this.#info = await live.ask((api) => api.start({ ...this.#options, ...host }));
      const { adapter, software, offers } = this.#info;
      if (offers) this.seen.gpu = { offers, ...(adapter ? { adapter } : {}), ...(software ? { software } : {}) };
      return live;
    } catch (thrown) {
      live.end(problemOf(thrown));
      if (this.#options.engine !== undefined || this.#closed) throw thrown;
      this.#options = { engine: "cpu", reason: "webgpu-failed" };
      return this.#spawn();
    }
  }

  #lose(live: Live, problem: Problem): void {
    if (live.problem) return;
    if (this.#info && /^(gpu-)?out-of-memory$/.test(problem.code)) noteMemoryFailure(this.#info);
    if (live === this.#live) {
      this.#live = undefined;
      // Before the pending calls reject, so that a repeated call finds the next worker.
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

  /** Starts a worker; after a loss, restores the previous one's state. */
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

  /** Decides whether to retry the same engine; the number of attempts is limited. */
  #count(problem: Problem): void {
    if (problem.code === changed) return;
    this.seen.losses.push(problem.code);
    // A GPU that computed wrongly will do so again.
    const wrong = problem.code === "self-check-failed";
    if (wrong && this.#setup.engine) throw new LoritoError({ ...problem, kind: "forced" });
    this.#listener.notice(problem);
    const tooMany = this.#losses.add(performance.now());
    // The GPU may need time to recover.
    this.#options = { ...this.#options, ...(this.#options.engine === undefined ? { attempts: 5 } : {}), again: true };
    if (!tooMany && !wrong) return;
    if (this.#info?.engine !== "webgpu" || this.#setup.engine) throw new LoritoError(problem);
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
      // The file was moved, or the checkpoints are damaged: the rest of the state has been restored.
      this.#listener.notice({ code: "state-lost", reason: problemOf(thrown).code });
    }
    this.#listener.broughtBack();
  }
}
