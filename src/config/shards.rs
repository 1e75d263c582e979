//! How many shards a batch is divided into, so that several workers of the CPU engine can share a step.

use super::{ModelConfig, TrainConfig};

/// Largest number of shards that is chosen: more workers than that are rare.
const MOST_SHARDS: usize = 8;
/// Smallest number of tokens of a chosen shard. Each shard's gradient is added to the others' once, which takes as long as
/// the arithmetic for a few tokens.
const LEAST_TOKENS: usize = 128;
/// Smallest number of floating-point operations of a chosen shard, a few milliseconds of a processor: with less, messages
/// to workers take longer than they save.
const LEAST_OPERATIONS: f64 = 2e7;

impl TrainConfig {
    /// Returns the number of shards of each batch of such a model: the configured one, at most one for each window; if that
    /// is 0, the largest power of two that leaves each shard enough to compute. It depends on the settings alone, so that
    /// a run has the same losses on every machine.
    pub fn shards_of(&self, model: &ModelConfig) -> usize {
        let most = self.batch_size.max(1);
        if self.shards > 0 {
            return self.shards.min(most);
        }
        let tokens = self.batch_size * self.window(model.context);
        let operations = model.training_flops(self);
        let suits = |shards: usize| {
            shards <= most && tokens >= shards * LEAST_TOKENS && operations >= shards as f64 * LEAST_OPERATIONS
        };
        let mut shards = 1;
        while shards < MOST_SHARDS && suits(2 * shards) {
            shards *= 2;
        }
        shards
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::preset;

    #[test]
    fn shards_are_chosen_by_model_and_batch() {
        let of = |name: &str, run: TrainConfig| run.shards_of(&preset(name, 65).unwrap().model);
        let auto = |batch_size| TrainConfig { batch_size, shards: 0, ..TrainConfig::default() };
        assert_eq!([1, 2, 3, 12, 64].map(|batch_size| of("shakespeare-small", auto(batch_size))), [1, 1, 1, 4, 8]);
        // Windows of few tokens, and a model of few operations.
        assert_eq!(of("shakespeare-small", TrainConfig { window_length: 8, ..auto(32) }), 2);
        assert_eq!(of("tiny", auto(1)), 1);
        let small = ModelConfig { width: 8, heads: 1, layers: 1, context: 32, ..preset("tiny", 65).unwrap().model };
        assert_eq!(auto(8).shards_of(&small), 1);
    }

    #[test]
    fn a_configured_number_of_shards_is_bounded_by_the_batch() {
        let model = preset("tiny", 65).unwrap().model;
        let run = |shards| TrainConfig { batch_size: 6, shards, ..TrainConfig::default() };
        assert_eq!([1, 4, 64].map(|shards| run(shards).shards_of(&model)), [1, 4, 6]);
        assert_eq!(TrainConfig::default().shards_of(&model), 1);
    }

    #[test]
    fn settings_of_older_files_have_one_shard() {
        let old: TrainConfig = serde_json::from_str(r#"{"steps":5,"batchSize":12}"#).unwrap();
        assert_eq!(old.shards, 1);
        assert!(!serde_json::to_string(&old).unwrap().contains("shards"));
        let new = TrainConfig { shards: 8, ..old };
        assert_eq!(serde_json::from_str::<TrainConfig>(&serde_json::to_string(&new).unwrap()).unwrap(), new);
        assert!(TrainConfig { shards: 65, ..new }.validate().is_err());
    }
}
