// The part of the public API that saves and restores runs: those in the browser's storage, and the one in the page's memory.
import type { TrainConfig } from "lorito-wasm";
import { LoritoError, orNone } from "../shared/errors";
import type { Progress, RunSummary, TrainResult, Workers } from "../shared/protocol";
import type { RunRecord } from "../shared/record";
import { runHolder } from "./events";
import { RunLock } from "./lock";
import { Texts } from "./texts";
import type { TrainOptions } from "./types";

export class OwnRuns extends Texts {
  readonly #lock = new RunLock(this.setup.storage, () => this.owner.mayStore());

  /** Whether the model has been trained since it was last saved or downloaded. */
  get unsaved(): boolean {
    return this.held.nowhere;
  }

  /** The id of the run that is open, if one is. */
  get openRunId(): string | undefined {
    const { model } = this.owner.replay;
    return model && "run" in model ? model.run : undefined;
  }

  protected trainModel(
    config: TrainConfig | undefined,
    workers: Workers = this.setup.workers,
    onProgress?: (progress: Progress) => void,
  ): Promise<TrainResult> {
    if (this.owner.training) throw new LoritoError({ code: "busy" });
    this.onProgress = onProgress;
    return this.owner.train(config, workers, () => this.#lock.take());
  }

  /** The newest run, if it was interrupted by a reload or a crash, or stopped; otherwise null. */
  async unfinishedRun(): Promise<RunSummary | null> {
    const run = await this.savedRun();
    return run && run.step < run.endStep ? run : null;
  }

  /** The newest run in the browser's storage, finished or not; null if there is none, or another tab has the storage. */
  async savedRun(): Promise<RunSummary | null> {
    if (this.owner.training || (await this.#lock.isElsewhere())) return null;
    return (await this.savedRuns())[0] ?? null;
  }

  /** All runs in the browser's storage, newest first. A run is kept until it is discarded. */
  savedRuns(): Promise<RunSummary[]> {
    return this.owner.ask((api) => api.savedRuns()).catch(orNone<RunSummary[]>([]));
  }

  /** Restores a saved run, the newest or `run`, without training: its model generates text, and `train` continues it. */
  async restoreRun(run?: string): Promise<RunSummary> {
    await this.#mayTouch();
    const restored = await this.owner.ask((api) => api.restoreRun(undefined, run));
    this.owner.replay.model = { run: restored.run };
    this.held.only(runHolder(restored.run));
    await this.tellAll();
    return restored;
  }

  /**
   * Trains the open run, or else the newest one, or `run`, to its last step. The losses are exactly those of an uninterrupted
   * run.
   */
  async continueRun({
    onProgress,
    workers,
    run,
  }: Pick<TrainOptions, "onProgress" | "workers"> & { run?: string | undefined } = {}): Promise<TrainResult> {
    if (this.owner.training) throw new LoritoError({ code: "busy" });
    const { model } = this.owner.replay;
    const isOpen = model !== undefined && "run" in model && (run === undefined || run === model.run);
    if (!isOpen) await this.restoreRun(run);
    return this.trainModel(undefined, workers, onProgress);
  }

  /** Deletes a run from the browser's storage, the newest or `run`. A model of it that is open stays open. */
  async discardRun(run?: string): Promise<void> {
    await this.#mayTouch();
    const gone = run ?? (await this.savedRuns())[0]?.run;
    const { model } = this.owner.replay;
    // An open run is held in memory for a restart of the engine.
    const isOpen = model !== undefined && "run" in model && model.run === gone && !this.owner.training;
    const file = isOpen ? await this.#file(gone).catch(() => undefined) : undefined;
    await this.owner.ask((api) => api.discardRun(run));
    if (file && this.owner.replay.model === model) this.owner.replay.model = { run: undefined, file };
    if (gone !== undefined) this.held.gone(runHolder(gone));
  }

  /**
   * The records of runs that have ended or were stopped: settings, losses, samples and times, without weights. Newest
   * first. A model that is trained further keeps one record, which grows.
   */
  runRecords(): Promise<RunRecord[]> {
    return this.owner.ask((api) => api.runRecords()).catch(orNone<RunRecord[]>([]));
  }

  async renameRecord(id: string, name: string): Promise<void> {
    await this.owner.ask((api) => api.renameRecord(id, name));
    this.tell("records", undefined);
  }

  /** Deletes a record; the saved run is kept. */
  async deleteRecord(id: string): Promise<void> {
    await this.owner.ask((api) => api.deleteRecord(id));
    this.tell("records", undefined);
  }

  override close(): void {
    super.close();
    this.#lock.release();
  }

  async #mayTouch(): Promise<void> {
    if (!(await this.#lock.take())) throw new LoritoError({ code: "run-in-another-tab" });
  }

  /**
   * A run as one file (weights, optimizer, tokens, history), for browsers that cannot save it: `run`, or the open one, or
   * else the newest.
   */
  async downloadRun(run?: string): Promise<Blob> {
    const file = await this.#file(run);
    const { model } = this.owner.replay;
    if (model && "run" in model && (run === undefined || run === model.run)) this.held.also("file");
    return file;
  }

  async #file(run: string | undefined): Promise<Blob> {
    const { model } = this.owner.replay;
    const open = model && "run" in model ? model : undefined;
    if (open?.file && (run === undefined || run === open.run)) return open.file;
    return this.owner.ask((api) => api.runFile(run ?? open?.run));
  }

  /** Opens the file of `downloadRun` as a new run. */
  async openRun(file: Blob): Promise<RunSummary> {
    const run = await this.owner.ask((api) => api.restoreRun(file));
    this.owner.replay.model = { run: run.run, file };
    this.held.only("file");
    await this.tellAll();
    return run;
  }
}
