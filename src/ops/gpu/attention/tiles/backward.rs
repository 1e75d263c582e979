//! Backward pass of attention. It recomputes the attention weights from the logarithm of each row's sum: in one kernel a
//! workgroup has the queries of a tile, in the other keys and values.

use cubecl::prelude::*;
use half::f16;

use super::{
    ACROSS, Four, SIDE, STRIDE, Tile, across, add_products, add_weighted, first_row, load, row_total, show, store,
};
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
    key_value_heads: usize,
    scale: f32,
    key: u32,
    threshold: u32,
    kept_by: f32,
    once: usize,
    #[comptime] tile: Tile,
) {
    let tiles = time.div_ceil(SIDE);
    let index = from + CUBE_POS;
    let head = index / tiles % heads;
    let window = index / tiles / heads;
    if window < windows {
        let mut memory = Shared::<[Four]>::new_slice(comptime![tile.memory()]);
        let mut weights = Shared::<[Four]>::new_slice(comptime![ACROSS * STRIDE]);
        let mut shown = Shared::<[f32]>::new_slice(comptime![ACROSS * STRIDE]);
        // The tiles with most keys first: they take longest.
        let start = (tiles - 1 - index % tiles) * SIDE;
        let loads = comptime![tile.width / tile.lanes];
        let length = (heads + 2 * key_value_heads) * loads;
        let window_at = window * time * length;
        let query_at = window_at + start * length + head * loads;
        let keys_at = window_at + (heads + head / (heads / key_value_heads)) * loads;
        let output_length = heads * loads;
        let output_at = (window * time + start) * output_length + head * loads;
        let rows_at = (window * heads + head) * time;
        let mut row_sum = Array::<f32>::new(tile.rows);
        let mut row_along = Array::<f32>::new(tile.rows);
        let mut result = Array::<Four>::new(comptime![tile.rows * tile.kept]);
        #[unroll]
        for i in 0..tile.rows {
            let row = min(first_row() + comptime![i * tile.down()], time - 1 - start);
            row_sum[i] = sums[rows_at + start + row];
            let at = output_at + row * output_length;
            let mut product = Four::new(0.0);
            // A loop, because all these numbers at a time would be more registers than the rest of the kernel needs.
            for k in 0..tile.kept * once {
                let d = across() + k * ACROSS;
                let inside = comptime![tile.length.is_multiple_of(ACROSS)];
                product += load::<Y, N>(output, at, d, inside, tile) * load::<f32, N>(gradient, at, d, inside, tile);
            }
            row_along[i] = total::<Const<4>>(product, 4usize);
            #[unroll]
            for k in 0..tile.kept {
                result[comptime![i * tile.kept + k]] = Four::new(0.0);
            }
        }
        show(&mut shown, &row_along, tile);
        sync_cube();
        #[unroll]
        for i in 0..tile.rows {
            row_along[i] = row_total(&shown, first_row() + comptime![i * tile.down()]);
        }
        for number in 0..(min(start + SIDE, time) - 1) / SIDE + 1 {
            let past = number * SIDE;
            let key_at = keys_at + past * length;
            let value_at = key_at + key_value_heads * loads;
            let mut scores = Array::<f32>::new(comptime![tile.rows * 4]);
            let mut slopes = Array::<f32>::new(comptime![tile.rows * 4]);
            #[unroll]
            for k in 0..comptime![tile.rows * 4] {
                scores[k] = 0.0;
                slopes[k] = 0.0;
            }
            add_products::<N>(
                qkv,
                query_at,
                length,
                time - start,
                qkv,
                key_at,
                length,
                time - past,
                &mut memory,
                &mut scores,
                once,
                tile,
            );
            add_products::<N>(
                gradient,
                output_at,
                output_length,
                time - start,
                qkv,
                value_at,
                length,
                time - past,
                &mut memory,
                &mut slopes,
                once,
                tile,
            );
            #[unroll]
            for i in 0..tile.rows {
                let row = first_row() + comptime![i * tile.down()];
                let mut four = Four::new(0.0);
                #[unroll]
                for j in 0..4usize {
                    let place = past + across() * 4 + j;
                    let mut slope = slopes[comptime![i * 4 + j]];
                    if comptime![tile.dropping] {
                        let at = (rows_at + start + row) * time + place;
                        slope *= kept(key, threshold, kept_by, at as u32);
                    }
                    // The score of a masked key is arbitrary: its exponential could be infinite, which a driver with
                    // fast mathematics turns into NaN.
                    let weight = min(scores[comptime![i * 4 + j]] * scale - row_sum[i], 0.0).exp();
                    let change = weight * (slope - row_along[i]) * scale;
                    four.insert(j, select(place <= start + row, change, 0.0));
                }
                weights[across() * STRIDE + row] = four;
            }
            add_weighted::<N>(&weights, qkv, key_at, length, time - past, &mut memory, &mut result, once, tile);
        }
        #[unroll]
        for i in 0..tile.rows {
            let row = first_row() + comptime![i * tile.down()];
            if start + row < time {
                #[unroll]
                for k in 0..tile.kept {
                    let value = result[comptime![i * tile.kept + k]];
                    store::<f32, N>(out, query_at + row * length, across() + comptime![k * ACROSS], value, tile);
                }
                if across() == 0 {
                    along[rows_at + start + row] = row_along[i];
                }
            }
        }
    }
}

