//! The gate of a gated MLP on the GPU: a thread for each number of the output.

use cubecl::prelude::*;
use half::f16;

use super::{
    elementwise::{activated, activated_slope},
    memory::{Tensor, buffer, client, empty, empty_of, fit, groups, is_half},
    product::launch_out,
};
use crate::{config::Activation, ops::Precision};

const GROUP: u32 = 64;

#[cube(launch_unchecked)]
fn forward<Y: Float>(x: &[f32], y: &mut [Y], width: usize, len: usize, #[comptime] activation: Activation) {
    if ABSOLUTE_POS < len {
        let at = ABSOLUTE_POS / width * 2 * width + ABSOLUTE_POS % width;
        y[ABSOLUTE_POS] = Y::cast_from(activated(x[at], activation) * x[at + width]);
    }
}

#[cube(launch_unchecked)]
fn backward(
    gradient: &[f32],
    x: &[f32],
    out: &mut [f32],
    width: usize,
    len: usize,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS < len {
        let at = ABSOLUTE_POS / width * 2 * width + ABSOLUTE_POS % width;
        let d = gradient[ABSOLUTE_POS];
        out[at] = d * x[at + width] * activated_slope(x[at], activation);
        out[at + width] = d * activated(x[at], activation);
    }
}

/// `activation(gate) * value` of `x [rows, 2 * width]`, `[rows, width]`.
pub fn gate(x: &Tensor<2>, activation: Activation, precision: Precision) -> Tensor<2> {
    let [rows, both] = x.dims();
    let width = both / 2;
    let y = empty_of(precision, [rows, width], x.gpu());
    let len = rows * width;
    // SAFETY: here and below, no thread exceeds the length.
    unsafe {
        launch_out!(
            &y,
            forward(
                client(x),
                groups(len, GROUP),
                CubeDim::new_1d(GROUP),
                buffer(x),
                buffer(&y),
                width,
                len,
                activation,
            )
        )
    }
    y
}

/// The gradient of `x [rows, 2 * width]` from that of the output, `[rows, width]`.
pub fn gate_backward(gradient: &Tensor<2>, x: &Tensor<2>, activation: Activation) -> Tensor<2> {
    let [rows, both] = x.dims();
    let width = both / 2;
    fit(&[(gradient.dims()[0], rows), (gradient.dims()[1], width)]);
    let out = empty([rows, both], x.gpu());
    let len = rows * width;
    unsafe {
        backward::launch_unchecked(
            client(x),
            groups(len, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(gradient),
            buffer(x),
            buffer(&out),
            width,
            len,
            activation,
        );
    }
    out
}
