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
 * Joins the kernels of several steps of a model, given as choice of kernels, precision, and kernels. `chosen`: whether the first
 * choice has it; `with`: the part of the choices that it belongs to, or all; its dispatches are those of the first step that has it.
 */
export function joined(steps) {
  const different = new Map();
  for (const { choice, precision, kernels } of steps) {
    for (const kernel of kernels) {
      const known = different.get(kernel.id) ?? { ...kernel, choices: new Set(), precisions: new Set() };
      known.choices.add(choice);
      known.precisions.add(precision);
      different.set(kernel.id, known);
    }
  }
  const all = [...new Set(steps.map(({ choice }) => choice))];
  return [...different.values()].map(({ choices, precisions, ...kernel }) => ({
    ...kernel,
    chosen: choices.has(all[0]),
    with: partOf(choices, all),
    precisions: [...precisions],
  }));
}

/** The kernel that all of `choices` name, and the fewest of the others. */
function partOf(choices, all) {
  if (choices.size === all.length) return "all";
  const having = (name) => all.filter((choice) => Object.values(choice).includes(name));
  const names = [...new Set(all.flatMap((choice) => Object.values(choice)))];
  const fitting = names.filter((name) => [...choices].every((choice) => having(name).includes(choice)));
  return fitting.toSorted((a, b) => having(a).length - having(b).length)[0] ?? "some";
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
