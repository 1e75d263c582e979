//! Some columns of a matrix `[inputs, outputs]` as the rows of its transpose: what a file of PyTorch's `Linear` layers
//! holds of one layer, or of a part of a joint one.

use std::ops::Range;

/// Columns of a row-major matrix, from which each row of the transpose is gathered as it is written.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    values: &'a [f32],
    width: usize,
    range: Range<usize>,
    /// The width of the heads in which llama.cpp wants the columns in its own order.
    heads: Option<usize>,
}

impl<'a> Columns<'a> {
    /// `values`: the matrix, with rows of `width` numbers.
    pub fn new(values: &'a [f32], width: usize, range: Range<usize>) -> Self {
        Self { values, width, range, heads: None }
    }

    /// Puts the numbers of each head in the order of llama.cpp's `llama` architecture, whose rotary positions rotate
    /// neighbouring numbers (`LlamaModel.permute` of its `convert_hf_to_gguf.py`): number `i` and number
    /// `i + head_width / 2` become neighbours.
    pub fn interleaved(self, head_width: usize) -> Self {
        Self { heads: Some(head_width), ..self }
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The size of all numbers in bytes.
    pub fn bytes(&self) -> usize {
        4 * self.len() * (self.values.len() / self.width)
    }

    /// One column after the other, each from the first row to the last.
    pub fn each(&self) -> impl Iterator<Item = impl Iterator<Item = f32> + '_> + '_ {
        (0..self.len()).map(|index| {
            let column = match self.heads {
                None => index,
                Some(width) => index / width * width + index % 2 * (width / 2) + index % width / 2,
            };
            self.values[self.range.start + column..].iter().step_by(self.width).copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(columns: &Columns) -> Vec<Vec<f32>> {
        columns.each().map(Iterator::collect).collect()
    }

    #[test]
    fn columns_become_rows() {
        let values: Vec<f32> = (0..12u8).map(f32::from).collect();
        let columns = Columns::new(&values, 6, 1..5);
        assert_eq!(gathered(&columns), [[1.0, 7.0], [2.0, 8.0], [3.0, 9.0], [4.0, 10.0]]);
        assert_eq!(columns.bytes(), 32);
        // Of two heads of four numbers the first and third, and the second and fourth, become neighbours.
        let values: Vec<f32> = (0..8u8).map(f32::from).collect();
        let order = gathered(&Columns::new(&values, 8, 0..8).interleaved(4)).concat();
        assert_eq!(order, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
