//! Shares a training step among several workers of the CPU engine. Each batch is divided into a fixed number of shards;
//! the gradient of each is computed by itself, and their sum is a fixed tree, so that it has the same bits whoever
//! computes which part of it. [`Trainer`](super::Trainer) adds up the shares and holds the optimizer; a [`ReplicaPool`] computes
//! some of them elsewhere.

mod pool;
mod replica;
#[cfg(not(target_arch = "wasm32"))]
mod threads;
mod tree;
mod worker_count;

use std::ops::Range;

pub use pool::{ReplicaPool, Shares};
pub use replica::{Replica, ReplicaSetup};
#[cfg(not(target_arch = "wasm32"))]
pub use threads::Threads;
pub use worker_count::WorkerCount;

use super::{Batch, Dataset, dropout_of};
use crate::{
    config::TrainConfig,
    error::Result,
    model::Gpt,
    ops::{Gradients, Scalars},
};
use tree::{halves, nodes_within};

/// What one worker has computed of a step.
pub struct Share {
    /// The shards that it computed.
    pub shards: Range<usize>,
    /// The parts of the losses, `[shards, passes]`.
    pub losses: Vec<f32>,
    /// The sums of gradients over the largest nodes of the tree that these shards make up, with the shards of each.
    pub sums: Vec<(Range<usize>, Gradients)>,
}

impl Share {
    /// Puts together the share of a step of `count` shards that came as plain numbers: `[shards, passes]` losses, and the
    /// sums of all nodes one after another. `None` if their lengths cannot be right.
    pub fn of_values(
        count: usize,
        shards: Range<usize>,
        passes: usize,
        losses: Vec<f32>,
        sums: Vec<f32>,
    ) -> Option<Self> {
        if shards.end > count || losses.len() != shards.len() * passes {
            return None;
        }
        let nodes = nodes_within(0..count, &shards);
        let sums = match &nodes[..] {
            [node] => vec![(node.clone(), Gradients::from_values(sums, passes))],
            nodes => {
                let len = sums.len().checked_div(nodes.len())?;
                let parts = sums.chunks_exact(len.max(1)).map(|part| Gradients::from_values(part.to_vec(), passes));
                nodes.iter().cloned().zip(parts).collect()
            }
        };
        Some(Self { shards, losses, sums })
    }
}

/// Divides the shards of a step among workers as evenly as possible.
///
/// # Panics
/// When there are no workers.
pub fn ranges(shards: usize, workers: usize) -> Vec<Range<usize>> {
    (0..workers).map(|worker| worker * shards / workers..(worker + 1) * shards / workers).collect()
}

/// One step that is computed in shards.
pub(super) struct ShardedStep<'a> {
    gpt: &'a Gpt,
    config: &'a TrainConfig,
    /// The number of steps taken before.
    step: u64,
    /// One for each pass of gradient accumulation.
    batches: Vec<Batch>,
    /// The number of shards.
    count: usize,
}

impl<'a> ShardedStep<'a> {
    /// Draws the batches of the step; `gpt` is on the CPU.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) if the text has ids outside the vocabulary of the
    /// model.
    pub fn new(gpt: &'a Gpt, config: &'a TrainConfig, data: &Dataset, step: u64) -> Result<Self> {
        Ok(Self {
            gpt,
            config,
            step,
            batches: data.batches(config, step, &gpt.config)?,
            count: config.shards_of(&gpt.config),
        })
    }

    /// The number of shards.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Computes some shards. `spare`: gradient buffers for reuse.
    pub fn share(&self, shards: Range<usize>, spare: &mut Vec<Gradients>) -> Share {
        let mut scalars = Scalars::new(&self.gpt.device());
        let nodes = nodes_within(0..self.count, &shards);
        let sums = nodes.into_iter().map(|node| (node.clone(), self.sum(node, &mut scalars, spare))).collect();
        Share { shards, losses: scalars.as_slice().to_vec(), sums }
    }

    /// The sum of the gradients of the shards under a node.
    fn sum(&self, node: Range<usize>, scalars: &mut Scalars, spare: &mut Vec<Gradients>) -> Gradients {
        if node.len() == 1 {
            return self.gradient(node.start, scalars, spare);
        }
        let [left, right] = halves(&node);
        let mut sum = self.sum(left, scalars, spare);
        let other = self.sum(right, scalars, spare);
        sum.add_part(&other);
        spare.push(other);
        sum
    }

    /// The gradient of one shard, of all passes.
    fn gradient(&self, shard: usize, scalars: &mut Scalars, spare: &mut Vec<Gradients>) -> Gradients {
        let mut gradients = spare.pop().unwrap_or_else(|| self.gpt.gradients());
        gradients.start();
        for (pass, batch) in self.batches.iter().enumerate() {
            let windows = batch.inputs.windows();
            let part = batch.part(shard * windows / self.count..(shard + 1) * windows / self.count);
            // Shards drop different numbers, as passes do; the first as if there were no others.
            let number = (shard as u64) << 32 | pass as u64;
            let dropout = dropout_of(self.gpt.config.dropout, self.config.seed, self.step, number);
            let loss = scalars.add();
            self.gpt.loss_and_gradient(&part.inputs, &part.targets, dropout, scalars, loss, &mut gradients);
        }
        gradients
    }

    /// Adds up the shares of all workers: the loss of each pass, and the gradient; the third is the number of tokens.
    /// Shards that no share has are computed here, so nothing is missing when a worker was lost.
    pub fn joined(&self, shares: Vec<Share>, spare: &mut Vec<Gradients>) -> (Vec<f32>, Gradients, usize) {
        let passes = self.batches.len();
        let mut losses = vec![None; self.count];
        let mut sums = Vec::new();
        for share in shares {
            for (shard, parts) in share.shards.clone().zip(share.losses.chunks(passes)) {
                losses[shard] = Some(parts.to_vec());
            }
            sums.extend(share.sums);
        }
        let gradients = self.join(0..self.count, &mut sums, &mut losses, spare);
        let mut means = vec![0.0; passes];
        for parts in losses.into_iter().flatten() {
            means.iter_mut().zip(parts).for_each(|(mean, part)| *mean += part);
        }
        let tokens = self.batches.iter().map(|batch| batch.inputs.as_slice().len()).sum();
        (means, gradients, tokens)
    }

    fn join(
        &self,
        node: Range<usize>,
        sums: &mut Vec<(Range<usize>, Gradients)>,
        losses: &mut [Option<Vec<f32>>],
        spare: &mut Vec<Gradients>,
    ) -> Gradients {
        if let Some(at) = sums.iter().position(|(shards, _)| *shards == node) {
            return sums.swap_remove(at).1;
        }
        if node.len() == 1 {
            let mut scalars = Scalars::new(&self.gpt.device());
            let gradient = self.gradient(node.start, &mut scalars, spare);
            losses[node.start] = Some(scalars.as_slice().to_vec());
            return gradient;
        }
        let [left, right] = halves(&node);
        let mut sum = self.join(left, sums, losses, spare);
        let other = self.join(right, sums, losses, spare);
        sum.add_part(&other);
        spare.push(other);
        sum
    }
}
