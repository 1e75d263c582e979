//! Attention without workgroup memory: a thread loops over the keys in blocks and keeps the running softmax of a few
//! queries. Queries, keys and values are read from where they are; no head is ever copied out.
//!
//! The backward pass is in `rows/backward.rs`. No two threads write the same number.

mod backward;

pub use backward::attention_backward;

use cubecl::prelude::*;
use half::f16;

use super::{Sizes, operations, scale};
use crate::ops::{
    Precision,
    dropout::Mask,
    gpu::{
        block::lanes,
        memory::{Tensor, buffer, client, empty, empty_of, groups, is_half},
        product::launch_out,
        queue::in_parts,
        random::kept,
    },
};

const GROUP: u32 = 64;
/// Keys, or queries, per block.
const BLOCK: usize = 4;
/// Vectors that a thread keeps of its result: more would not fit a GPU's registers.
const KEPT: usize = 32;

/// Parameters known when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tile {
    /// Rows per thread.
    rows: usize,
    /// Elements per load.
    lanes: usize,
    /// Loads per head.
    length: usize,
    /// Query heads for each key-value head.
    group: usize,
    dropping: bool,
}

impl Tile {
    fn new(sizes: Sizes, kept: usize, mask: Option<Mask>) -> Self {
        let lanes = lanes(&[sizes.head_width]);
        let length = sizes.head_width / lanes;
        let rows = (kept / length).next_power_of_two().clamp(1, 4);
        let group = sizes.heads / sizes.key_value_heads;
        Self { rows, lanes, length, group, dropping: mask.is_some() }
    }
}

/// Adds dot products of rows of `left` with rows of `right`, `[tile.rows, BLOCK]`.
#[cube]
fn row_products<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    left_at: &Array<usize>,
    right_at: &Array<usize>,
    out: &mut Array<f32>,
    #[comptime] tile: Tile,
) {
    for d in 0..tile.length {
        let mut y = Array::<Vector<f32, N>>::new(BLOCK);
        #[unroll]
        for c in 0..BLOCK {
            y[c] = right[right_at[c] + d];
        }
        #[unroll]
        for r in 0..tile.rows {
            let x = left[left_at[r] + d];
            #[unroll]
            for c in 0..BLOCK {
                out[comptime![r * BLOCK + c]] += x.dot(y[c]);
            }
        }
    }
}

/// Adds weighted rows of `right` to rows of `out`, `[tile.rows, tile.length]`.
#[cube]
fn add_weighted<N: Size>(
    weights: &Array<f32>,
    right: &[Vector<f32, N>],
    right_at: &Array<usize>,
    out: &mut Array<Vector<f32, N>>,
    #[comptime] tile: Tile,
) {
    #[unroll]
    for d in 0..tile.length {
        let mut y = Array::<Vector<f32, N>>::new(BLOCK);
        #[unroll]
        for c in 0..BLOCK {
            y[c] = right[right_at[c] + d];
        }
        #[unroll]
        for r in 0..tile.rows {
            let mut sum = Vector::<f32, N>::new(weights[comptime![r * BLOCK]]) * y[0];
            #[unroll]
            for c in 1..BLOCK {
                sum += Vector::<f32, N>::new(weights[comptime![r * BLOCK + c]]) * y[c];
            }
            out[comptime![r * tile.length + d]] += sum;
        }
    }
}

/// Loads from one token to the next in `qkv`.
#[cube]
fn row_length(heads: usize, #[comptime] tile: Tile) -> usize {
    (heads + heads / tile.group * 2) * tile.length
}

