//! Those who compute shares of a step elsewhere: threads natively ([`Threads`](super::Threads)), workers in the browser
//! (`web/crew.rs`).

use std::{future::Future, ops::Range, pin::Pin};

use super::{Brief, Share};

/// The shares that a crew has computed, once they are there.
pub type Shares<'a> = Pin<Box<dyn Future<Output = Vec<Share>> + 'a>>;

/// A crew of hands, each with a copy of the model and the data of a run.
pub trait Crew {
    /// Prepares at most so many hands for a run. It does not wait for them.
    fn begin(&mut self, brief: Brief, hands: usize);

    /// Returns the number of hands that are ready.
    fn hands(&self) -> usize;

    /// Has a hand, counted from 0, compute some shards of the step after `step` with these trained weights.
    fn give(&mut self, hand: usize, step: u64, shards: Range<usize>, weights: &[f32]);

    /// Waits for all that was given. A hand that is lost gives nothing, and is not counted from then on.
    fn take(&mut self) -> Shares<'_>;

    /// Dismisses the hands.
    fn end(&mut self);
}
