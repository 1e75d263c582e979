//! Attention of a few new tokens over the KV cache on the GPU: a workgroup for each query head of each new token.

use cubecl::prelude::*;

use super::Sizes;
use crate::ops::gpu::memory::{Tensor, buffer, client, empty, groups};

const GROUP: u32 = 64;

/// Positions whose scores are in workgroup memory at once: a multiple of the group.
const CHUNK: usize = 512;

/// Copies keys and values of `qkv [rows, joint width]` to the rows of `cache [context, width]` from `read` on.
#[cube(launch_unchecked)]
fn appending(qkv: &[f32], cache: &mut [f32], read: usize, count: usize, joint: usize, queries: usize, width: usize) {
    if ABSOLUTE_POS < count {
        let row = ABSOLUTE_POS / width;
        let column = ABSOLUTE_POS % width;
        cache[(read + row) * width + column] = qkv[row * joint + queries + column];
    }
}

/// The largest of the group's numbers.
#[cube]
fn largest(shared: &Shared<[f32]>) -> f32 {
    let mut found = shared[0];
    for thread in 1..GROUP as usize {
        found = max(found, shared[thread]);
    }
    found
}

/// The sum of the group's numbers.
#[cube]
fn sum(shared: &Shared<[f32]>) -> f32 {
    let mut found = f32::new(0.0);
    for thread in 0..GROUP as usize {
        found += shared[thread];
    }
    found
}

/// `out [rows, heads * head width]`. Softmax is computed a chunk of positions at a time, with a running maximum and sum
/// (Milakov & Gimelshein 2018).
#[cube(launch_unchecked)]
fn attending(
    qkv: &[f32],
    cache: &[f32],
    out: &mut [f32],
    read: usize,
    count: usize,
    joint: usize,
    heads: usize,
    key_value_heads: usize,
    scale: f32,
    #[comptime] head_width: usize,
) {
    let task = CUBE_POS;
    let thread = UNIT_POS as usize;
    let group = comptime![GROUP as usize];
    let mut query = Shared::<[f32]>::new_slice(head_width);
    let mut scores = Shared::<[f32]>::new_slice(CHUNK);
    let mut maxima = Shared::<[f32]>::new_slice(group);
    let mut sums = Shared::<[f32]>::new_slice(group);
    if task < count {
        let head = task % heads;
        let row = task / heads;
        let width = 2 * key_value_heads * head_width;
        let key = head / (heads / key_value_heads) * head_width;
        let value = key + key_value_heads * head_width;
        let mut column = thread;
        while column < head_width {
            query[column] = qkv[row * joint + head * head_width + column] * scale;
            column += group;
        }
        sync_cube();
        let visible = read + row + 1;
        let turns = comptime![head_width.div_ceil(GROUP as usize)];
        let mut weighted = Array::<f32>::new(turns);
        #[unroll]
        for turn in 0..turns {
            weighted[turn] = f32::new(0.0);
        }
        let mut highest = f32::new(f32::MIN);
        let mut total = f32::new(0.0);
        let mut start = 0usize;
        while start < visible {
            let end = min(start + CHUNK, visible);
            let mut local = f32::new(f32::MIN);
            let mut at = start + thread;
            while at < end {
                let mut score = f32::new(0.0);
                for k in 0..head_width {
                    score += query[k] * cache[at * width + key + k];
                }
                scores[at - start] = score;
                local = max(local, score);
                at += group;
            }
            maxima[thread] = local;
            sync_cube();
            let before = highest;
            highest = max(highest, largest(&maxima));
            let mut partial = f32::new(0.0);
            at = start + thread;
            while at < end {
                let weight = (scores[at - start] - highest).exp();
                scores[at - start] = weight;
                partial += weight;
                at += group;
            }
            sums[thread] = partial;
            sync_cube();
            // Of the first chunk nothing came before it.
            let factor = select(start == 0, 0.0f32, (before - highest).exp());
            total = total * factor + sum(&sums);
            #[unroll]
            for turn in 0..turns {
                let column = min(thread + turn * group, head_width - 1);
                let mut added = f32::new(0.0);
                for at in start..end {
                    added += scores[at - start] * cache[at * width + value + column];
                }
                weighted[turn] = weighted[turn] * factor + added;
            }
            sync_cube();
            start += CHUNK;
        }
        #[unroll]
        for turn in 0..turns {
            let column = thread + turn * group;
            if column < head_width {
                out[task * head_width + column] = weighted[turn] / total;
            }
        }
    }
}

/// Appends the keys and values of `qkv [rows, joint width]` to the `read` rows that `cache` holds.
pub fn append(qkv: &Tensor<2>, cache: &Tensor<2>, read: usize) {
    let ([rows, joint], [context, width]) = (qkv.dims(), cache.dims());
    assert!(read + rows <= context && width < joint, "{rows} rows after {read} of {context}");
    // SAFETY: here and below, no index exceeds the sizes, which were checked.
    unsafe {
        appending::launch_unchecked(
            client(qkv),
            groups(rows * width, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(qkv),
            buffer(cache),
            read,
            rows * width,
            joint,
            joint - width,
            width,
        );
    }
}

/// The output of the new tokens of `qkv [rows, joint width]`, which follow `read` others in `cache`, and are in it:
/// `[rows, heads * head width]`. `sizes.time` counts all of them.
pub fn attention_cached(qkv: &Tensor<2>, cache: &Tensor<2>, sizes: Sizes, read: usize) -> Tensor<2> {
    let Sizes { time, heads, key_value_heads, head_width, .. } = sizes;
    let ([rows, joint], [context, width]) = (qkv.dims(), cache.dims());
    let fits = joint == (heads + 2 * key_value_heads) * head_width && width == 2 * key_value_heads * head_width;
    assert!(fits && read + rows == time && time <= context, "{sizes:?} after {read} of {context} rows of {width}");
    let out = empty([rows, heads * head_width], qkv.gpu());
    let count = rows * heads;
    unsafe {
        attending::launch_unchecked(
            client(qkv),
            groups(count * GROUP as usize, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(qkv),
            buffer(cache),
            buffer(&out),
            read,
            count,
            joint,
            heads,
            key_value_heads,
            super::scale(sizes),
            head_width,
        );
    }
    out
}
