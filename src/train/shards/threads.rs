//! A pool of threads, for programs.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::{Replica, ReplicaPool, ReplicaSetup, Share, Shares};

/// The step, its shards, and the weights.
type Task = (u64, Range<usize>, Vec<f32>);

struct Thread {
    tasks: Sender<Task>,
    shares: Receiver<Share>,
    /// Whether it has a task whose share was not taken.
    busy: bool,
}

/// A pool of threads.
#[derive(Default)]
pub struct Threads(Vec<Thread>);

fn start(setup: ReplicaSetup) -> Thread {
    let ((tasks, given), (done, shares)) = (channel::<Task>(), channel());
    // It ends with its channels, and a failure closes them.
    thread::spawn(move || {
        let Ok(mut replica) = Replica::new(setup) else { return };
        for (step, shards, weights) in given {
            replica.weights_mut().copy_from_slice(&weights);
            let Ok(share) = replica.share(step, shards) else { return };
            if done.send(share).is_err() {
                return;
            }
        }
    });
    Thread { tasks, shares, busy: false }
}

impl ReplicaPool for Threads {
    fn begin(&mut self, setup: ReplicaSetup, replicas: usize) {
        self.0 = (0..replicas).map(|_| start(setup.clone())).collect();
    }

    fn replicas(&self) -> usize {
        self.0.len()
    }

    fn give(&mut self, replica: usize, step: u64, shards: Range<usize>, weights: &[f32]) {
        let thread = &mut self.0[replica];
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
