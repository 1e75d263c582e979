//! Tiled matrix products: the threads of a workgroup load a tile of each factor into workgroup memory, and each thread
//! multiplies its block from there.
//!
//! Every number of the factors is read from GPU memory once per tile instead of once per thread's block, and by
//! neighbouring threads from neighbouring addresses whatever the factors' form. Each tile costs two barriers, and on
//! SwiftShader they cost more than that gains: so `measure.rs` tries.

use cubecl::prelude::*;

use super::block::{Block, Form};

/// Adds the products to this thread's `sums`, as `product::sums` describes them; `row` is the first of its block. All
/// threads of the workgroup must call this, those beyond the last row or column too.
#[cube]
pub(super) fn add_products<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    sums: &mut Array<f32>,
    row: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    left_length: usize,
    right_length: usize,
    #[comptime] form: Form,
    #[comptime] block: Block,
) {
    let depth = comptime![block.depth];
    let across = comptime![block.group.0 as usize];
    let tile_rows = comptime![block.rows * block.group.1 as usize];
    let tile_columns = comptime![block.columns * across];
    // `[depth, rows]` and `[depth, columns]`: neighbouring threads read neighbouring elements.
    let mut left_tile = Shared::<[f32]>::new_slice(comptime![depth * tile_rows]);
    let mut right_tile = Shared::<[f32]>::new_slice(comptime![depth * tile_columns]);
    let first_row = row - UNIT_POS_Y as usize * block.rows;
    let first_column = CUBE_POS_X as usize * tile_columns;
    for step in 0..inner.div_ceil(depth) {
        let start = step * depth;
        if comptime![form == Form::LeftTransposed] {
            load_across::<X, L>(
                left,
                &mut left_tile,
                first_row,
                left_length,
                start,
                inner,
                left_length,
                tile_rows,
                block.lanes,
                block,
            );
        } else {
            load_along::<X, L>(left, &mut left_tile, first_row, rows, start, inner, left_length, tile_rows, block);
        }
        if comptime![form == Form::RightTransposed] {
            load_along::<Y, R>(
                right,
                &mut right_tile,
                first_column,
                columns,
                start,
                inner,
                right_length,
                tile_columns,
                block,
            );
        } else {
            load_across::<Y, R>(
                right,
                &mut right_tile,
                first_column,
                columns,
                start,
                inner,
                right_length,
                tile_columns,
                1usize,
                block,
            );
        }
        sync_cube();
        let left_at = UNIT_POS_Y as usize * block.rows;
        let right_at = UNIT_POS_X as usize;
        #[unroll]
        for k in 0..depth {
            let mut y = Array::<f32>::new(comptime![block.columns]);
            #[unroll]
            for j in 0..block.columns {
                y[j] = right_tile[comptime![k * tile_columns + j * across] + right_at];
            }
            #[unroll]
            for i in 0..block.rows {
                let x = left_tile[comptime![k * tile_rows + i] + left_at];
                #[unroll]
                for j in 0..block.columns {
                    sums[comptime![i * block.columns + j]] += x * y[j];
                }
            }
        }
        sync_cube();
    }
}

/// Loads a tile of a factor that is contiguous along the inner axis: `from [count, length]`, from row `first` and
/// column `start` on.
#[cube]
fn load_along<E: Float, V: Size>(
    from: &[Vector<E, V>],
    tile: &mut [f32],
    first: usize,
    count: usize,
    start: usize,
    inner: usize,
    length: usize,
    #[comptime] size: usize,
    #[comptime] block: Block,
) {
    let lanes = comptime![block.lanes];
    let loads = comptime![block.depth / lanes];
    let threads = comptime![(block.group.0 * block.group.1) as usize];
    let last = inner.div_ceil(lanes) - 1;
    #[unroll]
    for turn in 0..comptime![(size * loads).div_ceil(threads)] {
        let at = comptime![turn * threads] + UNIT_POS as usize;
        if at < comptime![size * loads] {
            let (row, load) = (at / loads, at % loads);
            let value = from[min(first + row, count - 1) * (length / lanes) + min(start / lanes + load, last)];
            #[unroll]
            for q in 0..lanes {
                let k = load * lanes + q;
                tile[k * size + row] = select(start + k < inner, f32::cast_from(value.extract(q)), 0.0);
            }
        }
    }
}

/// Loads a tile of a factor that is contiguous across the inner axis: `from [inner, length]`, `lanes` elements per
/// load, from row `start` and column `first` on.
#[cube]
fn load_across<E: Float, V: Size>(
    from: &[Vector<E, V>],
    tile: &mut [f32],
    first: usize,
    count: usize,
    start: usize,
    inner: usize,
    length: usize,
    #[comptime] size: usize,
    #[comptime] lanes: usize,
    #[comptime] block: Block,
) {
    let loads = comptime![size / lanes];
    let threads = comptime![(block.group.0 * block.group.1) as usize];
    let last = count / lanes - 1;
    #[unroll]
    for turn in 0..comptime![(block.depth * loads).div_ceil(threads)] {
        let at = comptime![turn * threads] + UNIT_POS as usize;
        if at < comptime![block.depth * loads] {
            let (k, load) = (at / loads, at % loads);
            let value = from[min(start + k, inner - 1) * (length / lanes) + min(first / lanes + load, last)];
            #[unroll]
            for q in 0..lanes {
                tile[k * size + load * lanes + q] = select(start + k < inner, f32::cast_from(value.extract(q)), 0.0);
            }
        }
    }
}

/// The column sums of `right [inner, columns]` over a workgroup's tile, in the order of this thread's block; valid in
/// the first row of threads only. All threads of the workgroup must call this.
#[cube]
pub(super) fn column_sums<Y: Float, R: Size>(
    right: &[Vector<Y, R>],
    column: usize,
    columns: usize,
    inner: usize,
    #[comptime] block: Block,
) -> Array<f32> {
    let (across, down) = comptime![(block.group.0 as usize, block.group.1 as usize)];
    let tile_columns = comptime![block.columns * across];
    let mut parts = Shared::<[f32]>::new_slice(comptime![down * tile_columns]);
    let mut sums = Array::<f32>::new(comptime![block.columns]);
    let mut k = UNIT_POS_Y as usize;
    while k < inner {
        #[unroll]
        for j in 0..block.columns {
            let at = min(column + comptime![j * across], columns - 1);
            sums[j] += f32::cast_from(right[k * columns + at].extract(0usize));
        }
        k += down;
    }
    #[unroll]
    for j in 0..block.columns {
        parts[UNIT_POS_Y as usize * tile_columns + comptime![j * across] + UNIT_POS_X as usize] = sums[j];
    }
    sync_cube();
    #[unroll]
    for j in 0..block.columns {
        let mut sum = f32::new(0.0);
        for y in 0..down {
            sum += parts[y * tile_columns + comptime![j * across] + UNIT_POS_X as usize];
        }
        sums[j] = sum;
    }
    sums
}
