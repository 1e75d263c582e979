//! Counter-based random numbers for dropout: the mask depends on a key and the index alone, so the backward pass
//! computes the same mask again instead of storing it. The same generator as [`crate::ops::dropout`].

use cubecl::prelude::*;

/// 0 for a dropped number, or the scale factor of a kept one.
#[cube]
pub fn kept(key: u32, threshold: u32, scale: f32, index: u32) -> f32 {
    select(mix(mix(index ^ key) + key) >= threshold, scale, 0.0)
}

/// `lowbias32` of Chris Wellons' hash-prospector (2018): every bit of the result depends on every bit of `x`.
#[cube]
fn mix(x: u32) -> u32 {
    let mut x = x ^ (x >> 16);
    x *= 0x7feb_352d;
    x ^= x >> 15;
    x *= 0x846c_a68b;
    x ^ (x >> 16)
}
