// The files that an engine consists of, by their addresses. Those of the page lie in one folder; of the npm package's, a
// bundler may give each another name and place.

export interface EngineFiles {
  /** The scripts of workers. */
  worker: string;
  replica: string;
  documents: string;
  passages: string;
  /** The WebAssembly: what every run needs, what only some need, and what the GPU needs. */
  wasm: string;
  deferred: string;
  gpu: string;
  /** The template of one-page models, and the licences that belong in one. */
  onePage: string;
  licences: string;
}

const names: EngineFiles = {
  worker: "worker.js",
  replica: "replica.js",
  documents: "documents.js",
  passages: "passages.js",
  wasm: "lorito_bg.wasm",
  deferred: "lorito_deferred.wasm",
  gpu: "lorito_gpu.wasm",
  onePage: "one-page.html",
  licences: "licences.txt",
};

/** The files in the folder of the file at `address`, under the names that the build gives them. */
export function filesBeside(address: string): EngineFiles {
  const addresses = Object.entries(names).map(([file, name]) => [file, new URL(name, address).href]);
  return Object.fromEntries(addresses) as unknown as EngineFiles;
}
