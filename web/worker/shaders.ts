// Compiles the GPU's shaders before they are needed, several at a time and without holding the browser up.
//
// The crate makes a pipeline the moment it first dispatches with it, and WebGPU then compiles it at once, with everything
// else that waits for the GPU behind it. So the crate is made to warm up for a run beforehand: what it would dispatch is
// swallowed, and each pipeline it asks for is compiled by WebGPU's asynchronous call. The crate keeps a stand-in, which
// is exchanged for the pipeline where one is used.

/** What the crate holds in place of a pipeline that compiles. */
interface StandIn {
  getBindGroupLayout(index: number): GPUBindGroupLayout;
  /** The pipeline; compiled on the spot if that has not happened yet. */
  pipeline(): GPUComputePipeline;
  /** Why the browser or the driver does not make it, once that is known. */
  refused: string | undefined;
}

let warmingUp = false;
/** Whether kernels are tried that may be refused. */
let tentative = false;
/** What the warm-up in progress asked for. */
let compiling: Promise<unknown>[] = [];

/** Takes WebGPU's calls over. To be called before the engine starts. `refused` is told why a pipeline that is needed is none. */
export function prepareToCompileAhead(refused: (reason: string) => void): void {
  if (!("GPUDevice" in globalThis)) return;
  const { createPipelineLayout, createComputePipeline } = GPUDevice.prototype;
  const { setPipeline, dispatchWorkgroups } = GPUComputePassEncoder.prototype;
  const groups = new WeakMap<GPUPipelineLayout, GPUBindGroupLayout[]>();

  GPUDevice.prototype.createPipelineLayout = function (descriptor) {
    const layout = createPipelineLayout.call(this, descriptor);
    groups.set(layout, [...descriptor.bindGroupLayouts] as GPUBindGroupLayout[]);
    return layout;
  };

  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    const layouts = typeof descriptor.layout === "object" ? groups.get(descriptor.layout) : undefined;
    if (!warmingUp || !layouts) return createComputePipeline.call(this, descriptor);
    let compiled: GPUComputePipeline | undefined;
    const standIn: StandIn = {
      getBindGroupLayout: (index) => layouts[index] as GPUBindGroupLayout,
      pipeline: () => {
        compiled ??= createComputePipeline.call(this, descriptor);
        return compiled;
      },
      refused: undefined,
    };
    const finished = this.createComputePipelineAsync(descriptor).then(
      (pipeline) => {
        compiled ??= pipeline;
      },
      (error) => {
        // It may never be used. Where the device is gone, that is told by itself.
        standIn.refused = `${descriptor.label}: ${error.message}`;
      },
    );
    compiling.push(finished);
    return standIn as unknown as GPUComputePipeline;
  };

  /** The passes whose pipeline was refused: they do nothing until they get another one. */
  const idle = new WeakSet<GPUComputePassEncoder>();

  GPUComputePassEncoder.prototype.setPipeline = function (given) {
    if (warmingUp) return;
    idle.delete(this);
    if (given instanceof GPUComputePipeline) return setPipeline.call(this, given);
    const standIn = given as unknown as StandIn;
    if (standIn.refused === undefined) return setPipeline.call(this, standIn.pipeline());
    idle.add(this);
    if (!tentative) refused(standIn.refused);
  };

  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...counts) {
    if (!warmingUp && !idle.has(this)) dispatchWorkgroups.apply(this, counts);
  };
}

/** Has `work` try kernels. One whose pipeline is refused computes nothing, by which `work` sees that it cannot be used. */
export async function trying<T>(work: () => Promise<T>): Promise<T> {
  tentative = true;
  try {
    return await work();
  } finally {
    tentative = false;
  }
}

/** Has `work`, which must not wait for anything, ask for pipelines without using them; when they have been compiled. */
export function warmUp(work: () => void): { compiled: Promise<unknown> } {
  warmingUp = true;
  compiling = [];
  try {
    work();
  } finally {
    warmingUp = false;
  }
  return { compiled: Promise.all(compiling) };
}
