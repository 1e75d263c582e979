// Formats kernels, and what compilers make of them, as tables: a line a kernel.

/** `columns`: title and value of a row each; the first `texts` are left-aligned. Missing values are shown as -. */
function formatted(columns, rows, texts) {
  const lines = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, of]) => String(of(row) ?? "-"))),
  ];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  const cell = (value, at) => (at < texts ? value.padEnd(widths[at]) : value.padStart(widths[at]));
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}

const percent = (share) => `${Math.round(100 * share)} %`;
/** Numbers of loads by their bytes, such as `16x4 4x16`. */
const byBytes = (counts) =>
  Object.entries(counts)
    .map(([bytes, number]) => `${number}x${bytes}`)
    .join(" ") || "-";
const range = (numbers) => [...new Set([Math.min(...numbers), Math.max(...numbers)])].join("-");

const ofKernel = [
  ["kernel", (kernel) => kernel.name],
  ["with", (kernel) => (kernel.chosen ? kernel.with : `(${kernel.with})`)],
  ["in", (kernel) => kernel.precisions.join(" ")],
  ["times", (kernel) => kernel.dispatches.length],
  ["groups", (kernel) => range(kernel.dispatches.map(({ groups }) => groups))],
  ["threads", (kernel) => kernel.threads],
  ["memory", (kernel) => kernel.workgroupMemory],
];
const figures = {
  registers: (got) => got.registers,
  spills: (got) => got.spills,
  scratch: (got) => got.scratch,
  waves: (got) => got.wavesPerSimd,
  lanes: (got) => got.lanes,
  useful: (got) => (got.useful === undefined ? undefined : `${percent(got.useful)}${got.inLoop ? "" : "*"}`),
  loads: (got) => got.loads && byBytes(got.loads),
  fetches: (got) => got.fetches && byBytes(got.fetches),
  lines: (got) => got.lines,
};

export const legend = `with: the kernel of the choice that it belongs to; in brackets if the choice that a GPU is expected to make has another one in its
place. in: f32 or f16. times: dispatches a step. memory: workgroup memory in bytes.
AMD (RDNA): spills in registers, scratch in bytes a wave; waves: that fit a SIMD at once; useful: multiply-adds of all vector
instructions in the innermost loop with the most of them, * in the whole kernel; loads from workgroup memory and fetches from
buffers in that loop, number x bytes a thread. NVIDIA (Ada): spills in bytes a thread; loads in the whole kernel.
Intel (Xe): registers of 32 bytes for so many lanes at once; scratch, which is what is spilled, in bytes for these. Metal: lines of naga's.`;

/** What each compiler makes of the kernels; `compilers`: results by the compiler's name. */
export function table(kernels, compilers) {
  const shown = Object.entries(compilers).flatMap(([compiler, results]) => {
    const of = (figure) => (kernel) => {
      const got = results[kernel.id];
      return got && !got.error ? figures[figure](got) : undefined;
    };
    const known = Object.keys(figures).filter((figure) => kernels.some((kernel) => of(figure)(kernel) !== undefined));
    return known.map((figure) => [`${compiler} ${figure}`, of(figure)]);
  });
  return formatted([...ofKernel, ...shown], kernels, 3);
}

/** The least times of `roofline`. */
export function leastTimes(rows) {
  const gpus = Object.keys(rows[0].milliseconds).flatMap((gpu) => [
    [`${gpu} ms`, ({ milliseconds }) => milliseconds[gpu].toFixed(3)],
  ]);
  const columns = [
    ["kernel", ({ name }) => name],
    ["times", ({ times }) => times],
    ["GFLOP", ({ gflop }) => (gflop === 0 ? undefined : gflop.toFixed(2))],
    ["GB", ({ gigabytes }) => gigabytes.toFixed(3)],
    ["groups", ({ groups }) => range(groups)],
    ...gpus,
  ];
  return formatted(columns, rows, 1);
}
