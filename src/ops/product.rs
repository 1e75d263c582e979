//! Matrix products of strided pieces of plain slices, for fused bodies on the CPU. Flex's own `matmul` needs whole
//! tensors; one head of attention is a piece of several.

/// A matrix inside `values`: entry (row, column) stands at `start + row * row_stride + column * column_stride`.
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

    fn holds(&self, rows: usize, columns: usize) -> bool {
        self.start + (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// Where a product goes.
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

    /// Adds the product to what is there instead of overwriting it.
    pub fn adding(self) -> Self {
        Self { adding: true, ..self }
    }
}

/// `out [rows, columns] = scale * left [rows, inner] x right [inner, columns]`
///
/// # Panics
/// When one of the matrices does not lie inside its slice.
pub fn multiply(
    rows: usize,
    columns: usize,
    inner: usize,
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
    out: MatrixMut<'_>,
) {
    if rows == 0 || columns == 0 || inner == 0 {
        return;
    }
    assert!(left.holds(rows, inner) && right.holds(inner, columns), "a factor reaches outside its slice");
    let last = out.start + (rows - 1) * out.row_stride + (columns - 1) * out.column_stride;
    assert!(last < out.values.len(), "the product reaches outside its slice");
    // SAFETY: the asserts above hold every index that gemm touches inside the three slices, and `out` is borrowed
    // mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.values.as_mut_ptr().add(out.start),
            out.column_stride as isize,
            out.row_stride as isize,
            out.adding,
            left.values.as_ptr().add(left.start),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr().add(right.start),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0f32,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_pieces_multiply_as_the_definition_says() {
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

    #[test]
    #[should_panic(expected = "outside its slice")]
    fn a_factor_outside_its_slice_is_refused() {
        let values = [0.0f32; 8];
        let mut out = [0.0f32; 4];
        let left = Matrix::new(&values, 0, 4, 1);
        multiply(3, 2, 2, 1.0, left, left, MatrixMut::new(&mut out, 0, 2, 1));
    }
}
