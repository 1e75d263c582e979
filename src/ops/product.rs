//! Matrix products of strided views of slices, the CPU engine's workhorse. Burn's `matmul` needs whole tensors, and the
//! `gemm` crate behind it keeps a block of 12 x 4 numbers in registers, more than WebAssembly's engines have on x86-64:
//! half of its time goes into spilling them (docs/BENCHMARKS.md).

use wide::f32x4;

use super::packed::Packed;

/// A matrix view of `values`: entry (row, column) is at `start + row * row_stride + column * column_stride`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    start: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    pub fn new(values: &'a [f32], start: usize, row_stride: usize, column_stride: usize) -> Self {
        Self { values, start, row_stride, column_stride }
    }

    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// Packs `LINES` rows from `row` on, and the columns from `first` on, into `values`, column by column; rows from
    /// `rows` on are 0.
    fn strip<const LINES: usize>(self, row: usize, rows: usize, first: usize, values: &mut [f32]) {
        let lines = LINES.min(rows - row);
        let start = self.start + row * self.row_stride + first * self.column_stride;
        if lines == LINES && self.row_stride == 1 {
            for (column, values) in values.chunks_exact_mut(LINES).enumerate() {
                values.copy_from_slice(&self.values[start + column * self.column_stride..][..LINES]);
            }
            return;
        }
        if lines < LINES {
            values.fill(0.0);
        }
        let columns = values.len() / LINES;
        for line in 0..lines {
            let line_values = &self.values[start + line * self.row_stride..];
            let places = values[line..].iter_mut().step_by(LINES);
            if self.column_stride == 1 {
                places.zip(&line_values[..columns]).for_each(|(place, value)| *place = *value);
            } else {
                places.zip(line_values.iter().step_by(self.column_stride)).for_each(|(place, value)| *place = *value);
            }
        }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        self.start + (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// The right factor of a product: numbers of 32 bits, or a packed matrix, which is widened as it is read.
#[derive(Clone, Copy)]
pub enum Right<'a> {
    Single(Matrix<'a>),
    Packed { packed: &'a Packed, transposed: bool },
}

impl<'a> From<Matrix<'a>> for Right<'a> {
    fn from(matrix: Matrix<'a>) -> Self {
        Self::Single(matrix)
    }
}

impl<'a> Right<'a> {
    /// A packed matrix, or its transpose.
    pub fn packed(packed: &'a Packed, transposed: bool) -> Self {
        Self::Packed { packed, transposed }
    }

    pub fn transposed(self) -> Self {
        match self {
            Self::Single(matrix) => Self::Single(matrix.transposed()),
            Self::Packed { packed, transposed } => Self::Packed { packed, transposed: !transposed },
        }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        match self {
            Self::Single(matrix) => matrix.holds(rows, columns),
            Self::Packed { packed, transposed: false } => packed.shape() == [rows, columns],
            Self::Packed { packed, transposed: true } => packed.shape() == [columns, rows],
        }
    }

    /// Packs a strip of columns from `column` on, and the rows from `first` on, row by row.
    fn strip(&self, column: usize, columns: usize, first: usize, values: &mut [f32]) {
        match self {
            Self::Single(matrix) => matrix.transposed().strip::<COLUMNS>(column, columns, first, values),
            Self::Packed { packed, transposed: false } => packed.strip_of_columns::<COLUMNS>(column, first, values),
            Self::Packed { packed, transposed: true } => packed.strip_of_rows::<COLUMNS>(column, first, values),
        }
    }
}

/// The output view of a product.
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    start: usize,
    row_stride: usize,
    column_stride: usize,
    adding: bool,
}

impl<'a> MatrixMut<'a> {
    pub fn new(values: &'a mut [f32], start: usize, row_stride: usize, column_stride: usize) -> Self {
        Self { values, start, row_stride, column_stride, adding: false }
    }

    #[inline(always)]
    fn store(
        &mut self,
        sums: &[[f32; COLUMNS]; ROWS],
        row: usize,
        rows: usize,
        column: usize,
        columns: usize,
        scale: f32,
    ) {
        for (line, sums) in sums.iter().enumerate().take(rows - row) {
            let start = self.start + (row + line) * self.row_stride + column * self.column_stride;
            if self.column_stride == 1 && column + COLUMNS <= columns {
                let values = &mut self.values[start..start + COLUMNS];
                for (value, sum) in values.iter_mut().zip(sums) {
                    *value = if self.adding { *value + scale * sum } else { scale * sum };
                }
                continue;
            }
            for (at, sum) in sums.iter().enumerate().take(columns - column) {
                let value = &mut self.values[start + at * self.column_stride];
                *value = if self.adding { *value + scale * sum } else { scale * sum };
            }
        }
    }

    /// Stores the sums of the first row.
    fn store_row(&mut self, sums: &[f32], scale: f32) {
        for (column, sum) in sums.iter().enumerate() {
            let value = &mut self.values[self.start + column * self.column_stride];
            *value = if self.adding { *value + scale * sum } else { scale * sum };
        }
    }

    /// Adds the product to the output instead of overwriting it.
    pub fn adding(self) -> Self {
        Self { adding: true, ..self }
    }
}

/// Size of the block of the product that is kept in registers: 4 rows x 2 columns of the sixteen SIMD registers of
/// x86-64, plus two registers for the right factor and one for the left. With 5 x 2 V8 spills.
const ROWS: usize = 4;
const COLUMNS: usize = 8;
/// Entries of the inner axis per block, so that a strip of either factor stays in the L1 cache.
const INNER: usize = 512;
/// Most columns whose strips are packed at once, 8 MiB: those of a whole vocabulary would be 100 MB.
const MOST_COLUMNS: usize = 4096;

/// Computes `out [rows, columns] = scale * left [rows, inner] x right [inner, columns]`.
///
/// # Panics
/// When one of the matrices exceeds its slice.
pub fn multiply<'a>(
    rows: usize,
    columns: usize,
    inner: usize,
    scale: f32,
    left: Matrix<'_>,
    right: impl Into<Right<'a>>,
    out: MatrixMut<'_>,
) {
    multiply_by(rows, columns, inner, scale, left, right.into(), out);
}

