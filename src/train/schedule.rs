//! The learning rate of a step: linear warm-up, then a cosine down to a tenth (Loshchilov & Hutter 2017; nanoGPT), or a
//! line down to zero (Bergsma et al. 2025, arXiv 2502.15938).

use crate::config::{Decay, TrainConfig};

/// The peak is divided by this at the end of the cosine.
const DECAY: f64 = 10.0;

/// The learning rate of the run's step `index`, which counts from 0.
pub fn learning_rate(config: &TrainConfig, index: u64) -> f64 {
    let peak = config.learning_rate;
    if index < config.warmup_steps {
        return peak * (index + 1) as f64 / (config.warmup_steps + 1) as f64;
    }
    let (done, all) = (index - config.warmup_steps, config.steps.saturating_sub(config.warmup_steps));
    let share = if index >= config.steps { 1.0 } else { done as f64 / all as f64 };
    match config.decay {
        Decay::Cosine => {
            let lowest = peak / DECAY;
            lowest + 0.5 * (1.0 + (std::f64::consts::PI * share).cos()) * (peak - lowest)
        }
        // The last step still learns something.
        Decay::Linear => peak * (1.0 - share).max(1.0 / (all + 1) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_warms_up_peaks_and_ends_at_a_tenth() {
        let config = TrainConfig { steps: 1000, warmup_steps: 9, learning_rate: 1e-3, ..TrainConfig::default() };
        assert!((learning_rate(&config, 0) - 1e-4).abs() < 1e-12);
        assert!((learning_rate(&config, 9) - 1e-3).abs() < 1e-12);
        assert!(learning_rate(&config, 500) < learning_rate(&config, 499));
        assert!((learning_rate(&config, 999) - 1e-4).abs() < 1e-8);
        assert!((learning_rate(&config, 5000) - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn a_linear_decay_ends_at_about_zero() {
        let config = TrainConfig { steps: 1000, warmup_steps: 9, learning_rate: 1e-3, ..TrainConfig::default() };
        let linear = TrainConfig { decay: Decay::Linear, ..config.clone() };
        assert!((0..=9).all(|index| learning_rate(&linear, index) == learning_rate(&config, index)));
        assert!((learning_rate(&linear, 9 + 991 / 2) - 0.5e-3).abs() < 1e-6);
        assert!((0..2000).all(|index| learning_rate(&linear, index) > 0.0));
        assert!(learning_rate(&linear, 999) < 1.1e-6);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_never_divides_by_zero() {
        for decay in [Decay::Cosine, Decay::Linear] {
            let config = TrainConfig { steps: 5, warmup_steps: 5, decay, ..TrainConfig::default() };
            assert!((0..10).all(|index| learning_rate(&config, index).is_finite()));
        }
    }
}
