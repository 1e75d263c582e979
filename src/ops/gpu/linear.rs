//! Linear layers on the GPU: a product, and at its end what the model does next with each number.
//!
//! Rows and columns beyond the end repeat the last, and so does what is written for them: a branch around each number
//! would take a driver longer to compile than all the rest. Only what adds to numbers already there must not do so twice.

use cubecl::prelude::*;
use half::f16;

use super::{
    block::{Block, Form, block, in_parts, lanes, small_block},
    elementwise::{activated, activated_slope},
    memory::{Tensor, buffer, client, empty, empty_like, fit, is_half},
    product::{corner, launch, next_row, product, queue_product, sums},
    random::kept,
    tiles,
};
use crate::{config::Activation, ops::dropout::Mask};

#[cube(launch_unchecked)]
fn with_bias<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    bias: &[f32],
    out: &mut [f32],
    start: usize,
    first: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    #[comptime] block: Block,
) {
    let (row, column) = corner(first, block);
    let form = comptime![Form::Straight];
    let sums = sums::<X, Y, L, R>(left, right, row, column, rows, columns, inner, inner, columns, form, block);
    if row < rows && column < columns {
        #[unroll]
        for j in 0..block.columns {
            let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
            let bias = bias[at];
            #[unroll]
            for i in 0..block.rows {
                let row = min(row + i, rows - 1);
                out[start + row * columns + at] = sums[comptime![i * block.columns + j]] + bias;
            }
        }
    }
}

#[cube(launch_unchecked)]
fn with_activation<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    bias: &[f32],
    before: &mut [f32],
    after: &mut [X],
    first: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    #[comptime] activation: Activation,
    #[comptime] block: Block,
) {
    let (row, column) = corner(first, block);
    let form = comptime![Form::Straight];
    let sums = sums::<X, Y, L, R>(left, right, row, column, rows, columns, inner, inner, columns, form, block);
    if row < rows && column < columns {
        #[unroll]
        for j in 0..block.columns {
            let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
            let bias = bias[at];
            #[unroll]
            for i in 0..block.rows {
                let row = min(row + i, rows - 1);
                let value = sums[comptime![i * block.columns + j]] + bias;
                before[row * columns + at] = value;
                after[row * columns + at] = X::cast_from(activated(value, activation));
            }
        }
    }
}

#[cube(launch_unchecked)]
fn with_residual<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    bias: &[f32],
    residual: &[f32],
    out: &mut [f32],
    first: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    key: u32,
    threshold: u32,
    scale: f32,
    #[comptime] dropping: bool,
    #[comptime] block: Block,
) {
    let (row, column) = corner(first, block);
    let form = comptime![Form::Straight];
    let sums = sums::<X, Y, L, R>(left, right, row, column, rows, columns, inner, inner, columns, form, block);
    if row < rows && column < columns {
        #[unroll]
        for j in 0..block.columns {
            let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
            let bias = bias[at];
            #[unroll]
            for i in 0..block.rows {
                let row = min(row + i, rows - 1);
                let index = row * columns + at;
                let mut value = sums[comptime![i * block.columns + j]] + bias;
                if comptime![dropping] {
                    value *= kept(key, threshold, scale, index as u32);
                }
                out[index] = residual[index] + value;
            }
        }
    }
}

/// The gradient of the activation's input, from that of what a linear layer made of its output.
#[cube(launch_unchecked)]
fn through_activation<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    before: &[f32],
    out: &mut [f32],
    first: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    #[comptime] activation: Activation,
    #[comptime] block: Block,
) {
    let (row, column) = corner(first, block);
    let form = comptime![Form::RightTransposed];
    let sums = sums::<X, Y, L, R>(left, right, row, column, rows, columns, inner, inner, inner, form, block);
    if row < rows && column < columns {
        #[unroll]
        for j in 0..block.columns {
            let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
            #[unroll]
            for i in 0..block.rows {
                let row = min(row + i, rows - 1);
                let index = row * columns + at;
                out[index] = sums[comptime![i * block.columns + j]] * activated_slope(before[index], activation);
            }
        }
    }
}

/// The product, and with `biased` the gradient of the bias: the sums of `right`'s columns, by the threads of the first row of
/// blocks.
#[cube(launch_unchecked)]
fn weight_gradient<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    weight: &mut [f32],
    bias: &mut [f32],
    first: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    #[comptime] adding: bool,
    #[comptime] biased: bool,
    #[comptime] block: Block,
) {
    let (row, column) = corner(first, block);
    let form = comptime![Form::LeftTransposed];
    let mut sums = sums::<X, Y, L, R>(left, right, row, column, rows, columns, inner, rows, columns, form, block);
    for i in row..min(row + block.rows, rows) {
        #[unroll]
        for j in 0..block.columns {
            let at = column + comptime![j * block.group.0 as usize];
            if at < columns {
                let mut value = sums[j];
                if comptime![adding] {
                    value += weight[i * columns + at];
                }
                weight[i * columns + at] = value;
            }
        }
        next_row(&mut sums, block);
    }
    if comptime![!biased] {
        // Nothing of `right` is read a second time.
    } else if comptime![block.depth > 0] {
        if first == 0 && CUBE_POS_Y == 0 {
            let sums = tiles::column_sums::<Y, R>(right, column, columns, inner, block);
            if row == 0 {
                write_bias(&sums, bias, column, columns, adding, block);
            }
        }
    } else if row == 0 {
        let mut sums = Array::<f32>::new(comptime![block.columns]);
        for k in 0..inner {
            #[unroll]
            for j in 0..block.columns {
                let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
                sums[j] += f32::cast_from(right[k * columns + at].extract(0usize));
            }
        }
        write_bias(&sums, bias, column, columns, adding, block);
    }
}

