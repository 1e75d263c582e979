// What the programs of the tests do with the package, in the browser and in Node: the results must be the same.

const text = Array.from(
  { length: 24 },
  (_, day) => `Day ${day + 1}. The ship left the harbour at ${5 + (day % 4)} in the morning. We counted ${7 * (day + 3)} gulls.\n`,
).join("\n");

/** Trains a model in 20 steps; returns its losses, a text, and what the engine said of itself. */
export async function trained(lorito) {
  const { engine, reason } = await lorito.ready;
  await lorito.addText("log.txt", text);
  await lorito.trainTokenizer({ kind: "char" });
  await lorito.createModel({ layers: 1, heads: 4, width: 32, context: 32, dropout: 0, seed: 7 });
  const losses = [];
  lorito.on("evaluation", ({ trainLoss, validationLoss }) => losses.push(trainLoss, validationLoss));
  await lorito.train({ steps: 20, batchSize: 4, learningRate: 0.01, warmupSteps: 4, evalEvery: 10, seed: 5 });
  const written = await lorito.generate("The ship", { maxTokens: 40, temperature: 0.8, seed: 3 });
  return { engine, reason, losses, written };
}

/** Opens a model's file; returns its size and a text. */
export async function opened(lorito, file) {
  const { parameters } = await lorito.importModel(file);
  const pieces = [];
  const written = await lorito.generate("The", { maxTokens: 30, seed: 3, onToken: (piece) => pieces.push(piece) });
  const [embedding] = await lorito.embed(["The gulls"]);
  return { parameters, written, pieces: pieces.length, embedding: [...embedding] };
}

/** The code with which a call rejects. */
export const codeOf = (call) =>
  call.then(
    () => "none",
    ({ code, name }) => `${name} ${code}`,
  );
