// Compiles the GPU's shaders in advance, several at a time and without blocking the browser.
//
// The crate creates a pipeline when it first dispatches with it, and WebGPU then compiles it at once, which delays all
// other GPU work. So the crate first does a warm-up for a run: its dispatches are dropped, and each pipeline that it
// requests is compiled by WebGPU's asynchronous call. The crate gets a stand-in, which is replaced by the pipeline when it
// is used.

/** The crate's handle for a pipeline that is still compiling. */
interface StandIn {
  getBindGroupLayout(index: number): GPUBindGroupLayout;
  /** The pipeline; compiled synchronously if it is not ready. */
  pipeline(): GPUComputePipeline;
  /** Why the browser or the driver rejected it, once known. */
  refused: string | undefined;
}

let warmingUp = false;
/** Whether kernels are being tried that may be rejected. */
let tentative = false;
/** The pipelines that the current warm-up has requested. */
let compiling: Promise<unknown>[] = [];

/** Wraps WebGPU's methods. Call before the engine starts. `refused` gets the reason when a needed pipeline is rejected. */
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
        // It may never be used. The loss of a device is reported separately.
        standIn.refused = `${descriptor.label}: ${error.message}`;
      },
    );
    compiling.push(finished);
    return standIn as unknown as GPUComputePipeline;
  };

  /** Passes whose pipeline was rejected: their dispatches are dropped until another pipeline is set. */
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

/** Lets `work` try kernels. A rejected one computes nothing, by which `work` recognizes it. */
export async function trying<T>(work: () => Promise<T>): Promise<T> {
  tentative = true;
  try {
    return await work();
  } finally {
    tentative = false;
  }
}

/** Runs `work`, which must be synchronous, and compiles the pipelines that it requests without executing them. */
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
