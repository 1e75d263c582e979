//! Reads the weights that PyTorch's `torch.save` has written (`pytorch_model.bin`), without running any of the code that
//! such a file may hold: a pickle is a program, and [`pickle`] knows only what a plain state dict consists of.
//!
//! There are two forms: since PyTorch 1.6 a ZIP archive in which nothing is compressed, before that pickles one after
//! the other and then the numbers (`torch/serialization.py` of version 2.15, `_save` and `_legacy_save`).

mod archive;
mod legacy;
mod pickle;
mod state_dict;

use safetensors::tensor::Dtype;

use super::parts::{Parts, Reading};
use crate::error::Error;

/// Longer pickles are refused, as the values of one take up to a hundred times its length. A state dict has some 300
/// bytes for each tensor.
const LONGEST_PICKLE: u64 = 2 << 20;

/// As many as in other files of weights.
const MOST_TENSORS: usize = 4096;

/// A tensor of a state dict, checked against the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// The distance between neighbours along each axis, in elements.
    pub strides: Vec<usize>,
    /// The offset of its first byte in the file.
    pub from: u64,
}

/// Reads the tensors of a file, in its order.
///
/// # Errors
/// [`Error::TorchFileInvalid`], [`Error::PickleRefused`] for anything but a plain state dict,
/// [`Error::HeaderTooLarge`], [`Error::FileTruncated`].
pub fn read(file: &Parts) -> Reading<Vec<Tensor>> {
    let beginning = file.get(0..file.total.min(4))?;
    match beginning {
        [b'P', b'K', ..] => archive::read(file),
        [pickle::PROTO, ..] => legacy::read(file),
        _ => Err(invalid("it is neither a ZIP archive nor a pickle").into()),
    }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::TorchFileInvalid { reason: reason.into() }
}
