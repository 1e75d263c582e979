//! AdamW over the flat array of all weights in three dispatches: sums of squares, their total, the update; each segment
//! has its own sums and update. The gradient norm never leaves the GPU.

use cubecl::prelude::*;

use super::{
    memory::{Integers, Tensor, buffer, client, empty, fit, groups, piece},
    queue::in_parts,
    rows::total,
};
use crate::ops::adamw::EPSILON;

const GROUP: u32 = 64;
/// Largest number of partial sums of squares, each of one thread: enough threads to keep a large GPU's memory busy.
const MOST_SUMS: usize = 65_536;
/// Threads that add up the partial sums.
const ADDING: u32 = 256;
/// Weights per entry of the decay table: tensors begin at multiples of it.
pub const DECAY_STEP: usize = 64;

/// Operations of a matrix product in the time of updating four weights, measured on SwiftShader.
const SLOWER: f64 = 300.0;

/// Parameters of one update, computed on the CPU.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    pub beta1: f32,
    pub beta2: f32,
    /// Learning rate with the first moment's bias correction, and the second moment's bias correction.
    pub rate: f32,
    pub correction: f32,
    /// Factor of a decaying weight.
    pub keep: f32,
    /// Largest norm of the gradient; 0 for no clipping.
    pub clip: f32,
}

/// Each thread sums every `threads`-th element.
#[cube(launch_unchecked)]
fn squares<N: Size>(gradient: &[Vector<f32, N>], sums: &mut [f32], count: usize, threads: usize) {
    if ABSOLUTE_POS < threads {
        let mut sum = Vector::<f32, N>::new(0.0);
        let mut at = ABSOLUTE_POS;
        while at < count {
            sum += gradient[at] * gradient[at];
            at += threads;
        }
        sums[ABSOLUTE_POS] = total::<N>(sum, 4usize);
    }
}

#[cube(launch_unchecked)]
fn norm_of(sums: &[f32], scalars: &mut [f32], count: usize, place: usize, scale: f32) {
    let mut shared = Shared::<[f32]>::new_slice(comptime![ADDING as usize]);
    let mut sum = f32::new(0.0);
    let mut at = UNIT_POS as usize;
    while at < count {
        sum += sums[at];
        at += ADDING as usize;
    }
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    if UNIT_POS == 0 {
        let mut total = f32::new(0.0);
        for thread in 0..ADDING as usize {
            total += shared[thread];
        }
        scalars[place] = total.sqrt() * scale;
    }
}

/// `scale`: factor of the gradient, for the mean over several batches.
#[cube(launch_unchecked)]
fn update<N: Size>(
    weights: &mut [Vector<f32, N>],
    first: &mut [Vector<f32, N>],
    second: &mut [Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    scalars: &[f32],
    decays: &[i32],
    count: usize,
    place: usize,
    scale: f32,
    beta1: f32,
    beta2: f32,
    rate: f32,
    correction: f32,
    keep: f32,
    clip: f32,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let mut factor = scale;
        if clip > 0.0 {
            factor *= min(clip / (scalars[place] + 1e-6), 1.0);
        }
        let g = gradient[at] * Vector::<f32, N>::new(factor);
        let m = first[at] * Vector::<f32, N>::new(beta1) + g * Vector::<f32, N>::new(1.0 - beta1);
        let v = second[at] * Vector::<f32, N>::new(beta2) + g * g * Vector::<f32, N>::new(1.0 - beta2);
        first[at] = m;
        second[at] = v;
        let kept = select(decays[at / (DECAY_STEP / 4)] != 0, keep, 1.0);
        let deviation = (v * Vector::<f32, N>::new(correction)).sqrt() + Vector::<f32, N>::new(EPSILON as f32);
        weights[at] = weights[at] * Vector::<f32, N>::new(kept) - m * Vector::<f32, N>::new(rate) / deviation;
    }
}

/// A segment of the weights with its moments and gradients, `[len]` each.
pub struct Part<'a> {
    pub weights: &'a Tensor<1>,
    pub first: &'a Tensor<1>,
    pub second: &'a Tensor<1>,
    pub gradient: &'a Tensor<1>,
    /// 1 for each [`DECAY_STEP`] numbers of weights that decay.
    pub decays: &'a Integers,
}

/// Updates weights and moments from the sum of `batches` gradients; writes the norm of their mean over all parts,
/// before clipping, to `scalars[place]`.
pub fn adamw(parts: &[Part], scalars: &Tensor<1>, place: usize, batches: usize, numbers: Update) {
    let client = client(scalars);
    let counts = parts.iter().map(|part| {
        let Part { weights, first, second, gradient, decays } = part;
        let len = weights.dims()[0];
        fit(&[first, second, gradient].map(|tensor| (tensor.dims()[0], len)));
        fit(&[(decays.count() * DECAY_STEP, len)]);
        assert!(len.is_multiple_of(DECAY_STEP), "the flat array is padded");
        len / 4
    });
    let counts: Vec<usize> = counts.collect();
    // Each part's sums begin at an offset that a GPU can bind; a thread without elements writes 0.
    let threads = |count: usize| match parts.len() {
        1 => count.div_ceil(16).min(MOST_SUMS),
        _ => count.div_ceil(16).min(MOST_SUMS).next_multiple_of(DECAY_STEP),
    };
    let all_threads = counts.iter().copied().map(threads).sum();
    let sums = empty([all_threads], scalars.gpu());
    let scale = 1.0 / batches as f32;
    let Update { beta1, beta2, rate, correction, keep, clip } = numbers;
    // SAFETY: here and below, no index exceeds the sizes given, and WebGPU keeps indices inside the bound buffers.
    let mut first_sum = 0;
    for (part, &count) in parts.iter().zip(&counts) {
        let threads = threads(count);
        unsafe {
            squares::launch_unchecked(
                client,
                groups(threads, GROUP),
                CubeDim::new_1d(GROUP),
                4,
                buffer(part.gradient),
                buffer(&piece(&sums, first_sum, [threads])),
                count,
                threads,
            );
        }
        first_sum += threads;
    }
    unsafe {
        norm_of::launch_unchecked(
            client,
            CubeCount::Static(1, 1, 1),
            CubeDim::new_1d(ADDING),
            buffer(&sums),
            buffer(scalars),
            all_threads,
            place,
            scale,
        );
    }
    for (part, &count) in parts.iter().zip(&counts) {
        // Always one dispatch, because a step is counted in them.
        in_parts(scalars.gpu(), SLOWER * count as f64, count, count, |_, _| unsafe {
            update::launch_unchecked(
                client,
                groups(count, GROUP),
                CubeDim::new_1d(GROUP),
                4,
                buffer(part.weights),
                buffer(part.first),
                buffer(part.second),
                buffer(part.gradient),
                buffer(scalars),
                part.decays.buffer(),
                count,
                place,
                scale,
                beta1,
                beta2,
                rate,
                correction,
                keep,
                clip,
            );
        });
    }
}
