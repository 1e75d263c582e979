//! The operations of a transformer in plain loops, written from their definitions and not from the kernels in `ops/`,
//! so that tests can compare the two. Matrices are row-major.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use crate::{
    architecture::{Attention, Norm},
    config::Activation,
};

/// `x [rows, inputs] * weight [inputs, outputs] + bias [outputs]`, `[rows, outputs]`.
pub fn linear(x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let mut y: Vec<f32> = (0..x.len() / inputs).flat_map(|_| bias.iter().copied()).collect();
    for (input, weights) in weight.chunks_exact(outputs).enumerate() {
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
            let factor = x[input];
            y.iter_mut().zip(weights).for_each(|(y, weight)| *y += factor * weight);
        }
    }
    y
}

/// `x [rows, width] * tableᵀ` with `table [count, width]`, `[rows, count]`.
pub fn scores(x: &[f32], table: &[f32], width: usize) -> Vec<f32> {
    let row = |x| table.chunks_exact(width).map(move |row| dot(x, row));
    x.chunks_exact(width).flat_map(row).collect()
}

/// The dot product of two rows.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight independent sums, so that the compiler emits SIMD.
    let mut sums = [0.0f32; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// The L2 norm of a row.
pub fn norm(row: &[f32]) -> f32 {
    row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32
}

/// Layer normalisation (Ba, Kiros & Hinton 2016) or RMSNorm (Zhang & Sennrich 2019) of each row of `x [rows, width]`.
pub fn normalised(x: &[f32], gain: &[f32], bias: &[f32], norm: Norm) -> Vec<f32> {
    let (width, epsilon) = (gain.len(), norm.epsilon());
    let row = |x: &[f32]| -> Vec<f32> {
        let mean = match norm {
            Norm::Layer { .. } => x.iter().map(|&value| f64::from(value)).sum::<f64>() / width as f64,
            Norm::RootMeanSquare { .. } => 0.0,
        };
        let variance = x.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
        let normed =
            |(value, (gain, bias)): (&f32, (&f32, &f32))| ((f64::from(*value) - mean) * scale) as f32 * gain + bias;
        x.iter().zip(gain.iter().zip(bias)).map(normed).collect()
    };
    x.chunks_exact(width).flat_map(row).collect()
}

/// Softmax, in place.
pub fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let total: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}

/// Rotates each pair of numbers of the heads in `x [heads * head width]` by the angle of its frequency at a position (Su
/// et al. 2021); number `i` of a head is paired with number `i + head width / 2`.
pub fn rotate(x: &mut [f32], frequencies: &[f32], position: usize) {
    let half = frequencies.len();
    for head in x.chunks_exact_mut(2 * half) {
        for (pair, frequency) in frequencies.iter().enumerate() {
            let (sine, cosine) = f64::from(frequency * position as f32).sin_cos();
            let (a, b) = (f64::from(head[pair]), f64::from(head[pair + half]));
            head[pair] = (a * cosine - b * sine) as f32;
            head[pair + half] = (b * cosine + a * sine) as f32;
        }
    }
}

/// Causal self-attention of one window (Vaswani et al. 2017) from `qkv [time, joint width]`: the concatenated outputs of
/// the heads, `[time, query width]`, and the attention weights `[heads, time, time]`, 0 for later tokens.
pub fn attention(qkv: &[f32], attention: &Attention) -> (Vec<f32>, Vec<f32>) {
    let Attention { heads, key_value_heads, head_width, .. } = *attention;
    let (joint, width) = (attention.joint_width(), attention.query_width());
    let time = qkv.len() / joint;
    // Queries, keys and values: where those of the first head begin, and how many query heads share one.
    let shared = heads / key_value_heads;
    let parts = [(0, 1), (width, shared), (width + key_value_heads * head_width, shared)];
    let part = |token: usize, part: usize, head: usize| {
        let (first, shared) = parts[part];
        &qkv[token * joint + first + head / shared * head_width..][..head_width]
    };
    let scale = 1.0 / (head_width as f32).sqrt();
    let (mut out, mut weights) = (vec![0.0; time * width], vec![0.0; heads * time * time]);
    for head in 0..heads {
        for token in 0..time {
            let row = &mut weights[(head * time + token) * time..][..=token];
            for (earlier, weight) in row.iter_mut().enumerate() {
                *weight = dot(part(token, 0, head), part(earlier, 1, head)) * scale;
            }
            softmax(row);
            let out = &mut out[token * width + head * head_width..][..head_width];
            for (earlier, weight) in row.iter().enumerate() {
                out.iter_mut().zip(part(earlier, 2, head)).for_each(|(out, value)| *out += weight * value);
            }
        }
    }
    (out, weights)
}

