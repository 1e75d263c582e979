// The protocol between page and worker. Types only.
import type {
  AdapterLosses,
  ChatMessage,
  ChatOptions,
  Chosen,
  Copied,
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
  Passage,
  RunEvent,
  Session,
  SlowMotion,
  StepRecord,
  TextSummary,
  TimePlan,
  TokenizerKind,
  TokenizerSummary,
  TokenMap,
  TrainConfig,
  RunResult as TrainResult,
  WritingTimes,
} from "lorito-wasm";
import type { EngineFiles } from "./engine-files";
import type { Engine, EngineChoice, EngineReason } from "./engines";
import type { Problem } from "./errors";
import type { HubDataset, HubFile, HubPlace, KeptRepo } from "./hub/types";
import type { OnePageWords } from "./one-page/words";
import type { FoundPassage } from "./passages";
import type { RunRecord } from "./record";
import type { WorkerStart } from "./worker-start";

/** The engine in use, why it was chosen, and how many bytes it can hold. */
export interface EngineInfo extends EngineChoice {
  limits: Limits;
}

/** Which engine to start; by default the best one for this machine. */
export interface StartOptions {
  files: EngineFiles;
  /** How this worker starts others. */
  workerStart: WorkerStart;
  /** What keeps the storage apart from others' on the same host, such as the path of the page's folder; false: none is used. */
  storage: string | false;
  /** How many workers may share the steps of a run, if the run does not say it. */
  workers: Workers;
  engine?: Engine | undefined;
  /** Why `engine` was chosen, unless the address requests it. */
  reason?: EngineReason | undefined;
  /** How often to request a GPU from the browser, half a second apart. */
  attempts?: number | undefined;
  /** Whether another engine was lost before. */
  again?: boolean | undefined;
  /** The total memory that was assumed when memory ran out, by device. */
  memoryFailures?: Record<string, number> | undefined;
}

/**
 * How many workers may share the steps of a run on the processor, at most; how many do is measured. "auto": as many as the
 * machine has processors, but one that is left for other work where there are more than two.
 */
export type Workers = number | "auto";

/** The state that the user requests for a run in training. */
export type RunRequest = "go" | "pause" | "stop";

/** The architectures that a new model can have. */
export const MODEL_FAMILIES = ["gpt2", "llama"] as const;
export type ModelFamily = (typeof MODEL_FAMILIES)[number];

/** The configuration of a new model: a preset, or the preset "tiny" with some values changed. */
export interface NewModel extends Partial<Omit<ModelConfig, "vocabulary">> {
  preset?: string | undefined;
  /** The architecture; GPT-2 if it is omitted. */
  family?: ModelFamily | undefined;
  seed?: number | undefined;
}

/** How to read a file; each omitted option is detected. */
export interface Reading {
  /** The column or field with the text; empty: the records are conversations. */
  field?: string | undefined;
  /** For a chat exported by WhatsApp or another program. */
  chat?: ChatOptions | undefined;
  /** The character encoding. */
  encoding?: Encoding | undefined;
}

/** One of several files; its name may be a path. */
export interface NamedFile {
  name: string;
  data: Blob;
}

/** Files fetched from the hub. */
export interface HubTransfer {
  files: NamedFile[];
  /** Why they are not kept in the browser's storage, if they are not. */
  unkept: Problem | undefined;
}

export interface HubSending {
  place: HubPlace;
  files: NamedFile[];
  token: string;
  isPrivate: boolean;
}

/** An answer in a conversation, and which turns did not fit into the model's context. */
export interface ChatAnswer extends LeftOut {
  text: string;
  /** Characters of the conversation that the model has no token for. */
  unknownCharacters: string;
  /** What it was asked with, if it was to answer from documents. */
  documents?: AskedDocuments | undefined;
}

/** The passages that a question was asked with. Without passages the model was not asked, and the answer is empty. */
export interface AskedDocuments {
  /** Those in the prompt, as they stand there, best first: the first may be cut to its best sentences. */
  passages: FoundPassage[];
  /** The number of passages that fit the question; 0: nothing in the documents does. The others had no room. */
  found: number;
  /** The question as the model got it, with the passages. */
  question: string;
}

/** An inspected text, with its attention weights. */
export interface InspectedText extends Inspection {
  /** Attention weights from 0 to 1: `[layers, heads, tokens, tokens]`, row-major. */
  attention: Float32Array;
}

/** A run in the browser's storage. */
export interface RunSummary {
  /** Its id. */
  run: string;
  step: number;
  endStep: number;
  parameters: number;
  /** Milliseconds since 1970. */
  savedAt: number;
  /** The names of its training texts. */
  textName: string;
  /** Its size on disk. */
  bytes: number;
}

export interface SavedModel {
  name: string;
  bytes: number;
  /** Milliseconds since 1970. */
  modified: number;
}

/** The translations of an exported folder's texts, by the English phrases; empty for English. */
export type ExportWords = Record<string, string>;

