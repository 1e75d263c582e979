//! Adds up a matrix product whose inner axis was divided among workgroups (split-K), where rows and columns alone keep
//! too few of them busy (`choice.rs`). The parts are always added in the same order, so that the same product gives the
//! same bits.

use cubecl::prelude::*;

use super::{
    block::lanes,
    memory::{Tensor, buffer, client, groups},
};

const GROUP: u32 = 64;

#[cube]
fn add_up<N: Size>(
    parts: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    at: usize,
    len: usize,
    count: usize,
    #[comptime] adding: bool,
) {
    let mut sum = parts[at];
    for part in 1..count {
        sum += parts[part * len + at];
    }
    if comptime![adding] {
        sum += out[at];
    }
    out[at] = sum;
}

#[cube(launch_unchecked)]
fn sum<N: Size>(
    parts: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: usize,
    count: usize,
    #[comptime] adding: bool,
) {
    if ABSOLUTE_POS < len {
        add_up::<N>(parts, out, ABSOLUTE_POS, len, count, adding);
    }
}

/// The same for two tensors.
#[cube(launch_unchecked)]
fn sum_both<N: Size>(
    parts: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: usize,
    small_parts: &[Vector<f32, N>],
    small_out: &mut [Vector<f32, N>],
    small_len: usize,
    count: usize,
    #[comptime] adding: bool,
) {
    if ABSOLUTE_POS < len {
        add_up::<N>(parts, out, ABSOLUTE_POS, len, count, adding);
    } else if ABSOLUTE_POS - len < small_len {
        add_up::<N>(small_parts, small_out, ABSOLUTE_POS - len, small_len, count, adding);
    }
}

/// Writes, or adds, to `out [rows, columns]` the sum of `parts [count * rows, columns]`, which lie below each other, and
/// likewise to a `bias [columns]` that of its parts `[count, columns]`.
pub(super) fn sum_into<const E: usize>(
    parts: &Tensor<2>,
    out: &Tensor<E>,
    bias: Option<(&Tensor<2>, &Tensor<1>)>,
    count: usize,
    adding: bool,
) {
    let [rows, columns] = parts.dims();
    let lanes = lanes(&[columns]);
    let (len, small_len) = (rows / count * columns / lanes, columns / lanes);
    let dim = CubeDim::new_1d(GROUP);
    // SAFETY: no thread reads or writes beyond the lengths.
    unsafe {
        match bias {
            None => sum::launch_unchecked(
                client(parts),
                groups(len, GROUP),
                dim,
                lanes,
                buffer(parts),
                buffer(out),
                len,
                count,
                adding,
            ),
            Some((bias_parts, bias)) => sum_both::launch_unchecked(
                client(parts),
                groups(len + small_len, GROUP),
                dim,
                lanes,
                buffer(parts),
                buffer(out),
                len,
                buffer(bias_parts),
                buffer(bias),
                small_len,
                count,
                adding,
            ),
        }
    }
}
