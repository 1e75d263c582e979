// Reports the machine's memory, as far as the browser reveals it; src/device.rs derives the limits.
import type { Machine } from "lorito-wasm";
import { deviceName, type EngineChoice } from "../shared/engines";

/** `memoryFailures`: the total memory that was assumed when memory ran out, by {@link deviceName}. */
export function machine(choice: EngineChoice, memoryFailures: Readonly<Record<string, number>> = {}): Machine {
  const { deviceMemory, userAgent, userAgentData } = navigator as WorkerNavigator & {
    deviceMemory?: number;
    userAgentData?: { mobile: boolean };
  };
  return {
    largestBuffer: choice.largestBuffer,
    deviceMemory,
    handheld: userAgentData?.mobile || /Android|iPhone|iPad|Mobile/.test(userAgent),
    discrete: choice.discrete ?? false,
    memoryFailedAt: memoryFailures[deviceName(choice)],
  };
}
