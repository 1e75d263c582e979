// Writes a bug report's section on the machine, the browser and the engine: codes and numbers for developers, in plain
// text. It contains none of the user's data: no text, no weights, no names.
import type { EngineFacts, EngineInfo } from "../shared/protocol";
import type { Seen } from "./worker-owner";

/** Defined by web/build/bundle.mjs. */
declare const LORITO_VERSION: string;

interface Sources {
  /** The engine in use; or the code of the error that prevents it. */
  engine: EngineInfo | string;
  facts: EngineFacts | undefined;
  seen: Seen;
  storage: { used: number; quota: number };
}

/** One line for each known fact. */
export function reportOf({ engine, facts, seen, storage }: Sources): string {
  // Node has no navigator before version 21.
  const { deviceMemory, hardwareConcurrency, userAgent }: Partial<Navigator> & { deviceMemory?: number } =
    globalThis.navigator ?? {};
  const lines: [string, string | undefined][] = [
    ["version", LORITO_VERSION],
    ["browser", userAgent],
    ["machine", `${hardwareConcurrency ?? "?"} threads, ${deviceMemory ?? "?"} GiB of memory as the browser tells`],
    ["engine", typeof engine === "string" ? `none (${engine})` : `${engine.engine} (${engine.reason})`],
    ["may hold", typeof engine === "string" ? undefined : values({ ...engine.limits })],
    ["adapter", seen.gpu && `${seen.gpu.adapter ?? "unnamed"}${seen.gpu.software ? " (software)" : ""}`],
    ["features", seen.gpu?.offers?.features.join(", ")],
    ["limits", seen.gpu?.offers && values(seen.gpu.offers.limits)],
    ["kernels", facts?.kernels && values({ ...facts.kernels })],
    ["speed", facts?.gigaflops ? `${short(facts.gigaflops)} GFLOP/s` : undefined],
    ["half precision", facts?.halfPrecision],
    ["model", facts?.model && shapeOf(facts.model)],
    ["step", seen.millisecondsPerStep ? `${short(seen.millisecondsPerStep)} ms` : undefined],
    ["self-check", seen.check && checkOf(seen.check)],
    ["token written", facts?.writing && writingOf(facts.writing)],
    ["engines lost", seen.losses.join(", ") || undefined],
    ["storage", `${storage.used} of ${storage.quota} bytes used`],
  ];
  return lines.flatMap(([name, value]) => (value ? [`${name}: ${value}\n`] : [])).join("");
}

function values(of: Record<string, unknown>): string {
  return Object.entries(of)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function shapeOf({ config, adapter, parameters }: NonNullable<EngineFacts["model"]>): string {
  const { layers, heads, width, context, vocabulary, dropout } = config;
  const shape = values({ layers, heads, width, context, vocabulary, dropout, parameters });
  return adapter ? `${shape}, adapter of rank ${adapter.rank}` : shape;
}

function checkOf(check: NonNullable<Seen["check"]>): string {
  const { passed, lossDifference, gradientDifference, tolerance, tokens, whole } = check;
  const found = `loss differs by ${short(lossDifference)}, gradient by ${short(gradientDifference)}`;
  const of = `${tokens} tokens of ${whole ? "this model" : "a smaller model"}`;
  return `${passed ? "passed" : "failed"}, ${found}, ${tolerance} allowed, ${of}`;
}

function writingOf({ cpu, gpu, copy }: NonNullable<EngineFacts["writing"]>): string {
  const [onCpu, onGpu, copying] = [cpu, gpu, copy].map((seconds) => `${short(1000 * seconds)} ms`);
  return `${onCpu} on the CPU, ${onGpu} on the GPU, ${copying} to copy the weights`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
