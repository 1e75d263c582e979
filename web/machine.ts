// What the browser tells of the machine's memory; what is made of it is the crate's to decide (src/device.rs).
import type { Machine } from "lorito-wasm";
import type { EngineChoice } from "./gpu";

/** Names what memory gave out on. */
export const onWhat = ({ engine, adapter = "" }: Pick<EngineChoice, "engine" | "adapter">) => `${engine} ${adapter}`;

/** In the worker. `gaveOut`: what was believed to fit when memory gave out, by {@link onWhat}. */
export function machine(choice: EngineChoice, gaveOut: Readonly<Record<string, number>> = {}): Machine {
  const { deviceMemory, userAgent, userAgentData } = navigator as Navigator & {
    deviceMemory?: number;
    userAgentData?: { mobile: boolean };
  };
  return {
    largestBuffer: choice.largestBuffer,
    deviceMemory,
    handheld: userAgentData?.mobile || /Android|iPhone|iPad|Mobile/.test(userAgent),
    discrete: choice.discrete ?? false,
    gaveOut: gaveOut[onWhat(choice)],
  };
}
