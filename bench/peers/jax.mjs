// GPT-2's training step in jax-js: forward, backward and AdamW in one `jit`. Runs in the browser and, on wasm, in Node.
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";

/** Uniform in -1..1, the same for the same seed. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function weights({ vocabulary, context, layers, width }) {
  const random = generator(1);
  const filled = (shape, value) =>
    np.array(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, value)).reshape(shape);
  // Uniform with the deviation of GPT-2's normal.
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

const linear = (x, { weight, bias }) => np.matmul(x, weight).add(bias);
const layerNorm = (x, { gain, bias }) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(gain).add(bias);

function gelu(x) {
  const cube = x.ref.mul(x.ref).mul(x.ref).mul(0.044715);
  return np
    .tanh(x.ref.add(cube).mul(Math.sqrt(2 / Math.PI)))
    .add(1)
    .mul(x)
    .mul(0.5);
}

function attention(qkv, { batch, context, heads, width }) {
  const head = width / heads;
  const parts = np.transpose(qkv.reshape([batch, context, 3, heads, head]), [2, 0, 3, 1, 4]);
  const [query, key, value] = [0, 1, 2].map((part) => (part < 2 ? parts.ref : parts).slice(part));
  const scores = np.matmul(query, np.transpose(key, [0, 1, 3, 2])).mul(1 / Math.sqrt(head));
  const mask = np
    .tril(np.ones([context, context]))
    .sub(1)
    .mul(1e9);
  const y = np.matmul(nn.softmax(scores.add(mask), -1), value);
  return np.transpose(y, [0, 2, 1, 3]).reshape([batch * context, width]);
}

/** `inputs` and `targets`: one-hot rows, `[batch * context, vocabulary]`. */
function loss(params, inputs, targets, config) {
  const { batch, context, width } = config;
  const embedded = np.matmul(inputs, params.tokens.ref).reshape([batch, context, width]);
  let x = embedded.add(params.positions).reshape([batch * context, width]);
  for (const block of params.blocks) {
    const attended = attention(linear(layerNorm(x.ref, block.norm1), block.qkv), config);
    x = x.add(linear(attended, block.out));
    x = x.add(linear(gelu(linear(layerNorm(x.ref, block.norm2), block.up)), block.down));
  }
  const logits = np.matmul(layerNorm(x, params.norm), np.transpose(params.tokens));
  return nn
    .logSoftmax(logits, -1)
    .mul(targets)
    .sum()
    .mul(-1 / (batch * context));
}

/** AdamW; `correction`: the factors that make up for the moments' start at 0. */
function adamw(param, gradient, first, second, correction, learningRate) {
  const m = first.mul(0.9).add(gradient.ref.mul(0.1));
  const v = second.mul(0.99).add(gradient.ref.mul(gradient).mul(0.01));
  const step = m.ref.mul(correction[0]).div(np.sqrt(v.ref.mul(correction[1])).add(1e-8));
  const decay = param.ndim === 2 ? 1 - learningRate * 0.1 : 1;
  return [param.mul(decay).sub(step.mul(learningRate)), m, v];
}

/** Trains for `seconds` after a warm-up; tokens a second and the first and last loss. */
export async function measure(device, config, seconds) {
  await init(device);
  defaultDevice(device);
  const { vocabulary, context, batch } = config;
  const learningRate = 1e-3;
  const rows = batch * context;
  const step = jit((params, firsts, seconds_, inputs, targets, c0, c1) => {
    const [value, gradients] = valueAndGrad((p) => loss(p, inputs, targets, config))(tree.ref(params));
    const [flat, shape] = tree.flatten(params);
    const all = [gradients, firsts, seconds_].map((part) => tree.leaves(part));
    const next = flat.map((param, index) => {
      const correction = [c0.ref, c1.ref];
      return adamw(param, all[0][index], all[1][index], all[2][index], correction, learningRate);
    });
    c0.dispose();
    c1.dispose();
    const tree_ = (part) =>
      tree.unflatten(
        shape,
        next.map((one) => one[part]),
      );
    return [value, tree_(0), tree_(1), tree_(2)];
  });
  const random = generator(2);
  // A text in which the next token follows from the one before.
  const batchOf = () => {
    const inputs = new Float32Array(rows * vocabulary);
    const targets = new Float32Array(rows * vocabulary);
    for (let row = 0; row < rows; row++) {
      const id = Math.floor(((random() + 1) / 2) * vocabulary) % vocabulary;
      inputs[row * vocabulary + id] = 1;
      targets[row * vocabulary + ((id * 7 + 3) % vocabulary)] = 1;
    }
    return [inputs, targets].map((values) => np.array(values).reshape([rows, vocabulary]));
  };
  let params = weights(config);
  let firsts = tree.map((x) => np.zeros(x.shape), tree.ref(params));
  let moments = tree.map((x) => np.zeros(x.shape), tree.ref(params));
  const losses = [];
  let done = 0;
  const one = async () => {
    done += 1;
    const [inputs, targets] = batchOf();
    const [c0, c1] = [0.9, 0.99].map((beta) => np.array([1 / (1 - beta ** done)]));
    let value;
    [value, params, firsts, moments] = step(params, firsts, moments, inputs, targets, c0, c1);
    // The loss is there when the step is done; the weights are waited for as well, so that none is left in a queue.
    await blockUntilReady(tree.ref(params));
    losses.push((await value.data())[0]);
  };
  const began = performance.now();
  await one();
  const firstLoss = performance.now() - began;
  await one();
  const from = performance.now();
  let steps = 0;
  while (performance.now() - from < seconds * 1000) {
    await one();
    steps += 1;
  }
  const tokensPerSecond = (steps * rows * 1000) / (performance.now() - from);
  return { tokensPerSecond, steps, millisecondsToFirstLoss: firstLoss, firstLoss: losses[0], lastLoss: losses.at(-1) };
}
