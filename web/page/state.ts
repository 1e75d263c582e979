// What the page knows, in one place. Views read it and are drawn again when it changes; only the store writes it.

import type {
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
  TokenizerKind,
  TokenizerSummary,
} from "../api/lorito";
import { type Problem, problemOf } from "../shared/errors";
import { SETTINGS } from "../shared/settings";
import type { Notify } from "./in-background";
import { fromHash, type Lora, type Settings, type Shape, shapeOf, toHash } from "./settings";

export const STEPS = ["text", "tokens", "model", "train", "write", "share"] as const;
export type Step = (typeof STEPS)[number];

/** Something that Rust or the worker reported: a code and its figures; locales/ has the sentence. */
export type Report = Problem;

export interface Message {
  place: Step | "page";
  tone: "error" | "notice";
  report: Report;
}

/** Something under way that keeps a part of the page waiting, and how far it is where that is known. */
export interface Busy {
  task: "reading" | "fetching" | "tokenizing" | "making" | "opening" | "saving" | "packing" | "sending" | "updating";
  name?: string;
  done?: number;
  total?: number;
  /** Ends it, where that can be. */
  cancel?: () => void;
}

/** A file as given, or the parts of one table. */
export type Original = Blob | Blob[];

/** A file of which no field has most of the words, so that a person has to choose. */
export interface Unclear {
  name: string;
  data: Original;
  fields: string[];
  /** Whether it can be read as conversations, too. */
  conversational: boolean;
}

/** How it writes. */
export type Sampling = Record<keyof typeof SETTINGS.generate, number>;

const DEFAULT_SAMPLING = Object.fromEntries(
  Object.entries(SETTINGS.generate).map(([name, setting]) => [name, setting.default]),
) as Sampling;

export interface State {
  ready: Ready | undefined;
  /** The engine could not start; a message says why. */
  failed: boolean;
  phase: Phase;
  /** Everything under way, in the order in which it began. */
  tasks: readonly Busy[];
  /** The last of them; undefined only once none of them is left. */
  busy: Busy | undefined;
  unclear: Unclear | undefined;
  messages: Message[];
  text: TextSummary | undefined;
  tokenizer: TokenizerSummary | undefined;
  model: ModelSummary | undefined;
  /** Made here from the settings shown, so that training may make it anew; a run that goes on with its own text; or
   *  given: opened, or made by a script. */
  modelOrigin: "made" | "run" | "given";
  presets: Preset[];
  settings: Settings;
  /** What the text's length and this machine's speed speak for, where the person has set nothing. */
  suggested: { preset?: string; vocabulary?: number };
  /** The costs of the settings as they stand, or why no model can be made of them. */
  plan: Plan | undefined;
  planReport: Report | undefined;
  /** What the engine's own check says; unknown until it is asked for. */
  halfPrecision: HalfPrecision | undefined;
  /** Whether the model has been trained for a step. */
  trained: boolean;
  progress: Progress | undefined;
  steps: StepRecord[];
  evaluations: Evaluation[];
  /** The run's best evaluation, and how many have been worse since. */
  best: BestSoFar | undefined;
  samples: Sample[];
  sampling: Sampling;
  /** What the last visit left in training, or trained. */
  lastRun: RunSummary | undefined;
  /** When the running training was last saved on this device, in milliseconds since 1970. */
  savedAt: number | undefined;
  /** Those in the browser's storage. */
  runs: RunSummary[];
  models: SavedModel[];
  /** What is kept of the hub on this device. */
  kept: KeptRepo[];
  storage: { used: number; quota: number } | undefined;
  /** Whether the person is told of a run's end; undefined: this browser has no notifications. */
  notify: Notify | undefined;
  /** Opens the page anew in a version that is ready; undefined: there is none. */
  newVersion: (() => Promise<void>) | undefined;
  /** The address of the hub that models and datasets come from. */
  hub: string;
  /** The address of the hub that models are sent to. */
  sendingHub: string;
}

/** Why a run is not saved on this device. */
export const UNSAVED = ["not-saved", "storage-full", "storage-unavailable", "run-in-another-tab"];

/** How a GPU fails; the processor can go on. */
export const GPU_FAILURES = ["device-lost", "gpu-out-of-memory", "gpu-command-rejected"];

