// The settings, their defaults and limits. Made from src/config/settings.rs:
// cargo test --test promises -- --ignored settings::write

/** What a setting counts, where its name does not say it. */
export type Unit = "tokens" | "windows" | "passes" | "steps";

/** A number that a person sets. */
export interface Setting {
  readonly whole: boolean;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: Unit;
}

/** By what they belong to, in the order of the page's fields. */
export const SETTINGS = {
  tokenizer: {
    vocabulary: { whole: true, default: 512, min: 300, max: 32768, unit: "tokens" },
  },
  model: {
    vocabulary: { whole: true, default: 256, min: 2, max: 262144 },
    layers: { whole: true, default: 2, min: 1, max: 96 },
    heads: { whole: true, default: 4, min: 1, max: 128 },
    width: { whole: true, default: 64, min: 1, max: 4096 },
    context: { whole: true, default: 64, min: 1, max: 4096, unit: "tokens" },
    dropout: { whole: false, default: 0, min: 0, max: 0.9 },
    epsilon: { whole: false, default: 0.00001, min: 0.000000000001, max: 1 },
  },
  train: {
    steps: { whole: true, default: 2000, min: 1, max: 1000000000 },
    batchSize: { whole: true, default: 12, min: 1, max: 4096, unit: "windows" },
    windowLength: { whole: true, default: 0, min: 0, max: 4096, unit: "tokens" },
    learningRate: { whole: false, default: 0.001, min: 0.000000001, max: 10 },
    warmupSteps: { whole: true, default: 100, min: 0, max: 1000000000, unit: "steps" },
    evalEvery: { whole: true, default: 250, min: 1, max: 1000000000, unit: "steps" },
    weightDecay: { whole: false, default: 0.1, min: 0, max: 10 },
    beta1: { whole: false, default: 0.9, min: 0, max: 0.9999 },
    beta2: { whole: false, default: 0.99, min: 0, max: 0.99999 },
    gradClip: { whole: false, default: 1, min: 0, max: 1000000 },
    gradientAccumulation: { whole: true, default: 1, min: 1, max: 4096, unit: "passes" },
    seed: { whole: true, default: 1337, min: 0, max: 9007199254740991 },
  },
  adapter: {
    rank: { whole: true, default: 8, min: 1, max: 256 },
    alpha: { whole: false, default: 16, min: 0.001, max: 4096 },
  },
  generate: {
    maxTokens: { whole: true, default: 300, min: 1, max: 1000000000, unit: "tokens" },
    temperature: { whole: false, default: 0.8, min: 0, max: 100 },
    topK: { whole: true, default: 0, min: 0, max: 262144 },
    topP: { whole: false, default: 1, min: 0.001, max: 1 },
    repetitionPenalty: { whole: false, default: 1, min: 0.1, max: 10 },
    seed: { whole: true, default: 1337, min: 0, max: 9007199254740991 },
  },
} as const satisfies Record<string, Record<string, Setting>>;

/** The matrices of a block that an adapter can be added to, and those that it is added to by default. */
export const TARGETS = {
  attention: true,
  attentionOut: true,
  mlp: true,
  mlpOut: true,
} as const;
