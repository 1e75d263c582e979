//! Functions of one number.

use cubecl::prelude::*;

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
