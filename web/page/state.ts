// The page's state in one store. Views read it and are rendered again when it changes; only the store writes it.

import type {
  Advice,
  BestSoFar,
  Evaluation,
  HalfPrecision,
  KeptRepo,
  Lorito,
  ModelSummary,
  Phase,
  Plan,
  Preset,
  Progress,
  Ready,
  RunSummary,
  Sample,
  SavedModel,
  StepRecord,
  TextSummary,
  TimePlan,
  TokenizerKind,
  TokenizerSummary,
} from "../api/lorito";
import { type Problem, problemOf } from "../shared/errors";
import { SETTINGS } from "../shared/settings";
import type { GoalName } from "./goals";
import type { Notify } from "./in-background";
import { fromHash, type Lora, type Settings, type Shape, shapeOf, toHash } from "./settings";
import { type PlannedTime, timePlanOf } from "./time-plan";

export const STEPS = ["text", "tokens", "model", "train", "write", "share"] as const;
export type Step = (typeof STEPS)[number];

/** An error or notice from Rust or the worker: a code with fields; locales/ has the text. */
export type Report = Problem;

export interface Message {
  place: Step | "page";
  tone: "error" | "notice";
  report: Report;
}

/** A task in progress that disables a part of the page, with its progress where known. */
export interface Busy {
  task: "reading" | "fetching" | "tokenizing" | "making" | "opening" | "saving" | "packing" | "sending" | "updating";
  name?: string;
  done?: number;
  total?: number;
  /** Cancels it, if that is possible. */
  cancel?: () => void;
}

/** An original file, or the parts of one table. */
export type Original = Blob | Blob[];

/** A file whose text field could not be detected, so that the user must choose. */
export interface Unclear {
  name: string;
  data: Original;
  fields: string[];
  /** Whether it can also be read as conversations. */
  conversational: boolean;
}

/** The sampling settings of text generation and chat. */
export type Sampling = Record<keyof typeof SETTINGS.generate, number>;

const DEFAULT_SAMPLING = Object.fromEntries(
  Object.entries(SETTINGS.generate).map(([name, setting]) => [name, setting.default]),
) as Sampling;

export interface State {
  ready: Ready | undefined;
  /** The engine could not start; a message has the reason. */
  failed: boolean;
  phase: Phase;
  /** All tasks in progress, in the order of their start. */
  tasks: readonly Busy[];
  /** The last one; undefined if there is none. */
  busy: Busy | undefined;
  unclear: Unclear | undefined;
  messages: Message[];
  text: TextSummary | undefined;
  tokenizer: TokenizerSummary | undefined;
  model: ModelSummary | undefined;
  /** "made": created here from the current settings, so that training may replace it; "run": restored with its own tokens;
   *  "given": opened, or created by a script. */
  modelOrigin: "made" | "run" | "given";
  presets: Preset[];
  settings: Settings;
  /** The goal chosen at the top of the page, if any. */
  goal: GoalName | undefined;
  /** Recommendations for this text and machine, for settings that the user has not changed. */
  suggested: { preset?: string; vocabulary?: number };
  /** The last plan for a time, and what it was made for. */
  plannedTime: PlannedTime | undefined;
  /** The costs of the current settings; undefined if no model can have them. */
  plan: Plan | undefined;
  planReport: Report | undefined;
  /** The result of the engine's check of half precision; undefined before it. */
  halfPrecision: HalfPrecision | undefined;
  /** Whether the model has been trained for at least one step. */
  trained: boolean;
  progress: Progress | undefined;
  steps: StepRecord[];
  evaluations: Evaluation[];
  /** The run's best evaluation, and how many worse ones followed. */
  best: BestSoFar | undefined;
  /** What the curves of the run suggest, at its last evaluation. */
  advice: readonly Advice[];
  samples: Sample[];
  sampling: Sampling;
  /** The text in Write that the model is to continue. */
  prompt: string;
  /** The run of the last visit. */
  lastRun: RunSummary | undefined;
  /** The time of the last checkpoint, in milliseconds since 1970. */
  savedAt: number | undefined;
  /** The runs in the browser's storage. */
  runs: RunSummary[];
  models: SavedModel[];
  /** Hub repositories stored on this device. */
  kept: KeptRepo[];
  storage: { used: number; quota: number } | undefined;
  /** Whether to notify the user at a run's end; undefined: this browser has no notifications. */
  notify: Notify | undefined;
  /** Reloads the page in a new version; undefined: there is none. */
  newVersion: (() => Promise<void>) | undefined;
  /** The address of the hub for models and datasets. */
  hub: string;
  /** The address of the hub for uploads. */
  sendingHub: string;
}

/** The codes of the reasons for which a run is not saved. */
export const UNSAVED = ["not-saved", "storage-full", "storage-unavailable", "run-in-another-tab"];