fn multiply_by(
    rows: usize,
    columns: usize,
    inner: usize,
    scale: f32,
    left: Matrix<'_>,
    right: Right<'_>,
    mut out: MatrixMut<'_>,
) {
    if rows == 0 || columns == 0 || inner == 0 {
        return;
    }
    assert!(left.holds(rows, inner) && right.holds(inner, columns), "a factor reaches outside its slice");
    let last = out.start + (rows - 1) * out.row_stride + (columns - 1) * out.column_stride;
    assert!(last < out.values.len(), "the product reaches outside its slice");
    if rows == 1 {
        return match right {
            Right::Single(right) => multiply_row(columns, inner, scale, left, right, out),
            Right::Packed { packed, transposed } => {
                let row: Vec<f32> = (0..inner).map(|k| left.values[left.start + k * left.column_stride]).collect();
                out.store_row(&packed.multiplied(&row, columns, transposed), scale);
            }
        };
    }
    // Packed strips of the right factor, [inner, COLUMNS] each, and one of the left, [inner, ROWS]; 0 beyond the edges.
    let depth = inner.min(INNER);
    let strips = columns.min(MOST_COLUMNS).div_ceil(COLUMNS);
    let mut right_strips = vec![0.0f32; strips * depth * COLUMNS];
    let mut left_strip = vec![0.0f32; depth * ROWS];
    let was_adding = out.adding;
    for start in (0..columns).step_by(MOST_COLUMNS) {
        let strips = MOST_COLUMNS.min(columns - start).div_ceil(COLUMNS);
        out.adding = was_adding;
        for first in (0..inner).step_by(INNER) {
            let depth = INNER.min(inner - first);
            for (strip, values) in right_strips.chunks_exact_mut(depth * COLUMNS).take(strips).enumerate() {
                right.strip(start + strip * COLUMNS, columns, first, values);
            }
            for row in (0..rows).step_by(ROWS) {
                let left_strip = &mut left_strip[..depth * ROWS];
                left.strip::<ROWS>(row, rows, first, left_strip);
                for (strip, right_strip) in right_strips.chunks_exact(depth * COLUMNS).take(strips).enumerate() {
                    let sums = block(left_strip, right_strip);
                    out.store(&sums, row, rows, start + strip * COLUMNS, columns, scale);
                }
            }
            out.adding = true;
        }
    }
}

/// The product of two strips. A separate function with one step of the inner axis per iteration: inlined, or unrolled,
/// V8 runs out of registers and takes half as long again (docs/BENCHMARKS.md).
#[inline(never)]
fn block(left: &[f32], right: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[f32x4::ZERO; 2]; ROWS];
    for (left, right) in left.as_chunks::<ROWS>().0.iter().zip(right.as_chunks::<COLUMNS>().0) {
        let [a, b, c, d, e, f, g, h] = *right;
        let (low, high) = (f32x4::new([a, b, c, d]), f32x4::new([e, f, g, h]));
        for (sums, &left) in sums.iter_mut().zip(left) {
            let left = f32x4::splat(left);
            sums[0] += left * low;
            sums[1] += left * high;
        }
    }
    sums.map(|[low, high]| {
        let ([a, b, c, d], [e, f, g, h]) = (low.to_array(), high.to_array());
        [a, b, c, d, e, f, g, h]
    })
}

