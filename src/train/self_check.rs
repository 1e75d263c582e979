//! Checks the GPU against the CPU on the user's own model: a part of its first batch on both, from the same weights. A
//! driver may compile a kernel wrongly; the only other symptom would be a model that does not learn.

use serde::Serialize;

use super::{Batch, Dataset, dropout_of};
use crate::{
    config::{ModelConfig, TrainConfig},
    error::Result,
    model::{Gpt, Ids, Targets},
    ops::{self, Device, LONG_ROW, Precision, Scalars},
};

/// Floating-point operations of the check on each engine: a larger batch is cut. The CPU needs a tenth of a second for
/// them, a slow one half a second, and the worker is blocked meanwhile.
const MOST_OPERATIONS: f64 = 2e9;
/// Largest number of parameters of a model that is checked itself, 64 MiB of them; a larger model is replaced by a
/// smaller one that needs the same kernels.
const MOST_PARAMETERS: u64 = 1 << 24;
/// Least number of tokens in a cut window: as many rows as the kernel for the smallest product has.
const LEAST_TOKENS: usize = 16;
/// Largest accepted difference of the engines. Both have 32 bits and sum in different orders: 1e-6 is usual, and 1e-3
/// far from it.
const TOLERANCE: f64 = 1e-3;
/// The same with half precision, where each factor of a product is rounded to 11 bits, 5e-4 of it, layer upon layer.
const TOLERANCE_HALF: f64 = 1e-2;
/// Losses and gradient norms below these are replaced by these in relative differences: for a memorised text the loss
/// is the difference of almost equal numbers, and mostly rounding error.
const LEAST_LOSS: f64 = 0.1;
const LEAST_NORM: f64 = 0.01;

/// How far the GPU differs from the CPU on the first batch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SelfCheckResult {
    /// Whether the GPU can be trusted with this model.
    pub passed: bool,
    /// The difference of the losses, divided by the loss on the CPU; infinite if the GPU gives a number that is not
    /// finite.
    pub loss_difference: f64,
    /// The norm of the difference of both gradients, divided by the norm of the gradient on the CPU.
    pub gradient_difference: f64,
    /// The largest value that either difference may have.
    pub tolerance: f64,
    /// The number of tokens that loss and gradient were computed on.
    pub tokens: usize,
    /// Whether the model itself was checked, and not a smaller one that needs the same kernels.
    pub whole: bool,
}

/// Weights and windows before the first step, kept until both engines compute with them.
pub struct SelfCheck {
    /// A copy of the model on the CPU.
    model: Gpt,
    whole: bool,
    /// Inputs and targets of each pass.
    passes: Vec<Batch>,
    run: TrainConfig,
    step: u64,
}