/// Attention of every query. `out [windows * time, width]`, `sums [windows, heads, time]`. `from`, here and below: the first thread of a part (`queue::in_parts`).
#[cube(launch_unchecked)]
fn forward<Y: Float, N: Size>(
    qkv: &[Vector<f32, N>],
    out: &mut [Vector<Y, N>],
    sums: &mut [f32],
    from: usize,
    windows: usize,
    time: usize,
    heads: usize,
    scale: f32,
    key: u32,
    threshold: u32,
    kept_by: f32,
    #[comptime] tile: Tile,
) {
    let thread = from + ABSOLUTE_POS;
    let blocks = time.div_ceil(tile.rows);
    let block = thread % blocks;
    let head = thread / blocks % heads;
    let window = thread / blocks / heads;
    if window < windows {
        let width = heads * tile.length;
        let row_length = row_length(heads, tile);
        let at = window * time * row_length + head * tile.length;
        let keys_at = window * time * row_length + (heads + head / tile.group) * tile.length;
        let start = block * tile.rows;
        let mut query_at = Array::<usize>::new(tile.rows);
        let mut largest = Array::<f32>::new(tile.rows);
        let mut sum = Array::<f32>::new(tile.rows);
        let mut result = Array::<Vector<f32, N>>::new(comptime![tile.rows * tile.length]);
        #[unroll]
        for r in 0..tile.rows {
            query_at[r] = at + min(start + r, time - 1) * row_length;
            largest[r] = f32::new(-1e30);
        }
        let last = min(start + tile.rows - 1, time - 1);
        for number in 0..last / BLOCK + 1 {
            let mut key_at = Array::<usize>::new(BLOCK);
            let mut value_at = Array::<usize>::new(BLOCK);
            #[unroll]
            for c in 0..BLOCK {
                key_at[c] = keys_at + min(number * BLOCK + c, time - 1) * row_length;
                value_at[c] = key_at[c] + heads / tile.group * tile.length;
            }
            let mut weights = Array::<f32>::new(comptime![tile.rows * BLOCK]);
            row_products::<N>(qkv, qkv, &query_at, &key_at, &mut weights, tile);
            #[unroll]
            for r in 0..tile.rows {
                let mut high = largest[r];
                #[unroll]
                for c in 0..BLOCK {
                    let seen = number * BLOCK + c <= start + r;
                    weights[comptime![r * BLOCK + c]] = select(seen, weights[comptime![r * BLOCK + c]] * scale, -1e30);
                    high = max(high, weights[comptime![r * BLOCK + c]]);
                }
                let correction = (largest[r] - high).exp();
                largest[r] = high;
                sum[r] *= correction;
                #[unroll]
                for c in 0..BLOCK {
                    // A row whose keys are all masked so far has the maximum -1e30, and weights of 1.
                    let seen = number * BLOCK + c <= start + r;
                    let mut weight = select(seen, (weights[comptime![r * BLOCK + c]] - high).exp(), 0.0);
                    sum[r] += weight;
                    if comptime![tile.dropping] {
                        let row = (window * heads + head) * time + start + r;
                        weight *= kept(key, threshold, kept_by, (row * time + number * BLOCK + c) as u32);
                    }
                    weights[comptime![r * BLOCK + c]] = weight;
                }
                let corrections = Vector::<f32, N>::new(correction);
                #[unroll]
                for d in 0..tile.length {
                    result[comptime![r * tile.length + d]] *= corrections;
                }
            }
            add_weighted::<N>(&weights, qkv, &value_at, &mut result, tile);
        }
        #[unroll]
        for r in 0..tile.rows {
            if start + r < time {
                let row = window * time + start + r;
                let inverse = Vector::<f32, N>::new(1.0 / sum[r]);
                #[unroll]
                for d in 0..tile.length {
                    let value = result[comptime![r * tile.length + d]] * inverse;
                    out[row * width + head * tile.length + d] = Vector::cast_from(value);
                }
                sums[(window * heads + head) * time + start + r] = largest[r] + sum[r].ln();
            }
        }
    }
}

/// The output, `[windows * time, width]`, and the logarithms of the rows' sums, `[windows, heads, time]`.
pub fn attention(qkv: &Tensor<2>, sizes: Sizes, mask: Option<Mask>, precision: Precision) -> (Tensor<2>, Tensor<3>) {
    let Sizes { windows, time, heads, head_width, .. } = sizes;
    let out = empty_of(precision, [windows * time, heads * head_width], qkv.gpu());
    let sums = empty([windows, heads, time], qkv.gpu());
    let tile = Tile::new(sizes, KEPT, mask);
    let threads = windows * heads * time.div_ceil(tile.rows);
    let Mask { key, threshold, scale: kept_by } = mask.unwrap_or_default();
    in_parts(qkv.gpu(), operations(sizes, time, 2.0), threads, GROUP as usize, |from, threads| {
        // SAFETY: no index exceeds the sizes given, and WebGPU keeps indices inside the bound buffers.
        unsafe {
            launch_out!(
                &out,
                forward(
                    client(qkv),
                    groups(threads, GROUP),
                    CubeDim::new_1d(GROUP),
                    tile.lanes,
                    buffer(qkv),
                    buffer(&out),
                    buffer(&sums),
                    from,
                    windows,
                    time,
                    heads,
                    scale(sizes),
                    key,
                    threshold,
                    kept_by,
                    tile,
                )
            );
        }
    });
    (out, sums)
}
