//! Layer norm by teams of threads (`rows.rs`). Threads beyond the last row take part in the barriers and write nothing.

use cubecl::prelude::*;

use crate::ops::gpu::rows::{GROUP, Row, team_place, team_row, team_sum, total};

/// `x[at + k]`, or 0 beyond the row, which has `length` loads.
#[cube]
fn loaded<N: Size>(x: &[Vector<f32, N>], at: usize, k: usize, length: usize, #[comptime] row: Row) -> Vector<f32, N> {
    if comptime![row.ragged] { within::<N>(x[at + min(k, length - 1)], k, length, row) } else { x[at + k] }
}

/// `value`, or 0 beyond the row.
#[cube]
fn within<N: Size>(value: Vector<f32, N>, k: usize, length: usize, #[comptime] row: Row) -> Vector<f32, N> {
    if comptime![row.ragged] { select(k < length, value, Vector::<f32, N>::new(0.0)) } else { value }
}

/// As the kernel of `norm/mod.rs`.
#[cube(launch_unchecked)]
pub(super) fn forward<Y: Float, N: Size>(
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
    #[comptime] row: Row,
) {
    let index = team_row(row.team);
    let inside = index < rows;
    let at = min(index, rows - 1) * length;
    let place = team_place(row.team);
    let mut sums = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let mut squares = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let mut kept = Array::<Vector<f32, N>>::new(comptime![if row.keeps(1) { row.turns } else { 1 }]);
    let mut sum = Vector::<f32, N>::new(0.0);
    #[unroll(row.keeps(1))]
    for turn in 0..row.turns {
        let value = loaded::<N>(x, at, place + turn * row.team, length, row);
        if comptime![row.keeps(1)] {
            kept[turn] = value;
        }
        sum += value;
    }
    let mut mean = f32::new(0.0);
    if comptime![centred] {
        sums[UNIT_POS as usize] = total::<N>(sum, row.lanes);
        sync_cube();
        mean = team_sum(&sums, row.team) / width;
    }
    let means = Vector::<f32, N>::new(mean);
    let mut square = Vector::<f32, N>::new(0.0);
    #[unroll(row.keeps(1))]
    for turn in 0..row.turns {
        let k = place + turn * row.team;
        let value = if comptime![row.keeps(1)] { kept[turn] } else { loaded::<N>(x, at, k, length, row) };
        let centred = within::<N>(value - means, k, length, row);
        square += centred * centred;
    }
    squares[UNIT_POS as usize] = total::<N>(square, row.lanes);
    sync_cube();
    let inverse = 1.0 / (team_sum(&squares, row.team) / width + epsilon).sqrt();
    let inverses = Vector::<f32, N>::new(inverse);
    #[unroll(row.keeps(1))]
    for turn in 0..row.turns {
        let k = place + turn * row.team;
        if inside && k < length {
            let value = if comptime![row.keeps(1)] { kept[turn] } else { x[at + k] };
            y[at + k] = Vector::cast_from((value - means) * inverses * gain[k] + bias[k]);
        }
    }
    if inside && place == 0 {
        statistics[index * 2] = mean;
        statistics[index * 2 + 1] = inverse;
    }
}

/// As the kernel of `norm/mod.rs`.
#[cube(launch_unchecked)]
pub(super) fn backward<N: Size>(
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
    #[comptime] row: Row,
) {
    let index = team_row(row.team);
    let inside = index < rows;
    let read = min(index, rows - 1);
    let at = read * length;
    let place = team_place(row.team);
    let means = Vector::<f32, N>::new(statistics[read * 2]);
    let inverses = Vector::<f32, N>::new(statistics[read * 2 + 1]);
    let mut sums = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let mut sums_along = Shared::<[f32]>::new_slice(comptime![GROUP as usize]);
    let size = comptime![if row.keeps(2) { row.turns } else { 1 }];
    let mut kept = Array::<Vector<f32, N>>::new(size);
    let mut kept_scaled = Array::<Vector<f32, N>>::new(size);
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut along = Vector::<f32, N>::new(0.0);
    #[unroll(row.keeps(2))]
    for turn in 0..row.turns {
        let k = place + turn * row.team;
        let normalised = (loaded::<N>(x, at, k, length, row) - means) * inverses;
        let scaled = loaded::<N>(gradient, at, k, length, row) * loaded::<N>(gain, 0usize, k, length, row);
        if comptime![row.keeps(2)] {
            kept[turn] = normalised;
            kept_scaled[turn] = scaled;
        }
        sum += scaled;
        along += scaled * normalised;
    }
    sums[UNIT_POS as usize] = total::<N>(sum, row.lanes);
    sums_along[UNIT_POS as usize] = total::<N>(along, row.lanes);
    sync_cube();
    let mut mean = Vector::<f32, N>::new(0.0);
    if comptime![centred] {
        mean = Vector::<f32, N>::new(team_sum(&sums, row.team) / width);
    }
    let mean_along = Vector::<f32, N>::new(team_sum(&sums_along, row.team) / width);
    #[unroll(row.keeps(2))]
    for turn in 0..row.turns {
        let k = place + turn * row.team;
        if inside && k < length {
            let normalised = if comptime![row.keeps(2)] { kept[turn] } else { (x[at + k] - means) * inverses };
            let scaled = if comptime![row.keeps(2)] { kept_scaled[turn] } else { gradient[at + k] * gain[k] };
            let mut value = (scaled - mean - normalised * mean_along) * inverses;
            if comptime![residual_too] {
                value += residual[at + k];
            }
            out[at + k] = value;
        }
    }
}
