// Measures the fastest plain f32 matrix product in WGSL on the adapter: the reference for a training step.
import { findAdapter } from "./webgpu.mjs";

const range = (count) => Array.from({ length: count }, (_, at) => at);
const lines = (count, line) => range(count).map(line).join("\n");
const bindings = (of) => `
@group(0) @binding(0) var<storage, read> a: array<${of}>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;`;

/**
 * Tiles in workgroup memory: 256 threads, each with a block of `each` by `each` sums; fast on real GPUs. The left factor's
 * tile is transposed, so that each step along the summed dimension reads rows of both.
 */
function tiled(size, each) {
  const tile = 16 * each;
  const quads = each / 4;
  return {
    edge: tile,
    code: `${bindings("f32")}
var<workgroup> left: array<f32, ${16 * tile}>;
var<workgroup> right: array<vec4f, ${4 * tile}>;
@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) own: vec3u,
        @builtin(local_invocation_index) index: u32) {
  let row = group.y * ${tile}u;
  let column = group.x * ${tile / 4}u;
${lines(each, (r) => lines(quads, (q) => `  var s${r}_${q} = vec4f();`))}
  for (var start = 0u; start < ${size}u; start += 16u) {
${lines(each, (e) => `    { let at = ${256 * e}u + index; left[(at % 16u) * ${tile}u + at / 16u] = a[(row + at / 16u) * ${size}u + start + at % 16u]; }`)}
${lines(quads, (e) => `    { let at = ${256 * e}u + index; right[at] = b[(start + at / ${tile / 4}u) * ${size / 4}u + column + at % ${tile / 4}u]; }`)}
    workgroupBarrier();
    for (var k = 0u; k < 16u; k += 1u) {
${lines(quads, (q) => `      let y${q} = right[k * ${tile / 4}u + ${16 * q}u + own.x];`)}
${lines(each, (r) => `      let x${r} = left[k * ${tile}u + own.y * ${each}u + ${r}u];`)}
${lines(each, (r) => lines(quads, (q) => `      s${r}_${q} += x${r} * y${q};`))}
    }
    workgroupBarrier();
  }
${lines(each, (r) => lines(quads, (q) => `  c[(row + own.y * ${each}u + ${r}u) * ${size / 4}u + column + ${16 * q}u + own.x] = s${r}_${q};`))}
}`,
  };
}

/** Four by four sums per thread without workgroup memory, whose barriers are very slow on a software GPU. */
function inRegisters(size) {
  return {
    edge: 64,
    code: `${bindings("vec4f")}
@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) own: vec3u) {
${lines(4, (r) => `  var s${r} = vec4f();`)}
  for (var k = 0u; k < ${size / 4}u; k += 1u) {
${lines(4, (r) => `    let x${r} = a[(own.y * 4u + ${r}u) * ${size / 4}u + k];`)}
${lines(4, (j) => `    let y${j} = b[(k * 4u + ${j}u) * ${size / 4}u + own.x];`)}
${lines(4, (r) => `    s${r} += x${r}.x * y0 + x${r}.y * y1 + x${r}.z * y2 + x${r}.w * y3;`)}
  }
${lines(4, (r) => `  c[(own.y * 4u + ${r}u) * ${size / 4}u + own.x] = s${r};`)}
}`,
  };
}

/** Operations per second of one kernel on square matrices. */
async function rate(device, size, { edge, code }) {
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffers = range(3).map(() => device.createBuffer({ size: 4 * size ** 2, usage }));
  const values = Float32Array.from({ length: size ** 2 }, (_, at) => ((at * 7) % 11) - 5);
  for (const buffer of buffers.slice(0, 2)) device.queue.writeBuffer(buffer, 0, values);
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const multiply = async (times) => {
    const began = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let time = 0; time < times; time++) pass.dispatchWorkgroups(size / edge, size / edge);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - began) / 1000;
  };
  await multiply(1);
  await check(device, buffers[2], values, size);
  const times = Math.max(1, Math.round(0.2 / (await multiply(1))));
  let best = 0;
  for (let round = 0; round < 3; round++) best = Math.max(best, (times * 2 * size ** 3) / (await multiply(times)));
  for (const buffer of buffers) buffer.destroy();
  return best;
}

/** Throws if a kernel is wrong: its speed would be meaningless. The numbers are integers, so the sums are exact. */
async function check(device, product, values, size) {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const copy = device.createBuffer({ size: product.size, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(product, 0, copy, 0, product.size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const got = new Float32Array(copy.getMappedRange());
  for (const [row, column] of [
    [0, 0],
    [size / 2 + 1, 7],
    [size - 1, size - 1],
  ]) {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += values[row * size + k] * values[k * size + column];
    if (got[row * size + column] !== sum) throw new Error(`wrong product: ${got[row * size + column]}, not ${sum}`);
  }
  copy.destroy();
}

/** The best of all kernels and sizes, as long as a product takes less than about a second. */
export async function measure() {
  const adapter = await findAdapter();
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } });
  const kernels = {
    "64 by 64 tiles": (size) => tiled(size, 4),
    "128 by 128 tiles": (size) => tiled(size, 8),
    "registers alone": inRegisters,
  };
  let best = { rate: 0 };
  for (const [kernel, make] of Object.entries(kernels)) {
    for (const size of [256, 512, 1024, 2048, 4096]) {
      const operations = await rate(device, size, make(size));
      if (operations > best.rate) best = { rate: operations, kernel, size };
      if ((8 * 2 * size ** 3) / operations > 1) break;
    }
  }
  const { vendor, architecture, device: name, description } = adapter.info;
  return { ...best, adapter: [vendor, architecture, name, description].filter(Boolean).join(", ") };
}
