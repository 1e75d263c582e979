//! Adapters on the GPU: thin products, by the kernels that all products have.

use super::{
    block::Form,
    elementwise::scale_into,
    memory::{Tensor, empty},
    product::product,
};

/// `weight [inputs, outputs] + scale * a [inputs, rank] x b [rank, outputs]`, as a matrix of its own.
pub fn adapted(weight: &Tensor<2>, a: &Tensor<2>, b: &Tensor<2>, scale: f32) -> Tensor<2> {
    let ([inputs, outputs], [_, rank]) = (weight.dims(), a.dims());
    let sum = empty([inputs, outputs], weight.gpu());
    scale_into(weight, &sum, 1.0);
    let a = scaled(a, scale);
    product(Form::Straight, &a, b, &sum, [inputs, outputs, rank], [rank, outputs, outputs], true);
    sum
}

/// Writes, or adds, the gradients of A and B to `places`, from `x [rows, inputs]` and `gradient [rows, outputs]`.
pub fn thin_gradient_into(
    x: &Tensor<2>,
    gradient: &Tensor<2>,
    (a, b): (&Tensor<2>, &Tensor<2>),
    (a_place, b_place): (&Tensor<2>, &Tensor<2>),
    scale: f32,
    adding: bool,
) {
    let ([rows, inputs], [rank, outputs]) = (x.dims(), b.dims());
    let thin = empty([rows, rank], x.gpu());
    let b = scaled(b, scale);
    product(Form::RightTransposed, gradient, &b, &thin, [rows, rank, outputs], [outputs, outputs, rank], false);
    product(Form::LeftTransposed, x, &thin, a_place, [inputs, rank, rows], [inputs, rank, rank], adding);
    let thin = empty([rows, rank], x.gpu());
    let a = scaled(a, scale);
    product(Form::Straight, x, &a, &thin, [rows, rank, inputs], [inputs, rank, rank], false);
    product(Form::LeftTransposed, &thin, gradient, b_place, [rank, outputs, rows], [rank, outputs, outputs], adding);
}

fn scaled(x: &Tensor<2>, factor: f32) -> Tensor<2> {
    let out = empty(x.dims(), x.gpu());
    scale_into(x, &out, factor);
    out
}
