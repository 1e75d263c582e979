// Summarises the dispatches of training steps as kernels: a shader with all its dispatches of a step.
import { createHash } from "node:crypto";

/** The kernels of a step, by first dispatch. */
export function kernelsOf(dispatches) {
  const kernels = new Map();
  for (const { shader, groups, bindings } of dispatches) {
    if (!kernels.has(shader)) kernels.set(shader, { ...describe(shader), dispatches: [] });
    const sizes = bindings.map(({ size }) => size);
    const scalars = bindings.at(-1)?.written;
    kernels.get(shader).dispatches.push({ groups, sizes, scalars: scalars && [...new Uint32Array(scalars.buffer)] });
  }
  return [...kernels.values()].map((kernel) => {
    const groups = kernel.dispatches.map(({ groups: [x, y, z] }) => x * y * z);
    return { ...kernel, leastGroups: Math.min(...groups), mostGroups: Math.max(...groups) };
  });
}

/**
 * Joins equal kernels of several steps of a model, given as [choice of kernels, precision, kernels]: `candidates` names the choices
 * that have it, or all, and `precisions` the precisions.
 */
export function joined(steps) {
  const different = new Map();
  const all = (at) => [...new Set(steps.map((step) => step[at]))];
  for (const [candidate, precision, kernels] of steps) {
    for (const kernel of kernels) {
      const key = JSON.stringify([kernel.id, kernel.dispatches]);
      const known = different.get(key) ?? { ...kernel, candidates: new Set(), precisions: new Set() };
      known.candidates.add(candidate);
      known.precisions.add(precision);
      different.set(key, known);
    }
  }
  return [...different.values()].map((kernel) => ({
    ...kernel,
    candidates: kernel.candidates.size === all(0).length ? ["all"] : [...kernel.candidates],
    precisions: [...kernel.precisions],
  }));
}

const bytes = { f32: 4, u32: 4, i32: 4, f16: 2 };

/** What a shader says of itself. Its name ends with a hash that changes with the compiler; the id's comes from its text. */
function describe({ label, code }) {
  const [, size] = code.match(/@workgroup_size\(([^)]*)\)/);
  const threads = size.split(",").reduce((all, side) => all * Number(side), 1);
  const arrays = [...code.matchAll(/^var<workgroup> \w+: array<(?:vec(\d)<)?(\w+)>?, (\d+)>;/gm)];
  const workgroupMemory = arrays.reduce((all, [, lanes = 1, type, length]) => all + lanes * bytes[type] * length, 0);
  const name = label.replace(/_[0-9a-f]{8}$/, "");
  const id = `${name}-${createHash("sha256").update(code).digest("hex").slice(0, 8)}`;
  return { id, name, code, threads, workgroupMemory };
}
