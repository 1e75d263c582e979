// Where the engine's files lie: beside this one, unless a bundler moves them. Bundlers find them by exactly this form.
import type { EngineFiles } from "../../../web/shared/engine-files";

export function files(): EngineFiles {
  return {
    worker: new URL("./worker.js", import.meta.url).href,
    replica: new URL("./replica.js", import.meta.url).href,
    documents: new URL("./documents.js", import.meta.url).href,
    passages: new URL("./passages.js", import.meta.url).href,
    wasm: new URL("./lorito_bg.wasm", import.meta.url).href,
    deferred: new URL("./lorito_deferred.wasm", import.meta.url).href,
    gpu: new URL("./lorito_gpu.wasm", import.meta.url).href,
    onePage: new URL("./one-page.html", import.meta.url).href,
    licences: new URL("./licences.txt", import.meta.url).href,
  };
}
