//! Causal self-attention (Vaswani et al. 2017): every token attends to itself and the tokens before it.

use super::{
    CpuTensor, Device, Mask, Precision, Tensor,
    exponential::exp,
    gpu,
    product::{Matrix, MatrixMut, multiply},
};

/// Query rows that the CPU computes at once; keys after the block's last row are skipped.
const BLOCK: usize = 64;

/// Values of the forward pass that [`attention_backward`] needs.
pub struct AttentionSaved {
    shape: Shape,
    /// Dropout mask of the attention weights.
    mask: Option<Mask>,
    kept: Kept,
}

// The GPU's variant is the larger one, and only a few of either exist at a time.
#[allow(clippy::large_enum_variant)]
enum Kept {
    Cpu {
        /// Queries, keys and values side by side.
        qkv: CpuTensor<2>,
        /// `[windows, query heads, time, time]`
        weights: Vec<f32>,
    },
    /// The GPU recomputes the attention weights.
    Gpu {
        qkv: gpu::Tensor<2>,
        /// `[windows * time, width]`
        output: gpu::Tensor<2>,
        /// The logarithm of the sum of each row's exponentials, `[windows, query heads, time]`.
        sums: gpu::Tensor<3>,
    },
}

/// The number of query heads, and of key-value heads: query head `h` reads the keys and values of head
/// `h / (queries / key_values)`. Fewer of these than of queries is grouped-query attention (Ainslie et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key-value heads, which divide the query heads.
    pub key_values: usize,
}

impl Heads {
    /// A key-value head for each query head.
    pub const fn equal(heads: usize) -> Self {
        Self { queries: heads, key_values: heads }
    }

    /// Heads side by side in a token's queries, keys and values.
    pub const fn joint(self) -> usize {
        self.queries + 2 * self.key_values
    }
}

/// Where a head is, in numbers from the start of each tensor.
struct Place {
    /// Its first query, key and value in `qkv`.
    query: usize,
    key: usize,
    value: usize,
    /// Its first output.
    output: usize,
    /// Its first attention weight.
    weights: usize,
}

#[derive(Clone, Copy)]
struct Shape {
    windows: usize,
    time: usize,
    heads: Heads,
    head_width: usize,
}

impl Shape {
    fn new([rows, columns]: [usize; 2], windows: usize, heads: Heads) -> Self {
        Self { windows, time: rows / windows, heads, head_width: columns / heads.joint() }
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_width as f32).sqrt()
    }

    /// The width of the output.
    fn width(self) -> usize {
        self.heads.queries * self.head_width
    }

    /// The width of a token's queries, keys and values together.
    fn joint_width(self) -> usize {
        self.heads.joint() * self.head_width
    }

    fn sizes(self) -> gpu::AttentionSizes {
        let Self { windows, time, heads: Heads { queries, key_values }, head_width } = self;
        gpu::AttentionSizes { windows, time, heads: queries, key_value_heads: key_values, head_width }
    }

    fn place(self, window: usize, head: usize) -> Place {
        let Self { time, heads: Heads { queries, key_values }, head_width, .. } = self;
        let start = window * time * self.joint_width();
        let key = start + (queries + head / (queries / key_values)) * head_width;
        Place {
            query: start + head * head_width,
            key,
            value: key + key_values * head_width,
            output: window * time * self.width() + head * head_width,
            weights: (window * queries + head) * time * time,
        }
    }

    /// The place of every query head of every window.
    fn places(self) -> impl Iterator<Item = Place> {
        (0..self.windows).flat_map(move |window| (0..self.heads.queries).map(move |head| self.place(window, head)))
    }
}

/// Multi-head causal attention of `qkv [windows * time, heads.joint() * head width]`: all heads' queries, then their
/// keys, then their values. Returns the output before the output projection, `[windows * time, width]`, and what the
/// backward pass needs. `mask` is the dropout of the attention weights, `[windows, query heads, time, time]`; on the GPU
/// the output has the given precision.
pub fn attention(
    qkv: &Tensor<2>,
    windows: usize,
    heads: Heads,
    mask: Option<Mask>,
    precision: Precision,
) -> (Tensor<2>, AttentionSaved) {
    let shape = Shape::new(qkv.dims(), windows, heads);
    let (y, kept) = match qkv {
        Tensor::Cpu(qkv) => {
            let (y, weights) = on_cpu(qkv.values(), shape, mask);
            let y = CpuTensor::new(y, [windows * shape.time, shape.width()]);
            (y.into(), Kept::Cpu { qkv: qkv.clone(), weights })
        }
        Tensor::Gpu(qkv) => {
            let (y, sums) = gpu::attention(qkv, shape.sizes(), mask, precision);
            (y.clone().into(), Kept::Gpu { qkv: qkv.clone(), output: y, sums })
        }
    };
    (y, AttentionSaved { shape, mask, kept })
}

