//! Matrix products on the GPU: a block of 4 rows and 4 columns a thread, four numbers a load, no workgroup memory.
//!
//! Burn's own kernel compiles a shader for each combination of shapes, and a step with it took five to eight times as
//! long on SwiftShader (docs/BENCHMARKS.md). Here three shaders serve every product of a training step, those inside
//! attention included: a factor may be a piece of a larger matrix, and there may be one product for every window and
//! head.

use burn::{
    backend::{BackendTensor, BackendTypes, Cube, DispatchTensorKind},
    tensor::Tensor,
};
use cubecl::prelude::*;

type CubeTensor = <Cube as BackendTypes>::FloatTensorPrimitive;

/// Numbers a load, and rows and columns a thread.
const BLOCK: usize = 4;
/// Threads of a workgroup along columns and rows.
const GROUP: u32 = 8;

/// How a factor lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Row by row, as the product reads it.
    Straight,
    /// Column by column.
    Transposed,
}

/// A matrix of each window and head inside a tensor, in numbers: entry (row, column) of window b and head h stands at
/// `start + b * window + h * head + row * stride + column`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece {
    pub start: usize,
    pub stride: usize,
    pub window: usize,
    pub head: usize,
}

impl Piece {
    /// Whether four numbers can be loaded at once everywhere.
    fn loads(&self) -> bool {
        [self.start, self.stride, self.window, self.head].iter().all(|offset| offset.is_multiple_of(BLOCK))
    }
}

/// Sizes of every product: `out [rows, columns] = scale * left [rows, inner] x right [inner, columns]`.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub rows: usize,
    pub columns: usize,
    pub inner: usize,
    pub windows: usize,
    pub heads: usize,
}

