//! Checks half precision on this GPU: compares a few training steps with it to the same steps without.

use serde::Serialize;

use super::{Batch, Trainer};
use crate::{
    config::{ModelConfig, TrainConfig, Variant},
    error::{Error, Result},
    model::{Gpt, Ids, Targets},
    ops::Device,
};

/// The result of the check of half precision on an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum HalfPrecision {
    /// The losses agree with those of training without it.
    Works,
    /// The engine does not support it: it is the CPU, or the GPU lacks WebGPU's `shader-f16`.
    Missing,
    /// The losses disagree.
    Inexact,
}

const MODEL: ModelConfig =
    ModelConfig { vocabulary: 61, context: 32, layers: 2, heads: 2, width: 64, dropout: 0.0, variant: Variant::GPT2 };
const STEPS: u64 = 8;
const WINDOWS: usize = 8;
/// Largest accepted relative difference between f16 and f32 loss.
const TOLERANCE: f32 = 0.01;

/// Trains a small model for a few steps with and without half precision, and compares the losses.
///
/// # Errors
/// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
pub async fn check_half_precision(device: &Device) -> Result<HalfPrecision> {
    if !device.supports_half() {
        return Ok(HalfPrecision::Missing);
    }
    let right = losses(device, false).await?;
    let got = match losses(device, true).await {
        Err(Error::Diverged { .. }) => return Ok(HalfPrecision::Inexact),
        got => got?,
    };
    let close = right.iter().zip(&got).all(|(right, got)| (got - right).abs() <= TOLERANCE * right);
    Ok(if close { HalfPrecision::Works } else { HalfPrecision::Inexact })
}

async fn losses(device: &Device, half_precision: bool) -> Result<Vec<f32>> {
    let mut gpt = Gpt::new(MODEL, 1, device);
    let mut trainer = Trainer::new(&gpt);
    let config = TrainConfig { learning_rate: 3e-3, warmup_steps: 0, half_precision, ..TrainConfig::default() };
    trainer.begin(config)?;
    let tokens = (WINDOWS * MODEL.context) as u32;
    for step in 0..STEPS as u32 {
        // A sequence with a pattern that can be learned.
        let id = |at: u32| ((at + step) * (at + step) / 3 + at) % MODEL.vocabulary as u32;
        let ids = |from: u32| (from..from + tokens).map(id).collect();
        let inputs = Ids::new(ids(0), WINDOWS, MODEL.vocabulary)?;
        let targets = Targets::new(ids(1), MODEL.vocabulary)?;
        trainer.step_on(&mut gpt, &[Batch { inputs, targets }]);
    }
    Ok(trainer.read().await?.iter().map(|record| record.loss).collect())
}
