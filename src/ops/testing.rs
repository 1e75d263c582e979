//! Helpers for the tests of the operations: devices, repeatable random tensors, finite differences, comparisons.
//!
//! The CPU implementations are compared with finite differences, the GPU's kernels with the CPU. The GPU may be any
//! that Vulkan finds, Chromium's software one (SwiftShader) too: `cargo xtask test` says where that is.

use std::io::Write;

use rand::{RngExt, SeedableRng};

use super::{Device, Gpu, Tensor, tensor};

pub fn device() -> Device {
    Device::cpu()
}

/// Uniform random values in -1..1.
pub fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut generator = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| generator.random_range(-1.0..1.0)).collect();
    tensor(values, shape, &device())
}

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    futures_lite::future::block_on(super::read(tensor.clone())).unwrap()
}

/// The GPU, with poisoned memory: buffers that kernels fill hold NaN before, so that a missing element fails the
/// comparison.
pub fn gpu_device() -> Device {
    Device::driver_gpu()
}

pub fn gpu() -> Gpu {
    Gpu::of_driver()
}

/// The engine that holds a tensor.
pub fn device_of<const D: usize>(tensor: &Tensor<D>) -> Device {
    match tensor {
        Tensor::Cpu(_) => device(),
        Tensor::Gpu(tensor) => Device::of(tensor.gpu().clone()),
    }
}

/// The dot product over all elements.
pub fn dot<const D: usize>(left: &Tensor<D>, right: &Tensor<D>) -> f64 {
    let products = values(left).into_iter().zip(values(right)).map(|(left, right)| f64::from(left) * f64::from(right));
    products.sum()
}

/// Multiplies every element by `factor`.
pub fn times<const D: usize>(tensor: &Tensor<D>, factor: f32) -> Tensor<D> {
    super::tensor(values(tensor).into_iter().map(|value| value * factor).collect(), tensor.dims(), &device())
}

/// Reports that the running test cannot test anything on this machine; `cargo xtask test` counts it as skipped. The
/// line bypasses the capture of test output.
pub fn skip_test(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    writeln!(std::io::stdout(), "skipped: {test}: {reason}").expect("standard output is open");
}

/// A copy on another device.
pub fn moved<const D: usize>(source: &Tensor<D>, device: &Device) -> Tensor<D> {
    tensor(values(source), source.dims(), device)
}

/// Asserts equality within 1e-4 of the largest value.
pub fn assert_close<const D: usize>(got: &Tensor<D>, right: &Tensor<D>, name: &str) {
    assert_eq!(got.dims(), right.dims(), "{name}");
    assert_values_close(&values(got), &values(right), name);
}

pub fn assert_values_close(got: &[f32], right: &[f32], name: &str) {
    assert_eq!(got.len(), right.len(), "{name}");
    let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (index, (got, right)) in got.iter().zip(right).enumerate() {
        assert!((got - right).abs() <= 1e-4 * largest + 1e-7, "{name}: {got} instead of {right} at {index}");
    }
}

/// Compares `gradient` with central differences of `loss` around `at`, entry by entry.
pub fn assert_gradient<const D: usize>(at: &Tensor<D>, gradient: &[f32], loss: impl Fn(&Tensor<D>) -> f64) {
    const STEP: f32 = 1e-2;
    let center = values(at);
    assert_eq!(center.len(), gradient.len());
    for index in 0..center.len() {
        let shifted = |by: f32| {
            let mut moved = center.clone();
            moved[index] += by;
            loss(&tensor(moved, at.dims(), &device()))
        };
        let slope = (shifted(STEP) - shifted(-STEP)) / f64::from(2.0 * STEP);
        let error = (slope - f64::from(gradient[index])).abs();
        assert!(error < 2e-3 * slope.abs().max(1.0), "entry {index}: slope {slope}, gradient {}", gradient[index]);
    }
}
