//! GELU in the tanh approximation, as GPT-2 has it (Hendrycks & Gimpel 2016; `gelu_new` in transformers).

use burn::tensor::Tensor;

use super::{exponential::tanh, host::host};

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBE: f32 = 0.044_715;

/// Any shape `[rows, width]`.
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    let Some(values) = host(&x) else {
        let inner = (x.clone() * x.clone() * CUBE + 1.0) * x.clone() * SQRT_2_OVER_PI;
        return (inner.tanh() + 1.0) * x * 0.5;
    };
    let out =
        values.values().iter().map(|&x| 0.5 * x * (1.0 + tanh(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x)))).collect();
    super::tensor(out, x.dims(), &x.device())
}

/// From the input of [`gelu`] and the gradient of its output, both `[rows, width]`.
pub fn gelu_backward(x: Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
    let (Some(values), Some(gradients)) = (host(&x), host(&gradient)) else {
        let square = x.clone() * x.clone();
        let tanh = ((square.clone() * CUBE + 1.0) * x.clone() * SQRT_2_OVER_PI).tanh();
        let slope = (square * (3.0 * CUBE) + 1.0) * SQRT_2_OVER_PI;
        let steep = (tanh.clone() * tanh.clone()).neg() + 1.0;
        return gradient * ((tanh + 1.0) + x * steep * slope) * 0.5;
    };
    let out = values
        .values()
        .iter()
        .zip(gradients.values())
        .map(|(&x, &gradient)| {
            let t = tanh(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x));
            let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBE * x * x);
            gradient * 0.5 * (1.0 + t + x * (1.0 - t * t) * slope)
        })
        .collect();
    super::tensor(out, x.dims(), &x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_gradient, random, with_both_bodies};

    #[test]
    fn gradient_matches_finite_differences() {
        with_both_bodies(|| {
            let (x, out) = (random([7, 9], 1), random([7, 9], 2));
            let gradient = gelu_backward(x.clone(), out.clone());
            assert_gradient(&x, &gradient, |x| (gelu(x) * out.clone()).sum());
        });
    }

    #[test]
    fn values_are_those_of_the_formula() {
        with_both_bodies(|| {
            let y = gelu(Tensor::from_floats([[-2.0, -0.5, 0.0, 1.0, 3.0]], &crate::ops::testing::device()));
            let right = [-0.045_402_3, -0.154_286, 0.0, 0.841_192, 2.996_363];
            for (value, right) in y.into_data().iter::<f32>().zip(right) {
                assert!((value - right).abs() < 1e-5, "{value} {right}");
            }
        });
    }
}
