//! Adds up a matrix product whose inner axis was cut into slices among workgroups (split-K), where rows and columns alone
//! keep too few of them busy (`choice.rs`). The slices are always added in the same order, so that the same product gives
//! the same bits.

use cubecl::prelude::*;

use super::{
    block::lanes,
    memory::{Tensor, buffer, client, groups},
};

const GROUP: u32 = 64;

#[cube]
fn add_up<N: Size>(
    slices: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    at: usize,
    len: usize,
    count: usize,
    #[comptime] adding: bool,
) {
    let mut sum = slices[at];
    for slice in 1..count {
        sum += slices[slice * len + at];
    }
    if comptime![adding] {
        sum += out[at];
    }
    out[at] = sum;
}

#[cube(launch_unchecked)]
fn sum<N: Size>(
    slices: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: usize,
    count: usize,
    #[comptime] adding: bool,
) {
    if ABSOLUTE_POS < len {
        add_up::<N>(slices, out, ABSOLUTE_POS, len, count, adding);
    }
}

/// The same for two tensors.
#[cube(launch_unchecked)]
fn sum_both<N: Size>(
    slices: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: usize,
    small_slices: &[Vector<f32, N>],
    small_out: &mut [Vector<f32, N>],
    small_len: usize,
    count: usize,
    #[comptime] adding: bool,
) {
    if ABSOLUTE_POS < len {
        add_up::<N>(slices, out, ABSOLUTE_POS, len, count, adding);
    } else if ABSOLUTE_POS - len < small_len {
        add_up::<N>(small_slices, small_out, ABSOLUTE_POS - len, small_len, count, adding);
    }
}

/// Writes, or adds, to `out [rows, columns]` the sum of `slices [count * rows, columns]`, which lie below each other, and
/// likewise to a `bias [columns]` that of its slices `[count, columns]`.
pub(super) fn sum_into<const E: usize>(
    slices: &Tensor<2>,
    out: &Tensor<E>,
    bias: Option<(&Tensor<2>, &Tensor<1>)>,
    count: usize,
    adding: bool,
) {
    let [rows, columns] = slices.dims();
    let lanes = lanes(&[columns]);
    let (len, small_len) = (rows / count * columns / lanes, columns / lanes);
    let dim = CubeDim::new_1d(GROUP);
    // SAFETY: no thread reads or writes beyond the lengths.
    unsafe {
        match bias {
            None => sum::launch_unchecked(
                client(slices),
                groups(len, GROUP),
                dim,
                lanes,
                buffer(slices),
                buffer(out),
                len,
                count,
                adding,
            ),
            Some((bias_slices, bias)) => sum_both::launch_unchecked(
                client(slices),
                groups(len + small_len, GROUP),
                dim,
                lanes,
                buffer(slices),
                buffer(out),
                len,
                buffer(bias_slices),
                buffer(bias),
                small_len,
                count,
                adding,
            ),
        }
    }
}
