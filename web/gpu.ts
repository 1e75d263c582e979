// Which engine, and whether its GPU is still there. Runs in the worker.
import type { Limits } from "lorito-wasm";
import type { Problem } from "./errors";

export type Engine = "webgpu" | "cpu";

/** Why this engine: a code; the page has the words. */
export type EngineReason =
  /** A GPU was found. */
  | "gpu-found"
  /** The address asks for it (`?engine=`). */
  | "forced"
  /** The browser has no WebGPU (or the page comes over plain http). */
  | "no-webgpu"
  /** WebGPU is there, without a GPU that it can use. */
  | "no-adapter"
  /** The only "GPU" is a program on the CPU, many times slower than our own CPU engine. */
  | "software-adapter"
  /** The GPU lacks something that the engine needs. */
  | "missing-feature"
  /** There is a GPU, but the engine did not start on it. */
  | "webgpu-failed"
  /** The GPU was lost three times within a minute. */
  | "webgpu-lost";

export interface EngineChoice {
  engine: Engine;
  reason: EngineReason;
  /** The GPU, in its maker's words, where the browser tells. */
  adapter?: string;
  /** Whether the "GPU" is a program on the CPU. */
  software?: boolean;
  /** What the GPU can hold, in bytes; the crate knows the CPU's. */
  limits?: Limits;
}

/** CubeCL measures with timestamps and panics on a GPU without them. */
const needed = "timestamp-query";

/** The browser does not tell how much memory a GPU has; most that train anything have this much to spare. */
const gpuMemory = 4 * 2 ** 30;

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

async function lookForGpu(attempts: number): Promise<Omit<EngineChoice, "engine">> {
  if (!("gpu" in navigator)) return { reason: "no-webgpu" };
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (adapter === null) {
    if (attempts <= 1) return { reason: "no-adapter" };
    await new Promise((resolve) => setTimeout(resolve, 500));
    return lookForGpu(attempts - 1);
  }
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const words = [description || vendor, architecture, device].filter(Boolean).join(" ");
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const limits = { largestBuffer: Math.min(maxBufferSize, maxStorageBufferBindingSize), total: gpuMemory };
  const isSoftware = isFallbackAdapter || software.test(`${vendor} ${words}`);
  const gpu = { limits, ...(words ? { adapter: words } : {}), ...(isSoftware ? { software: true } : {}) };
  if (!adapter.features.has(needed)) return { reason: "missing-feature", ...gpu };
  if (isSoftware) return { reason: "software-adapter", ...gpu };
  return { reason: "gpu-found", ...gpu };
}

declare global {
  /** In the worker: the device that the engine runs on, so that a test can destroy it. */
  var loritoGpuDevice: GPUDevice | undefined;
}

/**
 * Tells when the GPU device that the crate will ask for is lost. wgpu keeps the device to itself, so the browser's own
 * method is wrapped. To be called before the engine starts.
 */
export function watchGpu(lost: (reason: string) => void): void {
  if (!("GPUAdapter" in globalThis)) return;
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    globalThis.loritoGpuDevice = device;
    // A rejected shader or command is skipped and stale numbers go on: it must not stay unseen.
    device.addEventListener("uncapturederror", ({ error }) => console.error(`WebGPU: ${error.message}`));
    void device.lost.then(({ reason, message }) => lost(message || reason));
    return device;
  };
}
