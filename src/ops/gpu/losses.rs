//! Softmax and cross-entropy of rows of logits on the GPU; the gradient overwrites the logits.

use cubecl::prelude::*;

use super::{
    choice::Rows,
    memory::{Integers, Tensor, buffer, client, empty, fit, groups},
    queue::in_parts,
    rows::{GROUP, TEAM, row_groups, team_place, team_row, team_sum},
};
use crate::ops::IGNORED;

/// Threads that add up the losses.
const ADDING: u32 = 256;
/// Logits per row from which a whole workgroup computes a row. A single thread would read far from its neighbours, and
/// some drivers end long loops (Mesa's llvmpipe after 65,535 iterations).
pub const LONG_ROW: usize = 1024;
/// Numbers per load of a row of logits.
const LANES: usize = 4;
/// Less than any logit, but not so little that a difference of two such numbers is infinite.
const LEAST: f32 = -1e30;

/// Operations of a matrix product in the time of one logit's loss, measured on SwiftShader.
const SLOWER: f64 = 100.0;

/// Computes the losses of rows `from` to `end`, `length` numbers each, of which the first `vocabulary` are logits; the
/// rest become 0. One thread per row.
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

/// `value`, load `k` of a row, with [`LEAST`] for the last load's `padding` numbers beyond the vocabulary.
#[cube]
fn masked<N: Size>(value: Vector<f32, N>, k: usize, loads: usize, #[comptime] padding: usize) -> Vector<f32, N> {
    let mut masked = value;
    #[unroll]
    for lane in LANES - padding..LANES {
        masked.insert(lane, select(k + 1 == loads, LEAST, value.extract(lane)));
    }
    masked
}

/// The same by teams of `team` threads, which go through a row once for the loss, keeping the largest logit so far and
/// the sum of exponentials relative to it (Milakov & Gimelshein 2018), and once for the gradient. `loads` per row.
#[cube(launch_unchecked)]
fn losses_by_teams<N: Size>(
    logits: &mut [Vector<f32, N>],
    targets: &[i32],
    losses: &mut [f32],
    first: usize,
    from: usize,
    end: usize,
    loads: usize,
    scale: f32,
    #[comptime] padding: usize,
    #[comptime] team: usize,
    #[comptime] with_gradient: bool,
) {
    let row = from + team_row(team);
    let at = row * loads;
    let place = team_place(team);
    // A team beyond the last row reads and writes nothing, but takes part in the barriers.
    let inside = row < end;
    let mine = select(inside, loads, 0);
    let mut largest_of = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let mut sum_of = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let mut largest = Vector::<f32, N>::new(LEAST);
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut k = place;
    while k < mine {
        let value = masked::<N>(logits[at + k], k, loads, padding);
        let larger = max(largest, value);
        sum = sum * (largest - larger).exp() + (value - larger).exp();
        largest = larger;
        k += team;
    }
    let mut part = largest.extract(0usize);
    #[unroll]
    for lane in 1..LANES {
        part = max(part, largest.extract(lane));
    }
    largest_of[UNIT_POS as usize] = part;
    sync_cube();
    let first_of_team = UNIT_POS as usize - place;
    for thread in 0..team {
        part = max(part, largest_of[first_of_team + thread]);
    }
    let relative = sum * (largest - Vector::<f32, N>::new(part)).exp();
    let mut share = relative.extract(0usize);
    #[unroll]
    for lane in 1..LANES {
        share += relative.extract(lane);
    }
    sum_of[UNIT_POS as usize] = share;
    sync_cube();
    let whole = team_sum(&sum_of, team);
    let target = targets[first + min(row, end - 1)];
    let counted = target != IGNORED;
    let right = select(counted, target, 0) as usize;
    // The thread that will overwrite the target's logit reads it.
    if inside && right / LANES % team == place {
        let value = logits[at + right / LANES];
        let mut of_right = value.extract(0usize);
        #[unroll]
        for lane in 1..LANES {
            of_right = select(right % LANES == lane, value.extract(lane), of_right);
        }
        losses[first + row] = select(counted, (whole.ln() + part - of_right) * scale, 0.0);
    }
    if comptime![with_gradient] {
        let inverse = Vector::<f32, N>::new(select(counted, scale / whole, 0.0));
        let one = select(counted, scale, 0.0);
        let mut k = place;
        while k < mine {
            let value = masked::<N>(logits[at + k], k, loads, padding);
            let mut gradient = (value - Vector::<f32, N>::new(part)).exp() * inverse;
            #[unroll]
            for lane in 0..LANES {
                let of_target = k * LANES + lane == right;
                gradient.insert(lane, gradient.extract(lane) - select(of_target, one, 0.0));
            }
            logits[at + k] = gradient;
            k += team;
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
/// overwritten by it. `logits [rows, length]`, of which the first `vocabulary` columns count, and `length` is the next
/// multiple of four.
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
    fit(&[(vocabulary.next_multiple_of(LANES), length)]);
    let (client, gpu) = (client(logits), logits.gpu());
    let long = vocabulary >= LONG_ROW;
    let team = if long { GROUP as usize } else { TEAM };
    let operations = SLOWER * (rows * vocabulary) as f64;
    let dim = CubeDim::new_1d(GROUP);
    // SAFETY: here and below, no index exceeds the sizes given, and WebGPU keeps indices inside the bound buffers.
    if long || gpu.rows() == Rows::Team {
        in_parts(gpu, operations, rows, GROUP as usize / team, |from, taken| unsafe {
            losses_by_teams::launch_unchecked(
                client,
                row_groups(taken, team),
                dim,
                LANES,
                buffer(logits),
                targets.buffer(),
                buffer(losses),
                first,
                from,
                from + taken,
                length / LANES,
                scale,
                length - vocabulary,
                team,
                with_gradient,
            );
        });
    } else {
        in_parts(gpu, operations, rows, GROUP as usize, |from, taken| unsafe {
            rows_of_losses::launch_unchecked(
                client,
                groups(taken, GROUP),
                dim,
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
            );
        });
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