const EMPTY_RUN = {
  trained: false,
  progress: undefined,
  steps: [],
  evaluations: [],
  best: undefined,
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
    suggested: {},
    halfPrecision: undefined,
    plan: undefined,
    planReport: undefined,
    sampling: DEFAULT_SAMPLING,
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

  /** What is under way changes by `attempt` alone, so that the end of one task never hides another. */
  change(part: Partial<Omit<State, "tasks" | "busy">>): void {
    this.#change(part);
  }

  #change(part: Partial<State>): void {
    this.state = { ...this.state, ...part };
    this.dispatchEvent(new Event("change"));
  }

  /** The preset that the settings start from: the person's, else the one suggested, else the smallest. */
  get preset(): Preset | undefined {
    const { presets, settings, suggested } = this.state;
    return presets.find(({ name }) => name === (settings.preset ?? suggested.preset)) ?? presets[0];
  }

  /** The model and the run that the settings describe; unknown until the crate has told its presets. */
  get shape(): Shape | undefined {
    const { settings, halfPrecision } = this.state;
    const asked = settings.halfPrecision === true && halfPrecision === "works";
    const adapter = this.state.model?.adapter;
    // An adapter that is there can only be trained on.
    const lora = adapter ? { lora: adapter as Lora } : {};
    const { model, modelOrigin, trained } = this.state;
    const foreign = modelOrigin === "given" && !trained ? model : undefined;
    return this.preset && shapeOf(this.preset, { ...settings, ...lora, halfPrecision: asked }, foreign);
  }

  /** Characters learn fastest from little text; whole words pay off from about a megabyte. */
  get tokenizerKind(): TokenizerKind {
    return this.state.settings.tokenizer ?? ((this.state.text?.bytes ?? 0) < 1_000_000 ? "char" : "bpe");
  }

  /** Whether there is a model that training would go on with. */
  get canContinue(): boolean {
    const { model, modelOrigin, trained } = this.state;
    return model !== undefined && (modelOrigin !== "made" || trained);
  }

  /** Nothing is under way, and nothing that was learned would be lost if the page were closed. */
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

  /** Takes back the errors of a place: what a person does next there answers them. */
  clearErrors(place: Message["place"]): void {
    const messages = this.state.messages.filter((message) => message.place !== place || message.tone === "notice");
    this.change({ messages });
  }

  /**
   * Does what a person asked for; what goes wrong is said at that place. `busy` is among the tasks until then; `update`
   * changes what is shown of it.
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
      task = undefined; // what is still told of it comes too late
      if (ended) this.#setTasks(this.state.tasks.filter((one) => one !== ended));
    }
  }

  #setTasks(tasks: readonly Busy[]): void {
    this.#change({ tasks, busy: tasks.at(-1) });
  }

  /** What training has left so far: after a model is opened or made, and after a run goes on. */
  async readHistory(): Promise<void> {
    const { steps, evaluations, samples } = await this.lorito.history();
    this.change({ steps, evaluations, samples, trained: steps.length > 0 });
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

  /** A notice stands where training does; the engine may be another one since. */
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
      const steps = [...this.state.steps, ...progress.records];
      this.change({ progress, steps, trained: steps.length > 0 });
    });
    lorito.on("evaluation", (evaluation) => this.change({ evaluations: [...this.state.evaluations, evaluation] }));
    lorito.on("best", (best) => this.change({ best }));
    lorito.on("adapted", (model) => this.change({ model }));
    lorito.on("sample", (sample) => this.change({ samples: [...this.state.samples, sample] }));
    lorito.on("saved", ({ at }) => {
      // Why it was not saved before is over.
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
 * Whether `one` goes when `other` is said. A notice is of the same fault as any message with its code: a later word on it, or
 * the first one on what ended with an error. Errors are so only where they are the very same, as two files can fail alike.
 */
function repeats(one: Message, other: Message): boolean {
  if (one.place !== other.place || one.report.code !== other.report.code) return false;
  const ofOneFault = one.tone === "notice" || other.tone === "notice";
  return ofOneFault || JSON.stringify(one.report) === JSON.stringify(other.report);
}
