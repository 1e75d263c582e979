//! Takes one training step stage by stage: a copy of the model runs forward, backward and optimizer on one window, and
//! keeps the intermediate values. The copy uses the model's own backward pass and optimizer; the model itself does not
//! change.

use std::ops::Range;

use serde::Serialize;

use super::{Prediction, Trace};
use crate::{
    architecture::{Module, Projection},
    error::Result,
    model::{Gpt, Layout},
    ops::{IGNORED, Scalars},
    train::{self, Batch, OptimizerState},
};

/// A part of the model, over which gradients and updates are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Part {
    /// The token embedding, and the head where it is tied to it.
    Tokens,
    /// The position embedding.
    Positions,
    /// A block's attention with the norm before it.
    Attention {
        /// The block's index, from 0.
        layer: usize,
    },
    /// A block's MLP with the norm before it.
    Mlp {
        /// The block's index, from 0.
        layer: usize,
    },
    /// The norm before the head.
    Norm,
    /// The language-model head, if it is not tied.
    Head,
}

/// The effect of one step on a part of the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct PartUpdate {
    /// The part of the model.
    pub part: Part,
    /// The number of its trained weights.
    pub weights: usize,
    /// The norm of its gradient, before clipping.
    pub gradient_norm: f32,
    /// The norm of its weights.
    pub weight_norm: f32,
    /// The norm of the optimizer's update.
    pub update_norm: f32,
}

/// One weight before and after the step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct WeightChange {
    /// The name of its tensor, such as `transformer.h.0.attn.c_attn.weight`.
    pub tensor: String,
    /// The weight before the step.
    pub before: f32,
    /// Its gradient.
    pub gradient: f32,
    /// The weight after the step.
    pub after: f32,
}

/// One step, with the intermediate values of one window.
pub struct SlowStep {
    /// The forward pass before the update.
    pub before: Trace,
    /// Its prediction at each position.
    pub predictions: Vec<Prediction>,
    /// The predictions of the same window after the update.
    pub predictions_after: Vec<Prediction>,
    /// Mean cross-entropy of the targets that count, in nats, before and after the update.
    pub losses: [f32; 2],
    /// The global norm of the gradient, before clipping.
    pub gradient_norm: f32,
    /// In the order of the model's tensors.
    pub parts: Vec<PartUpdate>,
    /// The weight with the largest gradient.
    pub largest: WeightChange,
}

/// Takes one step of `copy`, a copy on the CPU of the model and its adapter, on one window, without dropout. `state` is
/// the optimizer's state before the step.
///
/// # Errors
/// Only errors of the engine, which do not occur on the CPU.
///
/// # Panics
/// When `batch` is not one window of this model, or `state` another model's.
pub async fn slow_step(
    mut copy: Gpt,
    state: OptimizerState,
    batch: &Batch,
    update: &train::Update<'_>,
) -> Result<SlowStep> {
    let before = copy.trace(&batch.inputs).await?;
    let predictions = predictions(&before);
    let device = copy.device();
    let (mut scalars, mut gradients) = (Scalars::new(&device), copy.gradients());
    let loss = scalars.add();
    copy.loss_and_gradient(&batch.inputs, &batch.targets, None, &mut scalars, loss, &mut gradients);
    let weights = copy.trained_flat().read().await?;
    let mut optimizer = state.kind.restore(&copy, state.tensors);
    let norm = scalars.add();
    optimizer.update(copy.trained_flat_mut(), &gradients, update, &mut scalars, norm);
    copy.weights_changed();
    let changed = copy.trained_flat().read().await?;
    let loss_after = scalars.add();
    copy.loss(&batch.inputs, &batch.targets, &mut scalars, loss_after);
    let numbers = scalars.take().await?;
    let gradient = gradients.values().await?;
    let predictions_after = self::predictions(&copy.trace(&batch.inputs).await?);
    let layout = copy.trained();
    Ok(SlowStep {
        predictions,
        predictions_after,
        losses: [numbers[0], numbers[2]],
        gradient_norm: numbers[1],
        parts: parts(layout, &weights, &gradient, &changed),
        largest: largest(layout, &weights, &gradient, &changed),
        before,
    })
}

fn predictions(trace: &Trace) -> Vec<Prediction> {
    let logits = trace.logits();
    let vocabulary = logits.len() / trace.time;
    logits.chunks_exact(vocabulary).map(|row| Prediction::new(row, vocabulary, &[])).collect()
}

/// Returns the target's token id, if the loss mask counts it.
pub fn counted(target: u32) -> Option<u32> {
    Some(target).filter(|&target| target != IGNORED as u32)
}

fn part_of(module: Module, layer: usize) -> Part {
    match module {
        Module::TokenEmbedding => Part::Tokens,
        Module::PositionEmbedding => Part::Positions,
        Module::AttentionNorm
        | Module::QueryNorm
        | Module::KeyNorm
        | Module::Linear(Projection::Attention | Projection::AttentionOut) => Part::Attention { layer },
        Module::MlpNorm | Module::Linear(Projection::Mlp | Projection::MlpOut) => Part::Mlp { layer },
        Module::FinalNorm => Part::Norm,
        Module::Head => Part::Head,
    }
}

fn parts(layout: &Layout, before: &[f32], gradient: &[f32], after: &[f32]) -> Vec<PartUpdate> {
    let mut all: Vec<(Part, Vec<Range<usize>>)> = Vec::new();
    for parameter in &layout.parameters {
        let part = part_of(parameter.spec.role.module, parameter.spec.role.layer);
        match all.iter_mut().find(|(other, _)| *other == part) {
            Some((_, ranges)) => ranges.push(parameter.range()),
            None => all.push((part, vec![parameter.range()])),
        }
    }
    let length = |ranges: &[Range<usize>], value: &dyn Fn(usize) -> f32| {
        ranges.iter().cloned().flatten().map(|at| f64::from(value(at)).powi(2)).sum::<f64>().sqrt() as f32
    };
    let update = |(part, ranges): (Part, Vec<Range<usize>>)| PartUpdate {
        part,
        weights: ranges.iter().map(Range::len).sum(),
        gradient_norm: length(&ranges, &|at| gradient[at]),
        weight_norm: length(&ranges, &|at| before[at]),
        update_norm: length(&ranges, &|at| after[at] - before[at]),
    };
    all.into_iter().map(update).collect()
}

fn largest(layout: &Layout, before: &[f32], gradient: &[f32], after: &[f32]) -> WeightChange {
    let places = layout.parameters.iter().flat_map(|parameter| parameter.range().map(move |at| (parameter, at)));
    let found = places.max_by(|(_, a), (_, b)| gradient[*a].abs().total_cmp(&gradient[*b].abs()));
    let (parameter, at) = found.expect("a model has weights");
    WeightChange { tensor: parameter.name.clone(), before: before[at], gradient: gradient[at], after: after[at] }
}
