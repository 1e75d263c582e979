//! Optimizers: they compute updates of the weights from gradients. A further one is a module beside `adamw.rs` and a
//! variant of [`OptimizerKind`]; trainer and checkpoints know only the trait and the names of the state.

mod adamw;

use serde::{Deserialize, Serialize};

use crate::{
    config::TrainConfig,
    model::Gpt,
    ops::{Flat, Gradients, Scalar, Scalars},
};

/// The available optimizers, by their names in checkpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// AdamW (Loshchilov & Hutter 2019). It is also the optimizer of checkpoints that name none.
    #[default]
    AdamW,
}

impl OptimizerKind {
    /// The names of its state tensors; a checkpoint has `optimizer.STATE.NAME` beside each trained weight `NAME`.
    pub fn state_names(self) -> &'static [&'static str] {
        match self {
            Self::AdamW => &adamw::STATE_NAMES,
        }
    }

    /// Makes the optimizer for a model's trained weights, with the initial state.
    pub fn create(self, gpt: &Gpt) -> Box<dyn Optimizer> {
        let state = self.state_names().iter().map(|_| Flat::zeros(&gpt.trained().segments, &gpt.device()));
        self.with(gpt, state.collect())
    }

    /// Makes the optimizer with the state of a checkpoint.
    pub fn restore(self, gpt: &Gpt, state: Vec<Vec<f32>>) -> Box<dyn Optimizer> {
        let state = state.into_iter().map(|values| Flat::new(values, &gpt.trained().segments, &gpt.device()));
        self.with(gpt, state.collect())
    }

    fn with(self, gpt: &Gpt, state: Vec<Flat>) -> Box<dyn Optimizer> {
        match self {
            Self::AdamW => Box::new(adamw::AdamW::new(gpt, state)),
        }
    }
}

/// An optimizer with its state on the engine of the model.
pub trait Optimizer: Send {
    /// The optimizer's name.
    fn kind(&self) -> OptimizerKind;

    /// Returns its state tensors, in the order of [`OptimizerKind::state_names`], each a flat array in the layout of
    /// the trained weights.
    fn state(&self) -> Vec<&Flat>;

    /// Updates `weights` in place from the mean gradient of all passes in `gradients`. The global norm of that
    /// gradient, before clipping, is written to `norm`.
    fn update(
        &mut self,
        weights: &mut Flat,
        gradients: &Gradients,
        update: &Update,
        scalars: &mut Scalars,
        norm: Scalar,
    );
}

/// The parameters of one update.
pub struct Update<'a> {
    /// The settings of the run.
    pub config: &'a TrainConfig,
    /// The learning rate at this step of the schedule.
    pub learning_rate: f64,
    /// The number of the update, counted from 1 since this state began.
    pub number: u64,
}

/// An optimizer's state, read from the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// The optimizer that it belongs to.
    pub kind: OptimizerKind,
    /// The state tensors, in the order of [`OptimizerKind::state_names`], each flat in the layout of the trained
    /// weights.
    pub tensors: Vec<Vec<f32>>,
}

impl OptimizerState {
    /// The state before the first update, for `len` trained weights.
    pub fn initial(len: usize) -> Self {
        let kind = OptimizerKind::default();
        Self { kind, tensors: kind.state_names().iter().map(|_| vec![0.0; len]).collect() }
    }
}
