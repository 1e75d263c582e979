//! Columns of a matrix: the outputs of one part of a joint linear layer, such as the queries among queries, keys and
//! values.

use std::ops::Range;

use super::{CpuTensor, Tensor, gpu};

/// Copies some columns of `x [rows, width]`, `[rows, columns.len()]`; all of them without a copy.
///
/// # Panics
/// When `x` has fewer columns.
pub fn columns(x: &Tensor<2>, columns: Range<usize>) -> Tensor<2> {
    let [rows, width] = x.dims();
    if columns == (0..width) {
        return x.clone();
    }
    match x {
        Tensor::Cpu(x) => {
            let values = x.values().chunks_exact(width).flat_map(|row| &row[columns.clone()]).copied().collect();
            CpuTensor::new(values, [rows, columns.len()]).into()
        }
        Tensor::Gpu(x) => gpu::columns(x, columns.start, columns.len()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, device, gpu_device, moved, random, values};

    #[test]
    fn columns_are_copied_on_both_engines() {
        let x = random([3, 7], 1);
        let right = values(&x).chunks(7).flat_map(|row| row[2..5].to_vec()).collect();
        let right = crate::ops::tensor(right, [3, 3], &device());
        for device in [device(), gpu_device()] {
            assert_close(&columns(&moved(&x, &device), 2..5), &right, "columns");
            assert_close(&columns(&moved(&x, &device), 0..7), &x, "all columns");
        }
    }
}
