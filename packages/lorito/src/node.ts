// The package `lorito` in Node: the same engine, on the processor, in threads instead of a browser's workers.
import { createLorito as create } from "../../../web/api/create";
import type { LoritoOptions } from "../../../web/api/host";
import type { Lorito } from "../../../web/api/lorito";
import { files } from "./files";
import { ThreadWorker } from "./thread-worker";
import { words } from "./words";

export { LoritoError } from "../../../web/shared/errors";

/** As in index.ts. Node has no storage: `storage` changes nothing. */
export function createLorito({ engine, workers }: LoritoOptions = {}): Lorito {
  return create({
    engine,
    workers,
    files: files(),
    startWorker: (script) => new ThreadWorker(script) as unknown as Worker,
    workerStart: "address",
    words,
  });
}
