//! Matrix products on the GPU: one kernel, for factors of either precision, with an epilogue (`epilogue.rs`).
//!
//! A thread computes a block of rows and columns, out of its workgroup's tiles (`tiles.rs`) or without workgroup memory
//! as follows; which is faster on a GPU is measured on it (`choice.rs`). Neighbouring threads stand side by side
//! along the columns, so that they read the same number of the left factor and neighbouring numbers of the right one: a
//! GPU merges such reads, and SwiftShader does each in one instruction instead of four. A few products are added up
//! before they reach the running sum, which saves writing that back (docs/BENCHMARKS.md).

use cubecl::prelude::*;
use half::f16;

use super::{
    block::{Block, Form, block, in_parts},
    epilogue::{self, Epilogue, EpilogueArgs},
    memory::{Tensor, buffer, client, empty, is_half},
    slices, tiles,
};
use crate::config::Activation;

/// Adds the block of the product whose first entry is (`row`, `column`) to `sums`, row after row. Rows and columns beyond
/// the end repeat the last.
#[cube]
fn add_products<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    sums: &mut Array<f32>,
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
    inner: usize,
    left_length: usize,
    right_length: usize,
    #[comptime] form: Form,
    #[comptime] block: Block,
) {
    let lanes = comptime![block.lanes];
    let across = comptime![block.group.0 as usize];
    let mut right_at = Array::<usize>::new(comptime![block.columns]);
    #[unroll]
    for j in 0..block.columns {
        right_at[j] = min(column + j * across, columns - 1);
    }
    if comptime![form == Form::LeftTransposed] {
        let last = left_length / lanes - 1;
        let mut left_at = Array::<usize>::new(comptime![block.rows / lanes]);
        #[unroll]
        for i in 0..block.rows / lanes {
            left_at[i] = min(row / lanes + i, last);
        }
        for pair in 0..inner / 2 {
            outer_products::<X, Y, L, R>(
                left,
                right,
                pair * 2,
                left_length,
                right_length,
                &left_at,
                &right_at,
                sums,
                2usize,
                block,
            );
        }
        if comptime![block.ragged] {
            outer_products::<X, Y, L, R>(
                left,
                right,
                inner - 1,
                left_length,
                right_length,
                &left_at,
                &right_at,
                sums,
                1usize,
                block,
            );
        }
    } else {
        let mut left_at = Array::<usize>::new(comptime![block.rows]);
        #[unroll]
        for i in 0..block.rows {
            left_at[i] = min(row + i, rows - 1) * (left_length / lanes);
        }
        if comptime![form == Form::RightTransposed] {
            #[unroll]
            for j in 0..block.columns {
                right_at[j] *= right_length / lanes;
            }
            for k in 0..inner / lanes {
                let mut y = Array::<Vector<f32, L>>::new(comptime![block.columns]);
                #[unroll]
                for j in 0..block.columns {
                    // Both factors are read in loads of the same length here.
                    y[j] = Vector::cast_from(right[right_at[j] + k]);
                }
                #[unroll]
                for i in 0..block.rows {
                    let x = Vector::<f32, L>::cast_from(left[left_at[i] + k]);
                    #[unroll]
                    for j in 0..block.columns {
                        sums[comptime![i * block.columns + j]] += x.dot(y[j]);
                    }
                }
            }
        } else {
            for k in 0..inner.div_ceil(lanes) {
                let mut y = Array::<Vector<f32, L>>::new(comptime![block.columns]);
                let mut rows_at = Array::<usize>::new(comptime![lanes]);
                #[unroll]
                for q in 0..lanes {
                    let mut at = k * lanes + q;
                    if comptime![block.ragged] {
                        at = min(at, inner - 1);
                    }
                    rows_at[q] = at * right_length;
                }
                #[unroll]
                for j in 0..block.columns {
                    let mut column = Vector::<f32, L>::new(0.0);
                    #[unroll]
                    for q in 0..lanes {
                        column.insert(q, f32::cast_from(right[rows_at[q] + right_at[j]].extract(0usize)));
                    }
                    y[j] = column;
                }
                #[unroll]
                for i in 0..block.rows {
                    let x = Vector::<f32, L>::cast_from(left[left_at[i] + k]);
                    #[unroll]
                    for j in 0..block.columns {
                        sums[comptime![i * block.columns + j]] += x.dot(y[j]);
                    }
                }
            }
        }
    }
}