#[cube(launch_unchecked)]
fn product<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    out: &mut [f32],
    rows: usize,
    columns: usize,
    inner: usize,
    heads: usize,
    left_start: usize,
    left_stride: usize,
    left_window: usize,
    left_head: usize,
    right_start: usize,
    right_stride: usize,
    right_window: usize,
    right_head: usize,
    out_start: usize,
    out_stride: usize,
    out_window: usize,
    out_head: usize,
    scale: f32,
    #[comptime] left_transposed: bool,
    #[comptime] right_transposed: bool,
) {
    let row = ABSOLUTE_POS_Y as usize * 4;
    let column = ABSOLUTE_POS_X as usize * 4;
    let window = CUBE_POS_Z as usize / heads;
    let head = CUBE_POS_Z as usize % heads;
    if row < rows && column < columns {
        let left_at = left_start + window * left_window + head * left_head;
        let right_at = right_start + window * right_window + head * right_head;
        let out_at = out_start + window * out_window + head * out_head;
        let zero = Vector::<f32, N>::new(f32::new(0.0));

        if comptime![right_transposed] {
            // Both factors are read along the inner axis; the four partial sums of an entry are added at the end.
            let a0 = left_at + row * left_stride;
            let a1 = left_at + min(row + 1, rows - 1) * left_stride;
            let a2 = left_at + min(row + 2, rows - 1) * left_stride;
            let a3 = left_at + min(row + 3, rows - 1) * left_stride;
            let b0 = right_at + column * right_stride;
            let b1 = right_at + min(column + 1, columns - 1) * right_stride;
            let b2 = right_at + min(column + 2, columns - 1) * right_stride;
            let b3 = right_at + min(column + 3, columns - 1) * right_stride;
            let mut s00 = zero;
            let mut s01 = zero;
            let mut s02 = zero;
            let mut s03 = zero;
            let mut s10 = zero;
            let mut s11 = zero;
            let mut s12 = zero;
            let mut s13 = zero;
            let mut s20 = zero;
            let mut s21 = zero;
            let mut s22 = zero;
            let mut s23 = zero;
            let mut s30 = zero;
            let mut s31 = zero;
            let mut s32 = zero;
            let mut s33 = zero;
            for k in 0..inner / 4 {
                let x0 = left[a0 + k];
                let x1 = left[a1 + k];
                let x2 = left[a2 + k];
                let x3 = left[a3 + k];
                let y0 = right[b0 + k];
                let y1 = right[b1 + k];
                let y2 = right[b2 + k];
                let y3 = right[b3 + k];
                s00 += x0 * y0;
                s01 += x0 * y1;
                s02 += x0 * y2;
                s03 += x0 * y3;
                s10 += x1 * y0;
                s11 += x1 * y1;
                s12 += x1 * y2;
                s13 += x1 * y3;
                s20 += x2 * y0;
                s21 += x2 * y1;
                s22 += x2 * y2;
                s23 += x2 * y3;
                s30 += x3 * y0;
                s31 += x3 * y1;
                s32 += x3 * y2;
                s33 += x3 * y3;
            }
            let at = out_at + row * out_stride + column;
            write_sums::<N>(out, at, columns - column, s00, s01, s02, s03, scale);
            if row + 1 < rows {
                write_sums::<N>(out, at + out_stride, columns - column, s10, s11, s12, s13, scale);
            }
            if row + 2 < rows {
                write_sums::<N>(out, at + 2 * out_stride, columns - column, s20, s21, s22, s23, scale);
            }
            if row + 3 < rows {
                write_sums::<N>(out, at + 3 * out_stride, columns - column, s30, s31, s32, s33, scale);
            }
        } else {
            let mut s0 = zero;
            let mut s1 = zero;
            let mut s2 = zero;
            let mut s3 = zero;
            let b = right_at + column / 4;
            if comptime![left_transposed] {
                let a = left_at + row / 4;
                for k in 0..inner {
                    let x = left[a + k * left_stride];
                    let y = right[b + k * right_stride];
                    s0 += Vector::new(x.extract(0usize)) * y;
                    s1 += Vector::new(x.extract(1usize)) * y;
                    s2 += Vector::new(x.extract(2usize)) * y;
                    s3 += Vector::new(x.extract(3usize)) * y;
                }
            } else {
                let a0 = left_at + row * left_stride;
                let a1 = left_at + min(row + 1, rows - 1) * left_stride;
                let a2 = left_at + min(row + 2, rows - 1) * left_stride;
                let a3 = left_at + min(row + 3, rows - 1) * left_stride;
                for k in 0..inner / 4 {
                    let x0 = left[a0 + k];
                    let x1 = left[a1 + k];
                    let x2 = left[a2 + k];
                    let x3 = left[a3 + k];
                    #[unroll]
                    for i in 0..4usize {
                        let y = right[b + (k * 4 + i) * right_stride];
                        s0 += Vector::new(x0.extract(i)) * y;
                        s1 += Vector::new(x1.extract(i)) * y;
                        s2 += Vector::new(x2.extract(i)) * y;
                        s3 += Vector::new(x3.extract(i)) * y;
                    }
                }
            }
            let at = out_at + row * out_stride + column;
            write_row::<N>(out, at, columns - column, s0, scale);
            if row + 1 < rows {
                write_row::<N>(out, at + out_stride, columns - column, s1, scale);
            }
            if row + 2 < rows {
                write_row::<N>(out, at + 2 * out_stride, columns - column, s2, scale);
            }
            if row + 3 < rows {
                write_row::<N>(out, at + 3 * out_stride, columns - column, s3, scale);
            }
        }
    }
}

#[cube]
fn total<N: Size>(sum: Vector<f32, N>) -> f32 {
    sum.extract(0usize) + sum.extract(1usize) + sum.extract(2usize) + sum.extract(3usize)
}

#[cube]
fn write_sums<N: Size>(
    out: &mut [f32],
    at: usize,
    columns: usize,
    s0: Vector<f32, N>,
    s1: Vector<f32, N>,
    s2: Vector<f32, N>,
    s3: Vector<f32, N>,
    scale: f32,
) {
    out[at] = total::<N>(s0) * scale;
    if columns > 1 {
        out[at + 1] = total::<N>(s1) * scale;
    }
    if columns > 2 {
        out[at + 2] = total::<N>(s2) * scale;
    }
    if columns > 3 {
        out[at + 3] = total::<N>(s3) * scale;
    }
}

