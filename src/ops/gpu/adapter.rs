//! LoRA adapters on the GPU: products with thin matrices, by the same kernels as all products.

use super::{
    block::Form,
    elementwise::scale_into,
    memory::{Tensor, empty, fit},
    product::product,
};

/// Returns `weight [inputs, outputs] + scale * a [inputs, rank] x b [rank, outputs]` as a new matrix.
pub fn adapted(weight: &Tensor<2>, a: &Tensor<2>, b: &Tensor<2>, scale: f32) -> Tensor<2> {
    let ([inputs, outputs], [a_inputs, rank], [b_rank, b_outputs]) = (weight.dims(), a.dims(), b.dims());
    fit(&[(a_inputs, inputs), (b_rank, rank), (b_outputs, outputs)]);
    let sum = empty([inputs, outputs], weight.gpu());
    scale_into(weight, &sum, 1.0);
    let a = scaled(a, scale);
    product(Form::Straight, &a, b, &sum, [inputs, outputs, rank], [rank, outputs, outputs], true);
    sum
}

/// Writes the gradients of A and B to `places`, or adds them, from `x [rows, inputs]` and `gradient [rows, outputs]`.
pub fn thin_gradient_into(
    x: &Tensor<2>,
    gradient: &Tensor<2>,
    (a, b): (&Tensor<2>, &Tensor<2>),
    (a_place, b_place): (&Tensor<2>, &Tensor<2>),
    scale: f32,
    adding: bool,
) {
    let ([rows, inputs], [gradient_rows, outputs], [a_inputs, rank]) = (x.dims(), gradient.dims(), a.dims());
    let places = [a_place.dims(), b_place.dims()].concat();
    fit(&[(gradient_rows, rows), (a_inputs, inputs), (b.dims()[0], rank), (b.dims()[1], outputs)]);
    assert_eq!(places, [inputs, rank, rank, outputs], "places of another shape");
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
