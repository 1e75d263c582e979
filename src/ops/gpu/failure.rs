//! Kernels that did not start. CubeCL only logs that, and what they were to compute stays as it was: a run would go on with
//! stale numbers. So whoever hears of it notes it here, and nothing is read from the GPU any more.

use std::cell::RefCell;

thread_local! {
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes why a kernel did not start. The first failure counts: others follow from it.
pub fn note_failure(reason: &str) {
    FAILURE.with_borrow_mut(|failure| {
        failure.get_or_insert_with(|| reason.to_owned());
    });
}

/// What has been noted.
pub fn failure() -> Option<String> {
    FAILURE.with_borrow(Clone::clone)
}

/// The same, and forgets it: for kernels that are only tried.
pub(super) fn take_failure() -> Option<String> {
    FAILURE.take()
}
