//! Limits how much work is submitted to the GPU at a time. The browser and the desktop get the GPU only between two
//! submissions, so a slow GPU needs many small ones; on a fast one each submission costs more than it gains.

use super::engine::Gpu;

/// Target duration of a submission in seconds of GPU time: a third of what is acceptable, because most kernels are
/// slower than the measured one.
const SECONDS: f64 = 0.03;
/// Seconds for which one dispatch may occupy the GPU. Only longer kernels are divided: a part of a kernel keeps fewer
/// of a GPU's processors busy than the whole.
const LONGEST: f64 = 0.1;
/// Assumed operations per second of an unmeasured GPU: a slow one.
const UNKNOWN: f64 = 5e9;

/// How much work the GPU gets at a time, in floating-point operations.
#[derive(Clone, Copy)]
pub(super) struct Portions {
    /// Limit of one submission.
    most: f64,
    /// Limit of one dispatch. Infinite until the speed is known: parts would be too small to keep a fast GPU busy.
    largest: f64,
}

impl Portions {
    /// For a GPU whose speed has not been measured.
    pub const UNKNOWN: Self = Self { most: UNKNOWN * SECONDS, largest: f64::INFINITY };
    /// Nothing is divided.
    const WHOLE: Self = Self { most: f64::INFINITY, largest: f64::INFINITY };

    fn of(operations_a_second: f64) -> Self {
        Self { most: operations_a_second * SECONDS, largest: operations_a_second * LONGEST }
    }
}

/// A guard for measurements: until it is dropped no kernel is divided, and queued work is submitted only by a
/// read-back.
pub struct Whole {
    gpu: Gpu,
    before: Portions,
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.gpu.settings().portions = self.before;
    }
}

impl Gpu {
    /// Sets the GPU's measured speed in operations per second.
    pub fn set_speed(&self, operations_a_second: f64) {
        self.settings().portions = Portions::of(operations_a_second);
    }

    /// Stops kernels from being divided into several dispatches until the returned guard is dropped.
    pub fn whole(&self) -> Whole {
        let before = std::mem::replace(&mut self.settings().portions, Portions::WHOLE);
        Whole { gpu: self.clone(), before }
    }

    /// Submits everything queued so far to the GPU. CubeCL calls WebGPU no sooner, except to create pipelines.
    pub fn submit(&self) {
        self.settings().queued = 0.0;
        // A lost GPU is reported by the next read-back.
        let _ = self.client().flush();
    }
}

/// Queues a kernel of many operations over `count` rows or threads: whole, or, where it would occupy the GPU for too
/// long, in parts of whole `step`s. `queue` gets the start and length of each part.
pub fn in_parts(gpu: &Gpu, operations: f64, count: usize, step: usize, mut queue: impl FnMut(usize, usize)) {
    let portions = gpu.settings().portions;
    let steps = count.div_ceil(step);
    let each = steps.div_ceil(parts(operations, steps, portions)) * step;
    for first in (0..count).step_by(each.max(1)) {
        let taken = each.min(count - first);
        let operations = operations * taken as f64 / count as f64;
        let queued = gpu.settings().queued;
        if queued > 0.0 && queued + operations > portions.most {
            gpu.submit();
        }
        gpu.settings().queued += operations;
        queue(first, taken);
    }
}

/// The number of parts for a kernel of so many operations: no more than it has steps.
fn parts(operations: f64, steps: usize, Portions { most, largest }: Portions) -> usize {
    let parts = if operations > largest { (operations / most).ceil() } else { 1.0 };
    parts.min(steps as f64).max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{
        gpu::choice::{Choice, Kernel},
        testing::gpu,
    };

    #[test]
    fn only_kernels_longer_than_a_tenth_of_a_second_are_divided() {
        // The product with most operations in nanoGPT's larger recipe: 16,384 tokens, widths of 384 and 1,536.
        let product = 2.0 * 16_384.0 * 384.0 * 1_536.0;
        let parts_at = |speed| parts(product, 128, Portions::of(speed));
        assert_eq!(parts_at(10e12), 1);
        assert_eq!(parts_at(200e9), 1);
        assert_eq!(parts_at(100e9), 7);
        assert_eq!(parts_at(1.0), 128);
    }

    #[test]
    fn a_measurement_restores_the_portions() {
        let gpu = gpu();
        gpu.set_speed(7e9);
        drop(gpu.whole());
        assert_eq!(parts(1e9, 100, gpu.settings().portions), 5);
    }

    #[test]
    fn two_engines_in_one_thread_have_settings_of_their_own() {
        let (one, other) = (gpu(), gpu());
        one.set_speed(7e9);
        one.choose_kernels(Choice::always(Kernel::LargeTiles));
        other.failure().note("its groups are too large");
        assert_eq!(parts(1e9, 100, other.settings().portions), 1);
        assert_eq!(other.kernels_in_use(), Choice::always(Kernel::Registers));
        assert_eq!(one.failure().get(), None);
    }
}
