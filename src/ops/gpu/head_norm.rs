//! RMSNorm of queries and keys on the GPU: a thread for each head of a row, and for the gains' gradients one for each
//! column of a chunk of rows.

use cubecl::prelude::*;

use super::memory::{Tensor, buffer, client, empty, fit, groups};
use crate::ops::Heads;

const GROUP: u32 = 64;

/// Most chunks of rows whose sums a thread adds up.
const MOST_CHUNKS: usize = 64;

#[cube(launch_unchecked)]
fn forward(
    qkv: &mut [f32],
    query_gain: &[f32],
    key_gain: &[f32],
    count: usize,
    queries: usize,
    heads: usize,
    joint: usize,
    width: usize,
    epsilon: f32,
) {
    if ABSOLUTE_POS < count {
        let head = ABSOLUTE_POS % heads;
        let at = ABSOLUTE_POS / heads * joint + head * width;
        let mut squares = f32::new(0.0);
        for k in 0..width {
            squares += qkv[at + k] * qkv[at + k];
        }
        let inverse = 1.0 / (squares / width as f32 + epsilon).sqrt();
        for k in 0..width {
            let gain = select(head < queries, query_gain[k], key_gain[k]);
            qkv[at + k] = qkv[at + k] * inverse * gain;
        }
    }
}

/// Writes the reciprocal root mean square of each query and key to `inverses [rows, heads]`.
#[cube(launch_unchecked)]
fn statistics(qkv: &[f32], inverses: &mut [f32], count: usize, heads: usize, joint: usize, width: usize, epsilon: f32) {
    if ABSOLUTE_POS < count {
        let at = ABSOLUTE_POS / heads * joint + ABSOLUTE_POS % heads * width;
        let mut squares = f32::new(0.0);
        for k in 0..width {
            squares += qkv[at + k] * qkv[at + k];
        }
        inverses[ABSOLUTE_POS] = 1.0 / (squares / width as f32 + epsilon).sqrt();
    }
}

/// Sums over a chunk of rows, into `partial [chunks, 2, width]`: the gradients of the queries' gain, then of the keys'.
#[cube(launch_unchecked)]
fn partial_sums(
    qkv: &[f32],
    inverses: &[f32],
    gradient: &[f32],
    partial: &mut [f32],
    rows: usize,
    chunk_rows: usize,
    chunks: usize,
    queries: usize,
    heads: usize,
    joint: usize,
    width: usize,
) {
    let column = ABSOLUTE_POS % width;
    let keys = ABSOLUTE_POS / width % 2;
    let chunk = ABSOLUTE_POS / width / 2;
    if chunk < chunks {
        let first = select(keys == 1, queries, 0usize);
        let end = select(keys == 1, heads, queries);
        let mut sum = f32::new(0.0);
        for row in chunk * chunk_rows..min((chunk + 1) * chunk_rows, rows) {
            for head in first..end {
                let at = row * joint + head * width + column;
                sum += gradient[at] * qkv[at] * inverses[row * heads + head];
            }
        }
        partial[ABSOLUTE_POS] = sum;
    }
}

#[cube(launch_unchecked)]
fn finish(
    partial: &[f32],
    gain_gradient: &mut [f32],
    keys: usize,
    chunks: usize,
    width: usize,
    #[comptime] adding: bool,
) {
    if ABSOLUTE_POS < width {
        let mut sum = f32::new(0.0);
        for chunk in 0..chunks {
            sum += partial[(chunk * 2 + keys) * width + ABSOLUTE_POS];
        }
        if comptime![adding] {
            sum += gain_gradient[ABSOLUTE_POS];
        }
        gain_gradient[ABSOLUTE_POS] = sum;
    }
}

#[cube(launch_unchecked)]
fn backward(
    qkv: &[f32],
    inverses: &[f32],
    query_gain: &[f32],
    key_gain: &[f32],
    gradient: &mut [f32],
    count: usize,
    queries: usize,
    heads: usize,
    joint: usize,
    width: usize,
) {
    if ABSOLUTE_POS < count {
        let head = ABSOLUTE_POS % heads;
        let at = ABSOLUTE_POS / heads * joint + head * width;
        let inverse = inverses[ABSOLUTE_POS];
        let mut along = f32::new(0.0);
        for k in 0..width {
            let gain = select(head < queries, query_gain[k], key_gain[k]);
            along += gradient[at + k] * gain * qkv[at + k];
        }
        along = along * inverse / width as f32;
        for k in 0..width {
            let gain = select(head < queries, query_gain[k], key_gain[k]);
            gradient[at + k] = (gradient[at + k] * gain - qkv[at + k] * inverse * along) * inverse;
        }
    }
}

/// Normalises queries and keys of `qkv [rows, joint width]`, in place.
pub fn norm_heads(qkv: &Tensor<2>, heads: Heads, gains: [&Tensor<1>; 2], epsilon: f32) {
    let ([rows, joint], [width]) = (qkv.dims(), gains[0].dims());
    let normed = heads.queries + heads.key_values;
    let count = rows * normed;
    // SAFETY: here and below, the caller has checked the sizes.
    unsafe {
        forward::launch_unchecked(
            client(qkv),
            groups(count, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(qkv),
            buffer(gains[0]),
            buffer(gains[1]),
            count,
            heads.queries,
            normed,
            joint,
            width,
            epsilon,
        );
    }
}

/// Replaces `gradient` by the gradient of `before`, both `[rows, joint width]`; writes those of the gains to `places`, or
/// adds them.
pub fn norm_heads_backward(
    before: &Tensor<2>,
    gradient: &Tensor<2>,
    heads: Heads,
    gains: [&Tensor<1>; 2],
    epsilon: f32,
    places: Option<&[Tensor<1>; 2]>,
    adding: bool,
) {
    let ([rows, joint], [width]) = (before.dims(), gains[0].dims());
    fit(&[(gradient.dims()[0], rows), (gradient.dims()[1], joint)]);
    let normed = heads.queries + heads.key_values;
    let count = rows * normed;
    let (client, dim) = (client(before), CubeDim::new_1d(GROUP));
    let inverses = empty([rows, normed], before.gpu());
    unsafe {
        statistics::launch_unchecked(
            client,
            groups(count, GROUP),
            dim,
            buffer(before),
            buffer(&inverses),
            count,
            normed,
            joint,
            width,
            epsilon,
        );
    }
    if let Some(places) = places {
        let chunk_rows = rows.div_ceil(MOST_CHUNKS);
        let chunks = rows.div_ceil(chunk_rows);
        let partial = empty([chunks, 2 * width], before.gpu());
        unsafe {
            partial_sums::launch_unchecked(
                client,
                groups(chunks * 2 * width, GROUP),
                dim,
                buffer(before),
                buffer(&inverses),
                buffer(gradient),
                buffer(&partial),
                rows,
                chunk_rows,
                chunks,
                heads.queries,
                normed,
                joint,
                width,
            );
            for (keys, place) in places.iter().enumerate() {
                finish::launch_unchecked(
                    client,
                    groups(width, GROUP),
                    dim,
                    buffer(&partial),
                    buffer(place),
                    keys,
                    chunks,
                    width,
                    adding,
                );
            }
        }
    }
    unsafe {
        backward::launch_unchecked(
            client,
            groups(count, GROUP),
            dim,
            buffer(before),
            buffer(&inverses),
            buffer(gains[0]),
            buffer(gains[1]),
            buffer(gradient),
            count,
            heads.queries,
            normed,
            joint,
            width,
        );
    }
}
