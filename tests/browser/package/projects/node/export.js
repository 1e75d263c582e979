import { writeFile } from "node:fs/promises";
import { facts, learned } from "./learned.js";

const lorito = await learned();
const greedy = { temperature: 0, maxTokens: 40 };
const [[question]] = facts;
const { text: answer } = await lorito.chat([{ role: "user", content: question }], greedy);
const continued = await lorito.generate("The ship", greedy);
for (const [kind, name] of [
  ["gguf-f16", "harbour.f16.gguf"],
  ["modelfile-f16", "Modelfile"],
])
  await writeFile(name, Buffer.from(await (await lorito.exportModel(kind, "harbour")).arrayBuffer()));
lorito.close();
console.log(JSON.stringify({ answer, continued }));
