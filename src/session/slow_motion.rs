//! One training step of the run taken apart, in tokens with their texts. A copy of the model computes it; the model and its run stay
//! as they are.

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

/// Tokens of the window that are read.
const MOST_TOKENS: usize = 64;
/// Weights of a model that is copied, 128 MiB of them; its gradients and the optimizer's state take three times
/// as much again.
const MOST_PARAMETERS: u64 = 1 << 25;
/// Numbers that are shown of a row of thousands.
const SHOWN_NUMBERS: usize = 8;

/// A position of the window of a slow step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SlowPosition {
    /// The token that is read.
    pub id: u32,
    /// It for display.
    pub text: String,
    /// The token that should be predicted; none where it does not count, as in a question of a conversation.
    pub target: Option<String>,
    /// The probability of the target before the step.
    pub before: Option<f32>,
    /// The probability of the target after the step.
    pub after: Option<f32>,
    /// The token that was held likeliest before the step.
    pub guess: TokenChoice,
    /// The token that is held likeliest after it.
    pub guess_after: TokenChoice,
}

/// Some numbers of a row, and the length of all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ShownRow {
    /// The first ones.
    pub numbers: Vec<f32>,
    /// The length of the row as a vector.
    pub norm: f32,
}

/// One training step taken apart; see [`inspect::SlowStep`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SlowMotion {
    /// The step of the run that would come next, from 1 on.
    pub step: u64,
    /// The tokens of the window.
    pub positions: Vec<SlowPosition>,
    /// How many windows a step of the run has.
    pub windows: usize,
    /// How many tokens a window of the run has.
    pub window: usize,
    /// The number of numbers in a row.
    pub width: usize,
    /// The position that `embedding`, `after_attention`, `after_block` and `attention` are of: the last one.
    pub shown: usize,
    /// The sum of its token's row and its position's row.
    pub embedding: ShownRow,
    /// The same after the first block's attention.
    pub after_attention: ShownRow,
    /// The same after the first block.
    pub after_block: ShownRow,
    /// How much it attends to each position in the first block, the mean of all heads.
    pub attention: Vec<f32>,
    /// The mean cross-entropy of the window before and after the step, in nats.
    pub losses: [f32; 2],
    /// The norm of the whole gradient, before clipping.
    pub gradient_norm: f32,
    /// The largest norm that a gradient may have in this run; 0 for any.
    pub clip: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// What the step does to each part of the model.
    pub parts: Vec<PartUpdate>,
    /// The weight with the largest gradient.
    pub largest: WeightChange,
}

impl Session {
    /// Takes the run's next step apart, on the first of its windows or the beginning of it: computed by a copy of the model on
    /// the CPU, with the state of the optimizer and the learning rate that the run has now.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared; [`Error::ModelTooLargeToCopy`] if there
    /// is not the memory for a copy; [`Error::TextTooShort`] or [`Error::NothingToLearn`] if no window can be drawn;
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
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
        let whole = data.batch(1, window, config.seed, progress.step, 0, gpt.config.vocabulary)?;
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
