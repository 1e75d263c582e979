//! Whether half precision can be trusted on this GPU: a few steps with it and a few without.

use burn::tensor::Device;

use super::{Batch, Trainer};
use crate::{
    config::{ModelConfig, TrainConfig},
    error::Result,
    model::{Gpt, Ids},
    ops::supports_half,
};

const MODEL: ModelConfig = ModelConfig { vocabulary: 61, context: 32, layers: 2, heads: 2, width: 64, dropout: 0.0 };
const STEPS: u64 = 8;
const WINDOWS: usize = 8;
/// Difference of the losses, of the loss.
const TOLERANCE: f32 = 0.01;

/// Trains a small model with and without half precision and compares the losses.
///
/// # Errors
/// When the GPU is gone.
pub async fn half_precision_works(device: &Device) -> Result<bool> {
    if !supports_half(device) {
        return Ok(false);
    }
    let (right, got) = (losses(device, false).await, losses(device, true).await);
    // Losses that are not numbers are no reason to stop, but to do without half precision.
    let (Ok(right), Ok(got)) = (&right, &got) else { return right.and(got).map(|_| false).or_else(diverged_is_no) };
    Ok(right.iter().zip(got).all(|(right, got)| (got - right).abs() <= TOLERANCE * right))
}

fn diverged_is_no(error: crate::error::Error) -> Result<bool> {
    if matches!(error, crate::error::Error::Diverged { .. }) { Ok(false) } else { Err(error) }
}

async fn losses(device: &Device, half_precision: bool) -> Result<Vec<f32>> {
    let mut gpt = Gpt::new(MODEL, 1, device);
    let mut trainer = Trainer::new(&gpt);
    let config = TrainConfig { learning_rate: 3e-3, warmup_steps: 0, half_precision, ..TrainConfig::default() };
    trainer.begin(config)?;
    let tokens = (WINDOWS * MODEL.context) as u32;
    for step in 0..STEPS as u32 {
        // A sequence with something to learn in it.
        let id = |at: u32| ((at + step) * (at + step) / 3 + at) % MODEL.vocabulary as u32;
        let ids = |from: u32| Ids::new((from..from + tokens).map(id).collect(), WINDOWS, device);
        trainer.step_on(&mut gpt, &[Batch { inputs: ids(0), targets: ids(1) }])?;
    }
    Ok(trainer.read().await?.iter().map(|record| record.loss).collect())
}
