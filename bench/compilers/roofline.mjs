// The least time of a step on three GPUs: a kernel takes as long as its arithmetic at the peak of the processors that its groups
// occupy, or as its bytes at the peak of the memory.

/** FLOP/s (f32, without tensor cores), bytes/s, and processors: NVIDIA's SM, Apple's cores, Intel's subslices of 16 EU. */
const gpus = {
  "RTX 4070": { flop: 29e12, bytes: 504e9, processors: 46 },
  "Apple M2": { flop: 3.6e12, bytes: 100e9, processors: 10 },
  "Iris Xe": { flop: 1.7e12, bytes: 50e9, processors: 6 },
};

/** Seconds of a dispatch. Groups come in waves, one a processor at least, and the last wave may be incomplete. */
function seconds({ groups, flop, bytes }, gpu) {
  const full = groups / gpu.processors / Math.ceil(groups / gpu.processors);
  return Math.max(flop / gpu.flop / full, bytes / gpu.bytes);
}

const sum = (list, of) => list.reduce((all, one) => all + of(one), 0);

/** The rows of the table, and the last one for the whole step. */
export function roofline(kernels) {
  const rows = kernels.map(({ name, dispatches }) => ({ name, dispatches }));
  rows.push({ name: "the step", dispatches: kernels.flatMap(({ dispatches }) => dispatches) });
  return rows.map(({ name, dispatches }) => ({
    name,
    times: dispatches.length,
    gflop: sum(dispatches, ({ flop }) => flop) / 1e9,
    gigabytes: sum(dispatches, ({ bytes }) => bytes) / 1e9,
    groups: dispatches.map(({ groups }) => groups),
    milliseconds: Object.fromEntries(
      Object.entries(gpus).map(([gpu, of]) => [gpu, 1000 * sum(dispatches, (dispatch) => seconds(dispatch, of))]),
    ),
  }));
}
