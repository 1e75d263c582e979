// Getting the GPU ready before it is needed: its fastest kernels found, and the shaders of a model compiled.
import type { ModelConfig, Session, TrainConfig } from "lorito-wasm";
import { current, engine } from "./engine";
import { useFastestKernels } from "./kernels";
import { warmUp } from "./shaders";
import { macrotask } from "./turns";

let kernels: Promise<void> | undefined;

/** The GPU's fastest kernels are in use from here on. That of a program on the CPU is known: it pays for barriers. */
export function tuned(): Promise<void> {
  const { engine: kind, session, gpu } = engine();
  if (kind !== "webgpu" || gpu === undefined) return Promise.resolve();
  kernels ??= useFastestKernels(session, gpu.name);
  return kernels;
}

/** The kinds of kernels that have been asked for. */
const warmedUp = new Set<string>();
/** Once the shaders asked for last are there: those for evaluating and writing, and those for steps. */
export const shaders: Record<"writing" | "training", Promise<unknown>> = {
  writing: Promise.resolve(),
  training: Promise.resolve(),
};

/** Has the GPU's shaders for such a model compiled in the background, so that training starts at once. */
export async function compileAhead(model: ModelConfig, config: TrainConfig): Promise<void> {
  const { engine: kind, session } = engine();
  if (kind !== "webgpu" || current.control) return;
  await tuned();
  const kernels = await session.use((idle) => idle.kernelsOf(model, config));
  // A run may have begun since this was asked for.
  if (current.control || warmedUp.has(kernels)) return;
  warmedUp.add(kernels);
  const ask = (part: (idle: Session) => void) =>
    session.use((idle) => {
      // What is queued before a warm-up must not be swallowed with it: an adapter's first sums were.
      idle.submit();
      return warmUp(() => part(idle));
    });
  const writing = ask((idle) => idle.warmUpWriting(model));
  // WebGPU hears of pipelines at the end of a task: it compiles these while the others are warmed up.
  const training = writing.then(macrotask).then(() => ask((idle) => idle.warmUpTraining(model, config)));
  // Where one fails, its use will tell.
  const ended = (part: typeof writing) => part.then(({ compiled }) => compiled).catch(() => {});
  shaders.writing = ended(writing);
  shaders.training = ended(training);
  await training;
}