/** The formats in which a model can be exported. */
export type ExportKind =
  | "safetensors"
  | "huggingface"
  | "gguf-f16"
  | "gguf-q8"
  | "modelfile-f16"
  | "modelfile-q8"
  | "adapter"
  | OnePageKind;

/** A one-page model, with its weights as they are, or with 8 bits for each number of a matrix. */
export type OnePageKind = "html" | "html-q8";

/** Events from the worker. They share the port with responses, so their order is preserved. */
export type WorkerEvent =
  /** This worker must be replaced: its GPU is lost, or its wasm has trapped. */
  | { event: "lost"; problem: Problem }
  | { event: "paused"; paused: boolean }
  /** Events of the run in training; the excluded ones are handled in the worker. */
  | Exclude<RunEvent, { event: "first-step" | "save-due" | "finished" }>
  /** A run has added an adapter to the model, or the tokens that separate the turns of a conversation. */
  | { event: "adapted"; model: ModelSummary }
  | { event: "piece"; call: number; piece: string }
  /** Which part of a conversation the model does not see: sent when its answer begins and when it ends. */
  | { event: "left-out"; call: number; leftOut: LeftOut }
  /** Characters of a prompt that the model has no token for: sent before the text begins. */
  | { event: "unknown"; call: number; characters: string }
  /** How much of its file `call` has read. */
  | { event: "loaded"; call: number; loaded: number; total: number }
  /** A warning about the input of `call`, which can still be used. */
  | { event: "notice"; call: number; notice: Problem }
  /** The run has been saved and verified. `cleared`: its earlier checkpoints had been deleted. */
  | { event: "saved"; run: string; step: number; at: number; cleared: boolean }
  /** The run could not be saved; the page must hold `file` in memory. */
  | { event: "kept"; run: string; file: Blob; problem: Problem }
  /** No newer checkpoint of the run could be made. */
  | { event: "not-kept"; run: string; problem: Problem }
  /** A run has ended, and its record was saved. */
  | { event: "recorded" }
  /** The storage refused the record of a run. */
  | { event: "not-recorded"; problem: Problem };

/** The worker's measurements of its engine's speed. */
export interface EngineFacts {
  /** The GPU's kernels for matrix products. */
  kernels: KernelChoice | undefined;
  /** Measured speed of matrix products, once known. */
  gigaflops: number | undefined;
  halfPrecision: HalfPrecision | undefined;
  /** Seconds per generated token, once known. */
  writing: WritingTimes | undefined;
  model: ModelSummary | undefined;
}

/** Methods of the crate's Session that need only exclusive access, and no other code in TypeScript. */
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
  | "costOfOpening"
  | "logits"
  | "lens"
  | "nearestTokens"
  | "forgetInspection"
  | "advice"
  | "heldBackBitsPerByte"
  | "history";

/** The worker's methods. They reject with plain `Problem`s. */
export interface WorkerApi {
  start(options: StartOptions): Promise<EngineInfo>;
  facts(): Promise<EngineFacts>;
  plain<M extends PlainMethod>(method: M, ...values: Parameters<Session[M]>): Promise<Awaited<ReturnType<Session[M]>>>;

  /** The names of the files in an archive. */
  namesIn(archive: Blob): Promise<string[]>;
  /** Unpacks the texts of an archive; `notices` list what was skipped. */
  textsIn(call: number, name: string, archive: Blob): Promise<{ texts: NamedFile[]; notices: Problem[] }>;
  /** Several files are parts of one. `replaces`: the index of a source that the new one replaces. */
  addText(call: number, name: string, data: Blob | Blob[], reading: Reading, replaces?: number): Promise<TextSummary>;
  removeText(index: number): Promise<TextSummary>;
  clearText(): Promise<TextSummary>;
  holdBack(what: HeldBack): Promise<TextSummary>;
  trainTokenizer(kind: TokenizerKind, vocabulary: number | undefined): Promise<TokenizerSummary>;

  /** The documents of a text as a person reads them; `limit`: the most bytes in all. */
  documentsOf(index: number, limit: number): Promise<string[]>;
  /** The documents of a file that is not added to the text. */
  documentsIn(call: number, name: string, data: Blob): Promise<string[]>;
  /**
   * How many tokens the context has left beside the system message, the last message and the room for an answer of
   * `maxTokens`; negative if these do not fit.
   */
  roomBeside(messages: ChatMessage[], maxTokens: number): Promise<number>;

