//! Events of a run, for the page, a script or a terminal.

use serde::Serialize;

use crate::train::{Evaluation, SelfCheckResult, StepRecord};

/// Number of consecutive evaluations worse than the best that count as overfitting, because one may be noise.
const OVERFITTING: usize = 2;

/// The settings and the position of a run, as it is when it is begun or resumed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct RunStatus {
    /// The number of steps that the model has been trained for, over all its runs.
    pub step: u64,
    /// The step at which this run began.
    pub start_step: u64,
    /// The step at which this run ends.
    pub end_step: u64,
    /// The number of steps between two evaluations.
    pub eval_every: u64,
    /// The tokens of one step: windows of a batch, times passes of gradient accumulation, times tokens of a window.
    pub tokens_per_step: u64,
    /// The number of batches that make one evaluation; 0 without validation data.
    pub evaluation_batches: usize,
    /// Wall time spent training so far, in seconds.
    pub seconds: f64,
    /// The evaluation with the lowest validation loss, if there has been one.
    pub best: Option<BestSoFar>,
}

/// The evaluation with the lowest validation loss on this text. Its weights are kept as the best checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct BestSoFar {
    /// The step of this evaluation.
    pub step: u64,
    /// Mean cross-entropy on validation data, in nats per token.
    pub validation_loss: f32,
    /// The number of evaluations since then, all of which were worse.
    pub worse_evaluations: usize,
    /// Whether there are so many worse evaluations that the model is overfitting.
    pub overfitting: bool,
}

impl BestSoFar {
    /// Creates the record of a best evaluation, and decides from the number of worse ones since whether the model is
    /// overfitting.
    pub fn new(step: u64, validation_loss: f32, worse_evaluations: usize) -> Self {
        Self { step, validation_loss, worse_evaluations, overfitting: worse_evaluations >= OVERFITTING }
    }
}

/// The losses and the speed of a run in progress.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct RunProgress {
    /// The number of steps that the model has been trained for.
    pub step: u64,
    /// The step at which this run ends.
    pub end_step: u64,
    /// The training loss of the last step that was read, in nats per token.
    pub loss: f32,
    /// The learning rate of that step.
    pub learning_rate: f64,
    /// The global norm of the gradient of that step, before clipping.
    pub gradient_norm: f32,
    /// Throughput over the last seconds, without the time of evaluations, samples and checkpoints.
    pub tokens_per_second: f64,
    /// Time of one step at that throughput.
    pub milliseconds_per_step: f64,
    /// Wall time spent training so far, without pauses.
    pub elapsed_seconds: f64,
    /// The number of workers that computed the last step.
    pub workers: usize,
    /// Estimated time to the end of the run, with its evaluations, samples and checkpoints.
    pub seconds_left: f64,
    /// Time of evaluations divided by time of steps, since the run was begun or resumed.
    pub evaluation_share: f64,
    /// The steps since the last progress event.
    pub records: Vec<StepRecord>,
}

/// The final numbers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct RunResult {
    /// The number of steps that the model has been trained for, over all its runs.
    pub step: u64,
    /// Training loss of the last step, in nats per token; `None` before the first step.
    pub train_loss: Option<f32>,
    /// Validation loss of the last evaluation, in nats per token; `None` before the first one, or without validation
    /// data.
    pub validation_loss: Option<f32>,
    /// Mean throughput since the run was begun or resumed, without the time of evaluations, samples and checkpoints.
    pub tokens_per_second: f64,
}

/// An event of `Session::tick` or `Session::flush_run`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum RunEvent {
    /// The first step comes next: the GPU's pipelines for it should be compiled.
    FirstStep,
    /// Losses of further steps; at most ten times a second, and before an evaluation, a checkpoint and a pause.
    Progress {
        /// Losses and speed.
        progress: RunProgress,
    },
    /// The self-check has compared the GPU with the CPU. A run whose check has not passed should be stopped.
    Checked {
        /// The differences found, and whether the check has passed.
        found: SelfCheckResult,
    },
    /// The loss on validation data was measured.
    Evaluation {
        /// The losses of this evaluation.
        evaluation: Evaluation,
        /// The evaluation with the lowest validation loss, which may be this one; absent without validation data.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(target_arch = "wasm32", tsify(optional))]
        best: Option<BestSoFar>,
    },
    /// The model has generated a sample after an evaluation.
    Sample {
        /// The number of steps that the model has been trained for.
        step: u64,
        /// The generated text, without a prompt.
        text: String,
        /// The share of its characters that is copied from the training text; absent if
        /// [`Sample::copied`](crate::train::Sample) is `None`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(target_arch = "wasm32", tsify(optional))]
        copied: Option<f64>,
    },
    /// A checkpoint should be made now. All steps are done and their losses reported.
    SaveDue,
    /// The run has ended, and its last steps have been reported. It is the last event.
    Finished {
        /// The final losses and the mean throughput.
        result: RunResult,
    },
}
