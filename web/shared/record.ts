// What is kept of a run to compare it with others. Types only.
import type { Evaluation, ModelConfig, Sample, TrainConfig } from "lorito-wasm";
import type { Engine } from "./engines";

/** How far a run was at some steps: `[step, seconds of training, tokens read]`, in the order of the steps. */
export type Clock = [step: number, seconds: number, tokens: number][];

/** The text of a run. A run that was brought back without its text has only the name. */
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

/** A run without its weights: what was set, its losses, what it wrote. A model's record grows as it is trained on. */
export interface RunRecord {
  format: "lorito-record";
  version: 1;
  /** The run's id. */
  id: string;
  /** What the person calls it; empty: nothing. */
  name: string;
  /** Milliseconds since 1970. */
  savedAt: number;
  engine: Engine;
  text: RecordedText;
  /** Of a run that was brought back only the vocabulary may be known. */
  tokenizer: Partial<RecordedTokenizer> & Pick<RecordedTokenizer, "vocabulary">;
  model: ModelConfig;
  parameters: number;
  /** Of the last run. */
  train: TrainConfig;
  step: number;
  /** Of training, without pauses. */
  seconds: number;
  /** Read so far, with repetition. */
  tokens: number;
  /** Training loss: of a long run each is the mean of a few steps, and stands at the last of them. */
  curve: { step: number; loss: number }[];
  clock: Clock;
  evaluations: Evaluation[];
  samples: Sample[];
}
