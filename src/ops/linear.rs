//! A linear layer, `y = x W + b`, with GPT-2's weight layout: `[inputs, outputs]` (Hugging Face's `Conv1D`).

use burn::tensor::Tensor;

use super::{
    host::{host, host_mut},
    matrix::{product, product_left_transposed, product_right_transposed},
};

/// `x [rows, inputs]`, `weight [inputs, outputs]`, `bias [outputs]` -> `[rows, outputs]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let product = product(x, weight);
    let Some(bias_values) = host(&bias) else { return product + bias.unsqueeze() };
    host_mut(product, |rows| {
        let bias = bias_values.values();
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    })
}

/// Gradients of a linear layer with respect to its three inputs.
pub struct LinearGradients {
    /// `[rows, inputs]`
    pub x: Tensor<2>,
    /// `[inputs, outputs]`
    pub weight: Tensor<2>,
    /// `[outputs]`
    pub bias: Tensor<1>,
}

/// From the layer's inputs and the gradient of its output, `[rows, outputs]`.
pub fn linear_backward(x: Tensor<2>, weight: Tensor<2>, gradient: Tensor<2>) -> LinearGradients {
    LinearGradients {
        bias: sum_rows(&gradient),
        weight: product_left_transposed(x, gradient.clone()),
        x: product_right_transposed(gradient, weight),
    }
}

/// `[rows, columns]` -> `[columns]`
pub(super) fn sum_rows(x: &Tensor<2>) -> Tensor<1> {
    let columns = x.dims()[1];
    let Some(values) = host(x) else { return x.clone().sum_dim(0).reshape([columns]) };
    let mut sums = vec![0.0f32; columns];
    for row in values.values().chunks_exact(columns) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    super::tensor(sums, [columns], &x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_gradient, device, random, with_both_bodies};

    #[test]
    fn gradients_match_finite_differences() {
        with_both_bodies(|| {
            let (x, weight, bias) = (random([5, 3], 1), random([3, 4], 2), random([4], 3));
            let out = random([5, 4], 4);
            let gradients = linear_backward(x.clone(), weight.clone(), out.clone());
            let loss = |y: Tensor<2>| (y * out.clone()).sum();
            assert_gradient(&x, &gradients.x, |x| loss(linear(x, weight.clone(), bias.clone())));
            assert_gradient(&weight, &gradients.weight, |w| loss(linear(x.clone(), w, bias.clone())));
            assert_gradient(&bias, &gradients.bias, |b| loss(linear(x.clone(), weight.clone(), b)));
            assert_eq!(device(), x.device());
        });
    }
}
