//! Backward pass of attention. It recomputes the attention weights from the logarithm of each row's sum: in one kernel
//! a thread computes the gradient of a few queries, in the other that of a few keys and values.

use cubecl::prelude::*;
use half::f16;

use super::{BLOCK, GROUP, KEPT, Tile, add_weighted, row_length, row_products};
use crate::ops::{
    dropout::Mask,
    gpu::{
        attention::{Sizes, operations, scale},
        memory::{Tensor, buffer, client, empty, groups, is_half},
        norm::total,
        product::launch_out,
        queue::in_parts,
        random::kept,
    },
};

/// Replaces the first of a tile's rows by the second, for the reason of `product::next_row`.
#[cube]
fn next_row<N: Size>(rows: &mut Array<Vector<f32, N>>, #[comptime] tile: Tile) {
    #[unroll]
    for k in 0..comptime![(tile.rows - 1) * tile.length] {
        rows[k] = rows[comptime![k + tile.length]];
    }
}

/// `along [windows, heads, time]`: the dot products of the output with its gradient, for the other kernel.
#[cube(launch_unchecked)]
fn query_gradient<Y: Float, N: Size>(
    qkv: &[Vector<f32, N>],
    output: &[Vector<Y, N>],
    gradient: &[Vector<f32, N>],
    sums: &[f32],
    along: &mut [f32],
    out: &mut [Vector<f32, N>],
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
        let mut gradient_at = Array::<usize>::new(tile.rows);
        let mut row_sum = Array::<f32>::new(tile.rows);
        let mut row_along = Array::<f32>::new(tile.rows);
        #[unroll]
        for r in 0..tile.rows {
            let row = min(start + r, time - 1);
            query_at[r] = at + row * row_length;
            gradient_at[r] = (window * time + row) * width + head * tile.length;
            row_sum[r] = sums[(window * heads + head) * time + row];
            let mut product = Vector::<f32, N>::new(0.0);
            for d in 0..tile.length {
                product += Vector::cast_from(output[gradient_at[r] + d]) * gradient[gradient_at[r] + d];
            }
            row_along[r] = total::<N>(product, tile.lanes);
        }
        let mut result = Array::<Vector<f32, N>>::new(comptime![tile.rows * tile.length]);
        let last = min(start + tile.rows - 1, time - 1);
        for number in 0..last / BLOCK + 1 {
            let mut key_at = Array::<usize>::new(BLOCK);
            let mut value_at = Array::<usize>::new(BLOCK);
            #[unroll]
            for c in 0..BLOCK {
                key_at[c] = keys_at + min(number * BLOCK + c, time - 1) * row_length;
                value_at[c] = key_at[c] + heads / tile.group * tile.length;
            }
            let mut scores = Array::<f32>::new(comptime![tile.rows * BLOCK]);
            let mut slopes = Array::<f32>::new(comptime![tile.rows * BLOCK]);
            row_products::<N>(qkv, qkv, &query_at, &key_at, &mut scores, tile);
            row_products::<N>(gradient, qkv, &gradient_at, &value_at, &mut slopes, tile);
            #[unroll]
            for r in 0..tile.rows {
                #[unroll]
                for c in 0..BLOCK {
                    // The score of a masked key is arbitrary: its exponential could be infinite, which a driver with
                    // fast mathematics turns into NaN.
                    let seen = number * BLOCK + c <= start + r;
                    let mut slope = slopes[comptime![r * BLOCK + c]];
                    if comptime![tile.dropping] {
                        let row = (window * heads + head) * time + start + r;
                        slope *= kept(key, threshold, kept_by, (row * time + number * BLOCK + c) as u32);
                    }
                    let weight = min(scores[comptime![r * BLOCK + c]] * scale - row_sum[r], 0.0).exp();
                    scores[comptime![r * BLOCK + c]] = select(seen, weight * (slope - row_along[r]) * scale, 0.0);
                }
            }
            add_weighted::<N>(&scores, qkv, &key_at, &mut result, tile);
        }
        for query in start..min(start + tile.rows, time) {
            #[unroll]
            for d in 0..tile.length {
                out[at + query * row_length + d] = result[d];
            }
            along[(window * heads + head) * time + query] = row_along[0];
            next_row::<N>(&mut result, tile);
            #[unroll]
            for r in 1..tile.rows {
                row_along[comptime![r - 1]] = row_along[r];
            }
        }
    }
}

