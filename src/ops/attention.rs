//! Causal self-attention (Vaswani et al. 2017): every token looks at itself and what came before it.

use burn::tensor::{Tensor, activation::softmax};

use super::{
    Dropout,
    exponential::exp,
    host::{Host, host, on_host},
    product::{Matrix, MatrixMut, multiply},
};

/// Query rows that the CPU handles at once: the keys after the block's last row are never looked at.
const BLOCK: usize = 64;

/// What attention is computed from.
pub struct AttentionInputs {
    /// Query, key and value side by side, `[batch * time, 3 * width]`.
    pub qkv: Tensor<2>,
    pub batch: usize,
    pub heads: usize,
}

/// What the backward pass needs.
pub struct AttentionSaved {
    inputs: AttentionInputs,
    /// The softmax, `[batch, heads, time, time]`.
    probabilities: Tensor<4>,
    /// The dropout mask on it.
    mask: Option<Tensor<4>>,
}

/// -> `[batch * time, width]`, before the output projection.
pub fn attention(inputs: AttentionInputs, dropout: Option<&Dropout>) -> (Tensor<2>, AttentionSaved) {
    let shape = Shape::of(&inputs);
    let mask = dropout.map(|dropout| dropout.mask([shape.batch, shape.heads, shape.time, shape.time]));
    let (y, probabilities) = if on_host(&inputs.qkv.device()) {
        fused(&inputs.qkv, shape, mask.as_ref())
    } else {
        let scores = shape.scores(&inputs.qkv);
        let later = Tensor::<2>::ones([shape.time, shape.time], &scores.device()).triu(1) * -1e9;
        let probabilities = softmax(scores + later.unsqueeze(), 3);
        let kept = masked(probabilities.clone(), mask.as_ref());
        (shape.weighted(kept, &inputs.qkv), probabilities)
    };
    (y, AttentionSaved { inputs, probabilities, mask })
}

/// The gradient with respect to `qkv`, `[batch * time, 3 * width]`, from that of the output, `[batch * time, width]`.
pub fn attention_backward(saved: AttentionSaved, gradient: Tensor<2>) -> Tensor<2> {
    let shape = Shape::of(&saved.inputs);
    let AttentionSaved { inputs: AttentionInputs { qkv, .. }, probabilities, mask } = saved;
    if on_host(&gradient.device()) {
        return fused_backward(&qkv, shape, &probabilities, mask.as_ref(), &gradient);
    }
    let kept = masked(probabilities.clone(), mask.as_ref());
    let kept_gradient = masked(shape.weights_gradient(&gradient, &qkv), mask.as_ref()) * probabilities.clone();
    let along = kept_gradient.clone().sum_dim(3);
    let scores = kept_gradient - probabilities * along;
    shape.qkv_gradient(kept, scores, gradient, qkv)
}

/// One new token's attention over a cache: `query [1, width]`, `keys` and `values [past, width]` -> `[1, width]`.
pub fn attend(query: Tensor<2>, keys: Tensor<2>, values: Tensor<2>, heads: usize) -> Tensor<2> {
    let [past, width] = keys.dims();
    let head_width = width / heads;
    let by_head = |x: Tensor<2>, rows| x.reshape([rows, heads, head_width]).swap_dims(0, 1);
    let scale = 1.0 / (head_width as f32).sqrt();
    let scores = by_head(query, 1).matmul(by_head(keys, past).transpose()) * scale;
    softmax(scores, 2).matmul(by_head(values, past)).reshape([1, width])
}

fn masked(x: Tensor<4>, mask: Option<&Tensor<4>>) -> Tensor<4> {
    match mask {
        Some(mask) => x * mask.clone(),
        None => x,
    }
}

#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    time: usize,
    heads: usize,
    head_width: usize,
}

