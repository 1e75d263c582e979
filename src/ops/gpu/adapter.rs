//! LoRA adapters on the GPU: products with thin matrices, by the same kernels as all products.

use super::{
    block::Form,
    columns::add_columns,
    elementwise::scale_into,
    memory::{Tensor, empty, fit},
    product::product,
};

/// Copies a matrix.
pub fn copy(x: &Tensor<2>) -> Tensor<2> {
    scaled(x, 1.0)
}

/// Adds `scale * a [inputs, rank] x b [rank, count]` to the columns of `sum [inputs, outputs]` from column `start` on.
pub fn add_low_rank(sum: &Tensor<2>, start: usize, a: &Tensor<2>, b: &Tensor<2>, scale: f32) {
    let ([inputs, outputs], [a_inputs, rank], [b_rank, count]) = (sum.dims(), a.dims(), b.dims());
    fit(&[(a_inputs, inputs), (b_rank, rank)]);
    let a = scaled(a, scale);
    let sizes = [inputs, count, rank];
    if count == outputs {
        return product(Form::Straight, &a, b, sum, sizes, [rank, outputs, outputs], true);
    }
    // Products begin where WebGPU may bind a buffer, which a column need not.
    let part = empty([inputs, count], sum.gpu());
    product(Form::Straight, &a, b, &part, sizes, [rank, count, count], false);
    add_columns(sum, start, &part);
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
