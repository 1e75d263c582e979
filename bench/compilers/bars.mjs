// Holds the figures of kernels against the bars in bars.json. A bar has
// - `figure`: threads, memory (workgroup memory in bytes) or groups of a kernel; gigabytes of a step; or what a compiler says:
//   registers, spills, scratch, waves, useful, load (bytes of the narrowest load from workgroup memory), refused;
// - `most` or `least`, the bar;
// - `compiler`, for what one says, and `since`, the first version of Mesa that the bar is for;
// - `kernels`: products, attention, others, or a pattern of names; `models`; `with`, a kernel of the choice; `chosen`: only what
//   the choice has that a GPU is expected to make; `in`: f32 or f16. All that is not said. Gigabytes are those of that choice in
//   f32.
import { readFile } from "node:fs/promises";
import path from "node:path";

const ofKernel = {
  threads: ({ threads }) => threads,
  memory: ({ workgroupMemory }) => workgroupMemory,
  groups: ({ dispatches }) => Math.min(...dispatches.map(({ groups }) => groups)),
};
const ofCompiler = {
  registers: ({ registers }) => registers,
  spills: ({ spills }) => spills,
  scratch: ({ scratch }) => scratch,
  waves: ({ wavesPerSimd }) => wavesPerSimd,
  useful: ({ useful }) => useful,
  load: ({ loads }) => Math.min(...Object.keys(loads).map(Number)),
  // An error breaks every bar.
  refused: () => 0,
};

const attention = "^(attention_|query_gradient|key_gradient)";
const products = "^product_kernel";
const patterns = { attention, products, others: `^(?!${attention}|${products})` };

const inWords = ({ figure, most, least, compiler, kernels, models, with: part, chosen, in: precision }) =>
  [
    compiler,
    kernels,
    models?.join(","),
    part,
    chosen && "chosen",
    precision,
    figure,
    most === undefined ? `>= ${least}` : `<= ${most}`,
  ]
    .filter(Boolean)
    .join(" ");

/**
 * Tests the bars of the models and compilers that were asked for. Resolves with the words of each, and what breaks it, or why it
 * cannot be tested.
 */
export async function tested({ kernels, steps, compiled, missing, versions }) {
  const bars = JSON.parse(await readFile(path.join(import.meta.dirname, "bars.json"), "utf8"));
  const asked = ({ compiler, models }) =>
    (!compiler || compiler in compiled || compiler in missing) && (!models || models.some((model) => model in kernels));
  return bars.filter(asked).map((bar) => {
    const { compiler, since } = bar;
    const of = { bar: inWords(bar), broken: [] };
    if (compiler && !compiled[compiler])
      return { ...of, skipped: `${compiler}: ${missing[compiler] ?? "not asked for"}` };
    if (since && versions[compiler] < since) {
      return { ...of, skipped: `${compiler}: Mesa ${versions[compiler]} is older than ${since}` };
    }
    const cases = bar.figure === "gigabytes" ? stepsOf(bar, steps) : casesOf(bar, kernels);
    if (cases.length === 0) return { ...of, broken: ["no kernel is of this name"] };
    return { ...of, broken: cases.flatMap((one) => broken(bar, one, compiled[compiler]) ?? []) };
  });
}

/** The kernels that a bar is for. */
function casesOf({ kernels: pattern = "", models, with: part, chosen, in: precision }, kernels) {
  const fits = (kernel) =>
    new RegExp(patterns[pattern] ?? pattern).test(kernel.name) &&
    (!part || kernel.with === part) &&
    (!chosen || kernel.chosen) &&
    (!precision || kernel.precisions.includes(precision));
  const fitting = Object.entries(kernels).filter(([model]) => models?.includes(model) ?? true);
  return fitting.flatMap(([model, of]) => of.filter(fits).map((kernel) => ({ model, kernel })));
}

function stepsOf({ models }, steps) {
  const fitting = Object.entries(steps).filter(([model]) => models?.includes(model) ?? true);
  return fitting.map(([model, [{ kernels }]]) => {
    const bytes = kernels.flatMap(({ dispatches }) => dispatches.map(({ bytes }) => bytes));
    return { model, gigabytes: bytes.reduce((all, one) => all + one, 0) / 1e9 };
  });
}

function broken({ figure, most = Infinity, least = -Infinity }, { model, kernel, gigabytes }, results) {
  const got = kernel && results?.[kernel.id];
  if (got?.error) return `${model} ${kernel.id}: ${got.error}`;
  const value = gigabytes ?? ofKernel[figure]?.(kernel) ?? ofCompiler[figure]?.(got);
  if (value === undefined) throw new Error(`a bar has the unknown figure ${figure}`);
  if (value <= most && value >= least) return undefined;
  return `${model} ${kernel?.id ?? "the step"}: ${Math.round(1000 * value) / 1000}`;
}
