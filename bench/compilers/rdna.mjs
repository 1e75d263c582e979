// Reads the assembly of AMD's RDNA GPUs, as Mesa's driver prints it.

/** A multiply-add of any precision and encoding; two dots of f16 in one instruction included. */
const multiplyAdd =
  /^v_(dual_|pk_)?(fma|fmac|mad|mac|fmaak|fmamk|madak|madmk|fma_mix|fma_mixlo|fma_mixhi|dot2c?|dot2acc)_?(f16|f32|f32_f16|lo_f16|hi_f16|mix)/;
const multiplyAdds = (name) => (multiplyAdd.test(name) || /^v_(fma_mix|pk_fma)/.test(name) ? 1 : 0);

/** Bytes that an instruction loads from workgroup memory for each thread; 0 if it is none. */
function loaded(name) {
  const [, two, bits] = name.match(/^ds_(?:read|load)(2|2st64|_2addr|_2addr_stride64)?_(?:[ui](?=\d))?b?(\d+)/) ?? [];
  return bits ? (Number(bits) / 8) * (two ? 2 : 1) : 0;
}

/** Bytes that an instruction loads from a buffer for each thread; 0 if it is none. */
function fetched(name) {
  const [, words] = name.match(/^(?:buffer|global|flat)_load_(?:dwordx?|b)(\d*)/) ?? [];
  if (words === undefined) return 0;
  return name.includes("dword") ? 4 * Number(words || 1) : Number(words) / 8;
}

/** Counts of a list of instructions. Both halves of RDNA3's dual instructions count. */
function count(lines) {
  const counts = { vector: 0, multiplyAdds: 0, barriers: 0, loads: {}, fetches: {} };
  for (const line of lines) {
    for (const half of line.split(" :: ")) {
      const [name] = half.trim().split(/\s/);
      if (name.startsWith("v_")) counts.vector += 1;
      counts.multiplyAdds += multiplyAdds(name);
      if (name === "s_barrier") counts.barriers += 1;
      const from = [
        ["loads", loaded(name)],
        ["fetches", fetched(name)],
      ];
      for (const [kind, bytes] of from) if (bytes > 0) counts[kind][bytes] = (counts[kind][bytes] ?? 0) + 1;
    }
  }
  return counts;
}

/** The innermost loop with the most multiply-adds; all instructions if no loop has any. */
function hotLoop(lines) {
  const labels = new Map();
  const loops = [];
  for (const [at, line] of lines.entries()) {
    const label = line.match(/^(BB\d+):/);
    if (label) labels.set(label[1], at);
    const branch = line.match(/^\s*s_c?branch\w*\s+(BB\d+)/);
    if (branch && labels.has(branch[1])) loops.push([labels.get(branch[1]), at + 1]);
  }
  const inside = ([from, to], [start, end]) => start <= from && to <= end && end - start > to - from;
  const with_ = loops.filter((loop) => count(lines.slice(...loop)).multiplyAdds > 0);
  const innermost = with_.filter((outer) => !with_.some((loop) => inside(loop, outer)));
  const most = innermost.toSorted(
    (a, b) => count(lines.slice(...b)).multiplyAdds - count(lines.slice(...a)).multiplyAdds,
  )[0];
  return most ? lines.slice(...most) : undefined;
}

/** The figures of a compiled kernel: the driver's statistics, and counts of its hot loop and of all of it. */
export function figuresOf({ statistics, assembly }) {
  const lines = assembly.split("\n").filter((line) => line.trim() !== "");
  const loop = hotLoop(lines);
  const whole = count(lines);
  const hot = loop ? count(loop) : whole;
  return {
    registers: statistics.VGPRs,
    spills: statistics["Spilled VGPRs"] + statistics["Spilled SGPRs"],
    scratch: statistics["Scratch size"],
    workgroupMemory: statistics["LDS size"],
    wavesPerSimd: statistics["Subgroups per SIMD"],
    subgroup: statistics.Subgroup,
    instructions: statistics.Instructions,
    latency: statistics.Latency,
    inverseThroughput: statistics["Inverse Throughput"],
    inLoop: loop !== undefined,
    hot,
    whole,
    useful: hot.multiplyAdds / Math.max(hot.vector, 1),
    loads: hot.loads,
    fetches: hot.fetches,
    assembly,
  };
}
