//! Token and position embedding on the GPU. In the backward pass each thread sums one column of one token's row over
//! the positions of the token, which the CPU has sorted: deterministic, and without atomics.

use std::ops::Range;

use cubecl::prelude::*;

use super::{
    engine::Gpu,
    memory::{Integers, Tensor, buffer, client, empty, groups},
    random::kept,
};
use crate::ops::dropout::Mask;

const GROUP: u32 = 64;

/// `divided`: `tokens` holds only the rows of `count` tokens from `first` on; the rows of other tokens are left to
/// other dispatches.
#[cube(launch_unchecked)]
fn forward(
    numbers: &[i32],
    tokens: &[f32],
    positions: &[f32],
    out: &mut [f32],
    rows: usize,
    width: usize,
    time: usize,
    start: usize,
    key: u32,
    threshold: u32,
    scale: f32,
    first: usize,
    count: usize,
    #[comptime] positioned: bool,
    #[comptime] dropping: bool,
    #[comptime] divided: bool,
) {
    let row = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let mut wanted = row < rows;
    let mut token = 0usize;
    if wanted {
        token = numbers[row] as usize;
        if comptime![divided] {
            wanted = token >= first && token < first + count;
            token -= first;
        }
    }
    if wanted {
        let mut value = tokens[token * width + column];
        if comptime![positioned] {
            value += positions[(start + row % time) * width + column];
        }
        if comptime![dropping] {
            value *= kept(key, threshold, scale, ABSOLUTE_POS as u32);
        }
        out[ABSOLUTE_POS] = value;
    }
}

/// Applies the dropout mask to `count` elements of `x` from `start` on.
#[cube(launch_unchecked)]
fn masked(x: &[f32], out: &mut [f32], start: usize, count: usize, key: u32, threshold: u32, scale: f32) {
    if ABSOLUTE_POS < count {
        out[ABSOLUTE_POS] = x[start + ABSOLUTE_POS] * kept(key, threshold, scale, ABSOLUTE_POS as u32);
    }
}

/// `order` holds the offsets where the rows of each of the `distinct` tokens begin, and where the last one's end; then
/// the tokens; then the rows.
#[cube(launch_unchecked)]
fn token_gradient(order: &[i32], gradient: &[f32], flat: &mut [f32], distinct: usize, width: usize) {
    let token = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    if token < distinct {
        let rows = 2 * distinct + 1;
        let mut sum = f32::new(0.0);
        for at in order[token] as usize..order[token + 1] as usize {
            sum += gradient[order[rows + at] as usize * width + column];
        }
        flat[order[distinct + 1 + token] as usize * width + column] += sum;
    }
}

#[cube(launch_unchecked)]
fn position_gradient(
    gradient: &[f32],
    flat: &mut [f32],
    windows: usize,
    time: usize,
    width: usize,
    #[comptime] adding: bool,
) {
    let size = time * width;
    if ABSOLUTE_POS < size {
        let mut sum = f32::new(0.0);
        for window in 0..windows {
            sum += gradient[window * size + ABSOLUTE_POS];
        }
        if comptime![adding] {
            sum += flat[ABSOLUTE_POS];
        }
        flat[ABSOLUTE_POS] = sum;
    }
}

