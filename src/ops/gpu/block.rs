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
    /// Elements per load along the contiguous axis of the left factor.
    pub(super) lanes: usize,
    /// Whether the inner axis is not a multiple of a load, beyond which the left factor is 0; where the left factor is
    /// transposed, whether it is not a multiple of two.
    pub(super) ragged: bool,
    /// Length of a tile along the inner axis; 0 without tiles.
    pub(super) depth: usize,
}

/// The widest load that divides every one of `lengths`.
pub(super) fn lanes(lengths: &[usize]) -> usize {
    if lengths.iter().all(|length| length.is_multiple_of(4)) { 4 } else { 1 }
}

/// The block for a product: large, so that few loads serve many multiplications; a product with a single row has one
/// thread per element.
pub(super) fn block(gpu: &Gpu, [rows, columns, inner]: [usize; 3], lanes: usize, form: Form) -> Block {
    let ragged = !inner.is_multiple_of(if form == Form::LeftTransposed { 2 } else { lanes });
    if rows == 1 && form != Form::LeftTransposed {
        return Block { rows: 1, columns: 1, group: (64, 1), lanes, ragged, depth: 0 };
    }
    match gpu.kernel(rows, columns) {
        Kernel::Registers => Block { rows: 8, columns: 8, group: (8, 8), lanes, ragged, depth: 0 },
        Kernel::SmallTiles => Block { rows: 4, columns: 4, group: (16, 16), lanes, ragged, depth: 16 },
        Kernel::LargeTiles => Block { rows: 8, columns: 8, group: (16, 16), lanes, ragged, depth: 8 },
    }
}

/// The block for products with a long epilogue: smaller, because the epilogue is unrolled for each of its elements.
pub(super) fn small_block(gpu: &Gpu, sizes: [usize; 3], lanes: usize, form: Form) -> Block {
    let block = block(gpu, sizes, lanes, form);
    Block { rows: block.rows.min(4), ..block }
}

/// Queues a product of these sizes in parts, as `queue::in_parts` does: `queue` gets the first row, the workgroups and
/// their threads.
pub(super) fn in_parts(gpu: &Gpu, block: Block, sizes: [usize; 3], mut queue: impl FnMut(usize, CubeCount, CubeDim)) {
    let [rows, columns, _] = sizes;
    let (across, down) = block.group;
    let step = block.rows * down as usize;
    let across_all = columns.div_ceil(block.columns * across as usize) as u32;
    queue::in_parts(gpu, operations(sizes), rows, step, |first, taken| {
        let groups = CubeCount::Static(across_all, taken.div_ceil(step) as u32, 1);
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
    use crate::ops::{
        gpu::choice::{Choice, KERNELS},
        testing::gpu,
    };

    /// 16 KB of workgroup memory and 256 threads are what WebGPU guarantees everywhere, mobile GPUs included.
    #[test]
    fn every_kernel_fits_the_smallest_gpu() {
        let gpu = gpu();
        for kernel in KERNELS {
            gpu.choose_kernels(Choice::always(kernel));
            let Block { rows, columns, group: (across, down), depth, .. } =
                block(&gpu, [64, 64, 64], 4, Form::LeftTransposed);
            let (across, down) = (across as usize, down as usize);
            assert!(across * down <= 256, "{kernel:?}");
            let tiles = depth * (rows * down + columns * across);
            // The weight gradient's kernel also sums the bias gradient, beside its tiles.
            let sums = if depth > 0 { down * columns * across } else { 0 };
            assert!(4 * (tiles + sums) <= 16 << 10, "{kernel:?}: {} bytes", 4 * (tiles + sums));
        }
    }
}