impl SelfCheck {
    /// Copies the weights of `gpt`, and the beginning of the batch that `step` of `run` trains on, to the CPU.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails;
    /// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) if the text has ids outside the vocabulary of
    /// the model.
    pub async fn new(gpt: &Gpt, data: &Dataset, run: &TrainConfig, step: u64) -> Result<Self> {
        let cpu = Device::cpu();
        let whole = gpt.config.parameters() <= MOST_PARAMETERS;
        let config = if whole { gpt.config } else { smaller(&gpt.config) };
        let (windows, time) = cut(&config, run);
        let model = match (whole, gpt.adapter()) {
            (true, _) => gpt.on(&cpu).await?,
            (false, None) => Gpt::new(config, run.seed, &cpu),
            (false, Some(adapter)) => {
                let mut model = Gpt::new(config, run.seed, &cpu);
                model.adapt(adapter.config, run.seed);
                model
            }
        };
        // The second pass of a step adds its gradient to the first's, with other kernels.
        let passes = (0..run.gradient_accumulation.min(2) as u64)
            .map(|pass| {
                let Batch { inputs, targets } = data.batch_of(run, windows, time, step, pass, gpt.config.vocabulary)?;
                let vocabulary = config.vocabulary;
                let within = |ids: &[u32]| {
                    let fitting = |&id: &u32| if id == ops::IGNORED as u32 { id } else { id % vocabulary as u32 };
                    ids.iter().map(fitting).collect()
                };
                Ok(Batch {
                    inputs: Ids::new(within(inputs.as_slice()), windows, vocabulary)?,
                    targets: Targets::new(within(targets.as_slice()), vocabulary)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { model, whole, passes, run: run.clone(), step })
    }

    /// Computes loss and gradient on both engines and compares them.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
    pub async fn compare(self, gpu: &Device) -> Result<SelfCheckResult> {
        let got = {
            let mut model = self.model.on(gpu).await?;
            model.set_precision(if self.run.half_precision { Precision::Half } else { Precision::Single });
            self.compute(&model).await?
        };
        let right = self.compute(&self.model).await?;
        let tolerance = if self.run.half_precision { TOLERANCE_HALF } else { TOLERANCE };
        let tokens = self.passes.iter().map(|pass| pass.inputs.as_slice().len()).sum();
        let (loss_difference, gradient_difference) = differences(&got, &right);
        // If the CPU's result is not finite either, the weights have diverged, which training reports.
        let known = right.0.is_finite() && right.1.iter().all(|value| value.is_finite());
        let near = loss_difference <= tolerance && gradient_difference <= tolerance;
        let passed = near || !known;
        Ok(SelfCheckResult { passed, loss_difference, gradient_difference, tolerance, tokens, whole: self.whole })
    }

    /// The sum of the passes' losses and of their gradients, on the engine of `model`.
    async fn compute(&self, model: &Gpt) -> Result<(f64, Vec<f32>)> {
        let device = model.device();
        let mut scalars = Scalars::new(&device);
        let mut gradients = model.gradients();
        for (pass, Batch { inputs, targets }) in self.passes.iter().enumerate() {
            let dropout = dropout_of(model.config.dropout, self.run.seed, self.step, pass as u64);
            let loss = scalars.add();
            model.loss_and_gradient(inputs, targets, dropout, &mut scalars, loss, &mut gradients);
        }
        let losses = scalars.take().await?;
        Ok((losses.into_iter().map(f64::from).sum(), gradients.values().await?))
    }
}

/// The relative differences of loss and gradient; infinite if the engine's result is not finite.
fn differences(got: &(f64, Vec<f32>), right: &(f64, Vec<f32>)) -> (f64, f64) {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let apart = length(&mut got.1.iter().zip(&right.1).map(|(got, right)| f64::from(*got) - f64::from(*right)));
    let norm = length(&mut right.1.iter().map(|value| f64::from(*value)));
    let number = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
    (number((got.0 - right.0).abs() / right.0.max(LEAST_LOSS)), number(apart / norm.max(LEAST_NORM)))
}

/// A model with few layers and tokens, but the width and heads of a large one, so that it needs the same kernels.
fn smaller(config: &ModelConfig) -> ModelConfig {
    let vocabulary = config.vocabulary.min(LONG_ROW + config.vocabulary % 4);
    let few = ModelConfig { vocabulary, layers: 1, ..*config };
    let two = ModelConfig { layers: 2, ..few };
    if two.parameters() <= MOST_PARAMETERS { two } else { few }
}

/// Windows per batch and tokens per window within [`MOST_OPERATIONS`].
fn cut(config: &ModelConfig, run: &TrainConfig) -> (usize, usize) {
    let passes = run.gradient_accumulation.min(2) as f64;
    let operations = |batch_size, window_length| {
        passes * config.training_flops(&TrainConfig { batch_size, window_length, ..run.clone() })
    };
    let time = run.window(config.context);
    let fitting = (MOST_OPERATIONS / operations(1, time)) as usize;
    if fitting > 0 {
        return (run.batch_size.min(fitting), time);
    }
    // Attention makes long windows even more expensive, so this number of tokens never exceeds the limit.
    let tokens = (time as f64 * MOST_OPERATIONS / operations(1, time)) as usize;
    (1, tokens.clamp(LEAST_TOKENS.min(time), time))
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        config::{LoraConfig, Variant, preset},
        ops::testing::{device, gpu_device},
    };

    fn data() -> Dataset {
        Dataset { train: (0..600u32).map(|at| at * at / 3 % 31).collect(), ..Dataset::default() }
    }

    fn model(dropout: f32) -> ModelConfig {
        ModelConfig { vocabulary: 31, context: 24, layers: 2, heads: 2, width: 32, dropout, variant: Variant::GPT2 }
    }

    fn run() -> TrainConfig {
        TrainConfig { batch_size: 5, ..TrainConfig::default() }
    }

    fn check(gpt: &Gpt, run: &TrainConfig) -> SelfCheckResult {
        block_on(block_on(SelfCheck::new(gpt, &data(), run, 3)).unwrap().compare(&gpu_device())).unwrap()
    }

    #[test]
    fn a_correct_gpu_passes_the_self_check() {
        let gpu = gpu_device();
        for (dropout, gradient_accumulation) in [(0.0, 1), (0.2, 3)] {
            let found = check(&Gpt::new(model(dropout), 1, &gpu), &TrainConfig { gradient_accumulation, ..run() });
            assert!(found.passed && found.whole, "{found:?}");
            assert!(found.loss_difference < 1e-5 && found.gradient_difference < 1e-5, "{found:?}");
            assert_eq!(found.tokens, 24 * 5 * gradient_accumulation.min(2));
        }
        let mut adapted = Gpt::new(model(0.0), 1, &gpu);
        adapted.adapt(LoraConfig::default(), 1);
        let found = check(&adapted, &run());
        assert!(found.passed && found.gradient_difference < 1e-5, "{found:?}");
    }

    #[test]
    fn the_self_check_passes_with_half_precision_within_its_own_tolerance() {
        let gpu = gpu_device();
        if !gpu.supports_half() {
            return ops::testing::skip_test("this GPU has no half precision (shader-f16)");
        }
        let deep = ModelConfig { layers: 8, width: 128, heads: 4, ..model(0.0) };
        for config in [model(0.2), deep] {
            let found = check(&Gpt::new(config, 1, &gpu), &TrainConfig { half_precision: true, ..run() });
            println!("{found:?}");
            assert!(found.passed, "{found:?}");
            // With 32 bits the difference is smaller, so half precision was in use.
            assert!(found.gradient_difference > 1e-5, "{found:?}");
        }
    }

    #[test]
    fn a_large_model_is_checked_with_a_smaller_one() {
        let large = ModelConfig { vocabulary: 9001, width: 800, heads: 10, layers: 3, context: 256, ..model(0.0) };
        assert!(large.parameters() > MOST_PARAMETERS);
        let small = smaller(&large);
        assert!(small.parameters() <= MOST_PARAMETERS && small.vocabulary >= LONG_ROW, "{small:?}");
        assert_eq!((small.width, small.heads, small.vocabulary % 4), (800, 10, 9001 % 4));
        assert!(small.training_flops(&TrainConfig { batch_size: 1, window_length: LEAST_TOKENS, ..run() }) < 2e9);
    }

    #[test]
    fn no_batch_of_the_self_check_exceeds_its_limit_of_operations() {
        for name in ["tiny", "shakespeare"] {
            let config = preset(name, 65).unwrap().model;
            for batch_size in [1, 12, 64] {
                let run = TrainConfig { batch_size, ..run() };
                let (windows, window_length) = cut(&config, &run);
                assert!(windows >= 1 && windows <= batch_size && window_length >= LEAST_TOKENS);
                let operations = config.training_flops(&TrainConfig { batch_size: windows, window_length, ..run });
                assert!(operations <= MOST_OPERATIONS, "{name}: {operations}");
            }
        }
        // The batch of a small model is not cut.
        assert_eq!(cut(&model(0.0), &run()), (5, 24));
    }

    #[test]
    fn different_results_do_not_pass_the_self_check() {
        let right = (3.0, vec![0.3, -0.4, 0.0]);
        assert_eq!(differences(&right, &right), (0.0, 0.0));
        let (loss, gradient) = differences(&(3.03, vec![0.3, -0.4, 0.05]), &right);
        assert!((loss - 0.01).abs() < 1e-9 && (gradient - 0.1).abs() < 1e-6);
        // The same numbers at other positions have the same norm.
        assert!(differences(&(3.0, vec![-0.4, 0.3, 0.0]), &right).1 > 1.0);
        assert_eq!(differences(&(f64::NAN, vec![f32::NAN; 3]), &right), (f64::INFINITY, f64::INFINITY));
        // For a memorised text rounding errors do not count.
        let (loss, gradient) = differences(&(1e-5, vec![1e-6]), &(1.1e-5, vec![1.2e-6]));
        assert!(loss < TOLERANCE && gradient < TOLERANCE);
    }

    #[test]
    fn diverged_weights_pass_the_self_check() {
        let len = crate::model::Layout::new(&model(0.0)).len;
        let gpt = Gpt::from_flat(model(0.0), vec![f32::NAN; len], &device());
        assert!(check(&gpt, &run()).passed);
    }
}