  /** `vocabulary`: the expected vocabulary size, before a tokenizer has been trained. */
  planModel(model: NewModel & { vocabulary?: number }, train: TrainConfig): Promise<ReturnType<Session["planModel"]>>;
  /** Chooses tokenizer, model and training for a run of so many seconds on the loaded text. */
  planForTime(seconds: number, chosen: Chosen): Promise<TimePlan>;
  checkHalfPrecision(): Promise<HalfPrecision>;
  /** Compiles the GPU's pipelines for such a model in the background. */
  compileAhead(model: NewModel & { vocabulary?: number }, train: TrainConfig): Promise<void>;
  createModel(model: NewModel): Promise<ModelSummary>;
  /** `source`: one file (Lorito's own, or an archive), or the files of a folder. */
  importModel(call: number, source: Blob | NamedFile[]): Promise<ModelSummary>;
  /** Fetches and opens a model; also returns its file, from which it can be reopened after a restart of the engine. */
  importFromUrl(call: number, url: string): Promise<{ model: ModelSummary; file: Blob }>;
  /** `words`: the translations of the folder's texts. */
  exportModel(kind: Exclude<ExportKind, OnePageKind>, name: string, words: ExportWords): Promise<Blob>;
  /** The files of the Hugging Face folder, loose. */
  exportFolder(name: string, words: ExportWords): Promise<NamedFile[]>;
  exportOnePage(kind: OnePageKind, name: string, words: OnePageWords): Promise<Blob>;

  /** Fetches a model from the hub and opens it; `unkept`: why its files are not in the browser's storage. */
  openHubModel(call: number, place: HubPlace): Promise<HubTransfer & { summary: ModelSummary }>;
  hubDataset(call: number, place: HubPlace): Promise<HubDataset>;
  hubFiles(call: number, place: HubPlace, commit: string, files: HubFile[]): Promise<HubTransfer>;
  /** Returns the address of the repository's page. */
  sendToHub(call: number, sending: HubSending): Promise<string>;
  keptRepos(): Promise<KeptRepo[]>;
  forgetRepo(key: string): Promise<void>;
  /** Cancels a transfer. */
  cancel(call: number): Promise<void>;

  /** Merges the adapter into the weights. */
  mergeAdapter(): Promise<ModelSummary>;
  /** Restores the weights of the run's best evaluation. */
  returnToBest(): Promise<void>;

  /** Allows this tab to write runs to the browser's storage; an unsaved run is saved now. */
  mayStore(): Promise<void>;
  /** `save`: whether this tab may write the run to the browser's storage. */
  train(config: TrainConfig, save: boolean, request: RunRequest, workers: Workers): Promise<TrainResult>;
  /** Continues the session's run to its last step. */
  continueRun(save: boolean, request: RunRequest, workers: Workers): Promise<TrainResult>;
  control(request: RunRequest): Promise<void>;

  /** `prompt`: a text, or token ids. */
  generate(call: number, prompt: string | Uint32Array, options: GenerateOptions): Promise<string>;
  chat(call: number, messages: ChatMessage[], options: GenerateOptions): Promise<string>;
  /** Generates text with a saved model, opened beside the session's. */
  writeWith(call: number, name: string, prompt: string, options: GenerateOptions): Promise<string>;
  stopWriting(): Promise<void>;
  /** The validation losses without and with the adapter; undefined if no text is held back. */
  adapterLosses(call: number): Promise<AdapterLosses | undefined>;
  /** The embeddings of texts, each of length 1. */
  embed(texts: string[]): Promise<Float32Array[]>;
  /** Finds copied runs of a text; undefined if no training text is known. */
  copied(text: string): Promise<Copied | undefined>;
  /** Finds the passages of the training text most similar to a text; undefined if no training text is known. */
  mostLike(text: string): Promise<Passage[] | undefined>;

  /** Newest first. */
  runRecords(): Promise<RunRecord[]>;
  renameRecord(id: string, name: string): Promise<void>;
  deleteRecord(id: string): Promise<void>;

  /** Inspects how the model reads a prompt and the text after it. */
  inspect(prompt: string, written: string): Promise<InspectedText>;
  tokenMap(): Promise<TokenMap>;
  /** The run's next step, stage by stage, computed by a copy of the model. */
  slowMotion(): Promise<SlowMotion>;

  /** Newest first. */
  savedRuns(): Promise<RunSummary[]>;
  /** Restores a run: from `file`, as the run `run` or a new one; or from storage, `run` or the newest. */
  restoreRun(file?: Blob, run?: string): Promise<RunSummary>;
  /** `run`: the newest by default; likewise below. */
  discardRun(run?: string): Promise<void>;
  /** The saved run as one file. */
  runFile(run?: string): Promise<Blob>;

  savedModels(): Promise<SavedModel[]>;
  /** Returns the name under which it was saved: invalid characters are removed, and no file is overwritten. */
  saveModel(name: string): Promise<string>;
  renameModel(from: string, to: string): Promise<string>;
  deleteModel(name: string): Promise<void>;
  savedModelFile(name: string): Promise<File>;
}

export type { BestSoFar, RunProgress as Progress, RunResult as TrainResult } from "lorito-wasm";
export type { Evaluation, GenerateOptions, History, ModelSummary, StepRecord, TextSummary, TokenizerSummary };
