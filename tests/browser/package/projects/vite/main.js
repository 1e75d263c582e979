import { createLorito } from "lorito";
import { codeOf, opened, trained } from "./session.js";

const globals = Object.keys(globalThis).filter((name) => /lorito/i.test(name));

window.result = (async () => {
  const lorito = createLorito({ engine: "cpu", workers: 2 });
  const training = await trained(lorito);
  const model = await fetch("/small.safetensors").then((response) => response.blob());
  const opening = await opened(lorito, model);
  lorito.close();
  return { globals, training, opening, afterwards: await codeOf(lorito.generate("The")) };
})();
