//! Epilogues of the matrix product's kernel (`product.rs`): what it computes from each sum before it writes it. An epilogue
//! saves a second kernel, which would read and write every number once more.

use cubecl::prelude::*;
use half::f16;

use super::{
    block::Block,
    elementwise::{activated, activated_slope},
    random::kept,
    tiles,
};
use crate::config::Activation;

/// The epilogue of a product `[rows, columns]` with its tensors, chosen at compile time. `bias [columns]`; all others
/// `[rows, columns]`.
#[derive(CubeType, CubeLaunch)]
#[allow(dead_code)] // Kernels match on it; the CPU side constructs the derived `EpilogueArgs` instead.
pub(super) enum Epilogue {
    /// `out = sum`, with `length` numbers from one row of `out` to the next.
    Write { out: Box<[f32]>, length: usize },
    /// `out += sum`, likewise.
    Add { out: Box<[f32]>, length: usize },
    /// `out = sum`, and `bias` = the sums of the columns of the product's right factor.
    WriteWithColumnSums { out: Box<[f32]>, bias: Box<[f32]> },
    /// The same, added to what is in `out` and `bias`.
    AddWithColumnSums { out: Box<[f32]>, bias: Box<[f32]> },
    /// `out = sum + bias`, from number `start` of `out` on.
    Bias { bias: Box<[f32]>, out: Box<[f32]>, start: usize },
    /// `before = sum + bias`, `after = activation(before)`.
    Activate { bias: Box<[f32]>, before: Box<[f32]>, after: Box<[f32]> },
    /// The same, with `after` in half precision.
    ActivateHalf { bias: Box<[f32]>, before: Box<[f32]>, after: Box<[f16]> },
    /// `out = residual + sum + bias`.
    Residual { bias: Box<[f32]>, residual: Box<[f32]>, out: Box<[f32]> },
    /// The same, with dropout of `sum + bias` by the mask of `key`, `threshold` and `scale`.
    DroppedResidual { bias: Box<[f32]>, residual: Box<[f32]>, out: Box<[f32]>, key: u32, threshold: u32, scale: f32 },
    /// `out = sum * activation'(before)`: the gradient of the activation's input.
    ThroughActivation { before: Box<[f32]>, out: Box<[f32]> },
}

impl EpilogueArgs {
    /// Whether each entry must be written exactly once, or comes from a large block (`block::block`), written row by row.
    pub(super) fn ends_once(&self) -> bool {
        matches!(
            self,
            Self::Write { .. } | Self::Add { .. } | Self::WriteWithColumnSums { .. } | Self::AddWithColumnSums { .. }
        )
    }
}

/// The value that the epilogue needs once for a whole column: its bias, or 0.
#[cube]
pub(super) fn of_column(end: &mut Epilogue, column: usize) -> f32 {
    match end {
        Epilogue::Bias { bias, out: _, start: _ } => bias[column],
        Epilogue::Activate { bias, before: _, after: _ } => bias[column],
        Epilogue::ActivateHalf { bias, before: _, after: _ } => bias[column],
        Epilogue::Residual { bias, residual: _, out: _ } => bias[column],
        Epilogue::DroppedResidual { bias, residual: _, out: _, key: _, threshold: _, scale: _ } => bias[column],
        _ => 0.0f32,
    }
}

/// Applies the epilogue to one entry of the product.
#[cube]
pub(super) fn of_entry(
    end: &mut Epilogue,
    sum: f32,
    of_column: f32,
    row: usize,
    column: usize,
    columns: usize,
    #[comptime] activation: Activation,
) {
    let index = row * columns + column;
    match end {
        Epilogue::Write { out, length } => out[row * *length + column] = sum,
        Epilogue::Add { out, length } => out[row * *length + column] += sum,
        Epilogue::WriteWithColumnSums { out, bias: _ } => out[index] = sum,
        Epilogue::AddWithColumnSums { out, bias: _ } => out[index] += sum,
        Epilogue::Bias { bias: _, out, start } => out[*start + index] = sum + of_column,
        Epilogue::Activate { bias: _, before, after } => {
            let value = sum + of_column;
            before[index] = value;
            after[index] = activated(value, activation);
        }
        Epilogue::ActivateHalf { bias: _, before, after } => {
            let value = sum + of_column;
            before[index] = value;
            after[index] = f16::cast_from(activated(value, activation));
        }
        Epilogue::Residual { bias: _, residual, out } => out[index] = residual[index] + (sum + of_column),
        Epilogue::DroppedResidual { bias: _, residual, out, key, threshold, scale } => {
            let value = (sum + of_column) * kept(*key, *threshold, *scale, index as u32);
            out[index] = residual[index] + value;
        }
        Epilogue::ThroughActivation { before, out } => out[index] = sum * activated_slope(before[index], activation),
    }
}

/// Writes, or adds, the sums of the columns of `right [inner, columns]`, if the epilogue wants them: by the threads of the
/// first row of blocks.
#[cube]
pub(super) fn column_sums<Y: Float, R: Size>(
    end: &mut Epilogue,
    right: &[Vector<Y, R>],
    first: usize,
    row: usize,
    column: usize,
    columns: usize,
    inner: usize,
    #[comptime] block: Block,
) {
    match end {
        Epilogue::WriteWithColumnSums { out: _, bias } => {
            add_columns::<Y, R>(right, bias, first, row, column, columns, inner, false, block)
        }
        Epilogue::AddWithColumnSums { out: _, bias } => {
            add_columns::<Y, R>(right, bias, first, row, column, columns, inner, true, block)
        }
        _ => {}
    }
}

#[cube]
fn add_columns<Y: Float, R: Size>(
    right: &[Vector<Y, R>],
    bias: &mut [f32],
    first: usize,
    row: usize,
    column: usize,
    columns: usize,
    inner: usize,
    #[comptime] adding: bool,
    #[comptime] block: Block,
) {
    if comptime![block.depth > 0] {
        if first == 0 && CUBE_POS_Y == 0 {
            let sums = tiles::column_sums::<Y, R>(right, column, columns, inner, block);
            if row == 0 {
                write_columns(&sums, bias, column, columns, adding, block);
            }
        }
    } else if row == 0 {
        let mut sums = Array::<f32>::new(comptime![block.columns]);
        for k in 0..inner {
            #[unroll]
            for j in 0..block.columns {
                let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
                sums[j] += f32::cast_from(right[k * columns + at].extract(0usize));
            }
        }
        write_columns(&sums, bias, column, columns, adding, block);
    }
}

#[cube]
fn write_columns(
    sums: &Array<f32>,
    bias: &mut [f32],
    column: usize,
    columns: usize,
    #[comptime] adding: bool,
    #[comptime] block: Block,
) {
    #[unroll]
    for j in 0..block.columns {
        let at = column + comptime![j * block.group.0 as usize];
        if at < columns {
            let mut sum = sums[j];
            if comptime![adding] {
                sum += bias[at];
            }
            bias[at] = sum;
        }
    }
}