impl Shape {
    fn of(inputs: &AttentionInputs) -> Self {
        let [rows, columns] = inputs.qkv.dims();
        Self {
            batch: inputs.batch,
            time: rows / inputs.batch,
            heads: inputs.heads,
            head_width: columns / 3 / inputs.heads,
        }
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_width as f32).sqrt()
    }

    /// `[batch * time, 3 * width]` -> three of `[batch, heads, time, head width]`
    fn split(self, qkv: Tensor<2>) -> [Tensor<4>; 3] {
        let width = self.heads * self.head_width;
        [0, 1, 2].map(|part| {
            qkv.clone()
                .slice([0..self.batch * self.time, part * width..(part + 1) * width])
                .reshape([self.batch, self.time, self.heads, self.head_width])
                .swap_dims(1, 2)
        })
    }

    /// `[batch, heads, time, head width]` -> `[batch * time, width]`
    fn join(self, x: Tensor<4>) -> Tensor<2> {
        x.swap_dims(1, 2).reshape([self.batch * self.time, self.heads * self.head_width])
    }

    /// The sizes for our own kernel, where there is a GPU and it serves these shapes.
    #[cfg(target_arch = "wasm32")]
    fn on_gpu(self, qkv: &Tensor<2>) -> Option<super::gpu::AttentionSizes> {
        let Self { batch: windows, time, heads, head_width } = self;
        let sizes = super::gpu::AttentionSizes { windows, time, heads, head_width };
        (!on_host(&qkv.device()) && sizes.served(qkv)).then_some(sizes)
    }

    /// Scaled products of queries and keys, `[batch, heads, time, time]`
    fn scores(self, qkv: &Tensor<2>) -> Tensor<4> {
        #[cfg(target_arch = "wasm32")]
        if let Some(sizes) = self.on_gpu(qkv) {
            return sizes.scores(qkv, self.scale());
        }
        let [query, key, _] = self.split(qkv.clone());
        query.matmul(key.transpose()) * self.scale()
    }

    /// Values weighted by `[batch, heads, time, time]`, `[batch * time, width]`
    fn weighted(self, weights: Tensor<4>, qkv: &Tensor<2>) -> Tensor<2> {
        #[cfg(target_arch = "wasm32")]
        if let Some(sizes) = self.on_gpu(qkv) {
            return sizes.weighted(&weights, qkv);
        }
        let [_, _, value] = self.split(qkv.clone());
        self.join(weights.matmul(value))
    }

    /// The gradient of the weights, from that of the output, `[batch * time, width]`
    fn weights_gradient(self, gradient: &Tensor<2>, qkv: &Tensor<2>) -> Tensor<4> {
        #[cfg(target_arch = "wasm32")]
        if let Some(sizes) = self.on_gpu(qkv) {
            return sizes.weights_gradient(gradient, qkv);
        }
        let [_, _, value] = self.split(qkv.clone());
        self.by_head(gradient.clone()).matmul(value.transpose())
    }

    /// The gradient of `qkv`, from the weights and the gradients of scores and output
    fn qkv_gradient(self, weights: Tensor<4>, scores: Tensor<4>, gradient: Tensor<2>, qkv: Tensor<2>) -> Tensor<2> {
        #[cfg(target_arch = "wasm32")]
        if let Some(sizes) = self.on_gpu(&qkv) {
            return sizes.qkv_gradient(&weights, &scores, &gradient, &qkv, self.scale());
        }
        let [query, key, _] = self.split(qkv);
        let scores = scores * self.scale();
        let parts = [
            scores.clone().matmul(key),
            scores.transpose().matmul(query),
            weights.transpose().matmul(self.by_head(gradient)),
        ];
        Tensor::cat(parts.map(|part| self.join(part)).to_vec(), 1)
    }

    /// `[batch * time, width]` -> `[batch, heads, time, head width]`
    fn by_head(self, x: Tensor<2>) -> Tensor<4> {
        x.reshape([self.batch, self.time, self.heads, self.head_width]).swap_dims(1, 2)
    }

    /// Runs `each(row of the first token, first column, first probability)` for every window and head.
    fn each_head(self, mut each: impl FnMut(usize, usize, usize)) {
        for batch in 0..self.batch {
            for head in 0..self.heads {
                let index = batch * self.heads + head;
                each(batch * self.time, head * self.head_width, index * self.time * self.time);
            }
        }
    }
}

