//! The history of a model's training: every scalar that the page draws and the model card quotes.

use serde::{Deserialize, Serialize};

/// One optimizer step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct StepRecord {
    /// Steps taken when this one ended; the first is 1.
    pub step: u64,
    /// Mean cross-entropy of the step's batch, in nats per token, before the update.
    pub loss: f32,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f32,
    /// The learning rate of the update, after warm-up and cosine decay.
    pub learning_rate: f64,
}

/// One evaluation on the fixed validation windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct Evaluation {
    /// The number of steps that the model had been trained for.
    pub step: u64,
    /// Mean training loss since the evaluation before; `None` before the first step.
    pub train_loss: Option<f32>,
    /// Mean cross-entropy in nats per token; `None` where the text leaves no validation split.
    pub validation_loss: Option<f32>,
    /// e to the validation loss.
    pub perplexity: Option<f32>,
    /// Validation loss in bits per byte of text, which does not depend on the tokenizer.
    pub bits_per_byte: Option<f32>,
}

/// Text that the model generated at an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Sample {
    /// The number of steps that the model had been trained for.
    pub step: u64,
    /// The generated text, without a prompt.
    pub text: String,
    /// The share of its characters that is copied from the training text, from 0 to 1 (see `copied`); `None` before the
    /// first step, if the text is too long to be read at each evaluation, and in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub copied: Option<f64>,
}

/// A model's whole training, over all its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct History {
    /// The optimizer steps in order.
    pub steps: Vec<StepRecord>,
    /// The evaluations in order of their steps.
    pub evaluations: Vec<Evaluation>,
    /// The samples in order of their steps, one after each evaluation that was not interrupted.
    pub samples: Vec<Sample>,
    /// Wall time spent training, in seconds, without pauses.
    pub seconds: f64,
    /// Tokens trained on, counted with repetition.
    pub tokens: u64,
}

impl History {
    /// Returns the latest evaluation, if there has been one.
    pub fn last_evaluation(&self) -> Option<&Evaluation> {
        self.evaluations.last()
    }
}
