//! Samples the next id from logits: repetition penalty, temperature, top-k, top-p, then a random draw.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

use crate::{config::settings, error::Result};

/// The settings of sampling: how the next token is drawn from the logits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Sampling {
    /// Divides the logits; 0 always takes the token with the largest logit.
    pub temperature: f32,
    /// Only this many of the likeliest tokens can be drawn; 0 allows all.
    pub top_k: usize,
    /// Only the likeliest tokens whose probabilities together reach this value can be drawn (Holtzman et al. 2020); 1
    /// allows all.
    pub top_p: f32,
    /// Lowers the logits of tokens that are already in the window (Keskar et al. 2019): positive logits are divided by
    /// it, negative ones multiplied. 1 changes nothing.
    pub repetition_penalty: f32,
    /// Seeds the random numbers: the same seed, prompt and weights give the same text.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: settings::TEMPERATURE.default as f32,
            top_k: settings::TOP_K.default as usize,
            top_p: settings::TOP_P.default as f32,
            repetition_penalty: settings::REPETITION_PENALTY.default as f32,
            seed: settings::SAMPLING_SEED.default as u64,
        }
    }
}

impl Sampling {
    /// Checks that the settings are within their limits.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`](crate::error::Error::SettingOutOfRange) for the first setting that is outside its
    /// limits in `config::settings`.
    pub fn validate(&self) -> Result<()> {
        settings::TEMPERATURE.check(f64::from(self.temperature))?;
        settings::TOP_P.check(f64::from(self.top_p))?;
        settings::REPETITION_PENALTY.check(f64::from(self.repetition_penalty))?;
        Ok(())
    }
}

/// Draws token ids from logits with one seeded random generator.
pub struct Sampler {
    sampling: Sampling,
    generator: Pcg64Mcg,
}

impl Sampler {
    /// Creates a sampler and seeds its random generator.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`](crate::error::Error::SettingOutOfRange) if a setting is outside its limits.
    pub fn new(sampling: Sampling) -> Result<Self> {
        sampling.validate()?;
        Ok(Self { sampling, generator: Pcg64Mcg::seed_from_u64(sampling.seed) })
    }

    /// Draws the next id from the logits `[vocabulary]` of the last position; `window` has the ids that the repetition
    /// penalty applies to.
    pub fn draw(&mut self, mut logits: Vec<f32>, window: &[u32]) -> u32 {
        let Sampling { temperature, top_k, top_p, repetition_penalty, .. } = self.sampling;
        if repetition_penalty != 1.0 {
            let mut seen: Vec<u32> = window.to_vec();
            seen.sort_unstable();
            seen.dedup();
            for id in seen {
                let logit = &mut logits[id as usize];
                *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            }
        }
        if temperature == 0.0 {
            return likeliest(&logits);
        }
        let mut candidates: Vec<(u32, f32)> =
            logits.into_iter().enumerate().map(|(id, logit)| (id as u32, logit / temperature)).collect();
        // Ties are broken by the lower id, so that the order, and with it the draw, is deterministic.
        candidates.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if top_k > 0 {
            candidates.truncate(top_k);
        }
        let largest = candidates[0].1;
        candidates.iter_mut().for_each(|(_, weight)| *weight = (*weight - largest).exp());
        let total: f32 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut reached = 0.0;
        let kept = candidates.iter().position(|(_, weight)| {
            reached += weight / total;
            reached >= top_p
        });
        candidates.truncate(kept.map_or(candidates.len(), |last| last + 1));
        let total: f32 = candidates.iter().map(|(_, weight)| weight).sum();
        let mut left = self.generator.random::<f32>() * total;
        for (id, weight) in &candidates {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        // Rounding errors can leave a remainder, which counts as the likeliest token.
        candidates[0].0
    }
}

/// The id with the largest logit; the lowest one in case of ties.
fn likeliest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(sampling: Sampling, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling).unwrap();
        (0..count).map(|_| sampler.draw(logits.to_vec(), &[])).collect()
    }

    #[test]
    fn draws_follow_the_distribution_and_depend_on_the_seed() {
        let logits = [0.0, 2f32.ln(), 5f32.ln()];
        let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
        let drawn = draws(sampling, &logits, 16_000);
        assert_eq!(drawn, draws(sampling, &logits, 16_000));
        for (id, share) in [(0, 1.0 / 8.0), (1, 2.0 / 8.0), (2, 5.0 / 8.0)] {
            let count = drawn.iter().filter(|&&other| other == id).count() as f32 / 16_000.0;
            assert!((count - share).abs() < 0.015, "{id}: {count}");
        }
    }

    #[test]
    fn top_k_and_top_p_exclude_unlikely_tokens() {
        let logits = [3.0, 2.0, 1.0, 0.0];
        let free = Sampling { temperature: 2.0, ..Sampling::default() };
        assert!(draws(Sampling { top_k: 2, ..free }, &logits, 500).iter().all(|&id| id < 2));
        assert!(draws(Sampling { top_p: 0.01, ..free }, &logits, 500).iter().all(|&id| id == 0));
        assert!(draws(free, &logits, 500).contains(&3));
    }

    #[test]
    fn greedy_sampling_takes_the_likeliest_token_and_repetition_is_penalised() {
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        assert_eq!(draws(greedy, &[0.5, 2.0, 2.0], 1), [1]);
        let mut sampler = Sampler::new(Sampling { repetition_penalty: 2.0, ..greedy }).unwrap();
        assert_eq!(sampler.draw(vec![0.5, 1.2, 1.0], &[1, 1]), 2);
        assert_eq!(sampler.draw(vec![-1.0, -1.5, -9.0], &[0]), 1);
    }

    #[test]
    fn impossible_settings_are_refused() {
        for sampling in [
            Sampling { temperature: -1.0, ..Sampling::default() },
            Sampling { temperature: f32::NAN, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { repetition_penalty: 0.0, ..Sampling::default() },
        ] {
            assert!(Sampler::new(sampling).is_err(), "{sampling:?}");
        }
    }

    #[test]
    fn nan_logits_still_give_an_id() {
        assert_eq!(draws(Sampling::default(), &[f32::NAN; 3], 1).len(), 1);
    }
}