/// A tile's rows are keys here, its columns queries: of each query head that reads these keys, one after the other.
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
    key_value_heads: usize,
    scale: f32,
    key: u32,
    threshold: u32,
    kept_by: f32,
    once: usize,
    #[comptime] tile: Tile,
) {
    let tiles = time.div_ceil(SIDE);
    let index = from + CUBE_POS;
    let key_head = index / tiles % key_value_heads;
    let window = index / tiles / key_value_heads;
    if window < windows {
        let mut memory = Shared::<[Four]>::new_slice(comptime![tile.memory()]);
        let mut weights = Shared::<[Four]>::new_slice(comptime![ACROSS * STRIDE]);
        let start = index % tiles * SIDE;
        let loads = comptime![tile.width / tile.lanes];
        let length = (heads + 2 * key_value_heads) * loads;
        let window_at = window * time * length;
        let key_at = window_at + start * length + (heads + key_head) * loads;
        let value_at = key_at + key_value_heads * loads;
        let output_length = heads * loads;
        let mut keys = Array::<Four>::new(comptime![tile.rows * tile.kept]);
        let mut values = Array::<Four>::new(comptime![tile.rows * tile.kept]);
        #[unroll]
        for k in 0..comptime![tile.rows * tile.kept] {
            keys[k] = Four::new(0.0);
            values[k] = Four::new(0.0);
        }
        let group = heads / key_value_heads;
        let first = start / SIDE;
        // Of each of the group's heads the tiles from the keys' own on.
        for turn in 0..group * (tiles - first) {
            let head = key_head * group + turn / (tiles - first);
            let query = (first + turn % (tiles - first)) * SIDE;
            let query_at = window_at + query * length + head * loads;
            let output_at = (window * time + query) * output_length + head * loads;
            let rows_at = (window * heads + head) * time;
            let mut scores = Array::<f32>::new(comptime![tile.rows * 4]);
            let mut slopes = Array::<f32>::new(comptime![tile.rows * 4]);
            #[unroll]
            for k in 0..comptime![tile.rows * 4] {
                scores[k] = 0.0;
                slopes[k] = 0.0;
            }
            add_products::<N>(
                qkv,
                key_at,
                length,
                time - start,
                qkv,
                query_at,
                length,
                time - query,
                &mut memory,
                &mut scores,
                once,
                tile,
            );
            add_products::<N>(
                qkv,
                value_at,
                length,
                time - start,
                gradient,
                output_at,
                output_length,
                time - query,
                &mut memory,
                &mut slopes,
                once,
                tile,
            );
            #[unroll]
            for j in 0..4usize {
                let asks = query + across() * 4 + j;
                let row_sum = sums[rows_at + min(asks, time - 1)];
                let row_along = along[rows_at + min(asks, time - 1)];
                #[unroll]
                for i in 0..tile.rows {
                    let place = start + first_row() + comptime![i * tile.down()];
                    let seen = place <= asks && asks < time;
                    let weight = min(scores[comptime![i * 4 + j]] * scale - row_sum, 0.0).exp();
                    let mut used = weight;
                    let mut slope = slopes[comptime![i * 4 + j]];
                    if comptime![tile.dropping] {
                        let keep = kept(key, threshold, kept_by, ((rows_at + asks) * time + place) as u32);
                        slope *= keep;
                        used *= keep;
                    }
                    scores[comptime![i * 4 + j]] = select(seen, weight * (slope - row_along) * scale, 0.0);
                    slopes[comptime![i * 4 + j]] = select(seen, used, 0.0);
                }
            }
            share(&slopes, &mut weights, tile);
            add_weighted::<N>(
                &weights,
                gradient,
                output_at,
                output_length,
                time - query,
                &mut memory,
                &mut values,
                once,
                tile,
            );
            // Everybody has read the weights.
            sync_cube();
            share(&scores, &mut weights, tile);
            add_weighted::<N>(&weights, qkv, query_at, length, time - query, &mut memory, &mut keys, once, tile);
        }
        #[unroll]
        for i in 0..tile.rows {
            let row = first_row() + comptime![i * tile.down()];
            if start + row < time {
                #[unroll]
                for k in 0..tile.kept {
                    let d = across() + comptime![k * ACROSS];
                    store::<f32, N>(out, key_at + row * length, d, keys[comptime![i * tile.kept + k]], tile);
                    store::<f32, N>(out, value_at + row * length, d, values[comptime![i * tile.kept + k]], tile);
                }
            }
        }
    }
}

/// Writes this thread's weights `[rows, 4]` where the other threads of its rows read them.
#[cube]
fn share(from: &Array<f32>, weights: &mut [Four], #[comptime] tile: Tile) {
    #[unroll]
    for i in 0..tile.rows {
        let mut four = Four::new(0.0);
        #[unroll]
        for j in 0..4usize {
            four.insert(j, from[comptime![i * 4 + j]]);
        }
        weights[across() * STRIDE + comptime![i * tile.down()] + first_row()] = four;
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
    let tile = Tile::new(sizes, 1, 2, mask);
    let tiles = windows * heads * time.div_ceil(SIDE);
    in_parts(qkv.gpu(), operations(sizes, time, 3.0), tiles, 1, |from, tiles| unsafe {
        // SAFETY: as in the forward pass, here and below.
        launch_out!(
            output,
            query_gradient(
                client(qkv),
                groups(tiles, 1),
                CubeDim::new_1d(tile.threads() as u32),
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
                key_value_heads,
                scale(sizes),
                key,
                threshold,
                kept_by,
                1usize,
                tile,
            )
        );
    });
    let tile = Tile::new(sizes, 2, 2, mask);
    let tiles = windows * key_value_heads * time.div_ceil(SIDE);
    in_parts(qkv.gpu(), operations(sizes, time, 4.0), tiles, 1, |from, tiles| unsafe {
        key_gradient::launch_unchecked(
            client(qkv),
            groups(tiles, 1),
            CubeDim::new_1d(tile.threads() as u32),
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
            key_value_heads,
            scale(sizes),
            key,
            threshold,
            kept_by,
            1usize,
            tile,
        );
    });
    out
}
