//! Epilogues of the matrix product's kernel (`product.rs`): what it computes from each sum before it writes it. An epilogue
//! saves a second kernel, which would read and write every number once more. Tiles write four numbers at once where a row
//! of the product has a multiple of four, blocks in registers one.

use cubecl::prelude::*;
use half::f16;

use super::{
    block::Block,
    elementwise::{activated, activated_slope},
    random::kept,
};
use crate::config::Activation;

/// The epilogue of a product `[rows, columns]` with its tensors, chosen at compile time. `bias [columns]`; all others
/// `[rows, columns]`. `O`: the numbers written at once.
#[derive(CubeType, CubeLaunch)]
#[allow(dead_code)] // Kernels match on it; the CPU side constructs the derived `EpilogueArgs` instead.
pub(super) enum Epilogue<O: Size> {
    /// `out = sum`, with `length` numbers from one row of `out` to the next.
    Write { out: Box<[Vector<f32, O>]>, length: usize },
    /// `out += sum`, likewise.
    Add { out: Box<[Vector<f32, O>]>, length: usize },
    /// `out = sum`, and `bias` = the sums of the columns of the product's right factor.
    WriteWithColumnSums { out: Box<[Vector<f32, O>]>, bias: Box<[Vector<f32, O>]> },
    /// The same, added to what is in `out` and `bias`.
    AddWithColumnSums { out: Box<[Vector<f32, O>]>, bias: Box<[Vector<f32, O>]> },
    /// `out = sum + bias`
    Bias { bias: Box<[Vector<f32, O>]>, out: Box<[Vector<f32, O>]> },
    /// `before = sum + bias`, `after = activation(before)`.
    Activate { bias: Box<[Vector<f32, O>]>, before: Box<[Vector<f32, O>]>, after: Box<[Vector<f32, O>]> },
    /// The same, with `after` in half precision.
    ActivateHalf { bias: Box<[Vector<f32, O>]>, before: Box<[Vector<f32, O>]>, after: Box<[Vector<f16, O>]> },
    /// `out = residual + sum + bias`.
    Residual { bias: Box<[Vector<f32, O>]>, residual: Box<[Vector<f32, O>]>, out: Box<[Vector<f32, O>]> },
    /// The same, with dropout of `sum + bias` by the mask of `key`, `threshold` and `scale`.
    DroppedResidual {
        bias: Box<[Vector<f32, O>]>,
        residual: Box<[Vector<f32, O>]>,
        out: Box<[Vector<f32, O>]>,
        key: u32,
        threshold: u32,
        scale: f32,
    },
    /// `out = sum * activation'(before)`: the gradient of the activation's input.
    ThroughActivation { before: Box<[Vector<f32, O>]>, out: Box<[Vector<f32, O>]> },
}

impl<O: Size> EpilogueArgs<O> {
    /// Whether each entry must be written exactly once, or comes from a large block (`block::block`), written row by row.
    pub(super) fn ends_once(&self) -> bool {
        matches!(
            self,
            Self::Write { .. } | Self::Add { .. } | Self::WriteWithColumnSums { .. } | Self::AddWithColumnSums { .. }
        )
    }
}

/// The place of number `index` of a tensor that is read and written in loads of `lanes` numbers.
#[cube]
fn place(index: usize, #[comptime] lanes: usize) -> usize {
    if comptime![lanes == 1] { index } else { index / lanes }
}

/// The values that the epilogue needs once for columns from `column` on: their biases, or 0.
#[cube]
pub(super) fn of_column<O: Size>(end: &mut Epilogue<O>, column: usize, #[comptime] lanes: usize) -> Vector<f32, O> {
    let at = place(column, lanes);
    match end {
        Epilogue::Bias { bias, out: _ } => bias[at],
        Epilogue::Activate { bias, before: _, after: _ } => bias[at],
        Epilogue::ActivateHalf { bias, before: _, after: _ } => bias[at],
        Epilogue::Residual { bias, residual: _, out: _ } => bias[at],
        Epilogue::DroppedResidual { bias, residual: _, out: _, key: _, threshold: _, scale: _ } => bias[at],
        _ => Vector::<f32, O>::new(0.0),
    }
}

