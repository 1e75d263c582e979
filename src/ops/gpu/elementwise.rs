//! Functions of one number.

use burn::tensor::Tensor;
use cubecl::prelude::*;
use half::f16;

use super::memory::{buffer, client, groups};
use crate::ops::gelu::{CUBE, SQRT_2_OVER_PI};

/// By the exponential, which unlike WGSL's own `tanh` is right for large numbers on every GPU.
#[cube]
fn tanh_of(x: f32) -> f32 {
    1.0 - 2.0 / ((clamp(x, -20.0, 20.0) * 2.0).exp() + 1.0)
}

#[cube]
pub fn gelu_of(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh_of(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x)))
}

#[cube]
pub fn gelu_slope(x: f32) -> f32 {
    let t = tanh_of(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x));
    let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBE * x * x);
    0.5 * (1.0 + t + x * (1.0 - t * t) * slope)
}

const GROUP: u32 = 64;

#[cube(launch_unchecked)]
fn convert<Y: Float>(x: &[f32], y: &mut [Y], len: usize) {
    if ABSOLUTE_POS < len {
        y[ABSOLUTE_POS] = Y::cast_from(x[ABSOLUTE_POS]);
    }
}

/// Writes the numbers of `x` to `y`, which holds them with half precision.
pub fn halve<const D: usize>(x: &Tensor<D>, y: &Tensor<D>) {
    let len = x.dims().iter().product();
    // SAFETY: no index goes beyond the length.
    unsafe {
        convert::launch_unchecked::<f16>(
            &client(x),
            groups(len, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(x),
            buffer(y),
            len,
        );
    }
}
