// Defines what the peers share: weights of GPT-2's shape, batches, and the timing of steps.

/** A generator of uniform numbers in -1..1, determined by the seed. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** `make(values, shape)` creates a tensor of the peer. */
export function weights({ vocabulary, context, layers, width }, make) {
  const random = generator(1);
  const filled = (shape, value) => make(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, value), shape);
  // Uniform with the standard deviation of GPT-2's normal distribution.
  const matrix = (rows, columns) => filled([rows, columns], () => random() * 0.02 * Math.sqrt(3));
  const linear = (inputs, outputs) => ({ weight: matrix(inputs, outputs), bias: filled([outputs], () => 0) });
  const norm = () => ({ gain: filled([width], () => 1), bias: filled([width], () => 0) });
  return {
    tokens: matrix(vocabulary, width),
    positions: matrix(context, width),
    blocks: Array.from({ length: layers }, () => ({
      norm1: norm(),
      qkv: linear(width, 3 * width),
      out: linear(width, width),
      norm2: norm(),
      up: linear(width, 4 * width),
      down: linear(4 * width, width),
    })),
    norm: norm(),
  };
}

/** Batches of random ids, where each target follows from its input, so that there is something to learn. */
export function batches({ vocabulary, batch, context }) {
  const random = generator(2);
  return () => {
    const inputs = Int32Array.from({ length: batch * context }, () => {
      const id = Math.floor(((random() + 1) / 2) * vocabulary);
      return id % vocabulary;
    });
    return { inputs, targets: inputs.map((id) => (id * 7 + 3) % vocabulary) };
  };
}

/** Target for the milliseconds between two read-backs of losses, and the most steps in between: the same as Lorito's. */
const readEvery = 150;
const mostUnread = 32;

/**
 * Trains for `seconds` after a warm-up; tokens per second and the first and last loss. `begin` begins a step and may return
 * before its end; `read` waits for all steps and returns the losses since the last read-back.
 */
export async function timed(tokens, seconds, { begin, read }) {
  const began = performance.now();
  await begin();
  const losses = await read();
  const millisecondsToFirstLoss = performance.now() - began;
  let readAfter = 1;
  const trainUntil = async (time) => {
    let steps = 0;
    do {
      const from = performance.now();
      for (let step = 0; step < readAfter; step++) await begin();
      losses.push(...(await read()));
      steps += readAfter;
      const fitting = Math.round((readEvery * readAfter) / (performance.now() - from));
      readAfter = Math.min(Math.max(fitting, 1), mostUnread);
    } while (performance.now() < time);
    return steps;
  };
  // The cost of a step changes while the browser optimises the code; a peer with minutes per step skips this.
  if (millisecondsToFirstLoss < 10_000) await trainUntil(performance.now() + seconds * 100);
  const from = performance.now();
  const steps = await trainUntil(from + seconds * 1000);
  const tokensPerSecond = (steps * tokens * 1000) / (performance.now() - from);
  return { tokensPerSecond, steps, millisecondsToFirstLoss, firstLoss: losses[0], lastLoss: losses.at(-1) };
}
