//! AdamW (Loshchilov & Hutter 2019) over the flat array of all weights, segment by segment, with clipping by the global
//! norm of the gradient. Betas and epsilon as in PyTorch's `torch.optim.AdamW`: the moments are bias-corrected, epsilon
//! is added after the square root, and decay is proportional to the learning rate.

use std::ops::Range;

use super::{Device, Flat, Gradients, Scalar, Scalars, Segments, Tensor, gpu, gradients::Store};

pub(super) const EPSILON: f64 = 1e-8;

/// AdamW's two moments, each a flat array of the same segments as the weights.
#[derive(Clone)]
pub struct Moments {
    /// The running mean of the gradient, PyTorch's `exp_avg`.
    pub first: Flat,
    /// The running mean of the squared gradient, PyTorch's `exp_avg_sq`.
    pub second: Flat,
}

impl Moments {
    /// Makes the moments before the first update, all zeros.
    pub fn zeros(segments: impl Into<Segments>, device: &Device) -> Self {
        let segments = segments.into();
        Self { first: Flat::zeros(&segments, device), second: Flat::zeros(segments, device) }
    }
}

/// The hyperparameters of one update.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// The size of the update at this step of the schedule.
    pub learning_rate: f64,
    /// The decay rate of the first moment.
    pub beta1: f64,
    /// The decay rate of the second moment.
    pub beta2: f64,
    /// Weights that decay are multiplied by `1 - learning_rate * weight_decay` before the update.
    pub weight_decay: f64,
    /// Largest global norm of the gradient; 0 for no clipping.
    pub clip: f64,
    /// The number of the update, counted from 1 since these moments began.
    pub update: u64,
}

/// The weights that decay: ranges of the flat array that begin and end at multiples of `gpu::DECAY_STEP`, gaps
/// included.
pub struct Decay {
    /// The ranges of each segment, relative to its start.
    ranges: Vec<Vec<Range<usize>>>,
    /// On the GPU, for each segment: 1 for each group of `DECAY_STEP` weights that decays.
    steps: Vec<gpu::Integers>,
}

impl Decay {
    /// Marks the weights in `ranges` of the flat array as decaying; all others do not decay.
    pub fn new(ranges: Vec<Range<usize>>, segments: impl Into<Segments>, device: &Device) -> Self {
        let segments = segments.into();
        let mut cut = vec![Vec::new(); segments.ranges().len()];
        for (segment, range) in ranges.into_iter().flat_map(|range| segments.cut(range)) {
            cut[segment].push(range);
        }
        let Some(gpu) = device.gpu() else { return Self { ranges: cut, steps: Vec::new() } };
        let steps_of = |(segment, ranges): (&Range<usize>, &Vec<Range<usize>>)| {
            let mut steps = vec![0i32; segment.len() / gpu::DECAY_STEP];
            for range in ranges {
                steps[range.start / gpu::DECAY_STEP..range.end.div_ceil(gpu::DECAY_STEP)].fill(1);
            }
            gpu::Integers::new(&steps, gpu)
        };
        let steps = segments.ranges().iter().zip(&cut).map(steps_of).collect();
        Self { ranges: cut, steps }
    }
}

impl AdamW {
    /// Updates `weights` and `moments` in place from the mean gradient of all passes in `gradients`. The global norm of
    /// that gradient, before clipping, is written to `scalar`.
    ///
    /// # Panics
    /// When weights, moments and gradients are on different engines, or on the GPU of different lengths.
    pub fn update(
        &self,
        weights: &mut Flat,
        moments: &mut Moments,
        gradients: &Gradients,
        decay: &Decay,
        scalars: &mut Scalars,
        scalar: Scalar,
    ) {
        match &gradients.store {
            Store::Cpu(gradient) => {
                let norm = self.update_on_cpu(weights, moments, gradient, gradients.passes(), decay);
                scalars.set(scalar, norm);
            }
            Store::Gpu { parts, .. } => {
                let Correction { first, second } = self.correction();
                let numbers = gpu::Update {
                    beta1: self.beta1 as f32,
                    beta2: self.beta2 as f32,
                    rate: (self.learning_rate * first) as f32,
                    correction: second as f32,
                    keep: (1.0 - self.learning_rate * self.weight_decay) as f32,
                    clip: self.clip as f32,
                };
                let of = |flat: &Flat| flat.parts().iter().map(|part| part.gpu().clone()).collect::<Vec<_>>();
                let (weights, first, second) = (of(weights), of(&moments.first), of(&moments.second));
                let parts = (parts.iter().zip(&decay.steps).enumerate()).map(|(at, (gradient, decays))| {
                    let (weights, first, second) = (&weights[at], &first[at], &second[at]);
                    gpu::AdamWPart { weights, first, second, gradient, decays }
                });
                let (buffer, place) = scalars.buffer(scalar);
                gpu::adamw(&parts.collect::<Vec<_>>(), buffer, place, gradients.passes(), numbers);
            }
        }
    }

