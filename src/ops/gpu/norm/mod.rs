//! Layer norm and RMSNorm on the GPU: one thread per row forward and backward, or a team of threads (`norm/teams.rs`); one thread per
//! column for the gradients of gain and bias.

mod teams;

use cubecl::prelude::*;
use half::f16;
use teams::{backward as backward_by_teams, forward as forward_by_teams};

pub(super) use super::rows::total;
use super::{
    block::lanes,
    choice::Rows,
    memory::{Integers, Tensor, buffer, client, empty, empty_of, fit, groups, is_half},
    product::launch_out,
    rows::{GROUP, Row, TEAM, row_groups},
};
use crate::{architecture::Norm, ops::Precision};

/// Least number of rows that one thread sums for the gradients of gain and bias; and largest number of partial sums per
/// column.
const LEAST_ROWS: usize = 8;
const MOST_CHUNKS: usize = 64;

/// `statistics [rows, 2]`: mean and reciprocal standard deviation. Without `centred` the mean is taken to be 0.
#[cube(launch_unchecked)]
fn forward<Y: Float, N: Size>(
    x: &[Vector<f32, N>],
    gain: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    y: &mut [Vector<Y, N>],
    statistics: &mut [f32],
    rows: usize,
    length: usize,
    width: f32,
    epsilon: f32,
    #[comptime] centred: bool,
    #[comptime] lanes: usize,
) {
    let row = ABSOLUTE_POS;
    if row < rows {
        let at = row * length;
        let mut mean = f32::new(0.0);
        if comptime![centred] {
            let mut sum = Vector::<f32, N>::new(0.0);
            for k in 0..length {
                sum += x[at + k];
            }
            mean = total::<N>(sum, lanes) / width;
        }
        let means = Vector::<f32, N>::new(mean);
        let mut squares = Vector::<f32, N>::new(0.0);
        for k in 0..length {
            let centred = x[at + k] - means;
            squares += centred * centred;
        }
        let inverse = 1.0 / (total::<N>(squares, lanes) / width + epsilon).sqrt();
        let inverses = Vector::<f32, N>::new(inverse);
        for k in 0..length {
            y[at + k] = Vector::cast_from((x[at + k] - means) * inverses * gain[k] + bias[k]);
        }
        statistics[row * 2] = mean;
        statistics[row * 2 + 1] = inverse;
    }
}

/// Adds the gradient of the input to that of the residual stream.
#[cube(launch_unchecked)]
fn backward<N: Size>(
    x: &[Vector<f32, N>],
    statistics: &[f32],
    gain: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    residual: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    rows: usize,
    length: usize,
    width: f32,
    #[comptime] centred: bool,
    #[comptime] residual_too: bool,
    #[comptime] lanes: usize,
) {
    let row = ABSOLUTE_POS;
    if row < rows {
        let at = row * length;
        let means = Vector::<f32, N>::new(statistics[row * 2]);
        let inverses = Vector::<f32, N>::new(statistics[row * 2 + 1]);
        let mut sum = Vector::<f32, N>::new(0.0);
        let mut along = Vector::<f32, N>::new(0.0);
        for k in 0..length {
            let scaled = gradient[at + k] * gain[k];
            sum += scaled;
            along += scaled * (x[at + k] - means) * inverses;
        }
        let mut mean = Vector::<f32, N>::new(0.0);
        if comptime![centred] {
            mean = Vector::<f32, N>::new(total::<N>(sum, lanes) / width);
        }
        let mean_along = Vector::<f32, N>::new(total::<N>(along, lanes) / width);
        for k in 0..length {
            let normalised = (x[at + k] - means) * inverses;
            let mut value = (gradient[at + k] * gain[k] - mean - normalised * mean_along) * inverses;
            if comptime![residual_too] {
                value += residual[at + k];
            }
            out[at + k] = value;
        }
    }
}

/// Sums over a chunk of rows, into `partial [chunks, 2, width]` from `start` on: first the gradients of gain, then of
/// bias.
#[cube(launch_unchecked)]
fn partial_sums(
    x: &[f32],
    statistics: &[f32],
    gradient: &[f32],
    partial: &mut [f32],
    start: usize,
    rows: usize,
    width: usize,
    chunk_rows: usize,
    chunks: usize,
) {
    let column = ABSOLUTE_POS % width;
    let chunk = ABSOLUTE_POS / width;
    if chunk < chunks {
        let mut gain = f32::new(0.0);
        let mut bias = f32::new(0.0);
        for row in chunk * chunk_rows..min((chunk + 1) * chunk_rows, rows) {
            let d = gradient[row * width + column];
            bias += d;
            gain += d * (x[row * width + column] - statistics[row * 2]) * statistics[row * 2 + 1];
        }
        let at = start + chunk * 2 * width + column;
        partial[at] = gain;
        partial[at + width] = bias;
    }
}

/// Sums all chunks into the gradient buffer at `places`, the offsets of gains and biases in turn. `some_elsewhere`:
/// some of them are -1, because they are in other segments or a norm has no bias.
#[cube(launch_unchecked)]
fn finish(
    partial: &[f32],
    places: &[i32],
    flat: &mut [f32],
    count: usize,
    width: usize,
    chunks: usize,
    #[comptime] adding: bool,
    #[comptime] some_elsewhere: bool,
) {
    let row = ABSOLUTE_POS / width;
    let column = ABSOLUTE_POS % width;
    let mut wanted = row < count;
    if comptime![some_elsewhere] {
        // `&&` does not short-circuit in a kernel.
        wanted = wanted && places[min(row, count - 1)] >= 0;
    }
    if wanted {
        let at = row / 2 * chunks * 2 * width + row % 2 * width + column;
        let mut sum = f32::new(0.0);
        for chunk in 0..chunks {
            sum += partial[at + chunk * 2 * width];
        }
        let place = places[row] as usize + column;
        if comptime![adding] {
            sum += flat[place];
        }
        flat[place] = sum;
    }
}

