//! Dropout (Srivastava et al. 2014): in training each activation is zeroed with a given probability and the rest scaled
//! up.
//!
//! The mask depends on a key and the number's index alone, on both engines alike: the backward pass computes the same
//! mask again, so that it is never stored.

/// The dropout of one training pass; `None` in evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    probability: f32,
    seed: u64,
}

impl Dropout {
    /// Returns `None` for a probability of 0. All masks of the pass are derived from `seed`.
    pub fn new(probability: f32, seed: u64) -> Option<Self> {
        (probability > 0.0).then_some(Self { probability, seed })
    }

    /// The mask at one place of the model; each `site` has a different one.
    pub fn mask(&self, site: usize) -> Mask {
        let key = mix(self.seed as u32 ^ mix((self.seed >> 32) as u32 ^ mix(site as u32)));
        let threshold = (f64::from(self.probability) * 2f64.powi(32)) as u32;
        Mask { key, threshold, scale: 1.0 / (1.0 - self.probability) }
    }
}

/// A dropout mask: which elements are dropped at one place in one pass.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    /// The seed of this mask's random numbers, which depends on the pass and the place in the model.
    pub key: u32,
    /// An activation is dropped when its 32-bit random number is below this.
    pub threshold: u32,
    /// The scale factor of the activations that are kept, `1 / (1 - probability)`, which keeps the mean the same.
    pub scale: f32,
}

impl Default for Mask {
    /// A mask that drops nothing.
    fn default() -> Self {
        Self { key: 0, threshold: 0, scale: 1.0 }
    }
}

impl Mask {
    /// The factor of the activation at `index` of the tensor: 0 if it is dropped, otherwise `scale`.
    #[inline(always)]
    pub fn kept(self, index: u32) -> f32 {
        if mix(mix(index ^ self.key).wrapping_add(self.key)) >= self.threshold { self.scale } else { 0.0 }
    }

    /// Applies the mask to `values` in place; the first of them has the index `first` in the tensor.
    pub fn apply(self, values: &mut [f32], first: usize) {
        for (index, value) in values.iter_mut().enumerate() {
            *value *= self.kept((first + index) as u32);
        }
    }
}

/// `lowbias32` of Chris Wellons' hash-prospector (2018): every bit of the result depends on every bit of `x`.
#[inline(always)]
fn mix(x: u32) -> u32 {
    let x = x ^ (x >> 16);
    let x = x.wrapping_mul(0x7feb_352d);
    let x = x ^ (x >> 15);
    let x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(mask: Mask) -> Vec<bool> {
        (0..100_000).map(|index| mask.kept(index) > 0.0).collect()
    }

    #[test]
    fn dropout_keeps_the_mean_and_depends_on_seed_and_site() {
        let mask = |seed, site| Dropout::new(0.25, seed).unwrap().mask(site);
        let values = kept(mask(7, 1));
        let share = values.iter().filter(|kept| **kept).count() as f64 / values.len() as f64;
        assert!((share - 0.75).abs() < 0.005, "{share}");
        assert!((mask(7, 1).scale - 4.0 / 3.0).abs() < 1e-6);
        assert_eq!(values, kept(mask(7, 1)));
        assert!(Dropout::new(0.0, 7).is_none());
        // Other masks, and a mask shifted by any power of two, agree no more often than by chance: 10 in 16 times.
        let shifted = |by: usize| values[by..].iter().chain(&values[..by]).copied().collect();
        let others = [kept(mask(8, 1)), kept(mask(7, 2)), kept(mask(7 << 32, 1))];
        for other in others.into_iter().chain((0..12).map(|power| shifted(1 << power))) {
            let agree = values.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / values.len() as f64;
            assert!((agree - 0.625).abs() < 0.01, "{agree}");
        }
    }
}
