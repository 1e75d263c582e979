//! Plans model and training for a given time.

use super::{EFFICIENCY, Session, kernels_of_a_pass, size};
use crate::{
    config::{Chosen, ModelConfig, TextToLearn, TimePlan, TrainConfig, plan_for_time, settings, sizes_for_time},
    error::{Error, Result},
};

impl Session {
    /// Chooses model, vocabulary and settings of training for a run of `seconds` on the loaded text, by the speed of this
    /// machine, which it measures unless a run is being trained. `clock` returns seconds.
    ///
    /// # Errors
    /// [`Error::NoText`] if no text is loaded; [`Error::SettingOutOfRange`] if the time or the vocabulary is out of
    /// range; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn plan_for_time(&mut self, seconds: f64, chosen: &Chosen, clock: impl Fn() -> f64) -> Result<TimePlan> {
        settings::TIME_LIMIT.check(seconds)?;
        chosen.vocabulary.map_or(Ok(()), |size| settings::BPE_VOCABULARY.check(size as f64))?;
        if self.corpus.is_empty() {
            return Err(Error::NoText);
        }
        let trains = self.model.as_ref().is_some_and(|model| model.run.is_some());
        for model in sizes_for_time(chosen).filter(|_| !trains) {
            // A GPU's speed depends on the size of its work; a CPU's does not.
            if self.device.gpu().is_some() || self.speeds.is_empty() {
                self.measure(&model, &TrainConfig::default(), &clock).await?;
            }
        }
        let summary = self.corpus.summary();
        let text = TextToLearn {
            bytes: summary.bytes as u64,
            train_characters: summary.train_characters,
            distinct_characters: summary.distinct_characters,
            suited_vocabulary: self.suggested_vocabulary(),
        };
        let limits = self.limits_beside_texts();
        let fits = |model: &ModelConfig, train: &TrainConfig| model.fit(train, &limits, self.engine).is_ok();
        Ok(plan_for_time(&text, seconds, chosen, |model, train| self.seconds_per_step(model, train), fits))
    }

    /// Estimates the time of a step of a run, in seconds.
    pub(super) fn seconds_per_step(&self, model: &ModelConfig, train: &TrainConfig) -> f64 {
        let gigaflops = self.speeds.get(&size(model, train)).unwrap_or(&self.gigaflops);
        let computing = model.training_flops(train) / (gigaflops * 1e9 * EFFICIENCY);
        let queueing = kernels_of_a_pass(model.layers) * self.small_kernel.unwrap_or_default();
        train.gradient_accumulation as f64 * (computing + queueing)
    }
}
