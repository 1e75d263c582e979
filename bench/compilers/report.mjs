// Formats kernels, and what compilers make of them, as a table: a line a kernel.

const percent = (share) => `${Math.round(100 * share)} %`;
/** Numbers of loads by their bytes, such as `16x4 4x16`. */
const byBytes = (counts) =>
  Object.entries(counts)
    .map(([bytes, number]) => `${number}x${bytes}`)
    .join(" ") || "-";
const range = ({ leastGroups, mostGroups }) =>
  leastGroups === mostGroups ? `${leastGroups}` : `${leastGroups}-${mostGroups}`;

const ofKernel = [
  ["kernel", (kernel) => kernel.name],
  ["with", (kernel) => kernel.candidates.join(" ")],
  ["in", (kernel) => kernel.precisions.join(" ")],
  ["times", (kernel) => kernel.dispatches.length],
  ["groups", range],
  ["threads", (kernel) => kernel.threads],
  ["memory", (kernel) => kernel.workgroupMemory],
];
const figures = {
  registers: (got) => got.registers,
  spills: (got) => got.spills,
  scratch: (got) => got.scratch,
  waves: (got) => got.wavesPerSimd,
  useful: (got) => (got.useful === undefined ? undefined : `${percent(got.useful)}${got.inLoop ? "" : "*"}`),
  loads: (got) => got.loads && byBytes(got.loads),
  fetches: (got) => got.fetches && byBytes(got.fetches),
  lines: (got) => got.lines,
};

export const legend = `with: the choice of kernels that uses it; in: f32 or f16; times: dispatches a step; memory, scratch: bytes (scratch of a wave);
spills: registers; waves: that fit a SIMD at once; useful: multiply-adds of all vector instructions of the innermost loop with the
most of them, * of the whole kernel; loads: from workgroup memory in that loop, number x bytes a thread; fetches: from buffers.`;

/** `compilers`: results by the compiler's name. */
export function table(kernels, compilers) {
  const shown = Object.entries(compilers).flatMap(([compiler, results]) =>
    Object.entries(figures)
      .map(([figure, of]) => [
        `${compiler} ${figure}`,
        ({ id }) => (results[id] === undefined || results[id].error ? undefined : of(results[id])),
      ])
      .filter(([, of]) => kernels.some((kernel) => of(kernel) !== undefined)),
  );
  const columns = [...ofKernel, ...shown];
  const lines = [
    columns.map(([title]) => title),
    ...kernels.map((kernel) => columns.map(([, of]) => String(of(kernel) ?? "-"))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  // Text is left-aligned, numbers are right-aligned.
  const cell = (value, at) => (at < 3 ? value.padEnd(widths[at]) : value.padStart(widths[at]));
  const errors = Object.entries(compilers).flatMap(([compiler, results]) =>
    kernels.filter(({ id }) => results[id]?.error).map(({ id }) => `${compiler} refuses ${id}: ${results[id].error}`),
  );
  return [...lines.map((line) => line.map(cell).join("  ").trimEnd()), ...errors].join("\n");
}
