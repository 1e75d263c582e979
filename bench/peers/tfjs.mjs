// GPT-2's training step in TensorFlow.js on its WebGPU backend. It has no fused layer norm or attention with gradients,
// and no AdamW: all are plain operations here.
import { batches, timed, weights } from "./gpt2.mjs";
import * as tf from "./tfjs-bundle.mjs";

const { add, div, matMul, mul, reshape, sub } = tf;

const linear = (x, { weight, bias }) => add(matMul(x, weight), bias);

function layerNorm(x, { gain, bias }) {
  const { mean, variance } = tf.moments(x, -1, true);
  const standardized = mul(sub(x, mean), tf.rsqrt(add(variance, 1e-5)));
  return add(mul(standardized, gain), bias);
}

function gelu(x) {
  const cube = mul(mul(mul(x, x), x), 0.044715);
  const inner = mul(add(x, cube), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tf.tanh(inner), 1));
}

function attention(qkv, mask, { batch, context, heads, width }) {
  const head = width / heads;
  const [query, key, value] = tf
    .split(qkv, 3, -1)
    .map((part) => tf.transpose(reshape(part, [batch, context, heads, head]), [0, 2, 1, 3]));
  const scores = mul(matMul(query, key, false, true), 1 / Math.sqrt(head));
  const y = matMul(tf.softmax(add(scores, mask)), value);
  return reshape(tf.transpose(y, [0, 2, 1, 3]), [batch * context, width]);
}

/** `inputs` and `targets`: `[batch * context]` ids. */
function loss(params, mask, inputs, targets, config) {
  const { vocabulary, batch, context, width } = config;
  const embedded = reshape(tf.gather(params.tokens, inputs), [batch, context, width]);
  let x = reshape(add(embedded, params.positions), [batch * context, width]);
  for (const block of params.blocks) {
    const attended = attention(linear(layerNorm(x, block.norm1), block.qkv), mask, config);
    x = add(x, linear(attended, block.out));
    x = add(x, linear(gelu(linear(layerNorm(x, block.norm2), block.up)), block.down));
  }
  const logits = matMul(layerNorm(x, params.norm), params.tokens, false, true);
  return tf.losses.softmaxCrossEntropy(tf.oneHot(targets, vocabulary), logits);
}

/** Updates weights and moments in place. */
function adamw(variable, gradient, [first, second], step, learningRate) {
  first.assign(add(mul(first, 0.9), mul(gradient, 0.1)));
  second.assign(add(mul(second, 0.99), mul(tf.square(gradient), 0.01)));
  const [mean, square] = [div(first, 1 - 0.9 ** step), div(second, 1 - 0.99 ** step)];
  const change = mul(div(mean, add(tf.sqrt(square), 1e-8)), learningRate);
  const decay = variable.rank === 2 ? 1 - learningRate * 0.1 : 1;
  variable.assign(sub(mul(variable, decay), change));
}

/** Tokens per second and the first and last loss. */
export async function measure(config, seconds) {
  await tf.setBackend("webgpu");
  await tf.ready();
  const { batch, context } = config;
  const variables = [];
  const params = weights(config, (values, shape) => {
    const variable = tf.variable(tf.tensor(values, shape));
    variables.push(variable);
    return variable;
  });
  const moments = variables.map(({ shape }) => [0, 1].map(() => tf.variable(tf.zeros(shape), false)));
  const below = Float32Array.from({ length: context * context }, (_, at) => (at % context > at / context ? -1e9 : 0));
  const mask = tf.tensor(below, [context, context]);
  const nextBatch = batches(config);
  let unread = [];
  let done = 0;
  return timed(batch * context, seconds, {
    begin() {
      done += 1;
      const value = tf.tidy(() => {
        const { inputs, targets } = nextBatch();
        const ids = [inputs, targets].map((values) => tf.tensor1d(values, "int32"));
        const { value, grads } = tf.variableGrads(() => loss(params, mask, ...ids, config), variables);
        for (const [index, variable] of variables.entries())
          adamw(variable, grads[variable.name], moments[index], done, 1e-3);
        return value;
      });
      unread.push(value);
    },
    async read() {
      const losses = [];
      for (const value of unread) losses.push((await value.data())[0]);
      for (const value of unread) value.dispose();
      unread = [];
      // Commands run in order: once the last variable is updated, all are.
      await variables.at(-1).data();
      return losses;
    },
  });
}
