//! Those who compute shares of a step elsewhere: threads natively ([`Threads`](super::Threads)), workers in the browser
//! (`web/replicas.rs`).

use std::{future::Future, ops::Range, pin::Pin};

use super::{ReplicaSetup, Share};

/// The shares that a pool has computed, once they are there.
pub type Shares<'a> = Pin<Box<dyn Future<Output = Vec<Share>> + 'a>>;

/// A pool of replicas, each with a copy of the model and the data of a run.
pub trait ReplicaPool {
    /// Prepares at most so many replicas for a run. It does not wait for them.
    fn begin(&mut self, setup: ReplicaSetup, replicas: usize);

    /// Returns the number of replicas that are ready.
    fn replicas(&self) -> usize;

    /// Has a replica, counted from 0, compute some shards of the step after `step` with these trained weights.
    fn give(&mut self, replica: usize, step: u64, shards: Range<usize>, weights: &[f32]);

    /// Waits for all that was given. A replica that is lost gives nothing, and is not counted from then on.
    fn take(&mut self) -> Shares<'_>;

    /// Dismisses the replicas.
    fn end(&mut self);
}
