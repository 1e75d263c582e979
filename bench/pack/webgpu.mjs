// WebGPU in Node by Dawn, Chrome's implementation, with the global objects of a browser's worker.
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
const gpu = create([]);
// Node's own navigator, if it has one, is read-only.
Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "Node", hardwareConcurrency: 4 } });
globalThis.self = globalThis;
// wgpu expects a window or a worker, and checks the class of the global object.
globalThis.WorkerGlobalScope = Object;

export async function findAdapter() {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("no Vulkan driver was found: is there one, and does VK_DRIVER_FILES name it?");
  return adapter;
}
