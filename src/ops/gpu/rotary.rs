//! Rotary positions on the GPU: a thread for each pair of numbers.

use cubecl::prelude::*;

use super::memory::{Tensor, buffer, client, groups};
use crate::ops::{Heads, rotary::Rotation};

const GROUP: u32 = 64;

#[cube(launch_unchecked)]
fn rotating(
    qkv: &mut [f32],
    table: &[f32],
    first: usize,
    pairs: usize,
    time: usize,
    joint: usize,
    heads: usize,
    half: usize,
    #[comptime] way: Rotation,
) {
    if ABSOLUTE_POS < pairs {
        let pair = ABSOLUTE_POS % half;
        let head = ABSOLUTE_POS / half % heads;
        let row = ABSOLUTE_POS / half / heads;
        let angle = (first + row % time) * 2 * half + pair;
        let cosine = table[angle];
        let sine = if comptime![way == Rotation::Forward] { table[angle + half] } else { -table[angle + half] };
        let left = row * joint + head * 2 * half + pair;
        let x = qkv[left];
        let y = qkv[left + half];
        qkv[left] = x * cosine - y * sine;
        qkv[left + half] = y * cosine + x * sine;
    }
}

/// Rotates the queries and keys of `qkv [windows * time, joint width]`, in place; the first token of a window has the
/// position `first`.
pub fn rotate(qkv: &Tensor<2>, first: usize, time: usize, heads: Heads, table: &Tensor<2>, way: Rotation) {
    let ([rows, joint], half) = (qkv.dims(), table.dims()[1] / 2);
    let heads = heads.queries + heads.key_values;
    let pairs = rows * heads * half;
    // SAFETY: the caller has checked rows and positions.
    unsafe {
        rotating::launch_unchecked(
            client(qkv),
            groups(pairs, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(qkv),
            buffer(table),
            first,
            pairs,
            time,
            joint,
            heads,
            half,
            way,
        );
    }
}
