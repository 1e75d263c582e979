// How the worker's word reaches those who listen: events, and the functions given to calls that are under way.

import type { Engine } from "../shared/engines";
import { LoritoError, markHandled, type Problem } from "../shared/errors";
import type { Progress, WorkerEvent } from "../shared/protocol";
import { Held } from "./held";
import type { LoritoEvents, Phase } from "./types";
import { WorkerOwner } from "./worker-owner";

/** A stored run among what holds a model. */
export function runHolder(run: string): string {
  return `run ${run}`;
}

export class Events extends EventTarget {
  protected readonly owner: WorkerOwner;
  /** What holds the model as it is now. */
  protected readonly held = new Held();
  /** Of the call of `train` under way. */
  protected onProgress: ((progress: Progress) => void) | undefined;
  /** Who waits for the worker's word, by the number of their call. */
  readonly #calls = new Map<number, (event: WorkerEvent) => void>();
  /** Texts under way, each as the function that ends it. */
  readonly #writing = new Set<() => void>();
  #callCount = 0;
  #phase: Phase = "starting";
  #askedToPersist = false;
  /** Which run is not saved and why, as last told: it would be the same every minute. */
  #unsaved: string | undefined;

  constructor(forced: Engine | undefined) {
    super();
    this.owner = new WorkerOwner(forced, {
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

  /** Listens to one kind of event; the function returned ends that. */
  on<K extends keyof LoritoEvents>(type: K, listener: (detail: LoritoEvents[K]) => void): () => void {
    const received = (event: Event) => listener((event as CustomEvent<LoritoEvents[K]>).detail);
    this.addEventListener(type, received);
    return () => this.removeEventListener(type, received);
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

  /** Makes a call to which the worker says something while it is under way; `signal` ends it ("cancelled"). */
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
      case "sample":
        this.tell("sample", { step: event.step, text: event.text });
        break;
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
    const known = ["storage-full", "storage-unavailable", "run-in-another-tab"].includes(code);
    if (this.#unsaved !== run + code) this.tell("notice", known ? problem : { ...problem, code: "not-saved" });
    this.#unsaved = run + code;
  }

  protected tell<K extends keyof LoritoEvents>(type: K, detail: LoritoEvents[K]): LoritoEvents[K] {
    this.dispatchEvent(new CustomEvent(type, { detail }));
    return detail;
  }

  /** Text, tokenizer and model are other ones. */
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

  /** Asks the browser not to clear what is saved when the disk gets full. Some ask the person, so not before. */
  protected persist(): void {
    if (this.#askedToPersist) return;
    this.#askedToPersist = true;
    markHandled(Promise.resolve(navigator.storage?.persist?.()));
  }
}