/// Adds the products of `steps` entries of the inner axis from `k` on.
#[cube]
fn outer_products<X: Float, Y: Float, L: Size, R: Size>(
    left: &[Vector<X, L>],
    right: &[Vector<Y, R>],
    k: usize,
    left_length: usize,
    right_length: usize,
    left_at: &Array<usize>,
    right_at: &Array<usize>,
    sums: &mut Array<f32>,
    #[comptime] steps: usize,
    #[comptime] block: Block,
) {
    let lanes = comptime![block.lanes];
    let mut x = Array::<Vector<f32, L>>::new(comptime![steps * block.rows / lanes]);
    let mut y = Array::<f32>::new(comptime![steps * block.columns]);
    #[unroll]
    for q in 0..steps {
        #[unroll]
        for i in 0..block.rows / lanes {
            x[comptime![q * (block.rows / lanes) + i]] =
                Vector::cast_from(left[(k + q) * (left_length / lanes) + left_at[i]]);
        }
        #[unroll]
        for j in 0..block.columns {
            y[comptime![q * block.columns + j]] =
                f32::cast_from(right[(k + q) * right_length + right_at[j]].extract(0usize));
        }
    }
    #[unroll]
    for i in 0..block.rows {
        #[unroll]
        for j in 0..block.columns {
            let mut sum = x[i / lanes].extract(i % lanes) * y[j];
            #[unroll]
            for q in 1..steps {
                sum += x[comptime![q * (block.rows / lanes) + i / lanes]].extract(i % lanes)
                    * y[comptime![q * block.columns + j]];
            }
            sums[comptime![i * block.columns + j]] += sum;
        }
    }
}

/// First row and column of this thread's block, in a part that begins with row `first`.
#[cube]
fn corner(first: usize, #[comptime] block: Block) -> (usize, usize) {
    let row = first + (CUBE_POS_Y * CUBE_DIM_Y + UNIT_POS_Y) as usize * block.rows;
    let column = CUBE_POS_X as usize * comptime![block.group.0 as usize * block.columns] + UNIT_POS_X as usize;
    (row, column)
}

/// Lets the second row of a block's sums take the place of the first. The ends of kernels with large blocks go through the
/// rows so, in a loop: written out for each of them, loads and stores would be most of what a driver has to compile, and
/// on SwiftShader each takes a millisecond (docs/BENCHMARKS.md).
#[cube]
fn next_row(sums: &mut Array<f32>, #[comptime] block: Block) {
    #[unroll]
    for k in 0..comptime![(block.rows - 1) * block.columns] {
        sums[k] = sums[comptime![k + block.columns]];
    }
}

/// The product with its epilogue. An epilogue that adds to existing numbers must be applied to each entry `once`; others may
/// be applied to the last row and column again for the threads beyond them: a branch around each entry would take a driver
/// longer to compile than all the rest. `slice`: the length of the inner axis that each layer of workgroups multiplies.
#[cube(launch_unchecked)]
fn product_kernel<X: Float, Y: Float, Held: Float, L: Size, R: Size, O: Size>(
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
    #[comptime] once: bool,
    #[comptime] activation: Activation,
    #[comptime] form: Form,
    #[comptime] block: Block,
) {
    if comptime![block.tiled] {
        tiles::product::<X, Y, Held, L, R, O>(
            left,
            right,
            end,
            first,
            rows,
            columns,
            inner,
            slice,
            left_length,
            right_length,
            activation,
            form,
            block,
        );
    } else {
        let (row, column) = corner(first, block);
        let inside = row < rows && column < columns;
        let mut sums = Array::<f32>::new(comptime![block.rows * block.columns]);
        if inside {
            let at = &mut sums;
            add_products::<X, Y, L, R>(
                left,
                right,
                at,
                row,
                column,
                rows,
                columns,
                inner,
                left_length,
                right_length,
                form,
                block,
            );
        }
        if comptime![once] {
            for i in row..min(row + block.rows, rows) {
                #[unroll]
                for j in 0..block.columns {
                    let at = column + comptime![j * block.group.0 as usize];
                    if at < columns {
                        let (sum, none) = (Vector::<f32, O>::new(sums[j]), Vector::<f32, O>::new(0.0));
                        epilogue::of_entry::<O>(end, sum, none, i, at, columns, activation, 1usize);
                    }
                }
                next_row(&mut sums, block);
            }
            epilogue::column_sums::<Y, R, O>(end, right, row, column, columns, inner, block);
        } else if inside {
            #[unroll]
            for j in 0..block.columns {
                let at = min(column + comptime![j * block.group.0 as usize], columns - 1);
                let of_column = epilogue::of_column::<O>(end, at, 1usize);
                #[unroll]
                for i in 0..block.rows {
                    let row = min(row + i, rows - 1);
                    let sum = Vector::<f32, O>::new(sums[comptime![i * block.columns + j]]);
                    epilogue::of_entry::<O>(end, sum, of_column, row, at, columns, activation, 1usize);
                }
            }
        }
    }
}

/// The epilogue of a product to queue.
pub(super) type End = EpilogueArgs<product_kernel::O>;

/// Queues a kernel that reads or writes one tensor of either precision.
macro_rules! launch_out {
    ($tensor:expr, $kernel:ident($($argument:expr),* $(,)?)) => {
        if is_half($tensor) {
            $kernel::launch_unchecked::<f16>($($argument),*)
        } else {
            $kernel::launch_unchecked::<f32>($($argument),*)
        }
    };
}
pub(super) use launch_out;

/// A matrix product to queue.
pub(super) struct Product {
    pub(super) form: Form,
    /// Rows, columns and inner axis.
    pub(super) sizes: [usize; 3],
    /// The numbers from one row to the next in the left factor, in the right one and in the result.
    pub(super) lengths: [usize; 3],
    /// The activation that an epilogue applies, if it has one.
    pub(super) activation: Activation,
}