fn fused(qkv: &Tensor<2>, shape: Shape, mask: Option<&Tensor<4>>) -> (Tensor<2>, Tensor<4>) {
    let Shape { batch, time, heads, head_width } = shape;
    let (device, width) = (qkv.device(), heads * head_width);
    let qkv = host(qkv).expect("on the host");
    let mask = mask.map(|mask| host(mask).expect("on the host"));
    let mut probabilities = vec![0.0f32; batch * heads * time * time];
    let mut kept = vec![0.0f32; if mask.is_some() { BLOCK * time } else { 0 }];
    let mut y = vec![0.0f32; batch * time * width];
    shape.each_head(|row, column, start| {
        for first in (0..time).step_by(BLOCK) {
            let past = (first + BLOCK).min(time);
            let rows = past - first;
            let query = Matrix::new(qkv.values(), (row + first) * 3 * width + column, 3 * width, 1);
            let key = Matrix::new(qkv.values(), row * 3 * width + width + column, 3 * width, 1);
            let value = Matrix::new(qkv.values(), row * 3 * width + 2 * width + column, 3 * width, 1);
            let block = &mut probabilities[start + first * time..][..rows * time];
            multiply(rows, past, head_width, shape.scale(), query, key.transposed(), MatrixMut::new(block, 0, time, 1));
            for (index, scores) in block.chunks_exact_mut(time).enumerate() {
                softmax_in_place(&mut scores[..past], first + index + 1);
            }
            let block = match &mask {
                None => &*block,
                Some(mask) => {
                    let mask = &mask.values()[start + first * time..][..rows * time];
                    kept.iter_mut().zip(block.iter().zip(mask)).for_each(|(kept, (p, mask))| *kept = p * mask);
                    &kept[..]
                }
            };
            let y = MatrixMut::new(&mut y, (row + first) * width + column, width, 1);
            multiply(rows, head_width, past, 1.0, Matrix::new(block, 0, time, 1), value, y);
        }
    });
    (
        super::tensor(y, [batch * time, width], &device),
        super::tensor(probabilities, [batch, heads, time, time], &device),
    )
}

/// Softmax over the first `visible` scores; the rest become 0.
fn softmax_in_place(scores: &mut [f32], visible: usize) {
    let (seen, later) = scores.split_at_mut(visible);
    later.fill(0.0);
    let largest = seen.iter().fold(f32::NEG_INFINITY, |largest, &score| largest.max(score));
    seen.iter_mut().for_each(|score| *score = exp(*score - largest));
    let inverse = 1.0 / seen.iter().sum::<f32>();
    seen.iter_mut().for_each(|score| *score *= inverse);
}

