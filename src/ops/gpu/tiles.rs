//! Tiled matrix products: the threads of a workgroup load a tile of each factor into workgroup memory, and each thread
//! multiplies its block from there.
//!
//! Every number of the factors is read from GPU memory once per tile instead of once per thread's block, and by
//! neighbouring threads from neighbouring addresses whatever the factors' form. All reads and writes of workgroup memory
//! are of four numbers: single ones would take longer than the multiplications. While a tile is multiplied, the next one
//! is on its way into registers. Each tile costs two barriers, and on SwiftShader they cost more than all that gains: so
//! `measure.rs` tries.

use cubecl::prelude::*;

use super::{
    block::{Block, Form},
    epilogue::{self, Epilogue},
};
use crate::config::Activation;

/// Length of a tile along the inner axis.
pub(super) const DEPTH: usize = 16;

/// Four numbers of a tile, side by side across the inner axis.
type Quad = Vector<f32, Const<4>>;

/// Multiplies this workgroup's tiles and applies the epilogue. All threads of the workgroup must call this, those beyond
/// the last row or column too. `slice`: the length of the inner axis that each layer of workgroups multiplies; the results
/// of the layers lie below each other. `Held`: the precision of numbers on their way, that of both factors if it is the same:
/// to change it would mean to wait for them.
#[cube]
pub(super) fn product<X: Float, Y: Float, Held: Float, L: Size, R: Size, O: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    end: &mut Epilogue<O>,
    first: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    slice: usize,
    left_length: usize,
    right_length: usize,
    #[comptime] activation: Activation,
    #[comptime] form: Form,
    #[comptime] block: Block,
) {
    let side = comptime![block.rows * block.group.1 as usize];
    let quads = comptime![side / 4];
    let across = comptime![block.group.0 as usize];
    let wide = comptime![block.columns / 4];
    let (left_along, right_along) = comptime![(form != Form::LeftTransposed, form == Form::RightTransposed)];
    // `[depth, rows]` and `[depth, columns]`: neighbouring threads read neighbouring numbers.
    let mut left_tile = Shared::<[Quad]>::new_slice(comptime![DEPTH * quads]);
    let mut right_tile = Shared::<[Quad]>::new_slice(comptime![DEPTH * quads]);

    // Compilers check every index that they cannot prove to be inside. Chrome's loses track of a position when its type
    // changes; the minimum restores what it knew.
    let thread = min(UNIT_POS as usize, comptime![2 * side - 1]);
    let x = min(UNIT_POS_X as usize, comptime![across - 1]);
    let y = min(UNIT_POS_Y as usize, comptime![block.group.1 as usize - 1]);

    // Half of the threads load the left factor's tile, the others the right one's: 4 x 4 numbers each.
    let loads_left = thread < side;
    let own = thread % side;
    let (left_depth, left_quad) = place(own, left_along, quads);
    let (right_depth, right_quad) = place(own, right_along, quads);
    let first_row = first + CUBE_POS_Y as usize * side;
    let first_column = CUBE_POS_X as usize * side;
    let mut starts = Array::<usize>::new(4usize);
    if loads_left {
        let row = first_row + left_quad * 4;
        find_starts(row, rows, left_length, &mut starts, left_along, block.lanes);
    } else {
        let column = first_column + right_quad * 4;
        find_starts(column, columns, right_length, &mut starts, right_along, block.right_lanes);
    }

    let mut sums = Array::<Quad>::new(comptime![block.rows * wide]);
    #[unroll]
    for k in 0..comptime![block.rows * wide] {
        sums[k] = Quad::new(0.0);
    }
    let mut column_sums = Quad::new(0.0);
    let mut held = Array::<Vector<Held, Const<4>>>::new(4usize);
    let begin = CUBE_POS_Z as usize * slice;
    let steps = min(slice, inner - begin).div_ceil(DEPTH);
    if loads_left {
        load::<X, Held, L>(
            left,
            &starts,
            &mut held,
            begin + left_depth * 4,
            inner,
            left_length,
            left_along,
            block.lanes,
        );
    } else {
        let k = begin + right_depth * 4;
        load::<Y, Held, R>(right, &starts, &mut held, k, inner, right_length, right_along, block.right_lanes);
    }
    for step in 0..steps {
        let start = begin + step * DEPTH;
        if loads_left {
            let quads_held = across_inner::<Held>(&held, start + left_depth * 4, inner, left_along);
            #[unroll]
            for q in 0..4usize {
                left_tile[(left_depth * 4 + q) * quads + left_quad] = quads_held[q];
            }
        } else {
            let quads_held = across_inner::<Held>(&held, start + right_depth * 4, inner, right_along);
            #[unroll]
            for q in 0..4usize {
                right_tile[(right_depth * 4 + q) * quads + right_quad] = quads_held[q];
                if comptime![block.summing] {
                    column_sums += quads_held[q];
                }
            }
        }
        sync_cube();
        // The last time there is nothing left to load: then this reads the end of the axis again.
        let next = start + DEPTH;
        if loads_left {
            load::<X, Held, L>(
                left,
                &starts,
                &mut held,
                next + left_depth * 4,
                inner,
                left_length,
                left_along,
                block.lanes,
            );
        } else {
            let k = next + right_depth * 4;
            load::<Y, Held, R>(right, &starts, &mut held, k, inner, right_length, right_along, block.right_lanes);
        }
        #[unroll]
        for k in 0..DEPTH {
            let mut of_right = Array::<Quad>::new(wide);
            #[unroll]
            for j in 0..wide {
                of_right[j] = right_tile[comptime![k * quads + j * across] + x];
            }
            #[unroll]
            for i in 0..block.rows / 4 {
                let of_left = left_tile[comptime![k * quads + i] + y * comptime![block.rows / 4]];
                #[unroll]
                for q in 0..4usize {
                    let factor = Quad::new(of_left.extract(q));
                    #[unroll]
                    for j in 0..wide {
                        sums[comptime![(i * 4 + q) * wide + j]] += factor * of_right[j];
                    }
                }
            }
        }
        sync_cube();
    }

    let row = first_row + y * block.rows;
    let below = CUBE_POS_Z as usize * rows;
    #[unroll]
    for j in 0..wide {
        let column = first_column + x * 4 + comptime![j * across * 4];
        #[unroll]
        for q in 0..comptime![4 / block.out_lanes] {
            let column = column + q;
            if column < columns {
                let of_column = epilogue::of_column::<O>(end, column, block.out_lanes);
                #[unroll]
                for i in 0..block.rows {
                    if row + i < rows {
                        let sum = taken::<O>(sums[comptime![i * wide + j]], q, block.out_lanes);
                        let row = below + row + i;
                        epilogue::of_entry::<O>(end, sum, of_column, row, column, columns, activation, block.out_lanes);
                    }
                }
            }
        }
    }
    if comptime![block.summing] {
        // Each of the loading threads has a quarter of the sums of its columns.
        if !loads_left {
            right_tile[right_depth * quads + right_quad] = column_sums;
        }
        sync_cube();
        if first == 0 && CUBE_POS_Y == 0 && thread < quads {
            let mut sum = right_tile[thread];
            #[unroll]
            for q in 1..4usize {
                sum += right_tile[q * quads + thread];
            }
            #[unroll]
            for q in 0..comptime![4 / block.out_lanes] {
                let column = first_column + thread * 4 + q;
                if column < columns {
                    let sum = taken::<O>(sum, q, block.out_lanes);
                    epilogue::of_column_sum::<O>(end, sum, CUBE_POS_Z as usize * columns + column, block.out_lanes);
                }
            }
        }
    }
}

