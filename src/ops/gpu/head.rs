//! The language-model head on the GPU: logits, and softmax and cross-entropy, one thread per row, or one workgroup per
//! row where rows are long; the gradient overwrites the logits.
//!
//! A row of logits is padded to a multiple of four for vectorised loads; the gradient is 0 in the padding.

use cubecl::prelude::*;

use super::{
    block::Form,
    memory::{Integers, Tensor, buffer, client, empty, groups, piece},
    product::product,
    queue::in_parts,
};
use crate::ops::IGNORED;

const GROUP: u32 = 64;
/// Threads that add up the losses.
const ADDING: u32 = 64;
/// Logits per row from which a whole workgroup computes a row. A single thread would read far from its neighbours, and
/// some drivers end long loops (Mesa's llvmpipe after 65,535 iterations).
pub const LONG_ROW: usize = 1024;

/// Operations of a matrix product in the time of one logit's loss, measured on SwiftShader.
const SLOWER: f64 = 100.0;

/// Computes the losses of rows `from` to `end`, `length` numbers each, of which the first `vocabulary` are logits; the
/// rest become 0.
#[cube(launch_unchecked)]
fn rows_of_losses(
    logits: &mut [f32],
    targets: &[i32],
    losses: &mut [f32],
    first: usize,
    from: usize,
    end: usize,
    vocabulary: usize,
    length: usize,
    scale: f32,
    #[comptime] with_gradient: bool,
) {
    let row = from + ABSOLUTE_POS;
    if row < end {
        let at = row * length;
        let target = targets[first + row];
        let counted = target != IGNORED;
        let mut largest = logits[at];
        for k in 1..vocabulary {
            largest = max(largest, logits[at + k]);
        }
        let mut sum = f32::new(0.0);
        for k in 0..vocabulary {
            sum += (logits[at + k] - largest).exp();
        }
        let right = select(counted, target, 0) as usize;
        let loss = (sum.ln() + largest - logits[at + right]) * scale;
        losses[first + row] = select(counted, loss, 0.0);
        if comptime![with_gradient] {
            let inverse = select(counted, scale / sum, 0.0);
            for k in 0..length {
                let inside = k < vocabulary;
                let value = (logits[at + min(k, vocabulary - 1)] - largest).exp() * inverse;
                logits[at + k] = select(inside, value, 0.0);
            }
            if counted {
                logits[at + right] -= scale;
            }
        }
    }
}

/// The same for long rows: one workgroup each.
#[cube(launch_unchecked)]
fn long_rows_of_losses(
    logits: &mut [f32],
    targets: &[i32],
    losses: &mut [f32],
    first: usize,
    from: usize,
    end: usize,
    vocabulary: usize,
    length: usize,
    scale: f32,
    #[comptime] with_gradient: bool,
) {
    let threads = comptime![GROUP as usize];
    let mut shared = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let row = from + CUBE_POS;
    if row < end {
        let at = row * length;
        let target = targets[first + row];
        let counted = target != IGNORED;
        let right = select(counted, target, 0) as usize;
        let of_right = logits[at + right];
        let thread = UNIT_POS as usize;
        let mut part = of_right;
        let mut k = thread;
        while k < vocabulary {
            part = max(part, logits[at + k]);
            k += threads;
        }
        shared[thread] = part;
        sync_cube();
        let mut largest = of_right;
        for other in 0..threads {
            largest = max(largest, shared[other]);
        }
        sync_cube();
        let mut part = f32::new(0.0);
        let mut k = thread;
        while k < vocabulary {
            part += (logits[at + k] - largest).exp();
            k += threads;
        }
        shared[thread] = part;
        sync_cube();
        let mut sum = f32::new(0.0);
        for other in 0..threads {
            sum += shared[other];
        }
        if thread == 0 {
            let loss = (sum.ln() + largest - of_right) * scale;
            losses[first + row] = select(counted, loss, 0.0);
        }
        if comptime![with_gradient] {
            let inverse = select(counted, scale / sum, 0.0);
            let one = select(counted, scale, 0.0);
            let mut k = thread;
            while k < length {
                let value = (logits[at + min(k, vocabulary - 1)] - largest).exp() * inverse;
                let value = value - select(k == right, one, 0.0);
                logits[at + k] = select(k < vocabulary, value, 0.0);
                k += threads;
            }
        }
    }
}

/// Sums `losses` into `scalars[place]`, with one workgroup.
#[cube(launch_unchecked)]
fn add_up(losses: &[f32], scalars: &mut [f32], count: usize, place: usize) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![ADDING as usize]);
    let mut sum = f32::new(0.0);
    let mut at = UNIT_POS as usize;
    while at < count {
        sum += losses[at];
        at += ADDING as usize;
    }
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    if UNIT_POS == 0 {
        let mut total = f32::new(0.0);
        for thread in 0..ADDING as usize {
            total += shared[thread];
        }
        scalars[place] = total;
    }
}