fn fused_backward(
    qkv: &Tensor<2>,
    shape: Shape,
    probabilities: &Tensor<4>,
    mask: Option<&Tensor<4>>,
    gradient: &Tensor<2>,
) -> Tensor<2> {
    let Shape { batch, time, heads, head_width } = shape;
    let (device, width) = (qkv.device(), heads * head_width);
    let [qkv, gradient] = [qkv, gradient].map(|tensor| host(tensor).expect("on the host"));
    let probabilities = host(probabilities).expect("on the host");
    let mask: Option<Host> = mask.map(|mask| host(mask).expect("on the host"));
    let mut scores = vec![0.0f32; BLOCK * time];
    let mut kept = vec![0.0f32; if mask.is_some() { BLOCK * time } else { 0 }];
    let mut out = vec![0.0f32; batch * time * 3 * width];
    shape.each_head(|row, column, start| {
        let part = |index: usize| row * 3 * width + index * width + column;
        for first in (0..time).step_by(BLOCK) {
            let past = (first + BLOCK).min(time);
            let rows = past - first;
            let query = Matrix::new(qkv.values(), part(0) + first * 3 * width, 3 * width, 1);
            let key = Matrix::new(qkv.values(), part(1), 3 * width, 1);
            let value = Matrix::new(qkv.values(), part(2), 3 * width, 1);
            let dy = Matrix::new(gradient.values(), (row + first) * width + column, width, 1);
            let block = &probabilities.values()[start + first * time..][..rows * time];
            multiply(rows, past, head_width, 1.0, dy, value.transposed(), MatrixMut::new(&mut scores, 0, time, 1));
            let kept_block = match &mask {
                None => block,
                Some(mask) => {
                    let mask = &mask.values()[start + first * time..][..rows * time];
                    kept.iter_mut().zip(block.iter().zip(mask)).for_each(|(kept, (p, mask))| *kept = p * mask);
                    scores.iter_mut().zip(mask).for_each(|(score, mask)| *score *= mask);
                    &kept[..]
                }
            };
            let dv = MatrixMut::new(&mut out, part(2), 3 * width, 1).adding();
            multiply(past, head_width, rows, 1.0, Matrix::new(kept_block, 0, time, 1).transposed(), dy, dv);
            for (scores, p) in scores.chunks_exact_mut(time).zip(block.chunks_exact(time)) {
                let (scores, p) = (&mut scores[..past], &p[..past]);
                let along: f32 = scores.iter().zip(p).map(|(score, p)| score * p).sum();
                scores.iter_mut().zip(p).for_each(|(score, p)| *score = p * (*score - along));
            }
            let ds = Matrix::new(&scores, 0, time, 1);
            let dq = MatrixMut::new(&mut out, part(0) + first * 3 * width, 3 * width, 1);
            multiply(rows, head_width, past, shape.scale(), ds, key, dq);
            let dk = MatrixMut::new(&mut out, part(1), 3 * width, 1).adding();
            multiply(past, head_width, rows, shape.scale(), ds.transposed(), query, dk);
        }
    });
    super::tensor(out, [batch * time, 3 * width], &device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_gradient, random, values, with_both_bodies};

    fn inputs(qkv: Tensor<2>, batch: usize, heads: usize) -> AttentionInputs {
        AttentionInputs { qkv, batch, heads }
    }

    #[test]
    fn gradient_matches_finite_differences() {
        with_both_bodies(|| {
            let (qkv, out) = (random([2 * 5, 3 * 6], 1), random([2 * 5, 6], 2));
            let (_, saved) = attention(inputs(qkv.clone(), 2, 3), None);
            let gradient = attention_backward(saved, out.clone());
            assert_gradient(&qkv, &gradient, |qkv| (attention(inputs(qkv, 2, 3), None).0 * out.clone()).sum());
        });
    }

    #[test]
    fn long_windows_equal_plain_operations() {
        with_both_bodies(|| {
            // 150 tokens: two full blocks of queries and an odd rest.
            let (batch, heads, time) = (2, 2, 150);
            let (qkv, out) = (random([batch * time, 3 * 8], 3), random([batch * time, 8], 4));
            let (y, saved) = attention(inputs(qkv.clone(), batch, heads), None);
            let shape = Shape::of(&saved.inputs);
            let [query, key, value] = shape.split(qkv.clone());
            let later = Tensor::<2>::ones([time, time], &qkv.device()).triu(1) * -1e9;
            let plain = softmax(query.matmul(key.transpose()) * shape.scale() + later.unsqueeze(), 3);
            let close = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < 1e-5));
            close(values(&saved.probabilities), values(&plain));
            close(values(&y), values(&shape.join(plain.clone().matmul(value.clone()))));
            let dy = out.clone().reshape([batch, time, heads, 4]).swap_dims(1, 2);
            let value_gradient = shape.join(plain.transpose().matmul(dy));
            let gradient = attention_backward(saved, out);
            close(values(&gradient.slice([0..batch * time, 16..24])), values(&value_gradient));
        });
    }

    #[test]
    fn one_token_over_a_cache_equals_the_last_row() {
        with_both_bodies(|| {
            let qkv = random([7, 12], 5);
            let (y, _) = attention(inputs(qkv.clone(), 1, 2), None);
            let part = |from: usize, rows: std::ops::Range<usize>| qkv.clone().slice([rows, from..from + 4]);
            let cached = attend(part(0, 6..7), part(4, 0..7), part(8, 0..7), 2);
            for (a, b) in values(&cached).iter().zip(values(&y.slice([6..7, 0..4]))) {
                assert!((a - b).abs() < 1e-6);
            }
        });
    }
}
