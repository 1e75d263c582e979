//! A crew of threads, for programs.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::{Brief, Crew, Hand, Share, Shares};

/// The step, its shards, and the weights.
type Task = (u64, Range<usize>, Vec<f32>);

struct Thread {
    tasks: Sender<Task>,
    shares: Receiver<Share>,
    /// Whether it has a task whose share was not taken.
    busy: bool,
}

/// A crew of threads.
#[derive(Default)]
pub struct Threads(Vec<Thread>);

fn start(brief: Brief) -> Thread {
    let ((tasks, given), (done, shares)) = (channel::<Task>(), channel());
    // It ends with its channels, and a failure closes them.
    thread::spawn(move || {
        let Ok(mut hand) = Hand::new(brief) else { return };
        for (step, shards, weights) in given {
            hand.weights_mut().copy_from_slice(&weights);
            let Ok(share) = hand.share(step, shards) else { return };
            if done.send(share).is_err() {
                return;
            }
        }
    });
    Thread { tasks, shares, busy: false }
}

impl Crew for Threads {
    fn begin(&mut self, brief: Brief, hands: usize) {
        self.0 = (0..hands).map(|_| start(brief.clone())).collect();
    }

    fn hands(&self) -> usize {
        self.0.len()
    }

    fn give(&mut self, hand: usize, step: u64, shards: Range<usize>, weights: &[f32]) {
        let thread = &mut self.0[hand];
        thread.busy = true;
        // Nobody receives it from a thread that has ended, which `take` notices.
        let _ = thread.tasks.send((step, shards, weights.to_vec()));
    }

    fn take(&mut self) -> Shares<'_> {
        Box::pin(async {
            let mut shares = Vec::new();
            self.0.retain_mut(|thread| {
                let share = std::mem::take(&mut thread.busy).then(|| thread.shares.recv());
                let lost = matches!(share, Some(Err(_)));
                shares.extend(share.and_then(Result::ok));
                !lost
            });
            shares
        })
    }

    fn end(&mut self) {
        self.0.clear();
    }
}