/// The norm of `x [rows, width]` -> the same shape, and `[rows, 2]`: mean, 0 for RMSNorm, and reciprocal standard
/// deviation.
pub fn norm(
    x: &Tensor<2>,
    gain: &Tensor<1>,
    bias: &Tensor<1>,
    norm: Norm,
    precision: Precision,
) -> (Tensor<2>, Tensor<2>) {
    let [rows, width] = x.dims();
    fit(&[(gain.dims()[0], width), (bias.dims()[0], width)]);
    let (y, statistics) = (empty_of(precision, [rows, width], x.gpu()), empty([rows, 2], x.gpu()));
    let lanes = lanes(&[width]);
    macro_rules! queue {
        ($kernel:ident, $groups:expr, $row:expr) => {
            // SAFETY: here and below, no index exceeds the sizes given, and WebGPU keeps indices inside the bound buffers.
            unsafe {
                launch_out!(
                    &y,
                    $kernel(
                        client(x),
                        $groups,
                        CubeDim::new_1d(GROUP),
                        lanes,
                        buffer(x),
                        buffer(gain),
                        buffer(bias),
                        buffer(&y),
                        buffer(&statistics),
                        rows,
                        width / lanes,
                        width as f32,
                        norm.epsilon(),
                        norm.is_centred(),
                        $row,
                    )
                )
            }
        };
    }
    match x.gpu().rows() {
        Rows::Thread => queue!(forward, groups(rows, GROUP), lanes),
        Rows::Team => queue!(forward_by_teams, row_groups(rows, TEAM), Row::new(width, lanes)),
    }
    (y, statistics)
}

/// The gradient of `x`, plus `residual` if given, all `[rows, width]`.
pub fn norm_input_gradient(
    x: &Tensor<2>,
    statistics: &Tensor<2>,
    gain: &Tensor<1>,
    gradient: &Tensor<2>,
    residual: Option<&Tensor<2>>,
    norm: Norm,
) -> Tensor<2> {
    let [rows, width] = x.dims();
    let other = residual.unwrap_or(x).dims();
    fit(&[(gradient.dims()[0], rows), (gradient.dims()[1], width), (other[0], rows), (other[1], width)]);
    fit(&[(statistics.dims()[0], rows), (gain.dims()[0], width)]);
    let out = empty([rows, width], x.gpu());
    let lanes = lanes(&[width]);
    // Dummy binding for an argument that is not read: WebGPU forbids aliasing.
    let unread = empty([1, 4], x.gpu());
    macro_rules! queue {
        ($kernel:ident, $groups:expr, $row:expr) => {
            unsafe {
                $kernel::launch_unchecked(
                    client(x),
                    $groups,
                    CubeDim::new_1d(GROUP),
                    lanes,
                    buffer(x),
                    buffer(statistics),
                    buffer(gain),
                    buffer(gradient),
                    buffer(residual.unwrap_or(&unread)),
                    buffer(&out),
                    rows,
                    width / lanes,
                    width as f32,
                    norm.is_centred(),
                    residual.is_some(),
                    $row,
                )
            }
        };
    }
    match x.gpu().rows() {
        Rows::Thread => queue!(backward, groups(rows, GROUP), lanes),
        Rows::Team => queue!(backward_by_teams, row_groups(rows, TEAM), Row::new(width, lanes)),
    }
    out
}

/// Partial sums of the gradients of every layer norm's gain and bias.
pub struct NormGradients {
    /// `[norms, chunks, 2, width]`
    partial: Tensor<1>,
    rows: usize,
    width: usize,
    chunk_rows: usize,
    chunks: usize,
}

impl NormGradients {
    pub fn new(norms: usize, like: &Tensor<2>) -> Self {
        let [rows, width] = like.dims();
        let chunk_rows = rows.div_ceil(MOST_CHUNKS).max(LEAST_ROWS);
        let chunks = rows.div_ceil(chunk_rows);
        let partial = empty([norms * chunks * 2 * width], like.gpu());
        Self { partial, rows, width, chunk_rows, chunks }
    }

    /// Adds the partial sums of layer norm `index`.
    pub fn add(&self, index: usize, x: &Tensor<2>, statistics: &Tensor<2>, gradient: &Tensor<2>) {
        let Self { rows, width, chunk_rows, chunks, .. } = *self;
        let of = [x.dims(), gradient.dims(), statistics.dims()];
        assert!(of == [[rows, width], [rows, width], [rows, 2]] && index * chunks * 2 * width < self.partial.dims()[0]);
        unsafe {
            partial_sums::launch_unchecked(
                client(x),
                groups(width * chunks, GROUP),
                CubeDim::new_1d(GROUP),
                buffer(x),
                buffer(statistics),
                buffer(gradient),
                buffer(&self.partial),
                index * chunks * 2 * width,
                rows,
                width,
                chunk_rows,
                chunks,
            );
        }
    }

    /// Writes the sums to a segment of the gradient buffer, or adds them. `places`: the offsets of each layer norm's
    /// gain and bias in it, -1 where they are in another segment or do not exist, which `some_elsewhere` announces.
    pub fn finish(&self, places: &Integers, flat: &Tensor<1>, adding: bool, some_elsewhere: bool) {
        let count = places.count();
        unsafe {
            finish::launch_unchecked(
                client(flat),
                groups(count * self.width, GROUP),
                CubeDim::new_1d(GROUP),
                buffer(&self.partial),
                places.buffer(),
                buffer(flat),
                count,
                self.width,
                self.chunks,
                adding,
                some_elsewhere,
            );
        }
    }
}
