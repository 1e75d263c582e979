import { createLorito } from "lorito";

/** Facts that a model learns by heart, as questions and answers. */
export const facts = [
  ["Who mends the nets?", "Nell mends them."],
  ["Where is the lamp?", "It hangs by the door."],
  ["When does the ferry go?", "It goes at seven."],
];

/** Conversations that all differ, as those of the same text are all learned or all held back. */
const conversations = Array.from({ length: 54 }, (_, number) => {
  const asked = [0, 1, 2].map((turn) => facts[Math.floor(number / 3 ** turn) % 3]);
  const messages = asked.flatMap(([question, answer]) => [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ]);
  // Every second time the same begins with a remark.
  if (number >= 27) messages.unshift({ role: "system", content: "Short." });
  return JSON.stringify({ messages });
});

/** An instance with a model that has learned them. */
export async function learned() {
  const lorito = createLorito();
  await lorito.addText("talk.jsonl", conversations.join("\n"));
  await lorito.trainTokenizer({ kind: "char" });
  await lorito.createModel({ layers: 2, heads: 2, width: 64, context: 128, dropout: 0, seed: 7 });
  await lorito.train({ steps: 250, batchSize: 8, learningRate: 6e-3, warmupSteps: 10, evalEvery: 1000, seed: 5 });
  return lorito;
}
