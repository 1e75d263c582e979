//! Dropout (Srivastava et al. 2014): in training an activation is zeroed with a probability and the rest scaled up.

use burn::tensor::{Device, Distribution, Tensor};

/// The dropout of one training step; `None` of it means evaluation.
#[derive(Clone)]
pub struct Dropout {
    probability: f64,
    device: Device,
}

impl Dropout {
    /// Seeds the device's generator, so that one step's masks depend on `seed` and on nothing before it.
    /// `None` for a probability of 0, which needs no masks.
    pub fn new(probability: f32, seed: u64, device: &Device) -> Option<Self> {
        if probability <= 0.0 {
            return None;
        }
        device.seed(seed);
        Some(Self { probability: f64::from(probability), device: device.clone() })
    }

    /// A mask of 0 and 1 / (1 - probability) to multiply with, forward and backward.
    pub fn mask<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        let keep = 1.0 - self.probability;
        Tensor::random(shape, Distribution::Bernoulli(keep), &self.device) / keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::device;

    #[test]
    fn keeps_the_mean_and_follows_the_seed() {
        // One test for both, since the device's generator is shared by every test of this process.
        let mask = || Dropout::new(0.25, 7, &device()).unwrap().mask([100, 100]).into_data();
        let values: Vec<f32> = mask().iter().collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert!(values.iter().all(|&value| value == 0.0 || (value - 4.0 / 3.0).abs() < 1e-6));
        assert!(Dropout::new(0.0, 7, &device()).is_none());
    }
}