impl Product {
    /// A product whose result has as many numbers from one row to the next as columns.
    pub(super) fn new(form: Form, sizes: [usize; 3], [left_length, right_length]: [usize; 2]) -> Self {
        Self { form, sizes, lengths: [left_length, right_length, sizes[1]], activation: Activation::Gelu }
    }

    /// Queues the product with an epilogue that is written out for each element. `end` makes the epilogue of each part.
    pub(super) fn queue<const D: usize>(&self, left: &Tensor<D>, right: &Tensor<2>, end: impl Fn() -> End) {
        let (kernel, _) = left.gpu().kernel(self.sizes, false);
        let block = block(kernel, self.form, self.sizes, self.lengths).with_long_end();
        self.queue_with(block, self.sizes[2], left, right, end);
    }

    /// `slice`: the length of the inner axis that each layer of workgroups multiplies.
    fn queue_with<const D: usize>(
        &self,
        block: Block,
        slice: usize,
        left: &Tensor<D>,
        right: &Tensor<2>,
        end: impl Fn() -> End,
    ) {
        let Self { form, sizes, lengths: [left_length, right_length, _], activation } = *self;
        let [rows, columns, inner] = sizes;
        let slices = inner.div_ceil(slice);
        in_parts(left.gpu(), block, sizes, slices, |first, groups, dim| {
            let end = end();
            let once = end.ends_once();
            macro_rules! launch {
                ($x:ty, $y:ty, $held:ty) => {
                    // SAFETY: the kernel reads and writes rows and columns below their counts, and WebGPU keeps it
                    // inside the bound buffers besides.
                    unsafe {
                        product_kernel::launch_unchecked::<$x, $y, $held>(
                            client(left),
                            groups,
                            dim,
                            block.lanes,
                            block.right_lanes,
                            block.out_lanes,
                            buffer(left),
                            buffer(right),
                            end,
                            first,
                            rows,
                            columns,
                            inner,
                            slice,
                            left_length,
                            right_length,
                            once,
                            activation,
                            form,
                            block,
                        )
                    }
                };
            }
            match (is_half(left), is_half(right)) {
                (false, false) => launch!(f32, f32, f32),
                (false, true) => launch!(f32, f16, f32),
                (true, false) => launch!(f16, f32, f32),
                (true, true) => launch!(f16, f16, f16),
            }
        });
    }

    /// Queues the product into `out`, and the sums of the right factor's columns into `bias`, if there is one. `adding`:
    /// both are added to what is there. What lies between the last column and a multiple of four in a row of `out` may be
    /// overwritten.
    pub(super) fn write<const D: usize, const E: usize>(
        &self,
        left: &Tensor<D>,
        right: &Tensor<2>,
        out: &Tensor<E>,
        bias: Option<&Tensor<1>>,
        adding: bool,
    ) {
        let Self { form, sizes: sizes @ [rows, columns, inner], lengths: lengths @ [_, _, length], .. } = *self;
        let gpu = left.gpu();
        let (kernel, slices) = gpu.kernel(sizes, length == columns);
        let block = block(kernel, form, sizes, lengths);
        let block = Block { summing: block.tiled && bias.is_some(), ..block };
        if !block.tiled || slices == 1 {
            self.queue_with(block, inner, left, right, || match (bias.map(buffer), buffer(out)) {
                (None, out) if adding => End::Add { out, length },
                (None, out) => End::Write { out, length },
                (Some(bias), out) if adding => End::AddWithColumnSums { out, bias },
                (Some(bias), out) => End::WriteWithColumnSums { out, bias },
            });
            return;
        }
        let slice = inner.div_ceil(slices).next_multiple_of(tiles::DEPTH);
        let slices = inner.div_ceil(slice);
        let sums = empty([slices * rows, columns], gpu);
        let bias = bias.map(|bias| (empty([slices, columns], gpu), bias));
        self.queue_with(block, slice, left, right, || match (&bias, buffer(&sums)) {
            (None, out) => End::Write { out, length },
            (Some((bias, _)), out) => End::WriteWithColumnSums { out, bias: buffer(bias) },
        });
        slices::sum_into(&sums, out, bias.as_ref().map(|(sums, bias)| (sums, *bias)), slices, adding);
    }
}

/// Queues `out = left x right`, or adds the product to what is in `out`. `lengths`: the numbers from one row to the next
/// in `left`, `right` and `out`; in the last load of a row of `left`, what lies beyond the inner axis must be 0, and what
/// lies beyond the last column of `out` may be overwritten.
pub fn product<const D: usize, const E: usize>(
    form: Form,
    left: &Tensor<D>,
    right: &Tensor<2>,
    out: &Tensor<E>,
    sizes: [usize; 3],
    lengths: [usize; 3],
    adding: bool,
) {
    Product { lengths, ..Product::new(form, sizes, [lengths[0], lengths[1]]) }.write(left, right, out, None, adding);
}
