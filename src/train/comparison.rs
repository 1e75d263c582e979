//! Measures what an adapter changes: the validation loss of a model with it and without it, on the windows of an
//! evaluation.

use serde::Serialize;

use super::{Dataset, mean_of_batches};
use crate::{
    error::Result,
    model::{Gpt, Weights},
    ops::Scalars,
};

/// The validation losses of a model without and with its adapter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct AdapterLosses {
    /// Without the adapter.
    pub without: f32,
    /// With the adapter: the loss that an evaluation measures.
    pub with: f32,
}

/// A measurement, in progress or with its result.
pub struct AdapterComparison {
    /// Window starts.
    batches: Vec<Vec<usize>>,
    /// The length of the windows, in tokens.
    time: usize,
    /// The number of targets that count in each batch that has been computed.
    counted: Vec<usize>,
    /// Two losses for each of these batches, without and with the adapter.
    losses: Scalars,
    /// The version of the weights at the beginning.
    version: u64,
    result: Option<AdapterLosses>,
}

impl AdapterComparison {
    pub(super) fn new(gpt: &Gpt, (batches, time): (Vec<Vec<usize>>, usize)) -> Self {
        let (losses, version) = (Scalars::new(&gpt.device()), gpt.version());
        Self { batches, time, counted: Vec::new(), losses, version, result: None }
    }

    /// Returns the losses, if they have been measured and the weights are still the same.
    pub fn result(&self, gpt: &Gpt) -> Option<AdapterLosses> {
        self.result.filter(|_| self.version == gpt.version())
    }

    /// The number of batches that are to be computed.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Queues the losses of the next batch; returns whether there was one.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) if the text has ids outside the vocabulary of the
    /// model.
    pub fn next(&mut self, gpt: &Gpt, data: &Dataset) -> Result<bool> {
        let Some(starts) = self.batches.get(self.counted.len()) else { return Ok(false) };
        let batch = data.validation_batch(starts, self.time, gpt.config.vocabulary)?;
        let mut measure = |weights: &Weights| {
            let loss = self.losses.add();
            gpt.loss_with(weights, &batch.inputs, &batch.targets, &mut self.losses, loss);
        };
        measure(&gpt.weights_without_adapter());
        measure(&gpt.weights());
        self.counted.push(batch.targets.counted());
        Ok(true)
    }

    /// Waits for the losses and averages them. `None` if no text is held back, if batches are missing, or if the weights
    /// have changed since the beginning.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
    pub async fn finish(&mut self, gpt: &Gpt) -> Result<Option<AdapterLosses>> {
        let is_complete = !self.batches.is_empty() && self.counted.len() == self.batches.len();
        if self.result.is_none() && is_complete && self.version == gpt.version() {
            let losses = self.losses.take().await?;
            let of = |first| mean_of_batches(losses.iter().skip(first).step_by(2).copied(), &self.counted);
            self.result = of(0).zip(of(1)).map(|(without, with)| AdapterLosses { without, with });
        }
        Ok(self.result(gpt))
    }
}
