// The engines and the reasons for choosing one.

export type Engine = "webgpu" | "cpu";

/** Why this engine is in use, as a code; the page has a sentence for each. */
export type EngineReason =
  /** A GPU was found. */
  | "gpu-found"
  /** The address asks for it (`?engine=`). */
  | "forced"
  /** The browser has no WebGPU, or the page was loaded over plain http. */
  | "no-webgpu"
  /** The browser has WebGPU, but no GPU that it can use. */
  | "no-adapter"
  /** The only GPU adapter is software on the CPU, many times slower than Lorito's own CPU engine. */
  | "software-adapter"
  /** The browser has not answered the request for a GPU in time. */
  | "no-answer"
  /** The GPU's workgroups are smaller than the kernels need. */
  | "limits-too-small"
  /** There is a GPU, but the engine did not start on it. */
  | "webgpu-failed"
  /** The GPU was lost three times within a minute. */
  | "webgpu-lost"
  /** The user chose this engine while another one ran. */
  | "chosen"
  /** GPU and CPU disagreed on a run's first batch. */
  | "self-check-failed";

export interface EngineChoice {
  engine: Engine;
  reason: EngineReason;
  /** The GPU's name from its maker, where the browser reveals it. */
  adapter?: string;
  /** Whether the browser reveals enough about the GPU to tell two GPUs of one maker apart. */
  identified?: boolean;
  /** Whether the adapter is software on the CPU. */
  software?: boolean;
  /** The largest buffer that the GPU can bind, in bytes. */
  largestBuffer?: number;
  /** Whether the GPU has memory of its own, judged by its name. */
  discrete?: boolean;
  /** Features and limits of the adapter, with WebGPU's names. */
  offers?: GpuOffers;
}

/** Features and limits of a GPU's adapter. */
export interface GpuOffers {
  features: string[];
  limits: Record<string, number>;
}

/** A key for the device whose memory ran out. */
export const deviceName = ({ engine, adapter = "" }: Pick<EngineChoice, "engine" | "adapter">) =>
  `${engine} ${adapter}`;