/// A product with a single row, for which packing the right factor would cost as much as the product.
fn multiply_row(columns: usize, inner: usize, scale: f32, left: Matrix<'_>, right: Matrix<'_>, mut out: MatrixMut<'_>) {
    let mut sums = vec![0.0f32; columns];
    let factor = |k: usize| left.values[left.start + k * left.column_stride];
    if right.column_stride == 1 {
        for k in 0..inner {
            let (factor, row) = (factor(k), &right.values[right.start + k * right.row_stride..][..columns]);
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
        }
    } else {
        let row: Vec<f32> = (0..inner).map(factor).collect();
        for (column, sum) in sums.iter_mut().enumerate() {
            let values = &right.values[right.start + column * right.column_stride..];
            *sum = if right.row_stride == 1 {
                let mut totals = [0.0f32; 8];
                let mut chunks = row.chunks_exact(8).zip(values[..inner].chunks_exact(8));
                for (row, values) in &mut chunks {
                    totals.iter_mut().zip(row.iter().zip(values)).for_each(|(total, (a, b))| *total += a * b);
                }
                let rest = inner / 8 * 8;
                let rest: f32 = row[rest..].iter().zip(&values[rest..inner]).map(|(a, b)| a * b).sum();
                totals.iter().sum::<f32>() + rest
            } else {
                row.iter().zip(values.iter().step_by(right.row_stride)).map(|(a, b)| a * b).sum()
            };
        }
    }
    out.store_row(&sums, scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_strided_views_equal_the_definition() {
        let values: Vec<f32> = (0..60).map(|value| (value as f32 * 0.7).sin()).collect();
        let (left, right) = (Matrix::new(&values, 2, 10, 1), Matrix::new(&values, 5, 6, 2));
        let mut out = vec![1.0f32; 24];
        multiply(3, 2, 4, 0.5, left, right, MatrixMut::new(&mut out, 1, 7, 3).adding());
        for row in 0..3 {
            for column in 0..2 {
                let sum: f32 = (0..4).map(|i| values[2 + row * 10 + i] * values[5 + i * 6 + column * 2]).sum();
                assert!((out[1 + row * 7 + column * 3] - (1.0 + 0.5 * sum)).abs() < 1e-6);
            }
        }
        assert_eq!(out[0], 1.0);
    }

    /// Every memory order, and sizes around those of the block.
    #[test]
    fn products_of_any_size_and_stride_equal_the_definition() {
        let sizes = [[1, 1, 1], [1, 9, 17], [5, 8, 4], [6, 9, 3], [11, 20, 600], [64, 33, 65], [3, 4103, 520]];
        for ([rows, columns, inner], ways) in sizes.into_iter().flat_map(|sizes| (0..8).map(move |ways| (sizes, ways)))
        {
            let number = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 50.0;
            let values: Vec<f32> = (0..rows.max(columns) * inner + 7).map(number).collect();
            let matrix = |transposed: bool, rows: usize, columns: usize| match transposed {
                false => Matrix::new(&values, 3, columns, 1),
                true => Matrix::new(&values, 3, 1, rows),
            };
            let (left, right) = (matrix(ways & 1 > 0, rows, inner), matrix(ways & 2 > 0, inner, columns));
            let mut out = vec![0.25f32; rows * columns];
            let target = MatrixMut::new(&mut out, 0, columns, 1);
            multiply(rows, columns, inner, 0.5, left, right, if ways & 4 > 0 { target.adding() } else { target });
            let entry = |matrix: &Matrix, row: usize, column: usize| {
                f64::from(matrix.values[matrix.start + row * matrix.row_stride + column * matrix.column_stride])
            };
            for row in 0..rows {
                for column in 0..columns {
                    let sum: f64 = (0..inner).map(|k| entry(&left, row, k) * entry(&right, k, column)).sum();
                    let right = 0.5 * sum + if ways & 4 > 0 { 0.25 } else { 0.0 };
                    let got = f64::from(out[row * columns + column]);
                    assert!((got - right).abs() < 1e-4, "{rows} x {inner} x {columns}, {ways}: {got} {right}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "outside its slice")]
    fn a_factor_outside_its_slice_is_refused() {
        let values = [0.0f32; 8];
        let mut out = [0.0f32; 4];
        let left = Matrix::new(&values, 0, 4, 1);
        multiply(3, 2, 2, 1.0, left, left, MatrixMut::new(&mut out, 0, 2, 1));
    }
}
