//! Takes the run's next training step stage by stage, with each token's text. A copy of the model computes it; the
//! model and its run do not change.

use serde::Serialize;

use super::{
    Model, Session, TokenChoice,
    inspecting::{choices, most_tokens},
};
use crate::{
    error::{Error, Result},
    inspect::{self, PartUpdate, Prediction, Site, WeightChange},
    ops::Device,
    train,
};

/// Most tokens of the window that are read.
const MOST_TOKENS: usize = 64;
/// Most weights of a model that is copied: 128 MiB; gradients and optimizer state take three times as much again.
const MOST_PARAMETERS: u64 = 1 << 25;
/// Numbers shown of a row of the residual stream.
const SHOWN_NUMBERS: usize = 8;

/// A position of the window of a slow step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SlowPosition {
    /// The input token.
    pub id: u32,
    /// The input token for display.
    pub text: String,
    /// The target token; none where the loss mask does not count it, as in a question of a conversation.
    pub target: Option<String>,
    /// The probability of the target before the step.
    pub before: Option<f32>,
    /// The probability of the target after the step.
    pub after: Option<f32>,
    /// The likeliest token before the step.
    pub guess: TokenChoice,
    /// The likeliest token after the step.
    pub guess_after: TokenChoice,
}

/// The beginning of a row, and its norm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ShownRow {
    /// The first numbers.
    pub numbers: Vec<f32>,
    /// The L2 norm of the whole row.
    pub norm: f32,
}

/// One training step, stage by stage; see [`inspect::SlowStep`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SlowMotion {
    /// The run's next step, from 1.
    pub step: u64,
    /// The tokens of the window.
    pub positions: Vec<SlowPosition>,
    /// Windows in a step of the run.
    pub windows: usize,
    /// Tokens in a window of the run.
    pub window: usize,
    /// Numbers in a row.
    pub width: usize,
    /// The position described by `embedding`, `after_attention`, `after_block` and `attention`: the last one.
    pub shown: usize,
    /// The sum of token and position embedding.
    pub embedding: ShownRow,
    /// The residual stream after the first block's attention.
    pub after_attention: ShownRow,
    /// The residual stream after the first block.
    pub after_block: ShownRow,
    /// Its attention weights for each position in the first block, averaged over the heads.
    pub attention: Vec<f32>,
    /// The mean cross-entropy of the window before and after the step, in nats.
    pub losses: [f32; 2],
    /// The global gradient norm, before clipping.
    pub gradient_norm: f32,
    /// The run's limit of the gradient norm for clipping; 0 for none.
    pub clip: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// The effect of the step on each part of the model.
    pub parts: Vec<PartUpdate>,
    /// The weight with the largest gradient.
    pub largest: WeightChange,
}

impl Session {
    /// Takes the run's next step stage by stage, on the beginning of its first window. A copy of the model computes it
    /// on the CPU, with the run's current optimizer state and learning rate.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared; [`Error::ModelTooLargeToCopy`]
    /// if the model is too large for a copy; [`Error::TextTooShort`] or [`Error::NothingToLearn`] if no window can be
    /// drawn; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn slow_motion(&self) -> Result<SlowMotion> {
        let Model { gpt, tokenizer, trainer, data, .. } = self.model()?;
        let data = data.as_ref().ok_or(Error::NoRun)?;
        let parameters = gpt.config.parameters();
        if parameters > MOST_PARAMETERS {
            return Err(Error::ModelTooLargeToCopy { parameters, limit: MOST_PARAMETERS });
        }
        let progress = trainer.progress();
        let config = &progress.config;
        let window = config.window(gpt.config.context);
        data.check(window)?;
        let whole = data.batch_of(config, 1, window, progress.step, 0, gpt.config.vocabulary)?;
        let batch = whole.piece(MOST_TOKENS.min(most_tokens(&gpt.config)));
        let learning_rate = train::learning_rate(config, progress.step - progress.start_step);
        let update = train::Update { config, learning_rate, number: progress.updates + 1 };
        let state = trainer.optimizer_state(gpt).await?;
        let step = inspect::slow_step(gpt.on(&Device::cpu()).await?, state, &batch, &update).await?;
        let (trace, shown) = (&step.before, step.before.time - 1);
        let decoder = tokenizer.decoder();
        let guess = |prediction: &Prediction| choices(prediction, 1, tokenizer, &decoder).remove(0);
        let position = |at: usize| {
            let id = batch.inputs.as_slice()[at];
            let target = inspect::counted(batch.targets.as_slice()[at]);
            SlowPosition {
                id,
                text: tokenizer.token_text(id),
                target: target.map(|id| tokenizer.token_text(id)),
                before: target.map(|id| step.predictions[at].of(id)),
                after: target.map(|id| step.predictions_after[at].of(id)),
                guess: guess(&step.predictions[at]),
                guess_after: guess(&step.predictions_after[at]),
            }
        };
        let row = |site: Site| {
            let row = &trace.at(site)[shown * trace.width..][..trace.width];
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            ShownRow { numbers: row.iter().copied().take(SHOWN_NUMBERS).collect(), norm }
        };
        let mut attention = vec![0.0; trace.time];
        for head in 0..trace.heads {
            let shares = trace.attention_of(0, head, shown);
            attention.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share / trace.heads as f32);
        }
        Ok(SlowMotion {
            step: progress.step + 1,
            positions: (0..trace.time).map(position).collect(),
            windows: config.batch_size * config.gradient_accumulation,
            window,
            width: trace.width,
            shown,
            embedding: row(Site::Embedding),
            after_attention: row(Site::Attention(0)),
            after_block: row(Site::Block(0)),
            attention,
            losses: step.losses,
            gradient_norm: step.gradient_norm,
            clip: config.grad_clip,
            learning_rate,
            parts: step.parts.clone(),
            largest: step.largest.clone(),
        })
    }
}