/** The codes of GPU failures after which the CPU can continue. */
export const GPU_FAILURES = ["device-lost", "gpu-out-of-memory", "gpu-command-rejected"];

const EMPTY_RUN = {
  trained: false,
  progress: undefined,
  steps: [],
  evaluations: [],
  best: undefined,
  advice: [] as readonly Advice[],
  samples: [],
  savedAt: undefined,
};

export class Store extends EventTarget {
  state: State = {
    ready: undefined,
    failed: false,
    phase: "starting",
    tasks: [],
    busy: undefined,
    unclear: undefined,
    messages: [],
    text: undefined,
    tokenizer: undefined,
    model: undefined,
    modelOrigin: "given",
    presets: [],
    settings: fromHash(location.hash),
    goal: undefined,
    suggested: {},
    halfPrecision: undefined,
    plannedTime: undefined,
    plan: undefined,
    planReport: undefined,
    sampling: DEFAULT_SAMPLING,
    prompt: "",
    lastRun: undefined,
    runs: [],
    models: [],
    kept: [],
    storage: undefined,
    notify: undefined,
    newVersion: undefined,
    hub: "",
    sendingHub: "",
    ...EMPTY_RUN,
  };

  constructor(readonly lorito: Lorito) {
    super();
    this.#follow();
  }

  /** Tasks are changed only by `attempt`, so that the end of one task never hides another. */
  change(part: Partial<Omit<State, "tasks" | "busy">>): void {
    this.#change(part);
  }

