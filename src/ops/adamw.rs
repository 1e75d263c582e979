//! AdamW (Loshchilov & Hutter 2019) over the flat array of all weights, with clipping by the global norm of the
//! gradient. Betas and epsilon as in PyTorch's `torch.optim.AdamW`: the moments are corrected for their start at 0,
//! epsilon is added after the square root, and decay is proportional to the learning rate.

use std::ops::Range;

use burn::tensor::{Device, Tensor};

use super::host::{host, host_mut, on_host};

const EPSILON: f64 = 1e-8;

/// The moments, as long as the weights: `[len]` each.
#[derive(Clone)]
pub struct Moments {
    pub first: Tensor<1>,
    pub second: Tensor<1>,
}

impl Moments {
    pub fn zeros(len: usize, device: &Device) -> Self {
        Self { first: Tensor::zeros([len], device), second: Tensor::zeros([len], device) }
    }
}

/// The numbers of one update.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub weight_decay: f64,
    /// Largest global norm of the gradient; 0 for no clipping.
    pub clip: f64,
    /// Updates done with these moments when this one ends; the first is 1.
    pub update: u64,
}

/// Which weights decay: runs of the flat array, and on the GPU a mask of 0 and 1.
pub struct Decay {
    ranges: Vec<Range<usize>>,
    mask: Option<Tensor<1>>,
}

impl Decay {
    pub fn new(ranges: Vec<Range<usize>>, len: usize, device: &Device) -> Self {
        let mask = (!on_host(device)).then(|| {
            let mut mask = vec![0.0f32; len];
            ranges.iter().for_each(|range| mask[range.clone()].fill(1.0));
            super::tensor(mask, [len], device)
        });
        Self { ranges, mask }
    }
}

impl AdamW {
    /// Updates `weights` and `moments` from `gradient`, all `[len]`; gives the gradient's norm before clipping, `[1]`.
    pub fn update(
        &self,
        weights: &mut Tensor<1>,
        moments: &mut Moments,
        gradient: Tensor<1>,
        decay: &Decay,
    ) -> Tensor<1> {
        if on_host(&weights.device()) {
            return self.update_on_host(weights, moments, gradient, decay);
        }
        let norm = (gradient.clone() * gradient.clone()).sum().sqrt();
        let gradient = match self.clip {
            0.0 => gradient,
            clip => gradient * (norm.clone() + 1e-6).recip().mul_scalar(clip).clamp_max(1.0),
        };
        let Correction { first, second } = self.correction();
        moments.first.inplace(|moment| moment * self.beta1 + gradient.clone() * (1.0 - self.beta1));
        moments.second.inplace(|moment| moment * self.beta2 + gradient.clone() * gradient * (1.0 - self.beta2));
        let deviation = (moments.second.clone() * second).sqrt() + EPSILON;
        let change = moments.first.clone() * (self.learning_rate * first) / deviation;
        let mask = decay.mask.clone().expect("made for the GPU");
        let kept = mask * -(self.learning_rate * self.weight_decay) + 1.0;
        weights.inplace(|weights| weights * kept - change);
        norm
    }

