//! The learning rate of a step: linear warm-up, then a cosine down to a tenth (Loshchilov & Hutter 2017; nanoGPT).

use crate::config::TrainConfig;

/// The peak is divided by this at the end of the run.
const DECAY: f64 = 10.0;

/// The learning rate of the run's step `index`, which counts from 0.
pub fn learning_rate(config: &TrainConfig, index: u64) -> f64 {
    let (peak, lowest) = (config.learning_rate, config.learning_rate / DECAY);
    if index < config.warmup_steps {
        return peak * (index + 1) as f64 / (config.warmup_steps + 1) as f64;
    }
    if index >= config.steps {
        return lowest;
    }
    let share = (index - config.warmup_steps) as f64 / (config.steps - config.warmup_steps) as f64;
    lowest + 0.5 * (1.0 + (std::f64::consts::PI * share).cos()) * (peak - lowest)
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
    fn a_warm_up_longer_than_the_run_never_divides_by_zero() {
        let config = TrainConfig { steps: 5, warmup_steps: 5, ..TrainConfig::default() };
        assert!((0..10).all(|index| learning_rate(&config, index).is_finite()));
    }
}
