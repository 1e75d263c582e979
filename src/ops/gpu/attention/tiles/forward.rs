//! Attention's forward pass: a workgroup has the queries of a tile and goes through the keys and values before them.

use cubecl::prelude::*;
use half::f16;

use super::{ACROSS, Four, SIDE, STRIDE, Tile, across, add_products, add_weighted, first_row, row_total, show, store};
use crate::ops::{
    Precision,
    dropout::Mask,
    gpu::{
        attention::{Sizes, operations, scale},
        memory::{Tensor, buffer, client, empty, empty_of, groups, is_half},
        product::launch_out,
        queue::in_parts,
        random::kept,
    },
};

/// Attention of every query. `out [windows * time, width]`, `sums [windows, heads, time]`. `from`: the first workgroup of a part (`queue::in_parts`).
#[cube(launch_unchecked)]
fn forward<Y: Float, N: Size>(
    qkv: &[Vector<f32, N>],
    out: &mut [Vector<Y, N>],
    sums: &mut [f32],
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
        let mut largest = Array::<f32>::new(tile.rows);
        let mut sum = Array::<f32>::new(tile.rows);
        let mut result = Array::<Four>::new(comptime![tile.rows * tile.kept]);
        #[unroll]
        for i in 0..tile.rows {
            largest[i] = f32::new(-1e30);
            sum[i] = 0.0;
            #[unroll]
            for k in 0..tile.kept {
                result[comptime![i * tile.kept + k]] = Four::new(0.0);
            }
        }
        for number in 0..(min(start + SIDE, time) - 1) / SIDE + 1 {
            let past = number * SIDE;
            let key_at = keys_at + past * length;
            let mut scores = Array::<f32>::new(comptime![tile.rows * 4]);
            #[unroll]
            for k in 0..comptime![tile.rows * 4] {
                scores[k] = 0.0;
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
            let mut highest = Array::<f32>::new(tile.rows);
            #[unroll]
            for i in 0..tile.rows {
                let query = start + first_row() + comptime![i * tile.down()];
                let mut high = f32::new(-1e30);
                #[unroll]
                for j in 0..4usize {
                    let seen = past + across() * 4 + j <= query;
                    let score = select(seen, scores[comptime![i * 4 + j]] * scale, -1e30);
                    scores[comptime![i * 4 + j]] = score;
                    high = max(high, score);
                }
                highest[i] = high;
            }
            show(&mut shown, &highest, tile);
            sync_cube();
            #[unroll]
            for i in 0..tile.rows {
                let row = first_row() + comptime![i * tile.down()];
                let mut high = largest[i];
                #[unroll]
                for k in 0..ACROSS {
                    high = max(high, shown[comptime![k * STRIDE] + row]);
                }
                let correction = (largest[i] - high).exp();
                largest[i] = high;
                sum[i] *= correction;
                let mut four = Four::new(0.0);
                #[unroll]
                for j in 0..4usize {
                    // The first tile has a key that the row sees: its maximum is a score, and masked keys weigh 0.
                    let mut weight = (scores[comptime![i * 4 + j]] - high).exp();
                    sum[i] += weight;
                    if comptime![tile.dropping] {
                        let at = ((window * heads + head) * time + start + row) * time + past + across() * 4 + j;
                        weight *= kept(key, threshold, kept_by, at as u32);
                    }
                    four.insert(j, weight);
                }
                weights[across() * STRIDE + row] = four;
                let corrections = Four::new(correction);
                #[unroll]
                for k in 0..tile.kept {
                    result[comptime![i * tile.kept + k]] *= corrections;
                }
            }
            let value_at = key_at + key_value_heads * loads;
            add_weighted::<N>(&weights, qkv, value_at, length, time - past, &mut memory, &mut result, once, tile);
        }
        show(&mut shown, &sum, tile);
        sync_cube();
        #[unroll]
        for i in 0..tile.rows {
            let row = first_row() + comptime![i * tile.down()];
            let total = row_total(&shown, row);
            if start + row < time {
                let at = ((window * time + start + row) * heads + head) * loads;
                let inverse = Four::new(1.0 / total);
                #[unroll]
                for k in 0..tile.kept {
                    let value = result[comptime![i * tile.kept + k]] * inverse;
                    store::<Y, N>(out, at, across() + comptime![k * ACROSS], value, tile);
                }
                if across() == 0 {
                    sums[(window * heads + head) * time + start + row] = largest[i] + total.ln();
                }
            }
        }
    }
}

/// The output, `[windows * time, width]`, and the logarithms of the rows' sums, `[windows, heads, time]`.
pub fn attention(qkv: &Tensor<2>, sizes: Sizes, mask: Option<Mask>, precision: Precision) -> (Tensor<2>, Tensor<3>) {
    let Sizes { windows, time, heads, key_value_heads, head_width } = sizes;
    let out = empty_of(precision, [windows * time, heads * head_width], qkv.gpu());
    let sums = empty([windows, heads, time], qkv.gpu());
    let tile = Tile::new(sizes, 1, 1, mask);
    let tiles = windows * heads * time.div_ceil(SIDE);
    let Mask { key, threshold, scale: kept_by } = mask.unwrap_or_default();
    in_parts(qkv.gpu(), operations(sizes, time, 2.0), tiles, 1, |from, tiles| {
        // SAFETY: no index exceeds the sizes given, and WebGPU keeps indices inside the bound buffers.
        unsafe {
            launch_out!(
                &out,
                forward(
                    client(qkv),
                    groups(tiles, 1),
                    CubeDim::new_1d(tile.threads() as u32),
                    tile.lanes,
                    buffer(qkv),
                    buffer(&out),
                    buffer(&sums),
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
        }
    });
    (out, sums)
}
