// Trains @genai-fi/nanogpt's own model with its own trainer, as close to the configuration as its options allow: RMSNorm
// without bias instead of layer norm, linear layers without bias, learned positions (its default is rotary).
// Its package bundles all its imports, so bench/package.json replaces its dependencies with a tiny package.
import { TeachableLLM } from "@genai-fi/nanogpt";
import { batches } from "./gpt2.mjs";

export const about = "RMSNorm and no biases; otherwise GPT-2's shape";

/** Ids that each follow from the previous one, since it cuts its batches from one text. */
function text({ vocabulary, batch, context }) {
  const next = batches({ vocabulary, batch, context });
  const ids = [];
  while (ids.length < 100_000) {
    let [id] = next().inputs;
    for (let run = 0; run < 64; run++) {
      ids.push(id);
      id = (id * 7 + 3) % vocabulary;
    }
  }
  return Uint16Array.from(ids);
}

/** Resolves when the model is ready for training. */
const ready = (model) =>
  new Promise((resolve, reject) => {
    model.on("loaded", resolve);
    model.on("error", reject);
  });

/** Tokens per second and the first and last loss. */
export async function measure(config, seconds) {
  const { vocabulary, context, layers, heads, width, batch } = config;
  await TeachableLLM.selectBackend("webgpu");
  const model = TeachableLLM.create("char", {
    modelType: "GenAI_NanoGPT_v1",
    vocabSize: vocabulary,
    blockSize: context,
    nLayer: layers,
    nHead: heads,
    nEmbed: width,
    mlpFactor: 4,
    useRope: false,
  });
  await ready(model);
  const marks = [];
  const began = performance.now();
  const end = new Promise((resolve, reject) => {
    model.training.on("error", (_, error) => reject(error));
    model.training.on("cancelled", resolve);
    model.training.on("progress", (job) => {
      const { step, trainingMetrics } = job.history.at(-1);
      marks.push({ step, loss: trainingMetrics.loss, time: performance.now() });
      // The first step compiles the shaders.
      if (marks.length > 1 && marks.at(-1).time - marks[0].time >= seconds * 1000) model.training.cancel();
    });
  });
  await model.training.job(
    {
      method: { type: "pretraining" },
      batchSize: batch,
      maxEpochs: 1_000_000,
      // Milliseconds between two read-backs of the loss, so that the first step's is read, too. Its steps are too long for the
      // read-backs to matter.
      logInterval: 1,
      learningRate: 1e-3,
      warmupSteps: 0,
      weightDecay: 0.1,
      beta1: 0.9,
      beta2: 0.99,
      mixedPrecision: false,
      gradientCheckpointing: false,
      dropout: 0,
    },
    [text(config)],
    [{ id: "text", name: "text", conversational: false }],
  );
  await end;
  const [first, last] = [marks[0], marks.at(-1)];
  const steps = last.step - first.step;
  return {
    tokensPerSecond: (steps * batch * context * 1000) / (last.time - first.time),
    steps,
    millisecondsToFirstLoss: first.time - began,
    firstLoss: first.loss,
    lastLoss: last.loss,
  };
}