/// The activation function of the MLP.
pub fn activate(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::GeluTanh => 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh()),
        Activation::Gelu => 0.5 * x * (1.0 + error_function(x * FRAC_1_SQRT_2)),
        Activation::Relu => x.max(0.0),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
    }
}

/// The error function by its power series, exact to 32 bits between -4 and 4; beyond, it is 1 or -1.
fn error_function(x: f32) -> f32 {
    if x.abs() > 4.0 {
        return x.signum();
    }
    let x = f64::from(x);
    let (mut power, mut sum) = (x, x);
    for n in 1..100 {
        power *= -x * x / f64::from(n);
        sum += power / f64::from(2 * n + 1);
    }
    (sum * std::f64::consts::FRAC_2_SQRT_PI) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: PyTorch 2.15, `torch.nn.functional`, at -2, -0.5, 0, 1 and 3.
    #[test]
    fn activations_are_those_of_pytorch() {
        let right = [
            (Activation::GeluTanh, [-0.045_402_3, -0.154_286, 0.0, 0.841_192, 2.996_363]),
            (Activation::Gelu, [-0.045_500_3, -0.154_268_8, 0.0, 0.841_344_7, 2.995_950_2]),
            (Activation::Relu, [0.0, 0.0, 0.0, 1.0, 3.0]),
            (Activation::Silu, [-0.238_405_8, -0.188_770_3, 0.0, 0.731_058_6, 2.857_722_3]),
            (Activation::Tanh, [-0.964_027_6, -0.462_117_2, 0.0, 0.761_594_2, 0.995_054_8]),
        ];
        for (activation, right) in right {
            for (x, right) in [-2.0, -0.5, 0.0, 1.0, 3.0].into_iter().zip(right) {
                assert!((activate(activation, x) - right).abs() < 1e-6, "{activation:?} at {x}");
            }
        }
    }

    #[test]
    fn a_product_and_scores_by_hand() {
        let y = linear(&[1.0, 2.0, 3.0, 4.0], &[1.0, 0.0, -1.0, 2.0, 1.0, 0.5], &[10.0, 20.0, 30.0]);
        assert_eq!(y, [15.0, 22.0, 30.0, 21.0, 24.0, 29.0]);
        assert_eq!(scores(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0, -1.0, 0.5], 2), [11.0, 17.0, 0.0]);
        let long: Vec<f32> = (0..19).map(|value| value as f32).collect();
        assert_eq!(dot(&long, &long), 2109.0);
    }

    #[test]
    fn a_token_attends_to_itself_and_what_was_before() {
        // With equal queries and keys every token attends evenly to all tokens up to itself.
        let qkv: Vec<f32> = (0..3).flat_map(|token| [1.0, 1.0, token as f32]).collect();
        let (out, weights) = attention(&qkv, &Attention { heads: 1, key_value_heads: 1, head_width: 1, normed: false });
        let third = 1.0 / 3.0;
        let right = [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, third, third, third];
        assert!(weights.iter().zip(right).all(|(got, right)| (got - right).abs() < 1e-6), "{weights:?}");
        assert!(out.iter().zip([0.0, 0.5, 1.0]).all(|(got, right)| (got - right).abs() < 1e-6), "{out:?}");
    }
}
