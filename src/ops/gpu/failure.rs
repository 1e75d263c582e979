//! Records kernels that failed to start. CubeCL only logs such a failure, and the kernel's output keeps its old values:
//! a run would continue with stale numbers. So the log's reader records it here, and every later read-back from that
//! GPU fails.

use std::sync::{Arc, Mutex};

use super::engine::locked;

/// The first failure of one engine. Clones share the record.
#[derive(Clone, Debug, Default)]
pub struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    /// Records why a kernel failed to start. Only the first failure is kept: others follow from it.
    pub fn note(&self, reason: &str) {
        locked(&self.0).get_or_insert_with(|| reason.to_owned());
    }

    /// The recorded failure.
    pub(super) fn get(&self) -> Option<String> {
        locked(&self.0).clone()
    }

    /// Does work whose kernels may fail to start: such a failure is not recorded.
    pub fn ignored_during<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.get();
        let result = work();
        *locked(&self.0) = before;
        result
    }

    /// Takes the recorded failure and clears it: for kernels that are only tried.
    pub(super) fn take(&self) -> Option<String> {
        locked(&self.0).take()
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn ignored_failures_leave_the_record_as_it_was() {
        let failure = Failure::default();
        failure.ignored_during(|| failure.note("only tried"));
        assert_eq!(failure.get(), None);
        failure.note("of a run");
        failure.ignored_during(|| failure.note("only tried"));
        assert_eq!(failure.take(), Some("of a run".into()));
    }
}
