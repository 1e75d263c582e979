//! Layer normalisation over the last axis (Ba, Kiros & Hinton 2016), GPT-2's epsilon of 1e-5.

use burn::tensor::Tensor;

use super::{
    host::{host, on_host},
    linear::sum_rows,
};

const EPSILON: f32 = 1e-5;

/// What the backward pass needs.
#[derive(Clone)]
pub struct LayerNormSaved {
    /// The input with mean 0 and deviation 1, `[rows, width]`.
    normalised: Tensor<2>,
    /// One over the deviation, `[rows, 1]`.
    inverse_deviation: Tensor<2>,
}

/// `x [rows, width]`, `gain [width]`, `bias [width]` -> `[rows, width]`.
pub fn layer_norm(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>) -> (Tensor<2>, LayerNormSaved) {
    if on_host(&x.device()) {
        return fused(x, gain, bias);
    }
    let centred = x.clone() - x.mean_dim(1);
    let variance = (centred.clone() * centred.clone()).mean_dim(1);
    let inverse_deviation = (variance + EPSILON).sqrt().recip();
    let normalised = centred * inverse_deviation.clone();
    let y = normalised.clone() * gain.unsqueeze() + bias.unsqueeze();
    (y, LayerNormSaved { normalised, inverse_deviation })
}

/// Sum with eight running totals, which the compiler keeps in SIMD registers.
#[inline(always)]
fn sum(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let mut totals = [0.0f32; 8];
    for (index, value) in values.enumerate() {
        totals[index % 8] += value;
    }
    totals.iter().sum()
}

fn fused(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>) -> (Tensor<2>, LayerNormSaved) {
    let [rows, width] = x.dims();
    let device = x.device();
    let (x, gain, bias) = (host(&x).unwrap(), host(&gain).unwrap(), host(&bias).unwrap());
    let (gain, bias) = (gain.values(), bias.values());
    let mut y = Vec::with_capacity(rows * width);
    let mut normalised = Vec::with_capacity(rows * width);
    let mut inverse_deviation = Vec::with_capacity(rows);
    for row in x.values().chunks_exact(width) {
        let mean = sum(row.iter().copied()) / width as f32;
        let variance = sum(row.iter().map(|value| (value - mean) * (value - mean))) / width as f32;
        let inverse = 1.0 / (variance + EPSILON).sqrt();
        let start = normalised.len();
        normalised.extend(row.iter().map(|value| (value - mean) * inverse));
        y.extend(normalised[start..].iter().zip(gain).zip(bias).map(|((value, gain), bias)| value * gain + bias));
        inverse_deviation.push(inverse);
    }
    let saved = LayerNormSaved {
        normalised: super::tensor(normalised, [rows, width], &device),
        inverse_deviation: super::tensor(inverse_deviation, [rows, 1], &device),
    };
    (super::tensor(y, [rows, width], &device), saved)
}

/// Gradients of a layer norm with respect to its three inputs.
pub struct LayerNormGradients {
    /// `[rows, width]`
    pub x: Tensor<2>,
    /// `[width]`
    pub gain: Tensor<1>,
    /// `[width]`
    pub bias: Tensor<1>,
}

/// From what the forward pass saved and the gradient of its output, `[rows, width]`.
pub fn layer_norm_backward(saved: LayerNormSaved, gain: Tensor<1>, gradient: Tensor<2>) -> LayerNormGradients {
    if on_host(&gradient.device()) {
        return fused_backward(saved, gain, gradient);
    }
    let LayerNormSaved { normalised, inverse_deviation } = saved;
    let bias_gradient = sum_rows(&gradient);
    let gain_gradient = sum_rows(&(gradient.clone() * normalised.clone()));
    let scaled = gradient * gain.unsqueeze();
    let mean = scaled.clone().mean_dim(1);
    let along = (scaled.clone() * normalised.clone()).mean_dim(1);
    let x = (scaled - mean - normalised * along) * inverse_deviation;
    LayerNormGradients { x, gain: gain_gradient, bias: bias_gradient }
}

fn fused_backward(saved: LayerNormSaved, gain: Tensor<1>, gradient: Tensor<2>) -> LayerNormGradients {
    let [rows, width] = gradient.dims();
    let device = gradient.device();
    let (gradient, gain) = (host(&gradient).unwrap(), host(&gain).unwrap());
    let (normalised, inverse) = (host(&saved.normalised).unwrap(), host(&saved.inverse_deviation).unwrap());
    let gain = gain.values();
    let mut x = Vec::with_capacity(rows * width);
    let mut gain_gradient = vec![0.0f32; width];
    let mut bias_gradient = vec![0.0f32; width];
    let rows_of = gradient.values().chunks_exact(width).zip(normalised.values().chunks_exact(width));
    for ((gradient, normalised), inverse) in rows_of.zip(inverse.values()) {
        for (index, (gradient, normalised)) in gradient.iter().zip(normalised).enumerate() {
            gain_gradient[index] += gradient * normalised;
            bias_gradient[index] += gradient;
        }
        let scaled = || gradient.iter().zip(gain).map(|(gradient, gain)| gradient * gain);
        let mean = sum(scaled()) / width as f32;
        let along = sum(scaled().zip(normalised).map(|(scaled, normalised)| scaled * normalised)) / width as f32;
        x.extend(scaled().zip(normalised).map(|(scaled, normalised)| (scaled - mean - normalised * along) * inverse));
    }
    LayerNormGradients {
        x: super::tensor(x, [rows, width], &device),
        gain: super::tensor(gain_gradient, [width], &device),
        bias: super::tensor(bias_gradient, [width], &device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_gradient, random, with_both_bodies};

    #[test]
    fn gradients_match_finite_differences() {
        with_both_bodies(|| {
            let (x, gain, bias) = (random([4, 11], 1), random([11], 2), random([11], 3));
            let out = random([4, 11], 4);
            let run = |x, gain, bias| (layer_norm(x, gain, bias).0 * out.clone()).sum();
            let (_, saved) = layer_norm(x.clone(), gain.clone(), bias.clone());
            let gradients = layer_norm_backward(saved, gain.clone(), out.clone());
            assert_gradient(&x, &gradients.x, |x| run(x, gain.clone(), bias.clone()));
            assert_gradient(&gain, &gradients.gain, |gain| run(x.clone(), gain, bias.clone()));
            assert_gradient(&bias, &gradients.bias, |bias| run(x.clone(), gain.clone(), bias));
        });
    }
}
