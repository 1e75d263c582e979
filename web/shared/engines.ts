// The engines, and why one of them is in use.

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
  /** The browser was asked for a GPU and has not answered in time. */
  | "no-answer"
  /** The GPU computes in smaller groups than the kernels have. */
  | "limits-too-small"
  /** There is a GPU, but the engine did not start on it. */
  | "webgpu-failed"
  /** The GPU was lost three times within a minute. */
  | "webgpu-lost"
  /** Somebody chose this engine while another one ran. */
  | "chosen"
  /** The GPU computed something else than the CPU on a run's first batch. */
  | "self-check-failed";

export interface EngineChoice {
  engine: Engine;
  reason: EngineReason;
  /** The GPU, in its maker's words, where the browser tells. */
  adapter?: string;
  /** Whether the browser tells more of the GPU than its maker, so that it can be told from another one. */
  identified?: boolean;
  /** Whether the "GPU" is a program on the CPU. */
  software?: boolean;
  /** The largest buffer that the GPU can bind, in bytes. */
  largestBuffer?: number;
  /** Whether the GPU has memory of its own, as far as its name tells. */
  discrete?: boolean;
  /** What WebGPU offers on this GPU, in its own names. */
  offers?: GpuOffers;
}

/** Features and limits of a GPU's adapter. */
export interface GpuOffers {
  features: string[];
  limits: Record<string, number>;
}

/** Names the device whose memory ran out. */
export const deviceName = ({ engine, adapter = "" }: Pick<EngineChoice, "engine" | "adapter">) =>
  `${engine} ${adapter}`;
