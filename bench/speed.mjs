// Measures Lorito's training speed, in the browser or in Node: a warm-up, then a run of a given duration.
import { tokensPerStep, trainConfig } from "./configurations.mjs";

/** The settings of a run of `steps`, with an evaluation before the first and after the last. */
export const runConfig = (steps, { batch }) => ({ ...trainConfig, steps, batchSize: batch, evalEvery: 1_000_000 });

/**
 * `train(steps)` trains one run and resolves with its result, the losses of all its steps, and its marks: step and
 * milliseconds of every progress event. The speed is measured between the first and the last but one mark, which includes
 * all work between steps, but not the evaluation and the sample before the first and after the last.
 */
export async function speedOf(train, configuration, seconds) {
  const tokens = tokensPerStep(configuration);
  const stepsIn = (time, { tokensPerSecond }) => Math.round((time * tokensPerSecond) / tokens);
  const first = await train(2);
  // The first steps compile shaders, or run before the browser has optimised the wasm: too slow for an estimate.
  const more = stepsIn(seconds / 10, first);
  const warm = more > 2 ? await train(more) : first;
  // With four steps there are at least two between the first and the last but one progress event.
  const steps = Math.max(4, stepsIn(seconds, warm));
  const { tokensPerSecond: own, losses, marks } = await train(steps);
  // The last mark follows the evaluation at the end.
  const [from, to] = [marks[0], marks.at(-2)];
  const tokensPerSecond = ((to.step - from.step) * tokens * 1000) / (to.time - from.time);
  return { tokensPerSecond, own, steps, firstLoss: first.losses[0], lastLoss: losses.at(-1) };
}