/// Applies the epilogue to the product's entries from (`row`, `column`) on.
#[cube]
pub(super) fn of_entry<O: Size>(
    end: &mut Epilogue<O>,
    sum: Vector<f32, O>,
    of_column: Vector<f32, O>,
    row: usize,
    column: usize,
    columns: usize,
    #[comptime] activation: Activation,
    #[comptime] lanes: usize,
) {
    let index = row * columns + column;
    let at = place(index, lanes);
    match end {
        Epilogue::Write { out, length } => out[place(row * *length + column, lanes)] = sum,
        Epilogue::Add { out, length } => out[place(row * *length + column, lanes)] += sum,
        Epilogue::WriteWithColumnSums { out, bias: _ } => out[at] = sum,
        Epilogue::AddWithColumnSums { out, bias: _ } => out[at] += sum,
        Epilogue::Bias { bias: _, out } => out[place(index, lanes)] = sum + of_column,
        Epilogue::Activate { bias: _, before, after } => {
            let value = sum + of_column;
            before[at] = value;
            after[at] = activated_each::<O>(value, activation, lanes);
        }
        Epilogue::ActivateHalf { bias: _, before, after } => {
            let value = sum + of_column;
            before[at] = value;
            after[at] = Vector::<f16, O>::cast_from(activated_each::<O>(value, activation, lanes));
        }
        Epilogue::Residual { bias: _, residual, out } => out[at] = residual[at] + (sum + of_column),
        Epilogue::DroppedResidual { bias: _, residual, out, key, threshold, scale } => {
            let mut kept_each = Vector::<f32, O>::new(0.0);
            #[unroll]
            for q in 0..lanes {
                kept_each.insert(q, kept(*key, *threshold, *scale, (index + q) as u32));
            }
            out[at] = residual[at] + (sum + of_column) * kept_each;
        }
        Epilogue::ThroughActivation { before, out } => {
            let before = before[at];
            let mut slope = Vector::<f32, O>::new(0.0);
            #[unroll]
            for q in 0..lanes {
                slope.insert(q, activated_slope(before.extract(q), activation));
            }
            out[at] = sum * slope;
        }
    }
}

#[cube]
fn activated_each<O: Size>(
    value: Vector<f32, O>,
    #[comptime] activation: Activation,
    #[comptime] lanes: usize,
) -> Vector<f32, O> {
    let mut after = Vector::<f32, O>::new(0.0);
    #[unroll]
    for q in 0..lanes {
        after.insert(q, activated(value.extract(q), activation));
    }
    after
}

/// Writes, or adds, the sums of columns of the product's right factor, if the epilogue wants them.
#[cube]
pub(super) fn of_column_sum<O: Size>(
    end: &mut Epilogue<O>,
    sum: Vector<f32, O>,
    column: usize,
    #[comptime] lanes: usize,
) {
    let at = place(column, lanes);
    match end {
        Epilogue::WriteWithColumnSums { out: _, bias } => bias[at] = sum,
        Epilogue::AddWithColumnSums { out: _, bias } => bias[at] += sum,
        _ => {}
    }
}

/// Sums the columns of `right [inner, columns]` by the threads of the first row of blocks, for kernels without tiles.
#[cube]
pub(super) fn column_sums<Y: Float, R: Size, O: Size>(
    end: &mut Epilogue<O>,
    right: &[Vector<Y, R>],
    row: usize,
    column: usize,
    columns: usize,
    inner: usize,
    #[comptime] block: Block,
) {
    if row == 0 {
        let mut sums = Array::<f32>::new(comptime![block.columns]);
        for k in 0..inner {
            #[unroll]
            for j in 0..block.columns {
                let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
                sums[j] += f32::cast_from(right[k * columns + at].extract(0usize));
            }
        }
        #[unroll]
        for j in 0..block.columns {
            let at = column + comptime![j * block.group.0 as usize];
            if at < columns {
                of_column_sum::<O>(end, Vector::<f32, O>::new(sums[j]), at, 1usize);
            }
        }
    }
}