#[cube(launch_unchecked)]
fn key_gradient<N: Size>(
    qkv: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    sums: &[f32],
    along: &[f32],
    out: &mut [Vector<f32, N>],
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
    let key_value_heads = heads / tile.group;
    let key_head = thread / blocks % key_value_heads;
    let window = thread / blocks / key_value_heads;
    if window < windows {
        let width = heads * tile.length;
        let row_length = row_length(heads, tile);
        let at = window * time * row_length;
        let keys_at = at + (heads + key_head) * tile.length;
        let start = block * tile.rows;
        let mut key_at = Array::<usize>::new(tile.rows);
        let mut value_at = Array::<usize>::new(tile.rows);
        #[unroll]
        for r in 0..tile.rows {
            key_at[r] = keys_at + min(start + r, time - 1) * row_length;
            value_at[r] = key_at[r] + key_value_heads * tile.length;
        }
        let mut keys = Array::<Vector<f32, N>>::new(comptime![tile.rows * tile.length]);
        let mut values = Array::<Vector<f32, N>>::new(comptime![tile.rows * tile.length]);
        // One group of heads is no loop: SwiftShader would be slower by it.
        #[unroll(tile.group == 1)]
        for member in 0..tile.group {
            let head = key_head * tile.group + member;
            for number in start / BLOCK..time.div_ceil(BLOCK) {
                let mut query_at = Array::<usize>::new(BLOCK);
                let mut gradient_at = Array::<usize>::new(BLOCK);
                let mut row_sum = Array::<f32>::new(BLOCK);
                let mut row_along = Array::<f32>::new(BLOCK);
                #[unroll]
                for c in 0..BLOCK {
                    let row = min(number * BLOCK + c, time - 1);
                    query_at[c] = at + row * row_length + head * tile.length;
                    gradient_at[c] = (window * time + row) * width + head * tile.length;
                    row_sum[c] = sums[(window * heads + head) * time + row];
                    row_along[c] = along[(window * heads + head) * time + row];
                }
                let mut scores = Array::<f32>::new(comptime![tile.rows * BLOCK]);
                let mut slopes = Array::<f32>::new(comptime![tile.rows * BLOCK]);
                row_products::<N>(qkv, qkv, &key_at, &query_at, &mut scores, tile);
                row_products::<N>(qkv, gradient, &value_at, &gradient_at, &mut slopes, tile);
                #[unroll]
                for r in 0..tile.rows {
                    #[unroll]
                    for c in 0..BLOCK {
                        let query = number * BLOCK + c;
                        let seen = start + r <= query && query < time;
                        let mut slope = slopes[comptime![r * BLOCK + c]];
                        let weight = min(scores[comptime![r * BLOCK + c]] * scale - row_sum[c], 0.0).exp();
                        let mut used = weight;
                        if comptime![tile.dropping] {
                            let row = (window * heads + head) * time + query;
                            let keep = kept(key, threshold, kept_by, (row * time + start + r) as u32);
                            slope *= keep;
                            used *= keep;
                        }
                        scores[comptime![r * BLOCK + c]] = select(seen, weight * (slope - row_along[c]) * scale, 0.0);
                        slopes[comptime![r * BLOCK + c]] = select(seen, used, 0.0);
                    }
                }
                add_weighted::<N>(&scores, qkv, &query_at, &mut keys, tile);
                add_weighted::<N>(&slopes, gradient, &gradient_at, &mut values, tile);
            }
        }
        for row in start..min(start + tile.rows, time) {
            let key_at = keys_at + row * row_length;
            let value_at = key_at + key_value_heads * tile.length;
            #[unroll]
            for d in 0..tile.length {
                out[key_at + d] = keys[d];
                out[value_at + d] = values[d];
            }
            next_row::<N>(&mut keys, tile);
            next_row::<N>(&mut values, tile);
        }
    }
}

/// The gradient of `qkv`, from the results of the forward pass and the gradient of its output,
/// `[windows * time, width]`.
pub fn attention_backward(
    qkv: &Tensor<2>,
    output: &Tensor<2>,
    sums: &Tensor<3>,
    gradient: &Tensor<2>,
    sizes: Sizes,
    mask: Option<Mask>,
) -> Tensor<2> {
    let Sizes { windows, time, heads, key_value_heads, .. } = sizes;
    let out = empty(qkv.dims(), qkv.gpu());
    let along = empty([windows, heads, time], qkv.gpu());
    let Mask { key, threshold, scale: kept_by } = mask.unwrap_or_default();
    let tile = Tile::new(sizes, KEPT, mask);
    let threads = windows * heads * time.div_ceil(tile.rows);
    in_parts(qkv.gpu(), operations(sizes, time, 3.0), threads, GROUP as usize, |from, threads| unsafe {
        // SAFETY: as in the forward pass, here and below.
        launch_out!(
            output,
            query_gradient(
                client(qkv),
                groups(threads, GROUP),
                CubeDim::new_1d(GROUP),
                tile.lanes,
                buffer(qkv),
                buffer(output),
                buffer(gradient),
                buffer(sums),
                buffer(&along),
                buffer(&out),
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
    });
    let tile = Tile::new(sizes, KEPT / 2, mask);
    let threads = windows * key_value_heads * time.div_ceil(tile.rows);
    in_parts(qkv.gpu(), operations(sizes, time, 4.0), threads, GROUP as usize, |from, threads| unsafe {
        key_gradient::launch_unchecked(
            client(qkv),
            groups(threads, GROUP),
            CubeDim::new_1d(GROUP),
            tile.lanes,
            buffer(qkv),
            buffer(gradient),
            buffer(sums),
            buffer(&along),
            buffer(&out),
            from,
            windows,
            time,
            heads,
            scale(sizes),
            key,
            threshold,
            kept_by,
            tile,
        );
    });
    out
}
