//! What training carries from step to step besides the weights. Random numbers need no state of their own: windows and
//! dropout follow from the seed and the step alone (see `data.rs`), so the step is the cursor.

use serde::{Deserialize, Serialize};

use super::History;
use crate::{config::TrainConfig, corpus::HeldBack};

/// Where a run stands, as it goes into a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The run's settings.
    pub config: TrainConfig,
    /// Steps the model had taken when this run began.
    pub start_step: u64,
    /// Steps the model has taken.
    pub step: u64,
    /// Updates made with AdamW's current moments; fewer than `step` for a model that came without them.
    pub updates: u64,
}

impl Progress {
    /// The step at which this run ends.
    pub fn end_step(&self) -> u64 {
        self.start_step + self.config.steps
    }
}

/// A training run taken down to numbers: all that a checkpoint holds besides model and tokenizer.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    pub progress: Progress,
    /// AdamW's running mean of the gradient, flat as the weights are.
    pub first_moment: Vec<f32>,
    /// AdamW's running mean of the squared gradient.
    pub second_moment: Vec<f32>,
    pub history: History,
    pub best: Option<Best>,
}

/// The weights of the evaluation whose validation loss was lowest on this text.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    pub step: u64,
    pub validation_loss: f32,
    /// Flat, as what is trained is laid out.
    pub weights: Vec<f32>,
}

/// What a model was trained on, for its card. Figures only: never the text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextFacts {
    pub documents: usize,
    pub characters: usize,
    pub bytes: u64,
    pub train_tokens: usize,
    pub validation_tokens: usize,
    /// Files from before there was a choice held back whole documents.
    #[serde(default)]
    pub held_back: HeldBack,
}
