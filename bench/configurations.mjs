// Defines the measured model configurations and their arithmetic per step.

/** S is small, M is nanoGPT's small recipe (its README, "i only have a macbook"), XL its recipe for a GPU. */
export const configurations = {
  S: { vocabulary: 65, context: 64, layers: 2, heads: 4, width: 128, batch: 8 },
  M: { vocabulary: 65, context: 64, layers: 4, heads: 4, width: 128, batch: 12 },
  L: { vocabulary: 4096, context: 128, layers: 6, heads: 6, width: 192, batch: 8 },
  XL: { vocabulary: 65, context: 256, layers: 6, heads: 6, width: 384, batch: 64 },
};

export const tokensPerStep = ({ batch, context }) => batch * context;

/** Lorito's training settings, the same as nanoGPT's and the peers'. */
export const trainConfig = { learningRate: 1e-3, warmupSteps: 0, weightDecay: 0.1, beta2: 0.99, seed: 1 };

/**
 * Minimum arithmetic per training token: every weight of a matrix product twice forward and four times backward, and the
 * causal half of attention's two products likewise. Recomputation in kernels is not counted.
 */
export const operationsPerToken = ({ vocabulary, context, layers, width }) =>
  6 * (12 * layers * width ** 2 + vocabulary * width) + 6 * layers * context * width;

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
