//! A replica of a pool: a copy of the model that computes gradients, and never updates weights by itself.

use std::{ops::Range, sync::Arc};

use super::{ShardedStep, Share};
use crate::{
    config::{LoraConfig, ModelConfig, TrainConfig},
    error::{Error, Result},
    model::{Frozen, Gpt, Layout},
    ops::{Device, Gradients},
    train::Dataset,
};

/// What a replica has to know of a run.
#[derive(Clone)]
pub struct ReplicaSetup {
    /// The model's settings.
    pub model: ModelConfig,
    /// The settings of the run.
    pub config: TrainConfig,
    /// The token ids of the run.
    pub data: Arc<Dataset>,
    /// The settings of the adapter that is trained, with the flat array of the model that it belongs to, if there is one.
    pub adapter: Option<(LoraConfig, Arc<Vec<f32>>)>,
    /// The packed matrices of that model, if it is frozen; the flat array has the other tensors.
    pub frozen: Option<Frozen>,
}

/// A copy of a model on the CPU, for the gradients of shards.
pub struct Replica {
    gpt: Gpt,
    config: TrainConfig,
    data: Arc<Dataset>,
    spare: Vec<Gradients>,
}

impl Replica {
    /// Makes a model as the setup describes it; its trained weights come with each step.
    ///
    /// # Errors
    /// [`Error::ConfigurationInvalid`] if the weights of the adapter's model are another's.
    pub fn new(setup: ReplicaSetup) -> Result<Self> {
        let ReplicaSetup { model, config, data, adapter, frozen } = setup;
        let len = frozen.as_ref().map_or_else(|| Layout::new(&model).len, |frozen| frozen.rest.len);
        let flat = adapter.as_ref().map_or_else(|| vec![0.0; len], |(_, weights)| weights.to_vec());
        if flat.len() != len {
            return Err(Error::ConfigurationInvalid { reason: format!("{} weights instead of {len}", flat.len()) });
        }
        let mut gpt = match frozen {
            Some(frozen) => Gpt::of_frozen(model, flat, frozen),
            None => Gpt::from_flat(model, flat, &Device::cpu()),
        };
        if let Some((adapter, _)) = adapter {
            gpt.adapt(adapter, config.seed);
        }
        Ok(Self { gpt, config, data, spare: Vec::new() })
    }

    /// The trained weights, which are to be set before each step.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        self.gpt.trained_flat_mut().as_mut_slice()
    }

    /// Computes some shards of the step after `step`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if the text has ids outside the vocabulary of the model.
    pub fn share(&mut self, step: u64, shards: Range<usize>) -> Result<Share> {
        self.gpt.weights_changed();
        Ok(ShardedStep::new(&self.gpt, &self.config, &self.data, step)?.share(shards, &mut self.spare))
    }

    /// Takes back the gradient buffers of a share, for reuse.
    pub fn reuse(&mut self, share: Share) {
        self.spare.extend(share.sums.into_iter().map(|(_, gradients)| gradients));
    }
}
