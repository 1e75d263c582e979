// What page and worker say to each other. Types only.
import type {
  ChatMessage,
  ChatOptions,
  Encoding,
  Evaluation,
  GenerateOptions,
  HalfPrecision,
  HeldBack,
  History,
  Inspection,
  KernelChoice,
  LeftOut,
  Limits,
  ModelConfig,
  ModelSummary,
  RunEvent,
  Session,
  SlowMotion,
  StepRecord,
  TextSummary,
  TokenizerKind,
  TokenizerSummary,
  TokenMap,
  TrainConfig,
  RunResult as TrainResult,
  WritingTimes,
} from "lorito-wasm";
import type { Engine, EngineChoice, EngineReason } from "./engines";
import type { Problem } from "./errors";
import type { HubDataset, HubFile, HubPlace, KeptRepo } from "./hub/types";
import type { OnePageWords } from "./one-page/words";

/** The engine in use, why this one, and how many bytes it can hold. */
export interface EngineInfo extends EngineChoice {
  limits: Limits;
}

/** What to start; nothing given: what suits the machine best. */
export interface StartOptions {
  /** The path of the page's folder, by which several copies on one host keep their storage apart. */
  home?: string | undefined;
  engine?: Engine | undefined;
  /** Why `engine`, if not because the address says so. */
  reason?: EngineReason | undefined;
  /** How often to ask the browser for a GPU, half a second apart. */
  attempts?: number | undefined;
  /** Whether another engine was lost before. */
  again?: boolean | undefined;
  /** The totals that were assumed when memory ran out, by the device it belongs to. */
  memoryFailures?: Record<string, number> | undefined;
}

/** What the person wants of a run in training. */
export type RunRequest = "go" | "pause" | "stop";

/** A model to be made: a preset, or the preset "tiny" with some of its figures changed. */
export interface NewModel extends Partial<Omit<ModelConfig, "vocabulary">> {
  preset?: string | undefined;
  seed?: number | undefined;
}

/** How to read a file; what is not given: as is likely. */
export interface Reading {
  /** The column or field with the text; empty: the conversations that the records are. */
  field?: string | undefined;
  /** Of a chat that WhatsApp or another program has exported. */
  chat?: ChatOptions | undefined;
  /** In what its characters are written. */
  encoding?: Encoding | undefined;
}

/** A file that came with others; its name may be a path. */
export interface NamedFile {
  name: string;
  data: Blob;
}

/** Files that came from the hub. */
export interface HubTransfer {
  files: NamedFile[];
  /** Why they are not kept for the next time, if they are not. */
  unkept: Problem | undefined;
}

export interface HubSending {
  place: HubPlace;
  files: NamedFile[];
  token: string;
  isPrivate: boolean;
}

/** An answer in a conversation, and what of the conversation the model did not see for it. */
export interface ChatAnswer extends LeftOut {
  text: string;
  /** Characters of the conversation that the model has no token for. */
  unknownCharacters: string;
}

/** A text as the model read it. */
export interface InspectedText extends Inspection {
  /** How much each token attends to each, from 0 to 1: `[layers, heads, tokens, tokens]`, one row after another. */
  attention: Float32Array;
}

/** A run that lies in the browser's storage. */
export interface RunSummary {
  /** Its id. */
  run: string;
  step: number;
  endStep: number;
  parameters: number;
  /** Milliseconds since 1970. */
  savedAt: number;
  /** The names of the texts it was trained on. */
  textName: string;
  /** What it takes on the disk. */
  bytes: number;
}

export interface SavedModel {
  name: string;
  bytes: number;
  /** Milliseconds since 1970. */
  modified: number;
}

/** As what a model can leave the page. */
export type ExportKind = "safetensors" | "huggingface" | "gguf-f16" | "gguf-q8" | "adapter" | "html";

/** The worker's word, unasked. It comes on the same port as the answers, so in the right order with them. */
export type WorkerEvent =
  /** This worker cannot go on: its GPU is gone, or its wasm has trapped. */
  | { event: "lost"; problem: Problem }
  | { event: "paused"; paused: boolean }
  /** What the run in training reports; the others of its events are for the worker. */
  | Exclude<RunEvent, { event: "first-step" | "save-due" | "finished" }>
  /** A run has put an adapter beside the model, or given it the tokens between turns of conversations. */
  | { event: "adapted"; model: ModelSummary }
  | { event: "piece"; call: number; piece: string }
  /** What of a conversation the model does not see: said when its answer begins and when it ends. */
  | { event: "left-out"; call: number; leftOut: LeftOut }
  /** What of a prompt the model has no token for: said before the text begins. */
  | { event: "unknown"; call: number; characters: string }
  /** How much of a file that `call` reads is in. */
  | { event: "loaded"; call: number; loaded: number; total: number }
  /** What the person should know of what `call` reads, and what does not keep it from being of use. */
  | { event: "notice"; call: number; notice: Problem }
  /** The run has been saved and read back. `cleared`: what had been saved of it before was gone. */
  | { event: "saved"; run: string; step: number; at: number; cleared: boolean }
  /** The run could not be saved; the page shall hold on to it. */
  | { event: "kept"; run: string; file: Blob; problem: Problem }
  /** Nothing newer than before could be made of the run. */
  | { event: "not-kept"; run: string; problem: Problem };

/** What the worker knows of its engine's speed. */
export interface EngineFacts {
  /** The GPU's, for matrix products. */
  kernels: KernelChoice | undefined;
  /** Measured speed of matrix products, once it is known. */
  gigaflops: number | undefined;
  halfPrecision: HalfPrecision | undefined;
  /** Seconds for a token of the model's text, once they are known. */
  writing: WritingTimes | undefined;
  model: ModelSummary | undefined;
}