    fn update_on_cpu(
        &self,
        weights: &mut Flat,
        moments: &mut Moments,
        gradient: &[f32],
        passes: usize,
        decay: &Decay,
    ) -> f32 {
        let mean = 1.0 / passes as f32;
        // Summed in pieces, so that single precision does not lose the small squares of a large model.
        let square = |piece: &[f32]| f64::from(piece.iter().map(|value| value * value).sum::<f32>());
        let norm = gradient.chunks(256).map(square).sum::<f64>().sqrt() * f64::from(mean);
        let clip = if self.clip > 0.0 { (self.clip / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 };
        let scale = clip * mean;
        let kept = (1.0 - self.learning_rate * self.weight_decay) as f32;
        let segments = weights.segments().clone();
        let Moments { first: means, second: squares } = moments;
        let parts = weights.parts_mut().iter_mut().zip(means.parts_mut()).zip(squares.parts_mut());
        for (((weights, means), squares), (segment, decaying)) in parts.zip(segments.ranges().iter().zip(&decay.ranges))
        {
            let [weights, means, squares] = [weights, means, squares].map(Tensor::cpu_mut);
            for range in decaying {
                weights[range.clone()].iter_mut().for_each(|weight| *weight *= kept);
            }
            self.update_part(weights, means, squares, &gradient[segment.clone()], scale);
        }
        norm as f32
    }

    /// A separate function, so that the compiler knows that the slices do not alias and vectorises the loop.
    fn update_part(&self, weights: &mut [f32], means: &mut [f32], squares: &mut [f32], gradient: &[f32], scale: f32) {
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let Correction { first, second } = self.correction();
        let (rate, second) = ((self.learning_rate * first) as f32, second as f32);
        let numbers = weights.iter_mut().zip(means).zip(squares).zip(gradient);
        for (((weight, mean), square), gradient) in numbers {
            let gradient = gradient * scale;
            *mean = beta1 * *mean + (1.0 - beta1) * gradient;
            *square = beta2 * *square + (1.0 - beta2) * (gradient * gradient);
            *weight -= rate * *mean / ((*square * second).sqrt() + EPSILON as f32);
        }
    }

    /// The bias correction of the moments, which start at 0.
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
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{device, gpu_device, random, values};

    /// The formula of the paper in double precision, one weight at a time.
    fn right(
        adamw: &AdamW,
        weights: &mut [f64],
        moments: &mut [(f64, f64)],
        gradient: &[f32],
        decays: &[Range<usize>],
    ) {
        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        let scale = (adamw.clip / (norm + 1e-6)).min(1.0);
        for (index, weight) in weights.iter_mut().enumerate() {
            let gradient = f64::from(gradient[index]) * scale;
            let (first, second) = &mut moments[index];
            *first = adamw.beta1 * *first + (1.0 - adamw.beta1) * gradient;
            *second = adamw.beta2 * *second + (1.0 - adamw.beta2) * gradient * gradient;
            if decays.iter().any(|range| range.contains(&index)) {
                *weight -= adamw.learning_rate * adamw.weight_decay * *weight;
            }
            let mean = *first / (1.0 - adamw.beta1.powf(adamw.update as f64));
            let square = *second / (1.0 - adamw.beta2.powf(adamw.update as f64));
            *weight -= adamw.learning_rate * mean / (square.sqrt() + 1e-8);
        }
    }

    #[test]
    fn ten_updates_equal_the_formula() {
        const LEN: usize = 320;
        let whole = || Segments::from(LEN);
        let divided = || Segments::new(vec![0..128, 128..256, 256..LEN]);
        for (device, segments) in
            [(device(), whole()), (device(), divided()), (gpu_device(), whole()), (gpu_device(), divided())]
        {
            let mut weights = Flat::new(values(&random([LEN], 1)), &segments, &device);
            let mut moments = Moments::zeros(&segments, &device);
            let mut expected: Vec<f64> = block_on(weights.read()).unwrap().into_iter().map(f64::from).collect();
            let mut expected_moments = vec![(0.0, 0.0); LEN];
            let decay = Decay::new(vec![0..64, 128..192], &segments, &device);
            let mut scalars = Scalars::new(&device);
            for update in 1..=10 {
                let adamw =
                    AdamW { learning_rate: 1e-2, beta1: 0.9, beta2: 0.99, weight_decay: 0.1, clip: 1.0, update };
                let gradient = values(&random([LEN], 100 + update));
                let gradients =
                    Gradients::of(gradient.iter().map(|value| value * 2.0).collect(), &segments, 2, &device);
                let scalar = scalars.add();
                adamw.update(&mut weights, &mut moments, &gradients, &decay, &mut scalars, scalar);
                right(&adamw, &mut expected, &mut expected_moments, &gradient, &[0..64, 128..192]);
                let sum: f32 = gradient.iter().map(|g| g * g).sum();
                let norm = block_on(scalars.take()).unwrap()[0];
                assert!((norm - sum.sqrt()).abs() < 1e-4, "{norm} {}", sum.sqrt());
            }
            for (weight, expected) in block_on(weights.read()).unwrap().iter().zip(expected) {
                assert!((f64::from(*weight) - expected).abs() < 1e-5, "{weight} {expected}");
            }
        }
    }
}
