// WebGPU in Node, by Dawn, the engine inside Chrome: what a browser's worker would find already there.
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
const gpu = create([]);
// Of its own, Node has a navigator that cannot be written to, or none.
Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "Node", hardwareConcurrency: 4 } });
globalThis.self = globalThis;
// wgpu looks for the GPU in a window or in a worker, and asks of which class the global object is.
globalThis.WorkerGlobalScope = Object;

export async function findAdapter() {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("no Vulkan driver was found: is there one, and does VK_DRIVER_FILES name it?");
  return adapter;
}