#[cube]
fn write_bias(
    sums: &Array<f32>,
    bias: &mut [f32],
    column: usize,
    columns: usize,
    #[comptime] adding: bool,
    #[comptime] block: Block,
) {
    #[unroll]
    for j in 0..block.columns {
        let at = column + comptime![j * block.group.0 as usize];
        if at < columns {
            let mut sum = sums[j];
            if comptime![adding] {
                sum += bias[at];
            }
            bias[at] = sum;
        }
    }
}

/// `x [rows, inputs] x weight [inputs, outputs] + bias [outputs]`, into the rows of `out [.., outputs]` from `start` on.
pub fn linear_into(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>, out: &Tensor<2>, start: usize) {
    let sizes @ [rows, columns, inner] = [x.dims()[0], weight.dims()[1], x.dims()[1]];
    fit(&[(inner, weight.dims()[0]), (bias.dims()[0], columns), (out.dims()[1], columns)]);
    assert!(start + rows <= out.dims()[0], "{rows} rows from {start} on, of {}", out.dims()[0]);
    let form = Form::Straight;
    let block = small_block(x.gpu(), sizes, lanes(&[inner]), form);
    queue_product!(with_bias, form, block, sizes, (x, weight, bias, out), [start * columns], []);
}

/// The layer before the activation and after it, `[rows, outputs]` each, the latter as precise as `x`.
pub fn linear_activated(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    activation: Activation,
) -> (Tensor<2>, Tensor<2>) {
    let sizes @ [rows, columns, inner] = [x.dims()[0], weight.dims()[1], x.dims()[1]];
    fit(&[(inner, weight.dims()[0]), (bias.dims()[0], columns)]);
    let (before, after) = (empty([rows, columns], x.gpu()), empty_like(x, [rows, columns]));
    let form = Form::Straight;
    let block = small_block(x.gpu(), sizes, lanes(&[inner]), form);
    queue_product!(with_activation, form, block, sizes, (x, weight, bias, &before, &after), [], [activation]);
    (before, after)
}

/// The layer, dropped out, added to `residual [rows, outputs]`.
pub fn linear_residual(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    residual: &Tensor<2>,
    mask: Option<Mask>,
) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [x.dims()[0], weight.dims()[1], x.dims()[1]];
    let [residual_rows, residual_columns] = residual.dims();
    fit(&[(inner, weight.dims()[0]), (bias.dims()[0], columns), (residual_rows, rows), (residual_columns, columns)]);
    let out = empty([rows, columns], x.gpu());
    let form = Form::Straight;
    let block = small_block(x.gpu(), sizes, lanes(&[inner]), form);
    let Mask { key, threshold, scale } = mask.unwrap_or_default();
    queue_product!(
        with_residual,
        form,
        block,
        sizes,
        (x, weight, bias, residual, &out),
        [],
        [key, threshold, scale, mask.is_some()]
    );
    out
}

/// `gradient [rows, outputs] x weight [inputs, outputs]` transposed, `[rows, inputs]`.
pub fn input_gradient(gradient: &Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [gradient.dims()[0], weight.dims()[0], gradient.dims()[1]];
    fit(&[(inner, weight.dims()[1])]);
    let out = empty([rows, columns], gradient.gpu());
    product(Form::RightTransposed, gradient, weight, &out, sizes, [inner, inner, columns], false);
    out
}

/// The gradient of what the activation was given, `before [rows, inputs]`.
pub fn input_gradient_through_activation(
    gradient: &Tensor<2>,
    weight: &Tensor<2>,
    before: &Tensor<2>,
    activation: Activation,
) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [gradient.dims()[0], weight.dims()[0], gradient.dims()[1]];
    fit(&[(inner, weight.dims()[1]), (before.dims()[0], rows), (before.dims()[1], columns)]);
    let out = empty([rows, columns], gradient.gpu());
    let form = Form::RightTransposed;
    let block = small_block(gradient.gpu(), sizes, lanes(&[inner]), form);
    queue_product!(through_activation, form, block, sizes, (gradient, weight, before, &out), [], [activation]);
    out
}

/// Writes, or adds, `x [rows, inputs]` transposed `x gradient [rows, outputs]` and, where there is a `bias`, the sums of
/// `gradient`'s columns.
pub fn weight_gradient_into(
    x: &Tensor<2>,
    gradient: &Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    adding: bool,
) {
    let sizes @ [rows, columns, inner] = [x.dims()[1], gradient.dims()[1], x.dims()[0]];
    let [inputs, outputs] = weight.dims();
    let biases = bias.map_or(columns, |bias| bias.dims()[0]);
    fit(&[(inner, gradient.dims()[0]), (inputs, rows), (outputs, columns), (biases, columns)]);
    let form = Form::LeftTransposed;
    let block = block(x.gpu(), sizes, lanes(&[rows]), form);
    // A kernel has as many arguments as it has; what is not written may be anything but a buffer bound already.
    let bias_sums = bias.cloned().unwrap_or_else(|| empty([4], x.gpu()));
    queue_product!(
        weight_gradient,
        form,
        block,
        sizes,
        (x, gradient, weight, &bias_sums),
        [],
        [adding, bias.is_some()]
    );
}
