// The models whose training steps are compiled, beside the presets.
import { configurations } from "../configurations.mjs";

/** Heads of each width that attention has kernels for; dropout, as in the largest preset. */
const heads = (width) => ({
  vocabulary: 65,
  context: 64,
  layers: 1,
  heads: 2,
  width: 2 * width,
  batch: 4,
  dropout: 0.1,
});

export const others = {
  ...configurations,
  "124M": { vocabulary: 50257, context: 256, layers: 12, heads: 12, width: 768, batch: 4 },
  "head-16": heads(16),
  "head-32": heads(32),
  "head-64": heads(64),
  "head-128": heads(128),
};

/** Those whose figures have bars. */
export const checked = ["XL", "124M", "head-16", "head-32", "head-64", "head-128"];
