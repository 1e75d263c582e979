// Prepares the GPU in advance: finds its fastest kernels, and compiles the shaders of a model.
import type { ModelConfig, Session, TrainConfig } from "lorito-wasm";
import { current, engine } from "./engine";
import { useFastestKernels } from "./kernels";
import { warmUp } from "./shaders";
import { macrotask } from "./turns";

let kernels: Promise<void> | undefined;

/** Resolves once the GPU's fastest kernels are in use. Software adapters are not measured: barriers are expensive on them. */
export function tuned(): Promise<void> {
  const { engine: kind, session, gpu } = engine();
  if (kind !== "webgpu" || gpu === undefined) return Promise.resolve();
  kernels ??= useFastestKernels(session, gpu.name);
  return kernels;
}

/** The sets of kernels that have been compiled. */
const warmedUp = new Set<string>();
/** Resolve once the last requested shaders are compiled: those for evaluation and generation, and those for training steps. */
export const shaders: Record<"writing" | "training", Promise<unknown>> = {
  writing: Promise.resolve(),
  training: Promise.resolve(),
};

/** Compiles the GPU's shaders for such a model in the background, so that training can start at once. */
export async function compileAhead(model: ModelConfig, config: TrainConfig): Promise<void> {
  const { engine: kind, session } = engine();
  if (kind !== "webgpu" || current.control) return;
  await tuned();
  const kernels = await session.use((idle) => idle.kernelsOf(model, config));
  // A run may have begun meanwhile.
  if (current.control || warmedUp.has(kernels)) return;
  warmedUp.add(kernels);
  const ask = (part: (idle: Session) => void) =>
    session.use((idle) => {
      // Commands queued before a warm-up would be dropped with it, for example an adapter's first merge.
      idle.submit();
      return warmUp(() => part(idle));
    });
  const writing = ask((idle) => idle.warmUpWriting(model));
  // WebGPU gets the requests at the end of a task: it compiles these pipelines while the next ones are collected.
  const training = writing.then(macrotask).then(() => ask((idle) => idle.warmUpTraining(model, config)));
  // A failure is reported when the pipeline is used.
  const ended = (part: typeof writing) => part.then(({ compiled }) => compiled).catch(() => {});
  shaders.writing = ended(writing);
  shaders.training = ended(training);
  await training;
}
