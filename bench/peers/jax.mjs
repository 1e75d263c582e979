// GPT-2's training step in jax-js: forward, backward and AdamW in one `jit`. Runs in the browser and in Node.
import { blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { batches, timed, weights } from "./gpt2.mjs";

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

/** `inputs` and `targets`: `[batch * context]` ids. */
function loss(params, inputs, targets, config) {
  const { vocabulary, batch, context, width } = config;
  // A lookup needs less arithmetic, but its gradient does not compile in a `jit` of this version ("routine primitive scatter
  // input is not imm").
  const rows = np.matmul(nn.oneHot(inputs, vocabulary), params.tokens.ref);
  let x = rows
    .reshape([batch, context, width])
    .add(params.positions)
    .reshape([batch * context, width]);
  for (const block of params.blocks) {
    const attended = attention(linear(layerNorm(x.ref, block.norm1), block.qkv), config);
    x = x.add(linear(attended, block.out));
    x = x.add(linear(gelu(linear(layerNorm(x.ref, block.norm2), block.up)), block.down));
  }
  const logits = np.matmul(layerNorm(x, params.norm), np.transpose(params.tokens));
  return nn
    .logSoftmax(logits, -1)
    .mul(nn.oneHot(targets, vocabulary))
    .sum()
    .mul(-1 / (batch * context));
}

/** AdamW; `correction`: the factors of the bias correction. */
function adamw(param, gradient, first, second, correction, learningRate) {
  const m = first.mul(0.9).add(gradient.ref.mul(0.1));
  const v = second.mul(0.99).add(gradient.ref.mul(gradient).mul(0.01));
  const step = m.ref.mul(correction[0]).div(np.sqrt(v.ref.mul(correction[1])).add(1e-8));
  const decay = param.ndim === 2 ? 1 - learningRate * 0.1 : 1;
  return [param.mul(decay).sub(step.mul(learningRate)), m, v];
}

/** Tokens per second and the first and last loss, on "webgpu" or "wasm". */
export async function measure(config, seconds, device) {
  await init(device);
  defaultDevice(device);
  const learningRate = 1e-3;
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
  const nextBatch = batches(config);
  let params = weights(config, (values, shape) => np.array(values).reshape(shape));
  let firsts = tree.map((x) => np.zeros(x.shape), tree.ref(params));
  let moments = tree.map((x) => np.zeros(x.shape), tree.ref(params));
  let unread = [];
  let done = 0;
  return timed(config.batch * config.context, seconds, {
    begin() {
      done += 1;
      const { inputs, targets } = nextBatch();
      const ids = [inputs, targets].map((values) => np.array(values));
      const [c0, c1] = [0.9, 0.99].map((beta) => np.array([1 / (1 - beta ** done)]));
      let value;
      [value, params, firsts, moments] = step(params, firsts, moments, ...ids, c0, c1);
      unread.push(value);
    },
    async read() {
      const losses = [];
      for (const value of unread) losses.push((await value.data())[0]);
      unread = [];
      // The loss is available after the step; awaiting the weights as well ensures that no work is queued.
      await blockUntilReady(tree.ref(params));
      return losses;
    },
  });
}
