//! Where each tensor is in a file of weights, whatever the form of the file: safetensors, PyTorch's, or GGUF. The ending
//! of its name tells which it is.

use std::ops::Range;

use super::{Piece, Place};
use crate::{
    error::{Error, Result},
    formats::{
        ggml::{Encoding, unsupported},
        gguf,
        git_lfs::refuse_pointer,
        parts::{Parts, Reading, Stop},
        safetensors, torch,
    },
};

/// Largest number of elements in a piece: 4 MiB of f32. A multiple of the GPU's alignment, and of all blocks.
pub const PIECE: usize = 1 << 20;

/// How many bytes of a file are read at first: they show a pointer of Git LFS.
const FIRST: u64 = 64;

/// How a tensor's numbers follow one another.
#[derive(Debug, Clone, PartialEq)]
enum Order {
    /// The last axis first, as everywhere unless a tensor is a view.
    Rows,
    /// A matrix whose transpose is stored.
    Columns,
    /// A view with these strides.
    Other(Vec<usize>),
}

/// A tensor's position in a file.
#[derive(Debug, Clone)]
pub struct Found {
    /// The name in the file.
    pub name: String,
    /// The lengths of its axes in the order of PyTorch.
    pub shape: Vec<usize>,
    /// The file's name for its number format.
    dtype: String,
    /// Its number format, if it can be read.
    encoding: Option<Encoding>,
    order: Order,
    /// The offset of its first byte in the file.
    from: u64,
}

/// Whether a file of this name is a GGUF file, which describes a whole model.
pub fn is_gguf(name: &str) -> bool {
    name.ends_with(".gguf")
}

/// Reads the places of all tensors.
///
/// # Errors
/// Those of the form.
pub fn read(file: &Parts) -> Reading<Vec<Found>> {
    refuse_pointer(&file.name, file.get(0..file.total.min(FIRST))?)?;
    if is_gguf(&file.name) {
        let header = gguf::read::Header::read(file)?;
        // What a model's settings follow from is read before it is planned, and is no weight.
        header.frequency_factors(file)?;
        let weights = header.tensors.into_iter().filter(|tensor| tensor.name != gguf::FREQUENCY_FACTORS);
        return Ok(weights.map(of_gguf).collect());
    }
    if file.name.ends_with(".safetensors") {
        return of_safetensors(file);
    }
    torch::read(file).map(|tensors| tensors.into_iter().map(of_torch).collect())
}

fn of_safetensors(file: &Parts) -> Reading<Vec<Found>> {
    let first = file.get(0..safetensors::PREFIX as u64)?;
    let end = safetensors::header_end(first)?;
    let header = safetensors::Header::read(file.get(0..end)?, Some(file.total))?;
    let place = |name: &String| {
        let (dtype, shape, Range { start, .. }) = header.place(name)?;
        let (name, shape) = (name.clone(), shape.to_vec());
        let (dtype, encoding) = (dtype.to_string(), Encoding::of_dtype(dtype));
        Some(Found { name, shape, dtype, encoding, order: Order::Rows, from: start })
    };
    Ok(header.names.iter().filter_map(place).collect())
}

fn of_torch(tensor: torch::Tensor) -> Found {
    let torch::Tensor { name, dtype, shape, strides, from } = tensor;
    let order = order(&shape, strides);
    Found { name, shape, dtype: dtype.to_string(), encoding: Encoding::of_dtype(dtype), order, from }
}

/// The order of a tensor with these strides. The stride of an axis of length 1 means nothing.
fn order(shape: &[usize], strides: Vec<usize>) -> Order {
    let agree = |right: &[usize]| {
        let axes = shape.iter().zip(&strides).zip(right);
        axes.into_iter().all(|((length, stride), right)| *length <= 1 || stride == right)
    };
    let mut rows = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        rows[axis - 1] = rows[axis].saturating_mul(shape[axis]);
    }
    match shape {
        _ if agree(&rows) || shape.contains(&0) => Order::Rows,
        [height, _] if agree(&[1, *height]) => Order::Columns,
        _ => Order::Other(strides),
    }
}

fn of_gguf(tensor: gguf::read::Tensor) -> Found {
    let gguf::read::Tensor { name, encoding, shape, from } = tensor;
    let (dtype, encoding) = (format!("{encoding:?}"), Some(encoding));
    Found { name: name.to_owned(), shape, dtype, encoding, order: Order::Rows, from }
}

/// The parts of a file that have to be read before its model can be planned; none if all of them have been.
///
/// # Errors
/// Those of the file's form.
pub fn wanted(file: &Parts) -> Result<Vec<Range<u64>>> {
    match read(file) {
        Ok(_) => Ok(Vec::new()),
        Err(Stop::Wanted(ranges)) => Ok(ranges),
        Err(Stop::Refused(error)) => Err(error),
    }
}

impl Found {
    /// The pieces of it for a place, where its transpose may go. `file`: the file's name.
    ///
    /// # Errors
    /// [`Error::TensorShape`], [`Error::TensorType`], [`Error::TensorNotContiguous`].
    pub fn pieces(&self, file: &str, place: &Place, is_transpose: bool) -> Result<Vec<Piece>> {
        let mut expected = place.shape.to_vec();
        if is_transpose {
            expected.reverse();
        }
        let tensor = || self.name.clone();
        if self.shape != expected {
            return Err(Error::TensorShape { tensor: tensor(), found: self.shape.clone(), expected });
        }
        let encoding = self.encoding.ok_or_else(|| unsupported(&self.name, &self.dtype, &Encoding::FLOATS))?;
        // The number of rows as the numbers are stored, if that is the transpose of ours.
        let turned = match &self.order {
            Order::Rows if is_transpose => Some(expected[0]),
            Order::Columns if !is_transpose => Some(expected[1]),
            Order::Rows | Order::Columns => None,
            Order::Other(strides) => {
                return Err(Error::TensorNotContiguous { tensor: tensor(), strides: strides.clone() });
            }
        };
        let byte = |number: usize| self.from + encoding.bytes(number) as u64;
        let piece = |start: usize, end: usize| Piece {
            file: file.to_owned(),
            from: byte(start),
            to: byte(end),
            encoding,
            offset: place.offset + start,
            tensor: tensor(),
            turned,
            joint: place.joint,
            interleaved: place.interleaved,
        };
        let len: usize = place.shape.iter().product();
        let is_whole = turned.is_some() || place.joint.is_some() || place.interleaved.is_some();
        let step = if is_whole { len.max(1) } else { PIECE };
        Ok((0..len).step_by(step).map(|start| piece(start, (start + step).min(len))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_show_rows_columns_and_views() {
        for (shape, strides, right) in [
            (vec![2, 3], vec![3, 1], Order::Rows),
            (vec![2, 3], vec![1, 2], Order::Columns),
            (vec![2, 3], vec![6, 1], Order::Other(vec![6, 1])),
            (vec![2, 3], vec![0, 1], Order::Other(vec![0, 1])),
            (vec![3], vec![1], Order::Rows),
            (vec![3], vec![2], Order::Other(vec![2])),
            (vec![1, 3], vec![99, 1], Order::Rows),
            (vec![3, 1], vec![1, 99], Order::Rows),
            (vec![1, 1, 4, 4], vec![16, 16, 4, 1], Order::Rows),
            (vec![2, 2, 2], vec![1, 2, 4], Order::Other(vec![1, 2, 4])),
            (vec![0, 3], vec![7, 7], Order::Rows),
            (vec![], vec![], Order::Rows),
        ] {
            assert_eq!(order(&shape, strides.clone()), right, "{shape:?} {strides:?}");
        }
    }
}