/// Returns `[rows, width]`: each id's token embedding, plus the embedding of its position if there are any; the first
/// position is `start`.
pub fn embed(
    numbers: &Integers,
    tokens: &[Tensor<2>],
    positions: Option<&Tensor<2>>,
    time: usize,
    start: usize,
    mask: Option<Mask>,
) -> Tensor<2> {
    let (rows, [_, width]) = (numbers.count(), tokens[0].dims());
    assert!(tokens.iter().all(|piece| piece.dims()[1] == width), "a table of tokens of another width");
    let out = empty([rows, width], tokens[0].gpu());
    // Dummy binding for an argument that is not read: WebGPU forbids aliasing.
    let unread = empty([1, 4], tokens[0].gpu());
    let Mask { key, threshold, scale } = mask.unwrap_or_default();
    let mut first = 0;
    for piece in tokens {
        let count = piece.dims()[0];
        // SAFETY: here and below, no index exceeds the sizes given (ids are checked before), and WebGPU keeps indices
        // inside the bound buffers.
        unsafe {
            forward::launch_unchecked(
                client(&out),
                groups(rows * width, GROUP),
                CubeDim::new_1d(GROUP),
                numbers.buffer(),
                buffer(piece),
                buffer(positions.unwrap_or(&unread)),
                buffer(&out),
                rows,
                width,
                time,
                start,
                key,
                threshold,
                scale,
                first,
                count,
                positions.is_some(),
                mask.is_some(),
                tokens.len() > 1,
            );
        }
        first += count;
    }
    out
}

/// Applies the dropout mask to `x [rows, width]`.
pub fn drop_out(x: &Tensor<2>, mask: Mask) -> Tensor<2> {
    copy(x, 0, x.dims(), mask)
}

/// The last row of `x`, `[1, width]`.
pub fn last_row(x: &Tensor<2>) -> Tensor<2> {
    let [rows, width] = x.dims();
    copy(x, (rows - 1) * width, [1, width], Mask::default())
}

fn copy(x: &Tensor<2>, start: usize, [rows, width]: [usize; 2], mask: Mask) -> Tensor<2> {
    let out = empty([rows, width], x.gpu());
    let Mask { key, threshold, scale } = mask;
    unsafe {
        masked::launch_unchecked(
            client(x),
            groups(rows * width, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(x),
            buffer(&out),
            start,
            rows * width,
            key,
            threshold,
            scale,
        );
    }
    out
}

/// The rows of each token in `range`, sorted by token, for [`token_gradient`]; and the number of distinct tokens.
fn order(numbers: &[u32], range: &Range<u32>, gpu: &Gpu) -> (Integers, usize) {
    let mut rows: Vec<u32> = (0..numbers.len() as u32).filter(|&row| range.contains(&numbers[row as usize])).collect();
    rows.sort_by_key(|&row| numbers[row as usize]);
    let mut starts = Vec::new();
    let mut tokens: Vec<u32> = Vec::new();
    for (at, &row) in rows.iter().enumerate() {
        let token = numbers[row as usize] - range.start;
        if tokens.last() != Some(&token) {
            starts.push(at as u32);
            tokens.push(token);
        }
    }
    let distinct = tokens.len();
    starts.push(rows.len() as u32);
    let all: Vec<i32> = starts.into_iter().chain(tokens).chain(rows).map(|number| number as i32).collect();
    (Integers::new(&all, gpu), distinct)
}

/// Adds the gradients of the token embedding to `tokens [vocabulary, width]`, in segments of rows; writes, or adds,
/// those of the positions, if there are any.
pub fn embed_backward_into(
    numbers: &[u32],
    gradient: &Tensor<2>,
    time: usize,
    tokens: &[Tensor<2>],
    positions: Option<&Tensor<2>>,
    adding: bool,
) {
    let [rows, width] = gradient.dims();
    let client = client(gradient);
    let mut first = 0;
    for piece in tokens {
        let range = first..first + piece.dims()[0] as u32;
        first = range.end;
        let (order, distinct) = order(numbers, &range, gradient.gpu());
        if distinct == 0 {
            continue;
        }
        unsafe {
            token_gradient::launch_unchecked(
                client,
                groups(distinct * width, GROUP),
                CubeDim::new_1d(GROUP),
                order.buffer(),
                buffer(gradient),
                buffer(piece),
                distinct,
                width,
            );
        }
    }
    let Some(positions) = positions else { return };
    unsafe {
        position_gradient::launch_unchecked(
            client,
            groups(time * width, GROUP),
            CubeDim::new_1d(GROUP),
            buffer(gradient),
            buffer(positions),
            rows / time,
            time,
            width,
            adding,
        );
    }
}
