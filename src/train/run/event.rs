//! What a run reports, as it reaches the page, a script or a terminal.

use serde::Serialize;

use crate::train::{Evaluation, SelfCheckResult, StepRecord};

/// Evaluations in a row, worse than the best, that are too many to be chance.
const OVERFITTING: usize = 2;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct RunStatus {
    pub step: u64,
    pub start_step: u64,
    pub end_step: u64,
    pub eval_every: u64,
    pub tokens_per_step: u64,
    /// Batches that make one evaluation.
    pub evaluation_batches: usize,
    /// Wall time spent training so far.
    pub seconds: f64,
    pub best: Option<BestSoFar>,
}

/// The evaluation whose validation loss was lowest on this text. Its weights can be had back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct BestSoFar {
    pub step: u64,
    pub validation_loss: f32,
    /// Evaluations since then, all of them worse.
    pub worse_evaluations: usize,
    /// Whether they are so many that the model learns its text by heart.
    pub overfitting: bool,
}

impl BestSoFar {
    pub fn new(step: u64, validation_loss: f32, worse_evaluations: usize) -> Self {
        Self { step, validation_loss, worse_evaluations, overfitting: worse_evaluations >= OVERFITTING }
    }
}

/// How a run goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct RunProgress {
    pub step: u64,
    pub end_step: u64,
    pub loss: f32,
    pub learning_rate: f64,
    pub gradient_norm: f32,
    /// Over the last seconds, without evaluations, samples and saving.
    pub tokens_per_second: f64,
    /// Of the last seconds, likewise.
    pub milliseconds_per_step: f64,
    /// The run's time in all, without pauses.
    pub elapsed_seconds: f64,
    pub seconds_left: f64,
    /// Time of evaluations by time of training, since the run was taken up.
    pub evaluation_share: f64,
    /// The steps since the last progress.
    pub records: Vec<StepRecord>,
}

/// A run as it ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct RunResult {
    /// Steps that the model has been trained in all.
    pub step: u64,
    /// Of the last step; `None` before the first.
    pub train_loss: Option<f32>,
    /// Of the last evaluation; `None` before the first, or where there is no text to validate on.
    pub validation_loss: Option<f32>,
    /// Tokens trained on per second of training, without evaluations, samples and saving.
    pub tokens_per_second: f64,
}

/// What a tick of a run yields.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum RunEvent {
    /// The first step comes next: a GPU's pipelines for it should be there.
    FirstStep,
    /// Losses of further steps; at most ten times a second, and before an evaluation, a checkpoint and a pause.
    Progress {
        progress: RunProgress,
    },
    /// The GPU was compared with the CPU. A run whose check has not passed is to be ended.
    Checked {
        found: SelfCheckResult,
    },
    Evaluation {
        evaluation: Evaluation,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(target_arch = "wasm32", tsify(optional))]
        best: Option<BestSoFar>,
    },
    /// What the model wrote after an evaluation.
    Sample {
        step: u64,
        text: String,
    },
    /// A checkpoint should be made now. All steps are done and their losses reported.
    SaveDue,
    Finished {
        result: RunResult,
    },
}
