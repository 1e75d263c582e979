//! How much work goes to the GPU at a time. The browser, and the desktop, get their turn between two submissions only, so
//! on a slow GPU there must be many small ones; on a fast one each costs more than it does.

use std::cell::Cell;

use burn::tensor::Device;
use cubecl::client::Client;

use super::memory::{client, empty};
use crate::ops::on_host;

/// Seconds of the GPU's time that a submission is to take: a third of what it may, as most kernels are slower than the
/// measured one.
const SECONDS: f64 = 0.03;
/// A GPU about whose speed nothing is known: a slow one.
const UNKNOWN: f64 = 5e9;

thread_local! {
    /// Floating-point operations queued and not submitted.
    static QUEUED: Cell<f64> = const { Cell::new(0.0) };
    /// Those of one submission.
    static MOST: Cell<f64> = const { Cell::new(UNKNOWN * SECONDS) };
    /// Those of one kernel. Until the speed is known none is divided: parts would be too small to keep a fast GPU busy.
    static LARGEST: Cell<f64> = const { Cell::new(f64::INFINITY) };
}

/// What the GPU does in a second, once that has been measured.
pub fn set_speed(operations_a_second: f64) {
    MOST.set(operations_a_second * SECONDS);
    LARGEST.set(MOST.get());
}

/// Has a kernel queued that does many operations, for `count` rows or threads: in as many parts, each of whole `step`s, as
/// the time of a submission demands. `queue` is given the first of a part and how many it has.
pub fn in_parts(client: &Client, operations: f64, count: usize, step: usize, mut queue: impl FnMut(usize, usize)) {
    let steps = count.div_ceil(step);
    let parts = (operations / LARGEST.get()).ceil().clamp(1.0, steps.max(1) as f64) as usize;
    let each = steps.div_ceil(parts) * step;
    for first in (0..count).step_by(each.max(1)) {
        let taken = each.min(count - first);
        let operations = operations * taken as f64 / count as f64;
        if QUEUED.get() > 0.0 && QUEUED.get() + operations > MOST.get() {
            flush(client);
        }
        QUEUED.set(QUEUED.get() + operations);
        queue(first, taken);
    }
}

/// Everything queued so far goes to the GPU now. CubeCL calls WebGPU no sooner, but for making pipelines.
pub fn submit(device: &Device) {
    if !on_host(device) {
        flush(&client(&empty([1], device)));
    }
}

fn flush(client: &Client) {
    QUEUED.set(0.0);
    // A GPU that is gone tells so where something is read from it.
    let _ = client.flush();
}
