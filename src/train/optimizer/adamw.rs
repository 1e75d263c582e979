//! AdamW, whose update rule is `ops::AdamW`.

use super::{Optimizer, OptimizerKind, Update};
use crate::{
    architecture::ParameterGroup,
    model::Gpt,
    ops::{self, Decay, Flat, Gradients, Moments, Scalar, Scalars},
};

/// The running means of the gradient and of its square.
pub(super) const STATE_NAMES: [&str; 2] = ["first_moment", "second_moment"];

pub(super) struct AdamW {
    moments: Moments,
    decay: Decay,
}

impl AdamW {
    /// Restores AdamW; `state`: the two moments.
    pub fn new(gpt: &Gpt, state: Vec<Flat>) -> Self {
        let Ok([first, second]) = <[Flat; 2]>::try_from(state) else { unreachable!("AdamW has two state tensors") };
        let trained = gpt.trained();
        // Only matrices decay, as in nanoGPT.
        let decaying = trained.ranges_of(ParameterGroup::Matrix).collect();
        Self { moments: Moments { first, second }, decay: Decay::new(decaying, &trained.segments, &gpt.device()) }
    }
}

impl Optimizer for AdamW {
    fn kind(&self) -> OptimizerKind {
        OptimizerKind::AdamW
    }

    fn state(&self) -> Vec<&Flat> {
        vec![&self.moments.first, &self.moments.second]
    }

    fn update(
        &mut self,
        weights: &mut Flat,
        gradients: &Gradients,
        update: &Update,
        scalars: &mut Scalars,
        norm: Scalar,
    ) {
        let &Update { config, learning_rate, number } = update;
        let rule = ops::AdamW {
            learning_rate,
            beta1: config.beta1,
            beta2: config.beta2,
            weight_decay: config.weight_decay,
            clip: config.grad_clip,
            update: number,
        };
        rule.update(weights, &mut self.moments, gradients, &self.decay, scalars, norm);
    }
}
