// Compiles the shaders on standard input, [id, WGSL] each, on the Vulkan driver that amd.mjs has configured. Prints a JSON line for
// the driver, and one a shader with what vulkan.c has written.
import { readFileSync, rmSync, writeSync } from "node:fs";
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
const shaders = JSON.parse(readFileSync(0, "utf8"));
const file = process.env.LORITO_STATISTICS;
const tell = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

// Dawn must not be collected as garbage while it works.
globalThis.gpu = create([]);
const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
const wanted = ["shader-f16", "subgroups"].filter((feature) => adapter.features.has(feature));
const device = await adapter.requestDevice({ requiredFeatures: wanted });
tell({ driver: `${adapter.info.description}, ${adapter.info.device.replaceAll(/^null-hardware-|-$/g, "")}` });

for (const [id, code] of shaders) {
  rmSync(file, { force: true });
  const began = performance.now();
  try {
    await device.createComputePipelineAsync({
      layout: "auto",
      compute: { module: device.createShaderModule({ code }) },
    });
    const milliseconds = Math.round(performance.now() - began);
    tell({ id, milliseconds, ...parse(readFileSync(file, "utf8")) });
  } catch (error) {
    tell({ id, error: String(error.message ?? error).slice(0, 500) });
  }
}
// Dawn's threads would keep the process alive.
process.exit();

function parse(written) {
  const statistics = {};
  for (const [, name, value] of written.matchAll(/^statistic\t(.*)\t(.*)$/gm)) statistics[name] = Number(value);
  const [, assembly = ""] = written.match(/^text\t.*\n([\s\S]*?)\nend of text$/m) ?? [];
  return { statistics, assembly };
}
