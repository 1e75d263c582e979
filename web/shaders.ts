// Compiles the GPU's shaders before they are needed, several at a time and without holding the browser up.
//
// The crate makes a pipeline the moment it first dispatches with it, and WebGPU then compiles it at once, with everything
// else that waits for the GPU behind it. So the crate is made to rehearse a run beforehand: what it would dispatch is
// swallowed, and each pipeline it asks for is compiled by WebGPU's asynchronous call. The crate keeps a stand-in, which
// is exchanged for the pipeline where one is used.

/** What the crate holds in place of a pipeline that compiles. */
interface StandIn {
  getBindGroupLayout(index: number): GPUBindGroupLayout;
  /** The pipeline; compiled on the spot if that has not happened yet. */
  pipeline(): GPUComputePipeline;
}

let rehearsing = false;
/** What the rehearsal under way asked for. */
let compiling: Promise<unknown>[] = [];

/** Takes WebGPU's calls over. To be called before the engine starts. */
export function prepareToCompileAhead(): void {
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
    if (!rehearsing || !layouts) return createComputePipeline.call(this, descriptor);
    let compiled: GPUComputePipeline | undefined;
    const standIn: StandIn = {
      getBindGroupLayout: (index) => layouts[index] as GPUBindGroupLayout,
      pipeline: () => {
        compiled ??= createComputePipeline.call(this, descriptor);
        return compiled;
      },
    };
    const finished = this.createComputePipelineAsync(descriptor).then(
      (pipeline) => {
        compiled ??= pipeline;
      },
      () => {}, // the device is gone, or the shader is wrong: its use will tell
    );
    compiling.push(finished);
    return standIn as unknown as GPUComputePipeline;
  };

  GPUComputePassEncoder.prototype.setPipeline = function (given) {
    if (rehearsing) return;
    const pipeline = given instanceof GPUComputePipeline ? given : (given as unknown as StandIn).pipeline();
    setPipeline.call(this, pipeline);
  };

  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...counts) {
    if (!rehearsing) dispatchWorkgroups.apply(this, counts);
  };
}

/** Has `work`, which must not wait for anything, ask for pipelines without using them; when they have been compiled. */
export function rehearse(work: () => void): { compiled: Promise<unknown> } {
  rehearsing = true;
  compiling = [];
  try {
    work();
  } finally {
    rehearsing = false;
  }
  return { compiled: Promise.all(compiling) };
}
