//! Windows of token ids, on the device and as numbers.

use crate::{
    error::{Error, Result},
    ops::{Device, Integers},
};

/// Token ids of `windows` windows of `time` tokens each, one after another.
#[derive(Clone)]
pub struct Ids {
    /// The same on the GPU, where the model is there.
    on_gpu: Option<Integers>,
    pub numbers: Vec<u32>,
    pub windows: usize,
    pub time: usize,
}

impl Ids {
    /// # Panics
    /// When `numbers` is not a whole number of windows.
    pub fn new(numbers: Vec<u32>, windows: usize, device: &Device) -> Self {
        assert!(windows > 0 && numbers.len().is_multiple_of(windows), "{} ids, {windows} windows", numbers.len());
        let on_gpu = device.gpu().map(|gpu| {
            let values: Vec<i32> = numbers.iter().map(|&id| id as i32).collect();
            Integers::new(&values, gpu)
        });
        let time = numbers.len() / windows;
        Self { on_gpu, numbers, windows, time }
    }

    /// The ids as kernels read them.
    ///
    /// # Panics
    /// When they were made for the CPU.
    pub fn on_gpu(&self) -> &Integers {
        self.on_gpu.as_ref().expect("ids of the CPU for a model of the GPU")
    }

    /// Refuses ids that the model has no embedding for: the GPU would read past the end of a buffer.
    pub fn check(&self, vocabulary: usize) -> Result<()> {
        match self.numbers.iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Error::TokenOutOfRange { id, vocabulary }),
            None => Ok(()),
        }
    }
}
