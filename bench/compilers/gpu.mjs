// A WebGPU that computes nothing and needs no GPU: it records shaders, pipelines and dispatches. All its buffers read as
// zeros, and take no memory while they are not mapped.

/** WebGPU's default limits, except for what desktop GPUs allow more of. */
const limits = {
  maxTextureDimension1D: 8192,
  maxTextureDimension2D: 8192,
  maxTextureDimension3D: 2048,
  maxTextureArrayLayers: 256,
  maxBindGroups: 4,
  maxBindGroupsPlusVertexBuffers: 24,
  maxBindingsPerBindGroup: 1000,
  maxDynamicUniformBuffersPerPipelineLayout: 8,
  maxDynamicStorageBuffersPerPipelineLayout: 4,
  maxSampledTexturesPerShaderStage: 16,
  maxSamplersPerShaderStage: 16,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageTexturesPerShaderStage: 4,
  maxUniformBuffersPerShaderStage: 12,
  maxUniformBufferBindingSize: 65536,
  maxStorageBufferBindingSize: 2 ** 31 - 4,
  minUniformBufferOffsetAlignment: 256,
  minStorageBufferOffsetAlignment: 256,
  maxVertexBuffers: 8,
  maxBufferSize: 2 ** 31,
  maxVertexAttributes: 16,
  maxVertexBufferArrayStride: 2048,
  maxInterStageShaderVariables: 16,
  maxColorAttachments: 8,
  maxColorAttachmentBytesPerSample: 32,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
};

class Buffer {
  #mapped;
  /** The latest small writes by offset: the sizes that a kernel is given. */
  written = new Map();
  mapState = "unmapped";
  constructor({ size, usage, label = "", mappedAtCreation }) {
    Object.assign(this, { size, usage, label });
    if (mappedAtCreation) this.mapState = "mapped";
  }
  async mapAsync() {
    this.mapState = "mapped";
  }
  getMappedRange(offset = 0, size = this.size - offset) {
    this.#mapped = { offset, range: new ArrayBuffer(size) };
    return this.#mapped.range;
  }
  unmap() {
    if (this.#mapped) this.note(this.#mapped.offset, new Uint8Array(this.#mapped.range));
    this.#mapped = undefined;
    this.mapState = "unmapped";
  }
  destroy() {}
  note(offset, bytes) {
    if (bytes.length > 0 && bytes.length <= 4096) this.written.set(offset, bytes.slice());
  }
}

/** `features`: those of the adapter. `dispatches` has one entry a dispatch: its shader, groups and bindings. */
export function recordingGpu(features) {
  const dispatches = [];
  const shaders = new Map();
  const has = new Set(features);
  const info = { vendor: "", architecture: "", device: "", description: "", isFallbackAdapter: false };
  const later = () => Promise.resolve();

  const pipeline = ({ compute, layout, label = "" }) => ({
    shader: compute.module,
    entry: compute.entryPoint,
    label,
    layout,
    getBindGroupLayout: () => ({}),
  });
  const pass = () => {
    const set = [];
    let current;
    return {
      label: "",
      setPipeline: (given) => {
        current = given;
      },
      setBindGroup: (at, group) => {
        set[at] = group;
      },
      dispatchWorkgroups(x, y = 1, z = 1) {
        const bindings = set.flatMap(({ entries }) =>
          entries.map(({ resource }) => {
            const { buffer = resource, offset = 0, size = buffer.size - offset } = resource;
            return { size, written: buffer.written.get(offset) };
          }),
        );
        dispatches.push({ shader: current.shader, groups: [x, y, z], bindings });
      },
      dispatchWorkgroupsIndirect() {
        throw new Error("indirect dispatches are not recorded");
      },
      end() {},
      pushDebugGroup() {},
      popDebugGroup() {},
      insertDebugMarker() {},
    };
  };
  const encoder = () => ({
    label: "",
    beginComputePass: pass,
    copyBufferToBuffer(from, at, to, offset) {
      const written = from.written.get(at);
      if (written) to.written.set(offset, written);
    },
    clearBuffer() {},
    resolveQuerySet() {},
    finish: () => ({}),
  });
  const device = {
    label: "",
    features: has,
    limits,
    adapterInfo: info,
    lost: new Promise(() => {}),
    onuncapturederror: null,
    queue: {
      label: "",
      submit() {},
      onSubmittedWorkDone: later,
      writeBuffer(buffer, at, data, from = 0, size = data.length - from) {
        const bytes = ArrayBuffer.isView(data)
          ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
          : new Uint8Array(data);
        buffer.note(at, bytes.subarray(from, from + size));
      },
    },
    createBuffer: (descriptor) => new Buffer(descriptor),
    createShaderModule({ code, label = "" }) {
      if (!shaders.has(code)) {
        shaders.set(code, { code, label, getCompilationInfo: async () => ({ messages: [] }) });
      }
      return shaders.get(code);
    },
    createBindGroupLayout: ({ entries }) => ({ entries }),
    createPipelineLayout: (descriptor) => descriptor,
    createBindGroup: ({ entries }) => ({ entries: [...entries].sort((a, b) => a.binding - b.binding) }),
    createComputePipeline: pipeline,
    createComputePipelineAsync: async (descriptor) => pipeline(descriptor),
    createCommandEncoder: encoder,
    createQuerySet: () => ({ destroy() {} }),
    pushErrorScope() {},
    popErrorScope: async () => null,
    addEventListener() {},
    destroy() {},
  };
  const adapter = { features: has, limits, info, isFallbackAdapter: false, requestDevice: async () => device };
  return { gpu: { requestAdapter: async () => adapter }, dispatches, shaders };
}

/** Makes `gpu` the global one, in a scope that wgpu takes for a worker's. */
export function install(gpu) {
  for (const name of ["GPUValidationError", "GPUOutOfMemoryError", "GPUInternalError"]) {
    globalThis[name] ??= class extends Error {};
  }
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu, userAgent: "Node", hardwareConcurrency: 4 },
    configurable: true,
  });
  globalThis.self = globalThis;
  globalThis.WorkerGlobalScope = Object;
}
