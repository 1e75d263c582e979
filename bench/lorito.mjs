// Trains Lorito in the browser through its JavaScript API.
import { openLorito } from "./browser.mjs";
import { median } from "./configurations.mjs";
import { runConfig, speedOf } from "./speed.mjs";
import { textFor } from "./text.mjs";

/** A page, by default of the build under test, with text, tokenizer and a new model of a configuration. */
export async function prepared(browser, engine, configuration, { counting = false, address } = {}) {
  const { vocabulary, layers, heads, width, context } = configuration;
  const { body, tokenizer } = textFor(configuration);
  const opened = await openLorito(browser, engine, { counting, address });
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

/** Makes one `train` call; `first`: milliseconds until the first progress event. */
export function train(page, steps, configuration, { workers, shards } = {}) {
  return page.evaluate(
    async (options) => {
      const began = performance.now();
      const marks = [];
      const losses = [];
      const took = [];
      const onProgress = ({ step, workers, records }) => {
        marks.push({ step, time: performance.now() });
        took.push(workers);
        losses.push(...records.map(({ loss }) => loss));
      };
      const result = await lorito.train({ ...options, onProgress });
      return { ...result, marks, losses, workers: took, first: marks[0].time - began };
    },
    { ...runConfig(steps, configuration), workers, shards },
  );
}

/** Most of the time so many workers took part. */
const usual = (workers) => median(workers);

/** Tokens per second over about `seconds` after a warm-up, and the first and the last loss. */
export async function speedOfLorito(browser, engine, configuration, seconds, { address, ...sharing } = {}) {
  const { page, close } = await prepared(browser, engine, configuration, { address });
  let workers = [];
  const measured = async (steps) => {
    const run = await train(page, steps, configuration, sharing);
    workers = run.workers;
    return run;
  };
  const speed = await speedOf(measured, configuration, seconds);
  await close();
  return { ...speed, about: `${usual(workers)} workers` };
}
