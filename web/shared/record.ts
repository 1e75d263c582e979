// Types of the record of a run, kept to compare it with others.
import type { Evaluation, ModelConfig, Sample, TrainConfig } from "lorito-wasm";
import type { Engine } from "./engines";

/** The progress of a run at some steps: `[step, seconds of training, tokens read]`, in the order of the steps. */
export type Clock = [step: number, seconds: number, tokens: number][];

/** The text of a run. A run restored without its text has only the name. */
export interface RecordedText {
  name: string;
  hash?: string | undefined;
  documents?: number | undefined;
  characters?: number | undefined;
}

export interface RecordedTokenizer {
  kind: string;
  vocabulary: number;
}

/** A run without its weights: settings, losses, samples. The record grows as its model is trained further. */
export interface RunRecord {
  format: "lorito-record";
  version: 1;
  /** The run's id. */
  id: string;
  /** The name that the user gave it; may be empty. */
  name: string;
  /** Milliseconds since 1970. */
  savedAt: number;
  engine: Engine;
  text: RecordedText;
  /** Of a restored run only the vocabulary size may be known. */
  tokenizer: Partial<RecordedTokenizer> & Pick<RecordedTokenizer, "vocabulary">;
  model: ModelConfig;
  parameters: number;
  /** The settings of the last run. */
  train: TrainConfig;
  step: number;
  /** Whether the run ended because its loss was no longer a number. */
  diverged?: true;
  /** Training time, without pauses. */
  seconds: number;
  /** Tokens read so far, with repetition. */
  tokens: number;
  /** Training loss; in a long run each point is the mean of a few steps, at the last of them. */
  curve: { step: number; loss: number }[];
  clock: Clock;
  evaluations: Evaluation[];
  samples: Sample[];
}
