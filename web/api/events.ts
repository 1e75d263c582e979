// Dispatches the worker's events: to listeners, and to the callbacks of calls in progress.

import { LoritoError, markHandled, type Problem } from "../shared/errors";
import type { Progress, WorkerEvent } from "../shared/protocol";
import { Held } from "./held";
import type { Setup } from "./host";
import type { LoritoEvents, Phase } from "./types";
import { WorkerOwner } from "./worker-owner";

/** The name of a stored run as a holder of the model (held.ts). */
export function runHolder(run: string): string {
  return `run ${run}`;
}

export class Events extends EventTarget {
  protected readonly owner: WorkerOwner;
  /** Where the current state of the model is saved. */
  protected readonly held = new Held();
  /** The callback of the `train` call in progress. */
  protected onProgress: ((progress: Progress) => void) | undefined;
  /** The callbacks of calls in progress, by call number. */
  readonly #calls = new Map<number, (event: WorkerEvent) => void>();
  /** A stop function for each text in progress. */
  readonly #writing = new Set<() => void>();
  #callCount = 0;
  #phase: Phase = "starting";
  #askedToPersist = false;
  /** The unsaved run and the reason, as last reported: otherwise the notice would repeat every minute. */
  #unsaved: string | undefined;

  constructor(protected readonly setup: Setup) {
    super();
    this.owner = new WorkerOwner(setup, {
      received: (event) => this.#receive(event),
      notice: (notice: Problem) => this.tell("notice", notice),
      phase: () => this.#tellPhase(),
      broughtBack: () => {
        const { model } = this.owner.replay;
        if (!model || "made" in model) this.held.fresh();
        markHandled(this.tellAll());
      },
    });
  }

  /** Adds a listener for one kind of event; returns a function that removes it. */
  on<K extends keyof LoritoEvents>(type: K, listener: (detail: LoritoEvents[K]) => void): () => void {
    const received = (event: Event) => listener((event as CustomEvent<LoritoEvents[K]>).detail);
    this.addEventListener(type, received);
    return () => this.removeEventListener(type, received);
  }

  /**
   * Ends the instance: its worker stops, its memory is freed, and calls in progress and later ones reject with "closed". In
   * Node a program ends only once its instances are closed.
   */
  close(): void {
    this.endAllWriting();
    this.owner.close();
  }

  protected beginWriting(end: () => void): void {
    this.#writing.add(end);
    this.#tellPhase();
  }

  protected isWriting(end: () => void): boolean {
    return this.#writing.has(end);
  }

  protected endWriting(end: () => void): void {
    this.#writing.delete(end);
    this.#tellPhase();
  }

  protected endAllWriting(): void {
    for (const end of this.#writing) end();
    this.#writing.clear();
  }

  /** Makes a call during which the worker sends events; `signal` cancels it ("cancelled"). */
  protected async withWord<T>(
    ask: (call: number) => Promise<T>,
    take: (event: WorkerEvent) => void,
    signal?: AbortSignal,
  ): Promise<T> {
    if (signal?.aborted) throw new LoritoError({ code: "cancelled" });
    this.#callCount += 1;
    const call = this.#callCount;
    const end = () => void markHandled(this.owner.ask((api) => api.cancel(call)));
    this.#calls.set(call, take);
    signal?.addEventListener("abort", end);
    try {
      return await ask(call);
    } finally {
      signal?.removeEventListener("abort", end);
      this.#calls.delete(call);
    }
  }

  #receive(event: WorkerEvent): void {
    switch (event.event) {
      case "piece":
      case "left-out":
      case "unknown":
      case "loaded":
      case "notice":
        this.#calls.get(event.call)?.(event);
        break;
      case "progress":
        this.tell("progress", event.progress);
        this.onProgress?.(event.progress);
        break;
      case "evaluation":
        this.tell("evaluation", event.evaluation);
        this.tell("best", event.best);
        break;
      case "adapted":
        this.tell("adapted", event.model);
        break;
      case "sample": {
        const { event: _, ...sample } = event;
        this.tell("sample", sample);
        break;
      }
      case "saved":
        this.#unsaved = undefined;
        this.held.only(runHolder(event.run));
        this.persist();
        this.tell("saved", { step: event.step, at: event.at });
        if (event.cleared) this.tell("notice", { code: "storage-cleared", step: event.step });
        break;
      case "recorded":
        this.tell("records", undefined);
        break;
      case "not-recorded":
        this.tell("notice", event.problem);
        break;
      case "kept":
      case "not-kept":
        this.held.only();
        this.#tellUnsaved(event.run, event.problem);
    }
  }

  #tellUnsaved(run: string, problem: Problem): void {
    const { code } = problem;
    if (this.setup.storage === false) return; // as it was asked for
    const known = ["storage-full", "storage-unavailable", "run-in-another-tab"].includes(code);
    if (this.#unsaved !== run + code) this.tell("notice", known ? problem : { ...problem, code: "not-saved" });
    this.#unsaved = run + code;
  }

  protected tell<K extends keyof LoritoEvents>(type: K, detail: LoritoEvents[K]): LoritoEvents[K] {
    this.dispatchEvent(new CustomEvent(type, { detail }));
    return detail;
  }

  /** Dispatches events for the text, tokenizer and model after all of them have been replaced. */
  protected async tellAll(): Promise<void> {
    this.tell("text", await this.owner.ask((api) => api.plain("textSummary")));
    this.tell("tokenizer", (await this.owner.ask((api) => api.plain("tokenizerSummary"))) ?? undefined);
    this.tell("model", (await this.owner.ask((api) => api.plain("modelSummary"))) ?? undefined);
  }

  #tellPhase(): void {
    const { phase } = this.owner;
    const now = phase === "idle" && this.#writing.size > 0 ? "writing" : phase;
    if (now === this.#phase) return;
    this.#phase = now;
    this.tell("phase", { phase: now });
  }

  /** Asks the browser for persistent storage. Some browsers prompt the user, so this is delayed until something is saved. */
  protected persist(): void {
    if (this.#askedToPersist || this.setup.storage === false) return;
    this.#askedToPersist = true;
    markHandled(Promise.resolve(navigator.storage?.persist?.()));
  }
}