/** Methods of the crate's Session that need nothing from TypeScript but a turn. */
export type PlainMethod =
  | "textSummary"
  | "suggestedVocabulary"
  | "tokenizerSummary"
  | "previewTokens"
  | "lossMaskOf"
  | "unknownCharacters"
  | "encode"
  | "decode"
  | "presets"
  | "modelSummary"
  | "logits"
  | "lens"
  | "nearestTokens"
  | "forgetInspection"
  | "history";

/** What the worker does when the page asks. Rejections are plain `Problem`s. */
export interface WorkerApi {
  start(options: StartOptions): Promise<EngineInfo>;
  facts(): Promise<EngineFacts>;
  plain<M extends PlainMethod>(method: M, ...values: Parameters<Session[M]>): Promise<Awaited<ReturnType<Session[M]>>>;

  /** The names of the files in an archive. */
  namesIn(archive: Blob): Promise<string[]>;
  /** The texts in an archive, unpacked, and what the person should know of it. */
  textsIn(call: number, name: string, archive: Blob): Promise<{ texts: NamedFile[]; notices: Problem[] }>;
  /** Several files are the parts of one. `replaces`: the place of a source that goes when this one is in, and whose place it takes. */
  addText(call: number, name: string, data: Blob | Blob[], reading: Reading, replaces?: number): Promise<TextSummary>;
  removeText(index: number): Promise<TextSummary>;
  clearText(): Promise<TextSummary>;
  holdBack(what: HeldBack): Promise<TextSummary>;
  trainTokenizer(kind: TokenizerKind, vocabulary: number | undefined): Promise<TokenizerSummary>;

  /** `vocabulary`: where no tokenizer has been trained yet, the one to be expected. */
  planModel(model: NewModel & { vocabulary?: number }, train: TrainConfig): Promise<ReturnType<Session["planModel"]>>;
  checkHalfPrecision(): Promise<HalfPrecision>;
  /** Has the GPU compile what such a model needs, in the background. */
  compileAhead(model: NewModel & { vocabulary?: number }, train: TrainConfig): Promise<void>;
  createModel(model: NewModel): Promise<ModelSummary>;
  /** One file, ours or an archive, or the files of a folder. */
  importModel(call: number, source: Blob | NamedFile[]): Promise<ModelSummary>;
  /** Fetches and opens; the file comes along for when the engine must be started anew. */
  importFromUrl(call: number, url: string): Promise<{ model: ModelSummary; file: Blob }>;
  exportModel(kind: Exclude<ExportKind, "html">, name: string): Promise<Blob>;
  /** The files of the Hugging Face folder, loose. */
  exportFolder(name: string): Promise<NamedFile[]>;
  exportOnePage(name: string, words: OnePageWords): Promise<Blob>;

  /** Fetches a model from the hub and opens it; `unkept`: why its files are not in the browser's storage. */
  openHubModel(call: number, place: HubPlace): Promise<HubTransfer & { summary: ModelSummary }>;
  hubDataset(call: number, place: HubPlace): Promise<HubDataset>;
  hubFiles(call: number, place: HubPlace, commit: string, files: HubFile[]): Promise<HubTransfer>;
  /** Returns the address of the repository's page. */
  sendToHub(call: number, sending: HubSending): Promise<string>;
  keptRepos(): Promise<KeptRepo[]>;
  forgetRepo(key: string): Promise<void>;
  /** Ends a transfer under way. */
  cancel(call: number): Promise<void>;

  /** Takes the adapter up into the weights. */
  mergeAdapter(): Promise<ModelSummary>;
  /** Puts the weights of the run's best evaluation back. */
  returnToBest(): Promise<void>;

  /** This tab may write runs to the browser's storage from now on: what could not be saved before is. */
  mayStore(): Promise<void>;
  /** `save`: whether this tab may write the run to the browser's storage. */
  train(config: TrainConfig, save: boolean, request: RunRequest): Promise<TrainResult>;
  /** Goes on to the end step of the run that the session holds. */
  continueRun(save: boolean, request: RunRequest): Promise<TrainResult>;
  control(request: RunRequest): Promise<void>;

  /** `prompt`: a text, or token ids. */
  generate(call: number, prompt: string | Uint32Array, options: GenerateOptions): Promise<string>;
  chat(call: number, messages: ChatMessage[], options: GenerateOptions): Promise<string>;
  stopWriting(): Promise<void>;

  /** Looks at how the model reads what it has written after a prompt. */
  inspect(prompt: string, written: string): Promise<InspectedText>;
  tokenMap(): Promise<TokenMap>;
  /** The run's next step taken apart, on a copy of the model. */
  slowMotion(): Promise<SlowMotion>;

  /** Newest first. */
  savedRuns(): Promise<RunSummary[]>;
  /** Brings a run back: from `file`, which becomes the run `run` or a new one; or from storage, `run` or the newest. */
  restoreRun(file?: Blob, run?: string): Promise<RunSummary>;
  /** `run`: if not given, the newest; so in the next one. */
  discardRun(run?: string): Promise<void>;
  /** The saved run as one file. */
  runFile(run?: string): Promise<Blob>;

  savedModels(): Promise<SavedModel[]>;
  /** Returns the name it got: characters that files cannot have are left out, and none is overwritten. */
  saveModel(name: string): Promise<string>;
  renameModel(from: string, to: string): Promise<string>;
  deleteModel(name: string): Promise<void>;
  savedModelFile(name: string): Promise<File>;
}

export type { BestSoFar, RunProgress as Progress, RunResult as TrainResult } from "lorito-wasm";
export type { Evaluation, GenerateOptions, History, ModelSummary, StepRecord, TextSummary, TokenizerSummary };
