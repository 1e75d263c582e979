// The types of Lorito's public API.
import type {
  ChatFilters,
  ChatMessage,
  ChatOptions,
  ChatReport,
  Encoding,
  Evaluation,
  GenerateOptions,
  HalfPrecision,
  HeldBack,
  History,
  LeftOut,
  LoraConfig,
  ModelConfig,
  ModelSummary,
  Piece,
  Plan,
  Preset,
  StepRecord,
  TextSummary,
  TokenizerKind,
  TokenizerSummary,
  TrainConfig,
  TurnTokens,
} from "lorito-wasm";
import type { Engine } from "../shared/engines";
import type { Problem } from "../shared/errors";
import type {
  BestSoFar,
  ChatAnswer,
  EngineInfo,
  NamedFile,
  NewModel,
  Progress,
  RunSummary,
  SavedModel,
  TrainResult,
} from "../shared/protocol";

export type { Memory, Sample, TextSource as Source } from "lorito-wasm";
export type { HubDataset, HubFile, HubPlace, HubTable, KeptRepo } from "../shared/hub/types";
export type { TransferOptions } from "./hub";
export type {
  BestSoFar,
  ChatAnswer,
  ChatFilters,
  ChatMessage,
  ChatOptions,
  ChatReport,
  Encoding,
  Engine,
  EngineInfo as Ready,
  Evaluation,
  GenerateOptions,
  HalfPrecision,
  HeldBack,
  History,
  LeftOut,
  LoraConfig,
  ModelConfig,
  ModelSummary,
  NamedFile,
  NewModel,
  Piece,
  Plan,
  Preset,
  Progress,
  RunSummary,
  SavedModel,
  StepRecord,
  TextSummary,
  TokenizerKind,
  TokenizerSummary,
  TrainConfig,
  TrainResult,
  TurnTokens,
};
/** What Lorito is at. While a model trains it is "training", also when somebody lets it write. */
export type Phase = "starting" | "idle" | "training" | "paused" | "writing" | "recovering";

/** What `window.lorito` tells by events; `event.detail` has these types. */
export interface LoritoEvents {
  phase: { phase: Phase };
  /** While a model trains, at most ten times a second. */
  progress: Progress;
  evaluation: Evaluation;
  /** After each evaluation, and when the best weights are put back. */
  best: BestSoFar | undefined;
  /** A run has put an adapter beside the model, or given it the tokens between turns of conversations. */
  adapted: ModelSummary;
  /** What the model writes at an evaluation. */
  sample: { step: number; text: string };
  /**
   * Something the person should know and that no call rejects with: "device-lost", "internal" (the engine is started
   * anew), "self-check-failed" (the CPU takes over from a GPU that computes wrongly), "recovered" {engine, reason, step?},
   * "state-lost", and why the run is not saved: "storage-full", "storage-unavailable", "run-in-another-tab", "not-saved".
   * "storage-cleared": what had been saved was gone, and the run has been saved again.
   */
  notice: Problem;
  text: TextSummary;
  /** undefined: there is none (any more). */
  tokenizer: TokenizerSummary | undefined;
  /** undefined: there is none (any more). */
  model: ModelSummary | undefined;
  /** A checkpoint was saved. */
  saved: { step: number; at: number };
}

export interface AddTextOptions {
  /**
   * The column of a CSV file or the field of JSON that holds the text, as `sources` names them; empty: the conversations
   * that the records are; what is likely if not given.
   */
  field?: string | undefined;
  /** Of a chat that WhatsApp or another program has exported. */
  chat?: ChatOptions | undefined;
  /** In what its characters are written, as `TextDecoder` names it; told from its bytes if not given. */
  encoding?: Encoding | undefined;
  /** The place in `sources` of a text that goes when this one is in, and whose place it takes. */
  replaces?: number | undefined;
  onProgress?: ((loaded: number, total: number) => void) | undefined;
  /** Ends the reading: the call rejects with "cancelled". Of an archive, the texts that are in by then stay. */
  signal?: AbortSignal | undefined;
}

/** A model that came in, and what of the files it came from was passed over. */
export type OpenedModel = ModelSummary & { vocabSize: number; notices: Problem[] };

/** The text with what was added, and what of an archive was passed over. */
export type AddedText = TextSummary & { notices: Problem[] };

export interface TrainOptions extends Partial<TrainConfig> {
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface WriteOptions extends Partial<GenerateOptions> {
  /** Gets the text piece by piece. */
  onToken?: ((piece: string) => void) | undefined;
  /** Gets the characters of the prompt that the model has no token for, if there are any, before the text begins. */
  onUnknown?: ((characters: string) => void) | undefined;
}
