//! Records kernels that failed to start. CubeCL only logs such a failure, and the kernel's output keeps its old values:
//! a run would continue with stale numbers. So the log's reader records it here, and every later read-back from that
//! GPU fails.

use std::sync::{Arc, Mutex};

use super::engine::locked;

/// What has been noted of one engine. Clones are the same note.
#[derive(Clone, Debug, Default)]
pub struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    /// Notes why a kernel did not start. The first failure counts: others follow from it.
    pub fn note(&self, reason: &str) {
        locked(&self.0).get_or_insert_with(|| reason.to_owned());
    }

    /// What has been noted.
    pub(super) fn get(&self) -> Option<String> {
        locked(&self.0).clone()
    }

    /// The same, and forgets it: for kernels that are only tried.
    pub(super) fn take(&self) -> Option<String> {
        locked(&self.0).take()
    }
}
