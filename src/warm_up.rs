//! Warm-up of the GPU: runs everything that an engine does for a model, once, with the smallest model that needs the
//! same kernels. Kernels are compiled when they are first queued, so that later none has to be.

use crate::{
    config::{ModelConfig, TrainConfig},
    error::Result,
    model::{Cache, Gpt, Layout, Targets},
    ops::{self, Device, Gradients, Precision, Scalars},
    train::{Batch, Trainer},
};

/// Tokens per window: more rows than the kernel for the smallest products has.
const TIME: usize = 16;

/// The smallest model that needs the same kernels. Kernels depend on the number of elements per load, which depends on
/// divisibility by four, on the width of a head, and on whether a row of logits is long.
pub fn smallest_like(config: &ModelConfig) -> ModelConfig {
    let head_width = config.head_width();
    let few = if config.vocabulary < ops::LONG_ROW { 16 } else { ops::LONG_ROW };
    let vocabulary = few + config.vocabulary % 4;
    let mut variant = config.variant;
    // Query heads that share a key-value head stay as many.
    let group = config.heads / variant.llama.map_or(config.heads, |llama| llama.key_value_heads).max(1);
    let heads = if head_width.is_multiple_of(4) { group } else { config.heads };
    let width = match &mut variant.llama {
        None => heads * head_width,
        Some(llama) => {
            llama.key_value_heads = heads / group;
            llama.mlp_width = 16 + llama.mlp_width % 4;
            16 + config.width % 4
        }
    };
    ModelConfig { vocabulary, context: TIME, layers: 1, heads, width, dropout: config.dropout, variant }
}

/// Whether the weights are divided into several buffers on this device, which needs other kernels in some places.
pub fn is_divided(config: &ModelConfig, device: &Device) -> bool {
    Layout::new(config).divided(device.most_numbers()).segments.ranges().len() > 1
}

/// Queues the norm of rows as wide as the model's own, which its kernels depend on too; with their gradients, if asked.
fn queue_norms(config: &ModelConfig, precision: Precision, with_gradient: bool, device: &Device) {
    let (width, norm) = (config.width, config.architecture().norm);
    let (x, gain) = (ops::tensor(vec![0.0; width], [1, width], device), ops::tensor(vec![0.0; width], [width], device));
    let (_, saved) = ops::norm(&x, &gain, &gain, norm, precision);
    if with_gradient {
        let mut gradients = Gradients::new(64, &[], device);
        for residual in [None, Some(&x)] {
            ops::norm_backward(&saved, &gain, &x, residual, None, &mut gradients);
        }
    }
}

/// Runs `work` with the smallest model that needs the same kernels, divided if the model is.
fn with_smallest(
    config: &ModelConfig,
    device: &Device,
    work: impl Fn(ModelConfig, &Device) -> Result<()>,
) -> Result<()> {
    config.validate()?;
    let smallest = smallest_like(config);
    let mut device = device.clone();
    if is_divided(config, &device) {
        // Half of the rows of the token embedding.
        device = device.with_largest_buffer(2 * (smallest.vocabulary * smallest.width) as u64);
    }
    match device.gpu() {
        // A kernel that fails here fails again when it is used. Recorded, it would fail the first checkpoint of a run.
        Some(gpu) => gpu.failure().ignored_during(|| gpu.with_each_kernel_in_use(|| work(smallest, &device))),
        None => work(smallest, &device),
    }
}

/// Compiles the kernels of evaluation and generation: queues the loss of a window, the forward pass of a prompt and
/// that of one more token with the KV cache.
///
/// # Errors
/// The errors of [`ModelConfig::validate`].
pub fn warm_up_writing(config: &ModelConfig, device: &Device) -> Result<()> {
    with_smallest(config, device, |smallest, device| {
        queue_norms(config, Precision::Single, false, device);
        let gpt = Gpt::new(smallest, 1, device);
        let mut scalars = Scalars::new(device);
        let scalar = scalars.add();
        let (inputs, targets) = (gpt.ids(vec![1; TIME])?, Targets::new(vec![1; TIME], smallest.vocabulary)?);
        gpt.loss(&inputs, &targets, &mut scalars, scalar);
        let weights = gpt.weights();
        let mut cache = Cache::new(&gpt);
        gpt.read(&weights, &gpt.ids(vec![1; TIME - 1])?, &mut cache);
        gpt.read_one(&weights, 1, &mut cache)?;
        gpt.last_logits(&inputs);
        Ok(())
    })
}

/// Compiles the kernels of training all weights: queues a step of one pass, and a step of two if `train` accumulates
/// gradients.
///
/// # Errors
/// The errors of [`ModelConfig::validate`].
pub fn warm_up_training(config: &ModelConfig, train: &TrainConfig, device: &Device) -> Result<()> {
    with_smallest(config, device, |smallest, device| {
        let precision = if train.half_precision { Precision::Half } else { Precision::Single };
        queue_norms(config, precision, true, device);
        let mut gpt = Gpt::new(smallest, 1, device);
        let mut trainer = Trainer::new(&gpt);
        trainer.begin(TrainConfig { half_precision: train.half_precision, ..TrainConfig::default() })?;
        for passes in if train.gradient_accumulation > 1 { 1..=2 } else { 1..=1 } {
            let (inputs, targets) = (gpt.ids(vec![1; TIME])?, Targets::new(vec![1; TIME], smallest.vocabulary)?);
            trainer.step_on(&mut gpt, &vec![Batch { inputs, targets }; passes]);
        }
        Ok(())
    })
}
