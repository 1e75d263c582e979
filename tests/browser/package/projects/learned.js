import { createLorito } from "lorito";

/** Facts that a model learns by heart, as questions and answers. */
export const facts = [
  ["Who mends the nets?", "Nell mends them."],
  ["Where is the lamp?", "It hangs by the door."],
  ["When does the ferry go?", "It goes at seven."],
];

const conversations = facts.map(([question, answer]) =>
  JSON.stringify({
    messages: [
      { role: "user", content: question },
      { role: "assistant", content: answer },
    ],
  }),
);

/** An instance with a model that has learned them. */
export async function learned() {
  const lorito = createLorito();
  await lorito.addText("talk.jsonl", Array.from({ length: 12 }, () => conversations.join("\n")).join("\n"));
  await lorito.trainTokenizer({ kind: "char" });
  await lorito.createModel({ layers: 2, heads: 2, width: 64, context: 96, dropout: 0, seed: 7 });
  await lorito.train({ steps: 250, batchSize: 8, learningRate: 6e-3, warmupSteps: 10, evalEvery: 1000, seed: 5 });
  return lorito;
}
