// Lorito in the browser, by its own JavaScript API: made ready with a configuration, and trained.
import { openLorito } from "./browser.mjs";
import { tokensPerStep, trainConfig } from "./configurations.mjs";
import { textFor } from "./text.mjs";

/** A page with text, tokenizer and a fresh model of a configuration. */
export async function prepared(browser, engine, configuration, counting = false) {
  const { vocabulary, layers, heads, width, context } = configuration;
  const { body, tokenizer } = textFor(configuration);
  const opened = await openLorito(browser, engine, counting);
  const summary = await opened.page.evaluate(
    async ([body, tokenizer, model]) => {
      await lorito.addText("text.txt", body);
      const summary = await lorito.trainTokenizer(tokenizer);
      await lorito.createModel(model);
      return summary;
    },
    [body, tokenizer, { layers, heads, width, context, dropout: 0, seed: 1 }],
  );
  if (summary.vocabSize !== vocabulary) throw new Error(`vocabulary of ${summary.vocabSize}, not ${vocabulary}`);
  return opened;
}

/**
 * Trains one call. `wall`: tokens a second by the page's clock between the first and the last word of progress, so with
 * all that happens between two steps, but without the evaluation and the sample before the first and after the last.
 * `losses`: of every step.
 */
export function train(page, steps, configuration) {
  return page.evaluate(
    async ([options, tokens]) => {
      const began = performance.now();
      const marks = [];
      const losses = [];
      const onProgress = ({ step, records }) => {
        marks.push({ step, time: performance.now() });
        losses.push(...records.map(({ loss }) => loss));
      };
      const result = await lorito.train({ ...options, onProgress });
      // The last mark stands after the evaluation at the end.
      const [first, last] = [marks[0], marks.at(-2)];
      const wall = last && ((last.step - first.step) * tokens * 1000) / (last.time - first.time);
      return { ...result, wall, losses, first: first.time - began };
    },
    [{ ...trainConfig, steps, batchSize: configuration.batch, evalEvery: 1_000_000 }, tokensPerStep(configuration)],
  );
}

/** Tokens a second over about `seconds` after a warm-up, and the first and the last loss of all. */
export async function speedOfLorito(browser, engine, configuration, seconds) {
  const { page, close } = await prepared(browser, engine, configuration);
  const stepsIn = (time, { tokensPerSecond }) => Math.round((time * tokensPerSecond) / tokensPerStep(configuration));
  const first = await train(page, 2, configuration);
  // The first steps compile shaders, or run before the browser has optimised the wasm: too slow to reckon with.
  const more = stepsIn(seconds / 10, first);
  const warm = more > 2 ? await train(page, more, configuration) : first;
  // Four steps are the fewest with two between the first word of progress and the last but one.
  const steps = Math.max(4, stepsIn(seconds, warm));
  const { wall, tokensPerSecond, losses } = await train(page, steps, configuration);
  await close();
  return { tokensPerSecond: wall, own: tokensPerSecond, steps, firstLoss: first.losses[0], lastLoss: losses.at(-1) };
}
