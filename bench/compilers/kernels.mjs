// Summarises the dispatches of training steps as kernels: a shader with all its dispatches of a step.
import { createHash } from "node:crypto";
import { bindingsOf, workDone } from "./work.mjs";

/** The kernels of a step of a model, by first dispatch. */
export function kernelsOf(dispatches, configuration) {
  const kernels = new Map();
  for (const dispatch of dispatches) {
    const { shader, groups } = dispatch;
    if (!kernels.has(shader)) kernels.set(shader, { ...describe(shader), dispatches: [] });
    const kernel = kernels.get(shader);
    kernel.dispatches.push({
      groups: groups.reduce((all, side) => all * side),
      ...workDone(kernel, dispatch, configuration),
    });
  }
  return [...kernels.values()];
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

/** What a shader says of itself. */
function describe({ label, code }) {
  const [, size] = code.match(/@workgroup_size\(([^)]*)\)/);
  const threads = size.split(",").reduce((all, side) => all * Number(side), 1);
  const arrays = [...code.matchAll(/^var<workgroup> \w+: array<(?:vec(\d)<)?(\w+)>?, (\d+)>;/gm)];
  const workgroupMemory = arrays.reduce((all, [, lanes = 1, type, length]) => all + lanes * bytes[type] * length, 0);
  const bindings = bindingsOf(code);
  // A label ends with a hash that changes with the compiler; the id's is one of the text.
  const name = nameOf(label.replace(/_[0-9a-f]{8}$/, ""), bindings.length);
  const id = `${name}-${createHash("sha256").update(code).digest("hex").slice(0, 8)}`;
  return { id, name, code, threads, workgroupMemory, bindings };
}

/** A kernel has the name of its function, and several functions have the same one; `bindings`: buffers and the sizes. */
function nameOf(label, bindings) {
  if (label === "forward") return "embedding";
  if (label.startsWith("forward_")) return bindings <= 4 ? `attention_${label}` : `layer_norm_${label}`;
  if (label.startsWith("backward_")) return `layer_norm_${label}`;
  return label;
}
