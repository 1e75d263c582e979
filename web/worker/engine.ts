// Holds the state of the running engine, and controls access to its session.
import type { Session } from "lorito-wasm";
import type { EngineFiles } from "../shared/engine-files";
import type { Engine } from "../shared/engines";
import type { Problem } from "../shared/errors";
import type { Mutex } from "../shared/mutex";
import type { WorkerEvent } from "../shared/protocol";
import type { RunSaver } from "./run-saver";
import type { RunControl } from "./training";
import type { Guarded } from "./turns";
import { UnderWay } from "./under-way";
import type { WasmPart } from "./wasm-parts";
import type { Writer } from "./writer";

export const emit = (event: WorkerEvent) => self.postMessage(event);

export const underWay = new UnderWay((call, loaded, total) => emit({ event: "loaded", call, loaded, total }));

/** The state of the worker once its engine runs. */
export interface Running {
  engine: Engine;
  /** Set if the GPU's kernels must be measured; `name`: the GPU's, where the browser reveals it. */
  gpu: { name: string | undefined } | undefined;
  session: Guarded<Session>;
  writer: Writer;
  saver: RunSaver;
  /** Lets one file be read at a time. */
  files: Mutex;
}

/** The parts of the worker's state that change. */
export const current: {
  running: Running | undefined;
  /** Where its files lie, once the page has said it. */
  files: EngineFiles | undefined;
  /** The compiled first part of the wasm, for other workers. */
  module: WebAssembly.Module | undefined;
  /** The deferred part of the wasm, once the first part is loaded. */
  deferred: WasmPart | undefined;
  /** The control of the run in training. */
  control: RunControl | undefined;
} = { running: undefined, files: undefined, module: undefined, deferred: undefined, control: undefined };

export function engine(): Running {
  if (!current.running) throw { code: "internal", reason: "the engine has not started" } satisfies Problem;
  return current.running;
}

export function files(): EngineFiles {
  if (!current.files) throw { code: "internal", reason: "the engine has not started" } satisfies Problem;
  return current.files;
}

/** Does work that is not allowed during training; texts in progress are stopped. */
export async function exclusively<T>(work: (session: Session) => T | PromiseLike<T>): Promise<T> {
  const { session, writer } = engine();
  refuseWhileTraining();
  return writer.instead(() => {
    refuseWhileTraining();
    return session.use(work);
  });
}

export function refuseWhileTraining(): void {
  if (current.control) throw { code: "busy" } satisfies Problem;
}
