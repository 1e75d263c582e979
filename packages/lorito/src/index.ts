// The package `lorito` in a browser. Importing it starts nothing and sets nothing global.
import { createLorito as create } from "../../../web/api/create";
import type { LoritoOptions } from "../../../web/api/host";
import type { Lorito } from "../../../web/api/lorito";
import { startWorker, type WorkerStart } from "../../../web/shared/worker-start";
import { files } from "./files";
import { words } from "./words";

export type { LoritoOptions } from "../../../web/api/host";
export type { Lorito } from "../../../web/api/lorito";
export type * from "../../../web/api/types";
export { type ErrorCode, LoritoError, type Problem } from "../../../web/shared/errors";

/** Creates an instance with a worker and a model of its own. Its engine starts at once: `ready` resolves when it runs. */
export function createLorito({ storage, ...options }: LoritoOptions = {}): Lorito {
  const own = files();
  // A worker's script must be of the page's own origin; a blob is, and imports the script from where it lies.
  const workerStart: WorkerStart = new URL(own.worker).origin === location.origin ? "address" : "blob";
  return create({
    ...options,
    // Unlike the path of a page, so that Lorito's own page on this origin keeps its storage.
    storage: storage ? `npm:${storage}/` : false,
    files: own,
    startWorker: (script) => startWorker(script, workerStart),
    workerStart,
    words,
  });
}
