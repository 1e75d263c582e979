// Which engine, and whether its GPU is still there.
import type { Engine, EngineChoice, GpuOffers } from "../shared/engines";
import type { Problem } from "../shared/errors";

function offersOf({ features, limits }: GPUAdapter): GpuOffers {
  const offered: Record<string, number> = {};
  // They are the prototype's, so no copying of an object's own properties finds them.
  for (const name in limits) {
    const limit: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof limit === "number") offered[name] = limit;
  }
  return { features: [...features].sort(), limits: offered };
}

/** What the kernels need of an adapter: their groups are of up to 256 threads in a row. WebGPU's own minimum is as much. */
const smallest = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupSizeX: 256 } as const;

/** How long the browser may take to answer a question about the GPU, in milliseconds: some drivers never do. */
let answerWithin = 5000;

/** After a loss the GPU may have much to finish before it answers, shaders of the engine before among it. */
export function waitLonger(): void {
  answerWithin = 30_000;
}

/** Rejects with a Problem if `question` has no answer in time. */
export function answered<T>(question: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const silent: Problem = { code: "web-gpu-unavailable", reason: "no-answer" };
    const timer = setTimeout(() => reject(silent), answerWithin);
    question.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** How browsers word a buffer that cannot be had, where they call it an error of validation. */
const beyondMemory = /out of memory|exceeds the max buffer size|not enough memory/i;

/** Makers whose GPUs for computers all have memory of their own, and families of others. */
const own = /nvidia|xe-?2?-?hpg/i;

const software = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

/**
 * Decides between the GPU and the CPU. wgpu claims a GPU on the web whatever the browser has, so the browser is asked
 * here first. `attempts`: after a loss it may take a moment until the browser offers the GPU again.
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

/** What older browsers' adapters lack. It is only shown, but wgpu stops without it. */
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
  /** In the worker: the device that the engine runs on, so that a test can destroy it. */
  var loritoGpuDevice: GPUDevice | undefined;
}

/**
 * Calls `lost` when the GPU device that the crate will ask for is lost, has no more memory, or rejects a command: from
 * then on its numbers cannot be trusted. wgpu keeps the device to itself, so the browser's own method is wrapped. To be
 * called before the engine starts.
 */
export function watchGpu(lost: (problem: Problem) => void): void {
  if (!("GPUAdapter" in globalThis)) return;
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await answered(requestDevice.call(this, descriptor));
    globalThis.loritoGpuDevice = device;
    // A rejected shader or command is skipped and stale numbers go on. wgpu listens, too, and the crate then stops with a
    // trap that knows no reason: this listener is the first.
    device.addEventListener("uncapturederror", ({ error }) => {
      console.error(`WebGPU: ${error.message}`);
      const memory = error instanceof GPUOutOfMemoryError || beyondMemory.test(error.message);
      lost({ code: memory ? "gpu-out-of-memory" : "gpu-command-rejected", reason: error.message });
    });
    void device.lost.then(({ reason, message }) => lost({ code: "device-lost", reason: message || reason }));
    return device;
  };
}
