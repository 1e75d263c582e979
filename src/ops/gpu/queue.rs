//! How much work goes to the GPU at a time. The browser, and the desktop, get their turn between two submissions only, so
//! on a slow GPU there must be many small ones; on a fast one each costs more than it does.

use std::cell::Cell;

use burn::tensor::Device;
use cubecl::client::Client;

use super::memory::{client, empty};
use crate::ops::on_host;

/// Seconds of the GPU's time that a submission is to take: half of what it may, as some kernels are slower than the
/// measured one.
const SECONDS: f64 = 0.05;
/// A GPU about whose speed nothing is known: a slow one.
const UNKNOWN: f64 = 5e9;

thread_local! {
    /// Floating-point operations queued and not submitted.
    static QUEUED: Cell<f64> = const { Cell::new(0.0) };
    /// Those of one submission.
    static MOST: Cell<f64> = const { Cell::new(UNKNOWN * SECONDS) };
}

/// What the GPU does in a second, once that has been measured.
pub fn set_speed(operations_a_second: f64) {
    MOST.set(operations_a_second * SECONDS);
}

/// To be told of every kernel that does much, after it was queued.
pub fn queued(client: &Client, operations: f64) {
    QUEUED.set(QUEUED.get() + operations);
    if QUEUED.get() >= MOST.get() {
        flush(client);
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
