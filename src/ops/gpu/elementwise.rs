//! Elementwise functions on the GPU.

use cubecl::prelude::*;
use half::f16;

use super::memory::{Tensor, buffer, client, groups};
use crate::{
    config::Activation,
    ops::activation::{CUBE, DENSITY, ERROR, ERROR_STEP, SQRT_2_OVER_PI},
};

/// Computed with the exponential, because WGSL's own `tanh` is wrong for large numbers on some GPUs.
#[cube]
fn tanh_of(x: f32) -> f32 {
    1.0 - 2.0 / ((clamp(x, -20.0, 20.0) * 2.0).exp() + 1.0)
}

/// The cumulative distribution function of the normal distribution; as on the CPU.
#[cube]
fn normal_of(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + ERROR_STEP * z);
    let [a, b, c, d, e] = comptime![ERROR];
    let sum = a + t * (b + t * (c + t * (d + t * e)));
    let tail = 0.5 * t * sum * (-z * z).exp();
    select(x < 0.0, tail, 1.0 - tail)
}

#[cube]
fn sigmoid_of(x: f32) -> f32 {
    1.0 / (1.0 + clamp(-x, -80.0, 80.0).exp())
}

#[cube]
pub fn activated(x: f32, #[comptime] activation: Activation) -> f32 {
    match activation {
        Activation::GeluTanh => 0.5 * x * (1.0 + tanh_of(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x))),
        Activation::Gelu => x * normal_of(x),
        Activation::Relu => max(x, 0.0f32),
        Activation::Silu => x * sigmoid_of(x),
        Activation::Tanh => tanh_of(x),
    }
}

#[cube]
pub fn activated_slope(x: f32, #[comptime] activation: Activation) -> f32 {
    match activation {
        Activation::GeluTanh => {
            let t = tanh_of(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x));
            let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBE * x * x);
            0.5 * (1.0 + t + x * (1.0 - t * t) * slope)
        }
        Activation::Gelu => normal_of(x) + x * DENSITY * (x * x * -0.5f32).exp(),
        Activation::Relu => select(x > 0.0, 1.0f32, 0.0f32),
        Activation::Silu => {
            let sigmoid = sigmoid_of(x);
            sigmoid * (1.0 + x * (1.0 - sigmoid))
        }
        Activation::Tanh => {
            let t = tanh_of(x);
            1.0 - t * t
        }
    }
}

const GROUP: u32 = 64;

#[cube(launch_unchecked)]
fn convert<Y: Float>(x: &[f32], y: &mut [Y], len: usize) {
    if ABSOLUTE_POS < len {
        y[ABSOLUTE_POS] = Y::cast_from(x[ABSOLUTE_POS]);
    }
}

/// Copies `x` to `y`, which has half precision.
pub fn halve<const D: usize>(x: &Tensor<D>, y: &Tensor<D>) {
    let len = x.dims().iter().product();
    assert_eq!(x.dims(), y.dims(), "numbers for another shape");
    // SAFETY: no index exceeds the length.
    unsafe {
        convert::launch_unchecked::<f16>(
            client(x),
            groups(len, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(x),
            buffer(y),
            len,
        );
    }
}

#[cube(launch_unchecked)]
fn filling(x: &mut [f32], value: f32, len: usize) {
    if ABSOLUTE_POS < len {
        x[ABSOLUTE_POS] = value;
    }
}

/// Sets every element to one value.
pub fn fill<const D: usize>(x: &Tensor<D>, value: f32) {
    let len = x.dims().iter().product();
    // SAFETY: no index exceeds the length.
    unsafe {
        filling::launch_unchecked(client(x), groups(len, GROUP), CubeDim::new_1d(GROUP), buffer(x), value, len);
    }
}

#[cube(launch_unchecked)]
fn scaled(x: &[f32], y: &mut [f32], factor: f32, len: usize) {
    if ABSOLUTE_POS < len {
        y[ABSOLUTE_POS] = x[ABSOLUTE_POS] * factor;
    }
}

/// Writes `x`, times `factor`, to `y`, of the same length.
pub fn scale_into<const D: usize>(x: &Tensor<D>, y: &Tensor<D>, factor: f32) {
    let len = x.dims().iter().product();
    assert_eq!(y.dims().iter().product::<usize>(), len, "numbers for another shape");
    // SAFETY: no index exceeds the length.
    unsafe {
        let dim = CubeDim::new_1d(GROUP);
        scaled::launch_unchecked(client(x), groups(len, GROUP), dim, buffer(x), buffer(y), factor, len);
    }
}

#[cube(launch_unchecked)]
fn added(x: &[f32], y: &mut [f32], len: usize) {
    if ABSOLUTE_POS < len {
        y[ABSOLUTE_POS] += x[ABSOLUTE_POS];
    }
}

/// Adds `x` to `y`, of the same length.
pub fn add_into(x: &Tensor<1>, y: &Tensor<1>) {
    let [len] = x.dims();
    assert_eq!(y.dims(), [len], "numbers for another shape");
    // SAFETY: no thread exceeds the length of both.
    unsafe {
        added::launch_unchecked(client(x), groups(len, GROUP), CubeDim::new_1d(GROUP), buffer(x), buffer(y), len);
    }
}
