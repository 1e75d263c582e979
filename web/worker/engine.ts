// What the worker works with once its engine has started, and who may use it when.
import type { Session } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import type { Problem } from "../shared/errors";
import type { Mutex } from "../shared/mutex";
import type { WorkerEvent } from "../shared/protocol";
import type { RunSaver } from "./run-saver";
import type { RunControl } from "./training";
import type { Guarded } from "./turns";
import type { Writer } from "./writer";

export const emit = (event: WorkerEvent) => self.postMessage(event);

/** What there is once the engine runs. */
export interface Running {
  engine: Engine;
  /** Where the GPU's kernels are to be measured; with its name, where the browser tells which one it is. */
  gpu: { name: string | undefined } | undefined;
  session: Guarded<Session>;
  writer: Writer;
  saver: RunSaver;
  /** Files come in one by one. */
  files: Mutex;
}

/** What changes while the worker lives. */
export const current: {
  running: Running | undefined;
  /** Of the run in training. */
  control: RunControl | undefined;
} = { running: undefined, control: undefined };

export function engine(): Running {
  if (!current.running) throw { code: "internal", reason: "the engine has not started" } satisfies Problem;
  return current.running;
}

/** Does what cannot be done while a model trains; a text under way ends. */
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