  #change(part: Partial<State>): void {
    this.state = { ...this.state, ...part };
    this.dispatchEvent(new Event("change"));
  }

  /** The plan for the time that the user gives; undefined by hand, with a chosen preset, or until it is made. */
  get timePlan(): TimePlan | undefined {
    return timePlanOf(this.state);
  }

  /**
   * The preset that the settings start from: the one planned for the user's time, else the user's choice, else the suggested
   * one, else the smallest.
   */
  get preset(): Preset | undefined {
    const { presets, settings, suggested } = this.state;
    if (this.timePlan) return this.timePlan.preset;
    return presets.find(({ name }) => name === (settings.preset ?? suggested.preset)) ?? presets[0];
  }

  /** The model and the run that the settings describe; unknown until the presets are known. */
  get shape(): Shape | undefined {
    const { settings, halfPrecision } = this.state;
    const asked = settings.halfPrecision === true && halfPrecision === "works";
    const adapter = this.state.model?.adapter;
    // An existing adapter can only be trained further.
    const lora = adapter ? { lora: adapter as Lora } : {};
    const { model, modelOrigin, trained } = this.state;
    const foreign = modelOrigin === "given" && !trained ? model : undefined;
    return this.preset && shapeOf(this.preset, { ...settings, ...lora, halfPrecision: asked }, foreign);
  }

  /** The size of a BPE vocabulary that suits the text, and the time if there is a plan for it. */
  get suggestedVocabulary(): number | undefined {
    const { timePlan } = this;
    return timePlan?.tokenizer === "bpe" ? timePlan.vocabulary : this.state.suggested.vocabulary;
  }

  /** Character tokens learn fastest from a small text; BPE pays off from about a megabyte. */
  get tokenizerKind(): TokenizerKind {
    const asked = this.state.settings.tokenizer ?? this.timePlan?.tokenizer;
    return asked ?? ((this.state.text?.bytes ?? 0) < 1_000_000 ? "char" : "bpe");
  }

  /** Whether there is a model that training would continue. */
  get canContinue(): boolean {
    const { model, modelOrigin, trained } = this.state;
    return model !== undefined && (modelOrigin !== "made" || trained);
  }

  /** Whether no task is running and closing the page would lose nothing. */
  get isAtRest(): boolean {
    return this.state.phase === "idle" && this.state.busy === undefined && !this.lorito.unsaved;
  }

  setSettings(settings: Settings): void {
    const hash = toHash(settings);
    history.replaceState(history.state, "", hash ? `#${hash}` : `${location.pathname}${location.search}`);
    this.change({ settings });
  }

  say(place: Message["place"], report: Report, tone: Message["tone"] = "error"): void {
    const message = { place, tone, report };
    const others = this.state.messages.filter((other) => !repeats(other, message));
    this.change({ messages: [...others, message] });
  }

  dismiss(message: Message): void {
    this.change({ messages: this.state.messages.filter((other) => other !== message) });
  }

  /** Removes the errors at a place, before the user's next action there. */
  clearErrors(place: Message["place"]): void {
    const messages = this.state.messages.filter((message) => message.place !== place || message.tone === "notice");
    this.change({ messages });
  }

  /**
   * Runs a user's action; an error is shown at `place`. Meanwhile `busy` is one of the tasks; `update` changes its displayed
   * state.
   */
  async attempt<T>(
    place: Message["place"],
    busy: Busy | undefined,
    action: (update: (part: Partial<Busy>) => void) => Promise<T>,
  ): Promise<T | undefined> {
    let task = busy;
    if (task) this.#setTasks([...this.state.tasks, task]);
    const update = (part: Partial<Busy>) => {
      const before = task;
      if (!before) return;
      const after = { ...before, ...part };
      task = after;
      this.#setTasks(this.state.tasks.map((one) => (one === before ? after : one)));
    };
    try {
      return await action(update);
    } catch (error) {
      const problem = problemOf(error);
      this.say(place, problem, problem.code === "cancelled" ? "notice" : "error");
      return undefined;
    } finally {
      const ended = task;
      task = undefined; // later updates are ignored
      if (ended) this.#setTasks(this.state.tasks.filter((one) => one !== ended));
    }
  }

  #setTasks(tasks: readonly Busy[]): void {
    this.#change({ tasks, busy: tasks.at(-1) });
  }

  /** Reads the history of training: after a model is opened or created, and after a run is restored. */
  async readHistory(): Promise<void> {
    const { steps, evaluations, samples } = await this.lorito.history();
    this.change({ steps, evaluations, samples, trained: steps.length > 0 });
    if (steps.length > 0) await this.#readAdvice();
  }

  /** A model that was only opened has no run, and needs no advice. */
  async #readAdvice(): Promise<void> {
    const advice = await this.lorito.advice().catch(() => []);
    this.change({ advice });
  }

  async readModels(): Promise<void> {
    const { lorito } = this;
    const [models, kept] = await Promise.all([lorito.savedModels(), lorito.hub.kept(), this.readStorage()]);
    this.change({ models, kept });
  }

  async readStorage(): Promise<void> {
    this.change({ storage: await this.lorito.storageUsed() });
  }

  async #suggestVocabulary(): Promise<void> {
    if (!this.state.text) return;
    const vocabulary = await this.lorito.suggestedVocabulary();
    this.change({ suggested: { ...this.state.suggested, vocabulary } });
  }

  async readRuns(): Promise<void> {
    const [runs] = await Promise.all([this.lorito.savedRuns(), this.readStorage()]);
    this.change({ runs });
  }

  /** Shows a notice in the Train step; the engine may have changed, too. */
  #notice(report: Report): void {
    const { engine, reason } = report as Partial<Ready>;
    if (report.code === "recovered" && engine && reason && this.state.ready) {
      this.change({ ready: { engine, reason, limits: this.state.ready.limits } });
    }
    this.say("train", report, "notice");
  }

  #follow(): void {
    const { lorito } = this;
    lorito.on("phase", ({ phase }) => this.change({ phase }));
    lorito.on("text", (text) => {
      this.change({ text: text.sources.length > 0 ? text : undefined });
      void this.#suggestVocabulary();
    });
    lorito.on("tokenizer", (tokenizer) => this.change({ tokenizer }));
    lorito.on("model", (model) => {
      this.change({ model, modelOrigin: "given", ...EMPTY_RUN });
      if (model) void this.readHistory();
    });
    lorito.on("progress", (progress) => {
      const begins = this.state.steps.length === 0;
      const steps = [...this.state.steps, ...progress.records];
      this.change({ progress, steps, trained: steps.length > 0 });
      if (begins) void this.#readAdvice();
    });
    lorito.on("evaluation", (evaluation) => {
      this.change({ evaluations: [...this.state.evaluations, evaluation] });
      // Advice on the evaluation before the first step would delay that step: it follows with the step's loss.
      if (this.state.steps.length > 0) void this.#readAdvice();
    });
    lorito.on("best", (best) => this.change({ best }));
    lorito.on("adapted", (model) => this.change({ model }));
    lorito.on("sample", (sample) => this.change({ samples: [...this.state.samples, sample] }));
    lorito.on("saved", ({ at }) => {
      // Saving works again.
      const messages = this.state.messages.filter(({ report }) => !UNSAVED.includes(report.code));
      this.change({
        savedAt: at,
        messages: messages.length < this.state.messages.length ? messages : this.state.messages,
      });
      void this.attempt("share", undefined, () => this.readRuns());
    });
    lorito.on("notice", (report) => this.#notice(report));
    addEventListener("hashchange", () => this.change({ settings: fromHash(location.hash) }));
  }
}

/**
 * Whether message `other` replaces `one`. A notice replaces, or is replaced by, any message with its code, as both are about
 * the same problem. An error replaces only an identical one, as two files can fail in the same way.
 */
function repeats(one: Message, other: Message): boolean {
  if (one.place !== other.place || one.report.code !== other.report.code) return false;
  const ofOneFault = one.tone === "notice" || other.tone === "notice";
  return ofOneFault || JSON.stringify(one.report) === JSON.stringify(other.report);
}
