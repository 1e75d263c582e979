//! The training state besides the weights. Random numbers have no state of their own: windows and dropout depend on the
//! seed and the step alone (see `data.rs`), so the step number restores them.

use serde::{Deserialize, Serialize};

use super::{History, OptimizerState};
use crate::{config::TrainConfig, corpus::HeldBack};

/// The position of a run, as stored in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The run's settings.
    pub config: TrainConfig,
    /// Steps the model had taken when this run began.
    pub start_step: u64,
    /// Steps the model has taken.
    pub step: u64,
    /// Updates made with the optimizer's current state; fewer than `step` for a model that came without them.
    pub updates: u64,
}

impl Progress {
    /// The step at which this run ends.
    pub fn end_step(&self) -> u64 {
        self.start_step + self.config.steps
    }
}

/// The training state of a model: all that a checkpoint has besides the weights and the tokenizer.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    /// The settings of the run and the number of steps taken.
    pub progress: Progress,
    /// The optimizer's state.
    pub optimizer: OptimizerState,
    /// The losses, evaluations and samples of all runs.
    pub history: History,
    /// The best checkpoint, if there has been an evaluation with validation data.
    pub best: Option<Best>,
}

/// The best checkpoint: the weights of the evaluation with the lowest validation loss on this text.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// The step of that evaluation.
    pub step: u64,
    /// Mean cross-entropy on validation data, in nats per token.
    pub validation_loss: f32,
    /// The trained weights, a flat array in their layout.
    pub weights: Vec<f32>,
}

/// The size of the text that a model was trained on, for its model card. It never has the text itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextFacts {
    /// The number of documents of both splits.
    pub documents: usize,
    /// The number of Unicode characters of all documents.
    pub characters: usize,
    /// The number of bytes of all documents in UTF-8.
    pub bytes: u64,
    /// The number of tokens of the training split.
    pub train_tokens: usize,
    /// The number of tokens of the validation split.
    pub validation_tokens: usize,
    /// How the validation data were chosen. Older files have no such field: there whole documents were held back.
    #[serde(default)]
    pub held_back: HeldBack,
}
