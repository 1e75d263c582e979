import { createLorito } from "./node_modules/lorito/dist/index.js";
import { codeOf, opened, trained } from "./session.js";

window.createLorito = createLorito;

const file = (name) => fetch(name).then((response) => response.blob());

/** Two models at the same time. */
window.both = async () => {
  const [first, second] = [createLorito({ engine: "cpu" }), createLorito({ engine: "cpu" })];
  const [training, opening] = await Promise.all([
    trained(first),
    file("small.safetensors").then((model) => opened(second, model)),
  ]);
  const after = {
    first: (await first.modelSummary()).config.width,
    second: (await second.modelSummary()).config.width,
    stored: await codeOf(second.saveModel("mine")),
  };
  first.close();
  const again = await opened(second, await file("small.safetensors"));
  second.close();
  return { training, opening, after, again };
};

/** Instances that store under one name share it, and others do not. */
window.storing = async () => {
  const options = (storage) => ({ engine: "cpu", storage });
  const [one, same, other] = ["a", "a", "ab"].map((storage) => createLorito(options(storage)));
  await one.importModel(await file("small.safetensors"));
  await one.saveModel("mine");
  const names = async (lorito) => (await lorito.savedModels()).map(({ name }) => name);
  const found = { one: await names(one), same: await names(same), other: await names(other) };
  await one.deleteModel("mine");
  for (const lorito of [one, same, other]) lorito.close();
  return found;
};

/** The file of a document, read by the worker that is for that. */
window.reading = async () => {
  const lorito = createLorito({ engine: "cpu" });
  await lorito.addText("printed.pdf", await file("printed.pdf"));
  await lorito.addText("notes.docx", await file("notes.docx"));
  const found = await lorito.documents.search("Who counts the boats by the lighthouse?");
  const { sources } = await lorito.textSummary();
  lorito.close();
  return { sources: sources.map(({ name, characters }) => ({ name, characters })), found: found.length };
};

/** A page with the model in it, and a folder with a card in Spanish. */
window.exporting = async () => {
  const lorito = createLorito({ engine: "cpu" });
  await lorito.importModel(await file("small.safetensors"));
  const page = await lorito.exportModel("html-q8", "small", { language: "es" });
  const folder = await lorito.exportModel("huggingface", "small", { language: "es" });
  lorito.close();
  return { page: await page.text(), folder: folder.size };
};
window.ready = true;
