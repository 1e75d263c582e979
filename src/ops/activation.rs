//! Activation functions of the MLP and their derivatives. GPT-2 has GELU in the tanh approximation (Hendrycks & Gimpel
//! 2016); other models of its family have other functions.

use super::exponential::{exp, tanh};
use crate::config::Activation;

pub(super) const SQRT_2_OVER_PI: f32 = 0.797_884_6;
pub(super) const CUBE: f32 = 0.044_715;
/// One over the square root of 2 pi.
pub(super) const DENSITY: f32 = 0.398_942_3;
/// Constants of the error function's approximation (Abramowitz & Stegun 1964, 7.1.26), within 1.5e-7.
pub(super) const ERROR_STEP: f32 = 0.327_591_1;
pub(super) const ERROR: [f32; 5] = [0.254_829_6, -0.284_496_74, 1.421_413_7, -1.453_152, 1.061_405_4];

/// Applies the activation to each of `values`.
pub(super) fn apply(activation: Activation, values: &[f32]) -> Vec<f32> {
    // One loop per function, so that the compiler vectorises each.
    let each = values.iter().copied();
    match activation {
        Activation::GeluTanh => each.map(gelu_tanh).collect(),
        Activation::Gelu => each.map(|x| x * normal(x)).collect(),
        Activation::Relu => each.map(|x| x.max(0.0)).collect(),
        Activation::Silu => each.map(|x| x * sigmoid(x)).collect(),
        Activation::Tanh => each.map(tanh).collect(),
    }
}

/// Multiplies the gradient of the activation's output by its derivative at the input, `before`.
pub(super) fn through(activation: Activation, gradient: &mut [f32], before: &[f32]) {
    let each = gradient.iter_mut().zip(before.iter().copied());
    match activation {
        Activation::GeluTanh => each.for_each(|(gradient, x)| *gradient *= gelu_tanh_slope(x)),
        Activation::Gelu => each.for_each(|(gradient, x)| *gradient *= normal(x) + x * DENSITY * exp(-0.5 * x * x)),
        Activation::Relu => each.for_each(|(gradient, x)| *gradient *= f32::from(u8::from(x > 0.0))),
        Activation::Silu => each.for_each(|(gradient, x)| {
            let sigmoid = sigmoid(x);
            *gradient *= sigmoid * (1.0 + x * (1.0 - sigmoid));
        }),
        Activation::Tanh => each.for_each(|(gradient, x)| {
            let tanh = tanh(x);
            *gradient *= 1.0 - tanh * tanh;
        }),
    }
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x)))
}

#[inline(always)]
fn gelu_tanh_slope(x: f32) -> f32 {
    let t = tanh(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x));
    let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBE * x * x);
    0.5 * (1.0 + t + x * (1.0 - t * t) * inner)
}

/// The cumulative distribution function of the normal distribution.
#[inline(always)]
fn normal(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + ERROR_STEP * z);
    let [a, b, c, d, e] = ERROR;
    let tail = 0.5 * (t * (a + t * (b + t * (c + t * (d + t * e))))) * exp(-z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
pub(super) const ALL: [Activation; 5] =
    [Activation::GeluTanh, Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Tanh];

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of PyTorch 2.15, `torch.nn.functional`, at -2, -0.5, 0, 1 and 3.
    #[test]
    fn activations_agree_with_pytorch() {
        let at = [-2.0, -0.5, 0.0, 1.0, 3.0];
        let right = [
            [-0.045_402_3, -0.154_286, 0.0, 0.841_192, 2.996_363],
            [-0.045_500_3, -0.154_268_8, 0.0, 0.841_344_7, 2.995_950_2],
            [0.0, 0.0, 0.0, 1.0, 3.0],
            [-0.238_405_8, -0.188_770_3, 0.0, 0.731_058_6, 2.857_722_3],
            [-0.964_027_6, -0.462_117_2, 0.0, 0.761_594_2, 0.995_054_8],
        ];
        for (activation, right) in ALL.into_iter().zip(right) {
            for (got, right) in apply(activation, &at).iter().zip(right) {
                assert!((got - right).abs() < 1e-6, "{activation:?}: {got} instead of {right}");
            }
        }
    }

    #[test]
    fn derivatives_match_finite_differences() {
        for activation in ALL {
            for step in (-50..50).map(|step| step as f32 * 0.1 + 0.05) {
                let values = apply(activation, &[step + 1e-2, step - 1e-2]);
                let difference = (f64::from(values[0]) - f64::from(values[1])) / 2e-2;
                let mut slope = [1.0];
                through(activation, &mut slope, &[step]);
                assert!((difference - f64::from(slope[0])).abs() < 1e-3, "{activation:?} at {step}");
            }
        }
    }
}
