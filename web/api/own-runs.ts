// The part of the public interface that keeps runs: those in the browser's storage, and the one that the page holds.
import type { TrainConfig } from "lorito-wasm";
import { LoritoError, orNone } from "../shared/errors";
import type { Progress, RunSummary, TrainResult } from "../shared/protocol";
import type { RunRecord } from "../shared/record";
import { runHolder } from "./events";
import { RunLock } from "./lock";
import { Texts } from "./texts";
import type { TrainOptions } from "./types";

export class OwnRuns extends Texts {
  readonly #lock = new RunLock(() => this.owner.mayStore());

  /** Whether the model has learned something that neither a saved run nor a saved or downloaded model holds. */
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
    onProgress?: (progress: Progress) => void,
  ): Promise<TrainResult> {
    if (this.owner.training) throw new LoritoError({ code: "busy" });
    this.onProgress = onProgress;
    return this.owner.train(config, () => this.#lock.take());
  }

  /** The newest run, if it was cut off by a reload or a crash, or stopped; null if it was not. */
  async unfinishedRun(): Promise<RunSummary | null> {
    const run = await this.savedRun();
    return run && run.step < run.endStep ? run : null;
  }

  /** The newest run in the browser's storage, finished or not; null if there is none that this tab may touch. */
  async savedRun(): Promise<RunSummary | null> {
    if (this.owner.training || (await this.#lock.isElsewhere())) return null;
    return (await this.savedRuns())[0] ?? null;
  }

  /** All runs in the browser's storage, newest first. A run is kept until it is discarded. */
  savedRuns(): Promise<RunSummary[]> {
    return this.owner.ask((api) => api.savedRuns()).catch(orNone<RunSummary[]>([]));
  }

  /** Brings a saved run back, the newest or `run`, without going on: its model can write, and `train` trains it further. */
  async restoreRun(run?: string): Promise<RunSummary> {
    await this.#mayTouch();
    const restored = await this.owner.ask((api) => api.restoreRun(undefined, run));
    this.owner.replay.model = { run: restored.run };
    this.held.only(runHolder(restored.run));
    await this.tellAll();
    return restored;
  }

  /**
   * Goes on to its end with the run that is open, or else with the newest one; or with `run`. Its losses are those it would
   * have had without the break.
   */
  async continueRun({
    onProgress,
    run,
  }: Pick<TrainOptions, "onProgress"> & { run?: string | undefined } = {}): Promise<TrainResult> {
    if (this.owner.training) throw new LoritoError({ code: "busy" });
    const { model } = this.owner.replay;
    const isOpen = model !== undefined && "run" in model && (run === undefined || run === model.run);
    if (!isOpen) await this.restoreRun(run);
    return this.trainModel(undefined, onProgress);
  }

  /** Removes a run from the browser's storage, the newest or `run`. A model of it that is open stays open. */
  async discardRun(run?: string): Promise<void> {
    await this.#mayTouch();
    const gone = run ?? (await this.savedRuns())[0]?.run;
    const { model } = this.owner.replay;
    // For when the engine must be started anew, the page holds on to a run that is open.
    const isOpen = model !== undefined && "run" in model && model.run === gone && !this.owner.training;
    const file = isOpen ? await this.#file(gone).catch(() => undefined) : undefined;
    await this.owner.ask((api) => api.discardRun(run));
    if (file && this.owner.replay.model === model) this.owner.replay.model = { run: undefined, file };
    if (gone !== undefined) this.held.gone(runHolder(gone));
  }

  /**
   * What runs left when they ended or were stopped: settings, losses, samples, times; no weights. Newest first. A model that is
   * trained on has one record, which grows.
   */
  runRecords(): Promise<RunRecord[]> {
    return this.owner.ask((api) => api.runRecords()).catch(orNone<RunRecord[]>([]));
  }

  async renameRecord(id: string, name: string): Promise<void> {
    await this.owner.ask((api) => api.renameRecord(id, name));
    this.tell("records", undefined);
  }

  /** The run itself, where it is saved, stays. */
  async deleteRecord(id: string): Promise<void> {
    await this.owner.ask((api) => api.deleteRecord(id));
    this.tell("records", undefined);
  }

  async #mayTouch(): Promise<void> {
    if (!(await this.#lock.take())) throw new LoritoError({ code: "run-in-another-tab" });
  }

  /**
   * A run as one file (weights, optimizer, tokens, history), for when it cannot be saved here: `run`, or the one that is
   * open, or else the newest.
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

  /** Opens what `downloadRun` gave, as a run of its own. */
  async openRun(file: Blob): Promise<RunSummary> {
    const run = await this.owner.ask((api) => api.restoreRun(file));
    this.owner.replay.model = { run: run.run, file };
    this.held.only("file");
    await this.tellAll();
    return run;
  }
}