/// Writes the loss of each row times `scale` to `losses` from row `first` on; with a gradient, the logits are
/// overwritten by it. `logits [rows, length]`, of which the first `vocabulary` columns count.
pub fn row_losses(
    logits: &Tensor<2>,
    vocabulary: usize,
    targets: &Integers,
    losses: &Tensor<1>,
    first: usize,
    scale: f32,
    with_gradient: bool,
) {
    let [rows, length] = logits.dims();
    macro_rules! queue {
        ($kernel:ident, $group:expr) => {
            in_parts(logits.gpu(), SLOWER * (rows * vocabulary) as f64, rows, $group as usize, |from, taken| {
                // SAFETY: here and below, no index exceeds the sizes given, and WebGPU keeps indices inside the bound
                // buffers.
                unsafe {
                    $kernel::launch_unchecked(
                        client(logits),
                        groups(taken, $group),
                        CubeDim::new_1d(GROUP),
                        buffer(logits),
                        targets.buffer(),
                        buffer(losses),
                        first,
                        from,
                        from + taken,
                        vocabulary,
                        length,
                        scale,
                        with_gradient,
                    )
                }
            })
        };
    }
    if vocabulary < LONG_ROW {
        queue!(rows_of_losses, GROUP);
    } else {
        queue!(long_rows_of_losses, 1);
    }
}

/// Writes the sum of `losses` to `scalars[place]`.
pub fn sum_into(losses: &Tensor<1>, scalars: &Tensor<1>, place: usize) {
    unsafe {
        add_up::launch_unchecked(
            client(losses),
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(ADDING),
            buffer(losses),
            buffer(scalars),
            losses.dims()[0],
            place,
        );
    }
}

/// Memory for the losses of `rows` rows.
pub fn losses(rows: usize, like: &Tensor<2>) -> Tensor<1> {
    empty([rows], like.gpu())
}

/// The segments of a matrix's rows, with the index of each one's first row.
fn numbered(pieces: &[Tensor<2>]) -> impl Iterator<Item = (usize, &Tensor<2>)> {
    pieces.iter().scan(0, |next, piece| {
        let first = *next;
        *next += piece.dims()[0];
        Some((first, piece))
    })
}

/// A view of the logits from column `first` on, with the same row stride.
fn columns_from(logits: &Tensor<2>, first: usize) -> Tensor<1> {
    piece(logits, first, [logits.dims().iter().product::<usize>() - first])
}

/// Returns `hidden [rows, width] x tokens [vocabulary, width]` transposed, `[rows, vocabulary]`, with `padded` rows to
/// a multiple of a load. `tokens`: in segments of rows, all but the last of multiples of 64.
pub fn logits(hidden: &Tensor<2>, tokens: &[Tensor<2>], padded: bool) -> Tensor<2> {
    let [rows, width] = hidden.dims();
    assert!(tokens.iter().all(|piece| piece.dims()[1] == width), "a table of tokens of another width");
    let vocabulary = tokens.iter().map(|piece| piece.dims()[0]).sum::<usize>();
    let length = if padded { vocabulary.next_multiple_of(4) } else { vocabulary };
    let out = empty([rows, length], hidden.gpu());
    for (first, tokens) in numbered(tokens) {
        let (sizes, lengths) = ([rows, tokens.dims()[0], width], [width, width, length]);
        product(Form::RightTransposed, hidden, tokens, &columns_from(&out, first), sizes, lengths, false);
    }
    out
}

/// Writes the gradient of the hidden states, `[rows, width]`, from that of the logits.
pub fn hidden_gradient(logits: &Tensor<2>, tokens: &[Tensor<2>], out: &Tensor<2>) {
    let [rows, length] = logits.dims();
    for (first, tokens) in numbered(tokens) {
        let [vocabulary, width] = tokens.dims();
        let left = columns_from(logits, first);
        product(Form::Straight, &left, tokens, out, [rows, width, vocabulary], [length, width, width], first > 0);
    }
}

/// Writes the gradient of the tokens, `[vocabulary, width]`, in segments of rows, from that of the logits, or adds it.
pub fn token_gradient(logits: &Tensor<2>, hidden: &Tensor<2>, out: &[Tensor<2>], adding: bool) {
    let [rows, length] = logits.dims();
    for (first, out) in numbered(out) {
        let [vocabulary, width] = out.dims();
        let left = columns_from(logits, first);
        product(Form::LeftTransposed, &left, hidden, out, [vocabulary, width, rows], [length, width, width], adding);
    }
}
