//! Windows of token ids, on the device and as numbers.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{Error, Result};

/// Token ids of `windows` windows of `time` tokens each, one after another.
#[derive(Clone)]
pub struct Ids {
    /// `[windows * time]`
    pub tensor: Tensor<1, Int>,
    pub numbers: Vec<u32>,
    pub windows: usize,
    pub time: usize,
}

impl Ids {
    /// # Panics
    /// When `numbers` is not a whole number of windows.
    pub fn new(numbers: Vec<u32>, windows: usize, device: &Device) -> Self {
        assert!(windows > 0 && numbers.len().is_multiple_of(windows), "{} ids, {windows} windows", numbers.len());
        let values: Vec<i32> = numbers.iter().map(|&id| id as i32).collect();
        let time = numbers.len() / windows;
        Self { tensor: Tensor::from_data(TensorData::new(values, [windows * time]), device), numbers, windows, time }
    }

    /// Refuses ids that the model has no embedding for: the GPU would read past the end of a buffer.
    pub fn check(&self, vocabulary: usize) -> Result<()> {
        match self.numbers.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::TokenOutOfRange { id, vocabulary }),
            None => Ok(()),
        }
    }
}