/// Returns the gradient with respect to `qkv`, of its shape, from that of the output, `[windows * time, width]`.
pub fn attention_backward(saved: AttentionSaved, gradient: &Tensor<2>) -> Tensor<2> {
    let AttentionSaved { shape, mask, kept } = saved;
    match kept {
        Kept::Cpu { qkv, weights } => {
            let out = on_cpu_backward(qkv.values(), shape, &weights, mask, gradient.cpu().values());
            CpuTensor::new(out, qkv.dims()).into()
        }
        Kept::Gpu { qkv, output, sums } => {
            gpu::attention_backward(&qkv, &output, &sums, gradient.gpu(), shape.sizes(), mask).into()
        }
    }
}

/// One layer's KV cache: keys and values of the tokens read so far, `[room, 2 * key-value heads * head width]`.
pub struct Past {
    /// With room for the whole context on the GPU; on the CPU it grows with the tokens, of which a context may have
    /// thousands and a text a few.
    keys_values: Tensor<2>,
    context: usize,
}

/// The number of tokens that a cache on the CPU has room for once it has any.
const LEAST_ROOM: usize = 64;

impl Past {
    /// Makes an empty cache for at most `context` tokens. `width`: that of a token's keys and values together.
    pub fn new(context: usize, width: usize, device: &Device) -> Self {
        let room = if device.gpu().is_some() { context } else { 0 };
        Self { keys_values: super::tensor(vec![0.0; room * width], [room, width], device), context }
    }

    /// Makes room for so many tokens on the CPU.
    fn make_room(&mut self, tokens: usize) {
        let [room, width] = self.keys_values.dims();
        assert!(tokens <= self.context, "{tokens} tokens in a context of {}", self.context);
        if tokens > room {
            let room = tokens.max(2 * room).max(LEAST_ROOM).min(self.context);
            let mut values = Vec::with_capacity(room * width);
            values.extend_from_slice(self.keys_values.cpu().values());
            values.resize(room * width, 0.0);
            self.keys_values = CpuTensor::new(values, [room, width]).into();
        }
    }

    /// Attention of the next tokens to themselves and all earlier ones, `[rows, query width]`. Their keys and values,
    /// which `qkv [rows, joint width]` holds after their queries, are appended to the `read` tokens that the cache
    /// already holds.
    ///
    /// # Panics
    /// When the tokens do not fit in the context.
    pub fn attend(&mut self, qkv: &Tensor<2>, read: usize, heads: Heads) -> Tensor<2> {
        let [rows, joint] = qkv.dims();
        let shape = Shape { time: read + rows, ..Shape::new([rows, joint], 1, heads) };
        match qkv {
            Tensor::Cpu(qkv) => {
                self.make_room(read + rows);
                let width = self.keys_values.dims()[1];
                let places = self.keys_values.cpu_mut()[read * width..].chunks_exact_mut(width);
                let new = qkv.values().chunks_exact(joint);
                new.zip(places).for_each(|(new, place)| place.copy_from_slice(&new[shape.width()..]));
                let y = attend_on_cpu(qkv.values(), self.keys_values.cpu().values(), shape, read);
                CpuTensor::new(y, [rows, shape.width()]).into()
            }
            Tensor::Gpu(qkv) => {
                gpu::append(qkv, self.keys_values.gpu(), read);
                match read {
                    // All that the new tokens attend to is in `qkv`.
                    0 => gpu::attention(qkv, shape.sizes(), None, Precision::Single).0.into(),
                    _ => gpu::attention_cached(qkv, self.keys_values.gpu(), shape.sizes(), read).into(),
                }
            }
        }
    }
}

/// Attention of the new tokens in `qkv`, of a single window, over the cache, which holds `read` others before them.
fn attend_on_cpu(qkv: &[f32], keys_values: &[f32], shape: Shape, read: usize) -> Vec<f32> {
    let Shape { time, heads, head_width, .. } = shape;
    let joint = shape.joint_width();
    let width = 2 * heads.key_values * head_width;
    let mut y = vec![0.0f32; (time - read) * shape.width()];
    let mut weights = vec![0.0f32; time];
    let rows = qkv.chunks_exact(joint).zip(y.chunks_exact_mut(shape.width()));
    for (row, (qkv, y)) in rows.enumerate() {
        let visible = read + row + 1;
        let of_heads = qkv.chunks_exact(head_width).zip(y.chunks_exact_mut(head_width));
        for (head, (query, out)) in of_heads.enumerate() {
            let key = head / (heads.queries / heads.key_values) * head_width;
            let past = |first: usize| keys_values.chunks_exact(width).map(move |row| &row[first..][..head_width]);
            for (weight, key) in weights[..visible].iter_mut().zip(past(key)) {
                let product: f32 = query.iter().zip(key).map(|(query, key)| query * key).sum();
                *weight = product * shape.scale();
            }
            softmax_in_place(&mut weights[..visible], visible);
            for (&weight, value) in weights[..visible].iter().zip(past(key + heads.key_values * head_width)) {
                out.iter_mut().zip(value).for_each(|(out, value)| *out += weight * value);
            }
        }
    }
    y
}