    fn update_on_host(
        &self,
        weights: &mut Tensor<1>,
        moments: &mut Moments,
        gradient: Tensor<1>,
        decay: &Decay,
    ) -> Tensor<1> {
        let device = weights.device();
        let gradient = host(&gradient).expect("on the host");
        let gradient = gradient.values();
        // In pieces, so that single precision does not lose the small squares of a large model.
        let square = |piece: &[f32]| f64::from(piece.iter().map(|value| value * value).sum::<f32>());
        let norm = gradient.chunks(256).map(square).sum::<f64>().sqrt();
        let scale = if self.clip > 0.0 { (self.clip / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 };
        let kept = (1.0 - self.learning_rate * self.weight_decay) as f32;
        weights.inplace(|weights| {
            host_mut(weights, |weights| {
                for range in &decay.ranges {
                    weights[range.clone()].iter_mut().for_each(|weight| *weight *= kept);
                }
            })
        });
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        moments.first.inplace(|moment| {
            host_mut(moment, |moment| {
                for (moment, gradient) in moment.iter_mut().zip(gradient) {
                    *moment = beta1 * *moment + (1.0 - beta1) * (gradient * scale);
                }
            })
        });
        moments.second.inplace(|moment| {
            host_mut(moment, |moment| {
                for (moment, gradient) in moment.iter_mut().zip(gradient) {
                    let gradient = gradient * scale;
                    *moment = beta2 * *moment + (1.0 - beta2) * (gradient * gradient);
                }
            })
        });
        let Correction { first, second } = self.correction();
        let (rate, second) = ((self.learning_rate * first) as f32, second as f32);
        let (means, squares) =
            (host(&moments.first).expect("on the host"), host(&moments.second).expect("on the host"));
        weights.inplace(|weights| {
            host_mut(weights, |weights| {
                let moments = means.values().iter().zip(squares.values());
                for (weight, (mean, square)) in weights.iter_mut().zip(moments) {
                    *weight -= rate * mean / ((square * second).sqrt() + EPSILON as f32);
                }
            })
        });
        super::tensor(vec![norm as f32], [1], &device)
    }

    /// Factors that make up for the moments' start at 0.
    fn correction(&self) -> Correction {
        let update = self.update as f64;
        Correction { first: 1.0 / (1.0 - self.beta1.powf(update)), second: 1.0 / (1.0 - self.beta2.powf(update)) }
    }
}

struct Correction {
    first: f64,
    second: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{device, random, values, with_both_bodies};

    /// The formula of the paper in double precision, one number at a time.
    fn right(adamw: &AdamW, weights: &mut [f64], moments: &mut [(f64, f64)], gradient: &[f32], decays: Range<usize>) {
        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        let scale = (adamw.clip / (norm + 1e-6)).min(1.0);
        for (index, weight) in weights.iter_mut().enumerate() {
            let gradient = f64::from(gradient[index]) * scale;
            let (first, second) = &mut moments[index];
            *first = adamw.beta1 * *first + (1.0 - adamw.beta1) * gradient;
            *second = adamw.beta2 * *second + (1.0 - adamw.beta2) * gradient * gradient;
            if decays.contains(&index) {
                *weight -= adamw.learning_rate * adamw.weight_decay * *weight;
            }
            let mean = *first / (1.0 - adamw.beta1.powf(adamw.update as f64));
            let square = *second / (1.0 - adamw.beta2.powf(adamw.update as f64));
            *weight -= adamw.learning_rate * mean / (square.sqrt() + 1e-8);
        }
    }

    #[test]
    fn ten_updates_equal_the_formula() {
        with_both_bodies(|| {
            let mut weights = random([300], 1);
            let mut moments = Moments::zeros(300, &device());
            let mut expected: Vec<f64> = values(&weights).into_iter().map(f64::from).collect();
            let mut expected_moments = vec![(0.0, 0.0); 300];
            let decay = Decay::new(vec![0..100, 100..200], 300, &device());
            for update in 1..=10 {
                let adamw =
                    AdamW { learning_rate: 1e-2, beta1: 0.9, beta2: 0.99, weight_decay: 0.1, clip: 1.0, update };
                let gradient = random([300], 100 + update);
                let norm = adamw.update(&mut weights, &mut moments, gradient.clone(), &decay);
                right(&adamw, &mut expected, &mut expected_moments, &values(&gradient), 0..200);
                let sum: f32 = values(&gradient).iter().map(|g| g * g).sum();
                assert!((values(&norm)[0] - sum.sqrt()).abs() < 1e-4);
            }
            for (weight, expected) in values(&weights).iter().zip(expected) {
                assert!((f64::from(*weight) - expected).abs() < 1e-5, "{weight} {expected}");
            }
        });
    }
}
