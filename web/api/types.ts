// The types of Lorito's public API.
import type {
  AdapterLosses,
  Advice,
  ChatFilters,
  ChatMessage,
  ChatOptions,
  ChatReport,
  Chosen,
  Copied,
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
  OpeningCost,
  Passage,
  Piece,
  Plan,
  Preset,
  Sample,
  StepRecord,
  TextSummary,
  TimePlan,
  TokenizerKind,
  TokenizerSummary,
  TrainConfig,
  TurnTokens,
} from "lorito-wasm";
import type { Engine } from "../shared/engines";
import type { Problem } from "../shared/errors";
import type {
  AskedDocuments,
  BestSoFar,
  ChatAnswer,
  EngineInfo,
  NamedFile,
  NewModel,
  Progress,
  RunSummary,
  SavedModel,
  TrainResult,
  Workers,
} from "../shared/protocol";

export type {
  InspectedToken,
  LensRow,
  MapPoint,
  Memory,
  NearToken,
  PartUpdate,
  ShownRow,
  SlowMotion,
  SlowPosition,
  TextSource as Source,
  TokenChoice,
  TokenMap,
} from "lorito-wasm";
export type { HubDataset, HubFile, HubPlace, HubTable, KeptRepo } from "../shared/hub/types";
export type { FoundPassage } from "../shared/passages";
export type { InspectedText } from "../shared/protocol";
export type { RunRecord } from "../shared/record";
export type { TransferOptions } from "./hub";
export type {
  AdapterLosses,
  Advice,
  AskedDocuments,
  BestSoFar,
  ChatAnswer,
  ChatFilters,
  ChatMessage,
  ChatOptions,
  ChatReport,
  Chosen,
  Copied,
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
  OpeningCost,
  Passage,
  Piece,
  Plan,
  Preset,
  Progress,
  RunSummary,
  Sample,
  SavedModel,
  StepRecord,
  TextSummary,
  TimePlan,
  TokenizerKind,
  TokenizerSummary,
  TrainConfig,
  TrainResult,
  TurnTokens,
};
/** What Lorito is doing. During training it is "training", also while text is generated. */
export type Phase = "starting" | "idle" | "training" | "paused" | "writing" | "recovering";

/** The events of `window.lorito`; `event.detail` has these types. */
export interface LoritoEvents {
  phase: { phase: Phase };
  /** During training, at most ten times a second. */
  progress: Progress;
  evaluation: Evaluation;
  /** After each evaluation, and when the best weights are restored. */
  best: BestSoFar | undefined;
  /** A run has added an adapter to the model, or the tokens that separate the turns of a conversation. */
  adapted: ModelSummary;
  /** Text that the model generates at an evaluation. */
  sample: Sample;
  /**
   * Something the user should know and for which no call rejects: "device-lost", "internal" (the engine is restarted),
   * "self-check-failed" (the CPU replaces a GPU that computes wrongly), "recovered" {engine, reason, step?}, "state-lost",
   * and why the run is not saved: "storage-full", "storage-unavailable", "run-in-another-tab", "not-saved".
   * "storage-cleared": the saved run had been deleted, and has been saved again.
   */
  notice: Problem;
  text: TextSummary;
  /** undefined: there is none, or it was removed. */
  tokenizer: TokenizerSummary | undefined;
  /** undefined: there is none, or it was removed. */
  model: ModelSummary | undefined;
  /** A checkpoint was saved. */
  saved: { step: number; at: number };
  /** A run has ended and its record was saved, or a record was renamed or deleted. */
  records: undefined;
}

export interface AddTextOptions {
  /**
   * The column of a CSV file or the field of JSON with the text, as `sources` names them; empty: the records are
   * conversations; detected if omitted.
   */
  field?: string | undefined;
  /** For a chat exported by WhatsApp or another program. */
  chat?: ChatOptions | undefined;
  /** The character encoding, by its `TextDecoder` name; detected from the bytes if omitted. */
  encoding?: Encoding | undefined;
  /** The index in `sources` of a text that the new one replaces. */
  replaces?: number | undefined;
  onProgress?: ((loaded: number, total: number) => void) | undefined;
  /** Cancels the reading: the call rejects with "cancelled". Texts of an archive that were already added stay. */
  signal?: AbortSignal | undefined;
}

export interface ExportOptions {
  /** The language of a folder's model card, scripts and notebook, and of a Modelfile's comments: "en" by default. */
  language?: string | undefined;
}

/** A model that was opened, with notices about skipped parts of its files. */
export type OpenedModel = ModelSummary & { vocabSize: number; notices: Problem[] };

/** The text after the addition, with notices about skipped files of an archive. */
export type AddedText = TextSummary & { notices: Problem[] };

export interface TrainOptions extends Partial<TrainConfig> {
  /**
   * How many workers may share each step on the processor; "auto" by default. Losses do not depend on it, to the bit: the
   * parts that a batch is computed in (`shards`) are the run's own, however many compute them.
   */
  workers?: Workers | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

export interface WriteOptions extends Partial<GenerateOptions> {
  /** Called with each piece of the text. */
  onToken?: ((piece: string) => void) | undefined;
  /** Called with the prompt's characters that the model has no token for, if there are any, before the text begins. */
  onUnknown?: ((characters: string) => void) | undefined;
}

export interface AnswerOptions extends WriteOptions {
  /**
   * Answer from documents (`lorito.documents`): the last message gets the passages that fit it, at most `count` (3 if it is
   * omitted), as many as the model's context has room for; earlier turns make room for them. Without a passage the model is
   * not asked. `ChatAnswer.documents` tells which.
   */
  documents?: boolean | { count?: number | undefined } | undefined;
}

/** A text or a file that is searched for passages. */
export interface SearchedDocument {
  name: string;
  /** The number of passages that it is divided into. */
  passages: number;
  /** Whether it is one of the texts that a model learns from; otherwise it was added to be searched. */
  isText: boolean;
  /** Whether all of it is searched: together, the first 8 MB are. */
  isWhole: boolean;
}
