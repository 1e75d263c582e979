//! The block of a matrix product that each thread of the GPU computes.

use cubecl::prelude::*;

use super::{choice::Kernel, engine::Gpu, queue};

/// The memory order of the factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// `left [rows, inner] x right [inner, columns]`
    Straight,
    /// `left [rows, inner] x right [columns, inner]` transposed
    RightTransposed,
    /// `left [inner, rows]` transposed `x right [inner, columns]`
    LeftTransposed,
}

/// The block that one thread computes, and the arrangement of threads in a workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Threads of a workgroup along columns and rows.
    pub(super) group: (u32, u32),
    /// Elements per load along the contiguous axis of the left factor, and of the right one.
    pub(super) lanes: usize,
    pub(super) right_lanes: usize,
    /// Elements per store of the result.
    pub(super) out_lanes: usize,
    /// Whether the inner axis is not a multiple of a load, beyond which the left factor is 0; where the left factor is
    /// transposed, whether it is not a multiple of two. Tiles do not need to know.
    pub(super) ragged: bool,
    /// Whether the workgroup multiplies tiles in its memory.
    pub(super) tiled: bool,
    /// Whether tiles sum the columns of the right factor.
    pub(super) summing: bool,
}

/// The widest load that divides every one of `lengths`.
pub(super) fn lanes(lengths: &[usize]) -> usize {
    if lengths.iter().all(|length| length.is_multiple_of(4)) { 4 } else { 1 }
}

/// The block for a product: large, so that few loads serve many multiplications; a product with a single row has one
/// thread per element. `lengths`: the numbers from one row to the next in the factors and in the result.
pub(super) fn block(
    kernel: Kernel,
    form: Form,
    [rows, columns, inner]: [usize; 3],
    [left_length, right_length, length]: [usize; 3],
) -> Block {
    let lanes_of_left = match form {
        Form::RightTransposed => lanes(&[left_length, right_length, inner]),
        _ => lanes(&[left_length]),
    };
    let right_lanes = if form == Form::RightTransposed { lanes_of_left } else { 1 };
    let ragged = !inner.is_multiple_of(if form == Form::LeftTransposed { 2 } else { lanes_of_left });
    let registers = Block {
        rows: 8,
        columns: 8,
        group: (8, 8),
        lanes: lanes_of_left,
        right_lanes,
        out_lanes: 1,
        ragged,
        tiled: false,
        summing: false,
    };
    if rows == 1 && form != Form::LeftTransposed {
        return Block { rows: 1, columns: 1, group: (64, 1), ..registers };
    }
    let tiles = Block {
        right_lanes: if form == Form::RightTransposed { right_lanes } else { lanes(&[right_length, columns]) },
        out_lanes: lanes(&[length]),
        ragged: false,
        tiled: true,
        ..registers
    };
    match kernel {
        Kernel::Registers => registers,
        Kernel::SmallTiles => Block { columns: 4, group: (16, 8), ..tiles },
        Kernel::LargeTiles => Block { group: (16, 16), ..tiles },
    }
}

impl Block {
    /// The block for products with a long epilogue: smaller where the epilogue is written out for each element.
    pub(super) fn with_long_end(self) -> Self {
        if self.tiled { self } else { Self { rows: self.rows.min(4), ..self } }
    }
}

/// Queues a product of these sizes in parts, as `queue::in_parts` does: `queue` gets the first row, the workgroups, in
/// `slices` of the inner axis, and their threads.
pub(super) fn in_parts(
    gpu: &Gpu,
    block: Block,
    sizes: [usize; 3],
    slices: usize,
    mut queue: impl FnMut(usize, CubeCount, CubeDim),
) {
    let [rows, columns, _] = sizes;
    let (across, down) = block.group;
    let step = block.rows * down as usize;
    let across_all = columns.div_ceil(block.columns * across as usize) as u32;
    queue::in_parts(gpu, operations(sizes), rows, step, |first, taken| {
        let groups = CubeCount::Static(across_all, taken.div_ceil(step) as u32, slices as u32);
        queue(first, groups, CubeDim::new_2d(across, down));
    });
}

/// Floating-point operations of a product of these sizes.
fn operations(sizes: [usize; 3]) -> f64 {
    sizes.iter().fold(2.0, |product, &size| product * size as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::gpu::{choice::KERNELS, tiles::DEPTH};

    /// 16 KB of workgroup memory and 256 threads are what WebGPU guarantees everywhere, mobile GPUs included.
    #[test]
    fn every_kernel_fits_the_smallest_gpu() {
        for kernel in KERNELS {
            let Block { rows, columns, group: (across, down), tiled, .. } =
                block(kernel, Form::LeftTransposed, [64; 3], [64; 3]);
            let (across, down) = (across as usize, down as usize);
            assert!(across * down <= 256, "{kernel:?}");
            if tiled {
                // Each half of the threads loads four by four numbers of a tile.
                let (side, threads) = (rows * down, across * down);
                assert_eq!((columns * across, threads), (side, 2 * side), "{kernel:?}");
                assert!(4 * DEPTH * 2 * side <= 16 << 10, "{kernel:?}");
            }
        }
    }
}