/// Returns the output and the attention weights.
fn on_cpu(qkv: &[f32], shape: Shape, mask: Option<Mask>) -> (Vec<f32>, Vec<f32>) {
    let Shape { windows, time, heads, head_width } = shape;
    let (width, joint) = (shape.width(), shape.joint_width());
    let mut probabilities = vec![0.0f32; windows * heads.queries * time * time];
    let mut kept = vec![0.0f32; if mask.is_some() { BLOCK * time } else { 0 }];
    let mut y = vec![0.0f32; windows * time * width];
    for Place { query, key, value, output, weights: start } in shape.places() {
        for first in (0..time).step_by(BLOCK) {
            let past = (first + BLOCK).min(time);
            let rows = past - first;
            let query = Matrix::new(qkv, query + first * joint, joint, 1);
            let key = Matrix::new(qkv, key, joint, 1);
            let value = Matrix::new(qkv, value, joint, 1);
            let block = &mut probabilities[start + first * time..][..rows * time];
            multiply(rows, past, head_width, shape.scale(), query, key.transposed(), MatrixMut::new(block, 0, time, 1));
            for (index, scores) in block.chunks_exact_mut(time).enumerate() {
                softmax_in_place(&mut scores[..past], first + index + 1);
            }
            let block = match mask {
                None => &*block,
                Some(mask) => {
                    kept[..rows * time].copy_from_slice(block);
                    mask.apply(&mut kept[..rows * time], start + first * time);
                    &kept[..]
                }
            };
            let y = MatrixMut::new(&mut y, output + first * width, width, 1);
            multiply(rows, head_width, past, 1.0, Matrix::new(block, 0, time, 1), value, y);
        }
    }
    (y, probabilities)
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

fn on_cpu_backward(qkv: &[f32], shape: Shape, probabilities: &[f32], mask: Option<Mask>, gradient: &[f32]) -> Vec<f32> {
    let Shape { windows, time, head_width, .. } = shape;
    let (width, joint) = (shape.width(), shape.joint_width());
    let mut scores = vec![0.0f32; BLOCK * time];
    let mut kept = vec![0.0f32; if mask.is_some() { BLOCK * time } else { 0 }];
    let mut out = vec![0.0f32; windows * time * joint];
    for Place { query: query_at, key: key_at, value: value_at, output, weights: start } in shape.places() {
        for first in (0..time).step_by(BLOCK) {
            let past = (first + BLOCK).min(time);
            let rows = past - first;
            let query = Matrix::new(qkv, query_at + first * joint, joint, 1);
            let key = Matrix::new(qkv, key_at, joint, 1);
            let value = Matrix::new(qkv, value_at, joint, 1);
            let dy = Matrix::new(gradient, output + first * width, width, 1);
            let block = &probabilities[start + first * time..][..rows * time];
            multiply(rows, past, head_width, 1.0, dy, value.transposed(), MatrixMut::new(&mut scores, 0, time, 1));
            let kept_block = match mask {
                None => block,
                Some(mask) => {
                    kept[..rows * time].copy_from_slice(block);
                    mask.apply(&mut kept[..rows * time], start + first * time);
                    mask.apply(&mut scores[..rows * time], start + first * time);
                    &kept[..]
                }
            };
            let dv = MatrixMut::new(&mut out, value_at, joint, 1).adding();
            multiply(past, head_width, rows, 1.0, Matrix::new(kept_block, 0, time, 1).transposed(), dy, dv);
            for (scores, p) in scores.chunks_exact_mut(time).zip(block.chunks_exact(time)) {
                let (scores, p) = (&mut scores[..past], &p[..past]);
                let along: f32 = scores.iter().zip(p).map(|(score, p)| score * p).sum();
                scores.iter_mut().zip(p).for_each(|(score, p)| *score = p * (*score - along));
            }
            let ds = Matrix::new(&scores, 0, time, 1);
            let dq = MatrixMut::new(&mut out, query_at + first * joint, joint, 1);
            multiply(rows, head_width, past, shape.scale(), ds, key, dq);
            let dk = MatrixMut::new(&mut out, key_at, joint, 1).adding();
            multiply(past, head_width, rows, shape.scale(), ds.transposed(), query, dk);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{
        Dropout,
        testing::{assert_close, assert_gradient, device_of, dot, gpu_device, moved, random, values},
    };

    const fn grouped(queries: usize, key_values: usize) -> Heads {
        Heads { queries, key_values }
    }

    /// Random queries, keys and values, and a random gradient of the output.
    fn inputs(windows: usize, time: usize, heads: Heads, head_width: usize, seed: u64) -> (Tensor<2>, Tensor<2>) {
        let rows = windows * time;
        (random([rows, heads.joint() * head_width], seed), random([rows, heads.queries * head_width], seed + 1))
    }

    #[test]
    fn gradient_matches_finite_differences() {
        for heads in [Heads::equal(3), grouped(4, 2), grouped(4, 1)] {
            let (qkv, out) = inputs(2, 5, heads, 2, 1);
            for mask in [None, Dropout::new(0.3, 5).map(|dropout| dropout.mask(2))] {
                let (_, saved) = attention(&qkv, 2, heads, mask, Precision::Single);
                let gradient = attention_backward(saved, &out);
                assert_gradient(&qkv, &values(&gradient), |qkv| {
                    dot(&attention(qkv, 2, heads, mask, Precision::Single).0, &out)
                });
            }
        }
    }

    /// The definition, one number at a time, in double precision.
    fn plainly(qkv: &[f32], windows: usize, heads: Heads, head_width: usize) -> Vec<f64> {
        let Heads { queries, key_values } = heads;
        let joint = heads.joint() * head_width;
        let time = qkv.len() / joint / windows;
        let mut y = Vec::new();
        for row in 0..windows * time {
            for head in 0..queries {
                let other = head * key_values / queries;
                let of = |row: usize, head: usize, d: usize| f64::from(qkv[row * joint + head * head_width + d]);
                let past = row / time * time..=row;
                let score = |key| (0..head_width).map(|d| of(row, head, d) * of(key, queries + other, d)).sum::<f64>();
                let weights: Vec<f64> =
                    past.clone().map(|key| (score(key) / (head_width as f64).sqrt()).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for d in 0..head_width {
                    let value = |key| of(key, queries + key_values + other, d);
                    y.push(past.clone().zip(&weights).map(|(key, weight)| weight / sum * value(key)).sum());
                }
            }
        }
        y
    }

    #[test]
    fn long_windows_equal_the_definition() {
        // 150 tokens: two full blocks of queries and a remainder.
        for heads in [Heads::equal(2), grouped(4, 2), grouped(4, 1)] {
            let (qkv, _) = inputs(2, 150, heads, 4, 3);
            let (y, saved) = attention(&qkv, 2, heads, None, Precision::Single);
            for (value, right) in values(&y).iter().zip(plainly(&values(&qkv), 2, heads, 4)) {
                assert!((f64::from(*value) - right).abs() < 1e-5, "{value} {right}");
            }
            // With equal gradients everywhere, the gradients of the values are the sums of their weights.
            let ones = crate::ops::tensor(vec![1.0; values(&y).len()], y.dims(), &device_of(&qkv));
            let gradient = values(&attention_backward(saved, &ones));
            let before = (heads.queries + heads.key_values) * 4;
            let total: f32 = gradient.chunks(heads.joint() * 4).flat_map(|row| &row[before..]).sum();
            assert!((total - values(&ones).len() as f32).abs() < 2e-2, "{total}");
        }
    }

    #[test]
    fn cached_attention_token_by_token_equals_attention_over_all_tokens() {
        for heads in [Heads::equal(2), grouped(4, 2), grouped(4, 1)] {
            let joint = heads.joint() * 4;
            let (x, weight, bias) = (random([9, 8], 1), random([8, joint], 2), random([joint], 3));
            for device in [device_of(&x), gpu_device()] {
                let (x, weight, bias) = (moved(&x, &device), moved(&weight, &device), moved(&bias, &device));
                let whole = attention(&crate::ops::linear(&x, &weight, &bias), 1, heads, None, Precision::Single).0;
                let mut past = Past::new(12, heads.key_values * 2 * 4, &device_of(&x));
                let qkv = |rows| crate::ops::linear(&gpu_free_rows(&x, rows), &weight, &bias);
                let first = past.attend(&qkv(0..6), 0, heads);
                assert_close(&first, &gpu_free_rows(&whole, 0..6), "the first six");
                for row in 6..9 {
                    let one = past.attend(&qkv(row..row + 1), row, heads);
                    assert_close(&one, &gpu_free_rows(&whole, row..row + 1), "one more");
                }
            }
        }
    }

    fn gpu_free_rows(x: &Tensor<2>, rows: std::ops::Range<usize>) -> Tensor<2> {
        let width = x.dims()[1];
        let part = values(x)[rows.start * width..rows.end * width].to_vec();
        crate::ops::tensor(part, [rows.len(), width], &device_of(x))
    }
}
