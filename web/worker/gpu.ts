// Chooses the engine, and detects the loss of its GPU.
import type { Engine, EngineChoice, GpuOffers } from "../shared/engines";
import type { Problem } from "../shared/errors";

function offersOf({ features, limits }: GPUAdapter): GpuOffers {
  const offered: Record<string, number> = {};
  // Limits are properties of the prototype, so spreading the object would miss them.
  for (const name in limits) {
    const limit: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof limit === "number") offered[name] = limit;
  }
  return { features: [...features].sort(), limits: offered };
}

/** The kernels' requirements: workgroups of up to 256 threads in one dimension. WebGPU guarantees as much. */
const smallest = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupSizeX: 256 } as const;

/** Time limit for the browser's responses about the GPU, in milliseconds: some drivers never respond. */
let answerWithin = 5000;

/** Extends the time limit after a loss: the GPU may have much to finish first, such as the old engine's shaders. */
export function waitLonger(): void {
  answerWithin = 30_000;
}

/** Rejects with a Problem if `question` does not resolve in time. */
export function answered<T>(question: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const silent: Problem = { code: "web-gpu-unavailable", reason: "no-answer" };
    const timer = setTimeout(() => reject(silent), answerWithin);
    question.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Browsers' messages for a failed allocation that is reported as a validation error. */
const beyondMemory = /out of memory|exceeds the max buffer size|not enough memory/i;

/** Makers whose GPUs for computers all have memory of their own, and other makers' families. */
const own = /nvidia|xe-?2?-?hpg/i;

const software = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

/**
 * Chooses between GPU and CPU. wgpu always assumes a GPU on the web, so the browser is queried here first. `attempts`:
 * after a loss it may take a moment until the browser offers the GPU again.
 */
export async function chooseEngine(forced: Engine | undefined, attempts = 1): Promise<EngineChoice> {
  if (forced === "cpu") return { engine: "cpu", reason: "forced" };
  const { reason, ...gpu } = await lookForGpu(attempts);
  if (forced === "webgpu") {
    if (reason === "gpu-found" || reason === "software-adapter") return { engine: "webgpu", reason: "forced", ...gpu };
    throw { code: "web-gpu-unavailable", reason } satisfies Problem;
  }
  return { engine: reason === "gpu-found" ? "webgpu" : "cpu", reason, ...gpu };
}

/** Adapter fields that older browsers lack. They are only displayed, but wgpu fails without them. */
const unknownGpu = { vendor: "", architecture: "", device: "", description: "", isFallbackAdapter: false };

async function lookForGpu(attempts: number): Promise<Omit<EngineChoice, "engine">> {
  if (!("gpu" in navigator)) return { reason: "no-webgpu" };
  let adapter: GPUAdapter | null;
  try {
    adapter = await answered(navigator.gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null));
  } catch {
    return { reason: "no-answer" };
  }
  if (!adapter) {
    if (attempts <= 1) return { reason: "no-adapter" };
    await new Promise((resolve) => setTimeout(resolve, 500));
    return lookForGpu(attempts - 1);
  }
  if (!adapter.info) Object.defineProperty(GPUAdapter.prototype, "info", { get: () => unknownGpu });
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const words = [description || vendor, architecture, device].filter(Boolean).join(" ");
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const isSoftware = isFallbackAdapter || software.test(`${vendor} ${words}`);
  const largestBuffer = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const gpu = {
    largestBuffer,
    offers: offersOf(adapter),
    ...(words ? { adapter: words } : {}),
    ...(architecture || device || description ? { identified: true } : {}),
    ...(isSoftware ? { software: true } : {}),
    ...(own.test(`${vendor} ${architecture}`) ? { discrete: true } : {}),
  };
  const { limits } = adapter;
  if (Object.entries(smallest).some(([name, least]) => limits[name as keyof typeof smallest] < least))
    return { reason: "limits-too-small", ...gpu };
  if (isSoftware) return { reason: "software-adapter", ...gpu };
  return { reason: "gpu-found", ...gpu };
}

declare global {
  /** In the worker: the engine's device, so that a test can destroy it. */
  var loritoGpuDevice: GPUDevice | undefined;
}

/**
 * Calls `lost` when the crate's GPU device is lost, runs out of memory, or rejects a command: from then on its results are
 * not reliable. wgpu does not expose the device, so the browser's own method is wrapped. Call before the engine starts.
 */
export function watchGpu(lost: (problem: Problem) => void): void {
  if (!("GPUAdapter" in globalThis)) return;
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await answered(requestDevice.call(this, descriptor));
    globalThis.loritoGpuDevice = device;
    // After a rejected shader or command, computation continues with stale numbers. wgpu listens as well, and the crate then
    // traps without a reason: this listener runs first.
    device.addEventListener("uncapturederror", ({ error }) => {
      console.error(`WebGPU: ${error.message}`);
      const memory = error instanceof GPUOutOfMemoryError || beyondMemory.test(error.message);
      lost({ code: memory ? "gpu-out-of-memory" : "gpu-command-rejected", reason: error.message });
    });
    void device.lost.then(({ reason, message }) => lost({ code: "device-lost", reason: message || reason }));
    return device;
  };
}