/// Where the numbers that thread `own` of a factor's threads loads stand in the tile: along the inner axis and across it,
/// in steps of four. Neighbouring threads read what lies side by side.
#[cube]
fn place(own: usize, #[comptime] along: bool, #[comptime] quads: usize) -> (usize, usize) {
    if comptime![along] { (own % 4, own / 4) } else { (own / quads, own % quads) }
}

/// Finds where a thread reads a factor, in loads: of a factor that is contiguous along the inner axis the beginnings of
/// four rows, of one that is contiguous across it the place in a row. `count`: its rows, or its numbers in a row.
#[cube]
fn find_starts(
    first: usize,
    count: usize,
    length: usize,
    starts: &mut Array<usize>,
    #[comptime] along: bool,
    #[comptime] lanes: usize,
) {
    #[unroll]
    for i in 0..4usize {
        if comptime![along] {
            starts[i] = min(first + i, count - 1) * (length / lanes);
        } else if comptime![lanes == 4] {
            starts[i] = min(first / 4, count.div_ceil(4) - 1);
        } else {
            starts[i] = min(first + i, count - 1);
        }
    }
}

/// Loads four by four numbers, as they lie in memory, from entry `k` of the inner axis on. Those beyond its end are other
/// entries. Nothing is computed with them here, which would wait for them.
#[cube]
fn load<E: Float, Held: Float, V: Size>(
    from: &[Vector<E, V>],
    starts: &Array<usize>,
    held: &mut Array<Vector<Held, Const<4>>>,
    k: usize,
    inner: usize,
    length: usize,
    #[comptime] along: bool,
    #[comptime] lanes: usize,
) {
    #[unroll]
    for i in 0..4usize {
        if comptime![along && lanes == 4] {
            held[i] = Vector::<Held, Const<4>>::cast_from(from[starts[i] + min(k / 4, inner.div_ceil(4) - 1)]);
        } else if comptime![lanes == 4] {
            held[i] = Vector::<Held, Const<4>>::cast_from(from[min(k + i, inner - 1) * (length / lanes) + starts[i]]);
        } else {
            let mut quad = Vector::<Held, Const<4>>::new(Held::new(0.0));
            #[unroll]
            for q in 0..4usize {
                let at = if comptime![along] {
                    starts[i] + min(k + q, inner - 1)
                } else {
                    min(k + i, inner - 1) * length + starts[q]
                };
                quad.insert(q, Held::cast_from(from[at].extract(0usize)));
            }
            held[i] = quad;
        }
    }
}

/// The loaded numbers, with the numbers across the inner axis side by side, and 0 beyond the end of that axis.
#[cube]
fn across_inner<Held: Float>(
    held: &Array<Vector<Held, Const<4>>>,
    k: usize,
    inner: usize,
    #[comptime] along: bool,
) -> Array<Quad> {
    let mut quads = Array::<Quad>::new(4usize);
    #[unroll]
    for q in 0..4usize {
        if comptime![along] {
            let mut quad = Quad::new(0.0);
            #[unroll]
            for i in 0..4usize {
                quad.insert(i, f32::cast_from(held[i].extract(q)));
            }
            quads[q] = quad;
        } else {
            quads[q] = Quad::cast_from(held[q]);
        }
    }
    if k + 4 > inner {
        #[unroll]
        for q in 0..4usize {
            if k + q >= inner {
                quads[q] = Quad::new(0.0);
            }
        }
    }
    quads
}

/// The numbers of `sum` that are written at once: all, or number `q`.
#[cube]
fn taken<O: Size>(sum: Quad, #[comptime] q: usize, #[comptime] lanes: usize) -> Vector<f32, O> {
    if comptime![lanes == 4] { Vector::<f32, O>::cast_from(sum) } else { Vector::<f32, O>::new(sum.extract(q)) }
}
