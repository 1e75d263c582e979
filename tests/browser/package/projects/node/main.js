import { readFile } from "node:fs/promises";
import { createLorito, LoritoError } from "lorito";
import { codeOf, opened, trained } from "./session.js";

const lorito = createLorito({ workers: 2 });
const other = createLorito();
const training = await trained(lorito);
const opening = await opened(other, new Blob([await readFile("small.safetensors")]));
const exported = await other.exportModel("gguf-q8");
await lorito.addText("notes.docx", await readFile("notes.docx"));
await lorito.addText("printed.pdf", await readFile("printed.pdf"));
const found = await lorito.documents.search("Who counts the boats by the lighthouse?");
const codes = {
  storage: await codeOf(lorito.saveModel("mine")),
  gpu: await codeOf(createLorito({ engine: "webgpu" }).ready),
  isLoritoError: await lorito.importModel(new Blob(["nothing"])).catch((error) => error instanceof LoritoError),
};
const { sources } = await lorito.textSummary();
const report = await lorito.report();
lorito.close();
other.close();
codes.closed = await codeOf(lorito.generate("The"));
const globals = ["lorito", "navigator", "Worker", "self"].filter((name) => name in globalThis);
console.log(
  JSON.stringify({
    training,
    opening,
    exported: exported.size,
    sources: sources.map(({ name }) => name),
    found: found.length,
    codes,
    globals,
    report,
  }),
);
// Nothing else ends the program: no thread is left.
