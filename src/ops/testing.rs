//! What the tests of the operations share: a device, repeatable random tensors, finite differences.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};

thread_local! {
    static ONLY_REFERENCE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether this thread's operations shall run their reference bodies even where fused ones exist.
pub fn only_reference() -> bool {
    ONLY_REFERENCE.get()
}

/// Runs a test twice: with the fused bodies, then with the reference bodies that the GPU runs.
pub fn with_both_bodies(test: impl Fn()) {
    test();
    ONLY_REFERENCE.set(true);
    test();
    ONLY_REFERENCE.set(false);
}

pub fn device() -> Device {
    Device::flex()
}

/// Uniform in -1..1.
pub fn random<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut generator = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// Compares `gradient` with central differences of `loss` around `at`, entry by entry.
pub fn assert_gradient<const D: usize>(at: &Tensor<D>, gradient: &Tensor<D>, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    const STEP: f32 = 1e-2;
    let (center, gradient) = (values(at), values(gradient));
    assert_eq!(center.len(), gradient.len());
    for index in 0..center.len() {
        let shifted = |by: f32| {
            let mut moved = center.clone();
            moved[index] += by;
            let moved = Tensor::from_data(TensorData::new(moved, at.dims()), &device());
            f64::from(loss(moved).into_scalar::<f32>())
        };
        let slope = (shifted(STEP) - shifted(-STEP)) / f64::from(2.0 * STEP);
        let error = (slope - f64::from(gradient[index])).abs();
        assert!(error < 2e-3 * slope.abs().max(1.0), "entry {index}: slope {slope}, gradient {}", gradient[index]);
    }
}