#[cube]
fn write_row<N: Size>(out: &mut [f32], at: usize, columns: usize, sum: Vector<f32, N>, scale: f32) {
    out[at] = sum.extract(0usize) * scale;
    if columns > 1 {
        out[at + 1] = sum.extract(1usize) * scale;
    }
    if columns > 2 {
        out[at + 2] = sum.extract(2usize) * scale;
    }
    if columns > 3 {
        out[at + 3] = sum.extract(3usize) * scale;
    }
}

/// Whether [`multiply`] can serve these factors. A straight left and a transposed right one are read along the inner
/// axis in fours, the others along rows or columns, which must then be padded to fours in memory.
pub fn serves(sizes: Sizes, left: (Piece, Side), right: (Piece, Side)) -> bool {
    let padded = |size: usize, piece: Piece| size.next_multiple_of(BLOCK) <= piece.stride;
    let left_fits = match left.1 {
        Side::Straight => sizes.inner.is_multiple_of(BLOCK),
        Side::Transposed => padded(sizes.rows, left.0),
    };
    let right_fits = match right.1 {
        Side::Straight => padded(sizes.columns, right.0),
        Side::Transposed => sizes.inner.is_multiple_of(BLOCK),
    };
    let both_transposed = left.1 == Side::Transposed && right.1 == Side::Transposed;
    left_fits && right_fits && left.0.loads() && right.0.loads() && !both_transposed
}

/// Queues the products; `out` is written in place, whoever else holds it.
///
/// # Panics
/// When [`serves`] says no, or a tensor is not [plain](is_plain).
pub fn multiply<const L: usize, const R: usize, const O: usize>(
    sizes: Sizes,
    scale: f32,
    left: (&Tensor<L>, Piece, Side),
    right: (&Tensor<R>, Piece, Side),
    out: (&Tensor<O>, Piece),
) {
    assert!(serves(sizes, (left.1, left.2), (right.1, right.2)), "{sizes:?} {left:?} {right:?}");
    let (left_tensor, right_tensor, out_tensor) = (on_gpu(left.0), on_gpu(right.0), on_gpu(out.0));
    let plain = [&left_tensor, &right_tensor, &out_tensor].iter().all(|tensor| tensor.is_contiguous());
    assert!(plain, "pieces are counted in a tensor that lies row after row");
    let client = out_tensor.client.clone();
    let groups = |size: usize| (size.div_ceil(BLOCK) as u32).div_ceil(GROUP);
    let count = CubeCount::Static(groups(sizes.columns), groups(sizes.rows), (sizes.windows * sizes.heads) as u32);
    let loads = |piece: Piece| {
        let Piece { start, stride, window, head } = piece;
        (start / BLOCK, stride / BLOCK, window / BLOCK, head / BLOCK)
    };
    let ((l0, l1, l2, l3), (r0, r1, r2, r3)) = (loads(left.1), loads(right.1));
    // SAFETY: pieces lie inside their tensors, and WebGPU keeps reads and writes inside the bound buffers besides.
    unsafe {
        product::launch_unchecked(
            &client,
            count,
            CubeDim::new_2d(GROUP, GROUP),
            BLOCK,
            left_tensor.into_buffer_arg(),
            right_tensor.into_buffer_arg(),
            out_tensor.into_buffer_arg(),
            sizes.rows,
            sizes.columns,
            sizes.inner,
            sizes.heads,
            l0,
            l1,
            l2,
            l3,
            r0,
            r1,
            r2,
            r3,
            out.1.start,
            out.1.stride,
            out.1.window,
            out.1.head,
            scale,
            left.2 == Side::Transposed,
            right.2 == Side::Transposed,
        );
    }
}

fn on_gpu<const D: usize>(tensor: &Tensor<D>) -> CubeTensor {
    let DispatchTensorKind::Cube(BackendTensor::Float(tensor)) = tensor.clone().into_dispatch().kind else {
        panic!("a tensor of the CPU among those of the GPU")
    };
    tensor
}

/// Whether a tensor lies in memory as its shape says, row after row.
pub fn is_plain<const D: usize>(tensor: &Tensor<D>) -> bool {
    on_gpu(tensor).is_contiguous()
}
