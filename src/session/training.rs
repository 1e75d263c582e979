//! The life of a run: start, steps, evaluation, saving and resuming.

use std::rc::Rc;

use super::{Model, Session};
use crate::{
    chat,
    config::TrainConfig,
    device::Engine,
    error::{Error, Result},
    formats,
    train::{
        Advice, Dataset, Evaluation, RunStatus, StepRecord, TextFacts, TokenCounts, advice, held_back_bits_per_byte,
    },
};

impl Session {
    /// Prepares a run on the text as it is now; [`Session::start_run`] then begins it. If `config` asks for an adapter
    /// and the model has none, it gets one; a run without one widens a frozen model first. Without a loaded text the run uses the token ids of the run before.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] if a setting is outside its limits; [`Error::NoModel`] if there is no model;
    /// [`Error::NoTokenizer`] or [`Error::NoText`] if there is nothing to train on; [`Error::TokenizerChanged`] if the
    /// tokenizer is not the one of the model; [`Error::TokenizerWithoutTurns`] if the text has conversations and the
    /// model no chat template; [`Error::ModelTooLarge`] or [`Error::TokensTooLarge`] if the run does not fit into memory;
    /// [`Error::HalfPrecisionUnavailable`] if half precision is asked for and the GPU, an adapter or an odd width rules
    /// it out; [`Error::TextTooShort`] or [`Error::NothingToLearn`] if no training window can be drawn;
    /// [`Error::AdapterPresent`] if the model has an adapter with other settings.
    pub fn begin_training(&mut self, config: TrainConfig) -> Result<RunStatus> {
        config.validate()?;
        let model = self.model.as_ref().ok_or(Error::NoModel)?;
        let tokenizer = self.tokenizer.as_ref().ok_or(Error::NoTokenizer)?;
        // Equal vocabulary sizes are not enough: with another tokenizer the ids mean other tokens.
        if !Rc::ptr_eq(tokenizer, &model.tokenizer) && tokenizer.to_json() != model.tokenizer.to_json() {
            return Err(Error::TokenizerChanged);
        }
        model.gpt.config.fit_as_it_is(model.packed_for(&config), &config, &self.limits_beside_texts(), self.engine)?;
        if self.corpus.has_conversations() && chat::template(tokenizer).is_none() {
            return Err(Error::TokenizerWithoutTurns);
        }
        // With an odd width, views of hidden states would begin where a GPU cannot bind a buffer.
        let can_be_half = config.lora.is_none() && model.gpt.config.width.is_multiple_of(2);
        if config.half_precision && !(can_be_half && self.device.supports_half()) {
            return Err(Error::HalfPrecisionUnavailable);
        }
        let context = config.window(model.gpt.config.context);
        // A model that was restored without its text continues with the token ids of its checkpoint.
        let data = match (self.corpus.is_empty(), &model.data) {
            (true, Some(data)) => data.clone(),
            _ => self.dataset()?,
        };
        data.check(context)?;
        self.adapt(&config)?;
        let (summary, on_cpu) = (self.corpus.summary(), self.engine == Engine::Cpu);
        let model = self.model_mut()?;
        if config.lora.is_none() {
            model.gpt.widen();
        }
        // Kept as it is chosen now: a later version might choose otherwise, and a resumed run has the same sums.
        let shards = if on_cpu { config.shards_of(&model.gpt.config) } else { 1 };
        let config = TrainConfig { shards, ..config };
        if summary.documents > 0 {
            model.facts = TextFacts {
                documents: summary.documents,
                characters: summary.characters,
                bytes: summary.bytes as u64,
                train_tokens: data.train.len(),
                validation_tokens: data.validation.len(),
                held_back: summary.held_back,
            };
        }
        // The best loss on another text is not comparable.
        if model.data.as_ref().is_none_or(|before| !Rc::ptr_eq(before, &data) && **before != *data) {
            model.trainer.forget_best();
        }
        model.data = Some(data);
        model.trainer.begin(config)?;
        self.status()
    }

    /// Computes one optimizer step; on the GPU it is only queued.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared.
    pub fn step(&mut self) -> Result<()> {
        self.use_speed_of_run()?;
        let model = self.model_mut()?;
        let data = model.data.clone().ok_or(Error::NoRun)?;
        model.trainer.step(&mut model.gpt, &data)
    }

    /// Waits for the queued steps and returns the losses, gradient norms and learning rates of those not read before.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::Diverged`] at the first step whose loss or gradient norm is
    /// not finite; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn read_losses(&mut self) -> Result<Vec<StepRecord>> {
        self.model_mut()?.trainer.read().await
    }

    /// Computes the loss of validation batch `index`; on the GPU it is only queued. Index 0 begins a new evaluation,
    /// and `RunStatus::evaluation_batches` of them make one.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared.
    pub fn evaluate_batch(&mut self, index: usize) -> Result<()> {
        let model = self.model_mut()?;
        let data = model.data.clone().ok_or(Error::NoRun)?;
        model.trainer.evaluate_batch(&model.gpt, &data, index)
    }

    /// Waits for the validation batches and adds their mean loss to the history.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn finish_evaluation(&mut self) -> Result<Evaluation> {
        let model = self.model_mut()?;
        let data = model.data.clone().ok_or(Error::NoRun)?;
        model.trainer.finish_evaluation(&data).await
    }

    /// Computes the bits per byte of the whole held-back text, in windows of the run's length
    /// (`train::held_back_bits_per_byte`). It takes as long as a pass over two such texts; nothing else is done meanwhile.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn held_back_bits_per_byte(&self) -> Result<Option<f64>> {
        let Model { gpt, trainer, data, .. } = self.model()?;
        let window = trainer.progress().config.window(gpt.config.context);
        held_back_bits_per_byte(gpt, data.as_ref().ok_or(Error::NoRun)?, window).await
    }

    /// Returns the settings and the position of the run.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn status(&self) -> Result<RunStatus> {
        let Model { gpt, trainer, data, .. } = self.model()?;
        let progress = trainer.progress();
        let config = &progress.config;
        let windows = (config.batch_size * config.gradient_accumulation) as u64;
        Ok(RunStatus {
            step: progress.step,
            start_step: progress.start_step,
            end_step: progress.end_step(),
            eval_every: config.eval_every,
            tokens_per_step: windows * config.window(gpt.config.context) as u64,
            evaluation_batches: data.as_ref().map_or(0, |data| trainer.validation_batches(gpt, data)),
            seconds: trainer.history().seconds,
            best: trainer.best(),
        })
    }

    /// Returns the settings of the model's last run.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn run_settings(&self) -> Result<&TrainConfig> {
        Ok(&self.model()?.trainer.progress().config)
    }

    /// Returns what the curves of the model's last run and its text suggest.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if it has no run.
    pub fn advice(&self) -> Result<Vec<Advice>> {
        let Model { trainer, data, tokenizer, .. } = self.model()?;
        let counts = TokenCounts::of(data.as_ref().ok_or(Error::NoRun)?, tokenizer);
        Ok(advice(trainer.history(), &trainer.progress().config, &self.status()?, &counts))
    }

    /// Returns the losses, evaluations and samples of all runs of the model.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn history(&self) -> Result<&crate::train::History> {
        Ok(self.model()?.trainer.history())
    }

    /// Returns weights, optimizer state, step and history as one file. The token ids of the run are
    /// [separate](Session::corpus_tokens), as they never change.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::Diverged`] if a weight is not finite, as no run could be
    /// resumed from it; [`Error::HeaderTooLarge`] if the tokenizer is too long for the header; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn checkpoint(&self) -> Result<Vec<u8>> {
        let mut file = self.model_file("checkpoint").await?;
        let state = {
            let Model { gpt, trainer, .. } = self.model()?;
            trainer.state(gpt).await?
        };
        file.optimizer = Some(state.optimizer);
        file.best = state.best;
        let last = file.history.steps.last();
        let diverged = Error::Diverged {
            step: file.progress.step,
            learning_rate: last.map_or(file.progress.config.learning_rate, |record| record.learning_rate),
        };
        formats::write(&file).map_err(|error| match error {
            Error::WeightsNotFinite { .. } => diverged,
            other => other,
        })
    }

    /// Restores a run from the results of [`Session::checkpoint`] and [`Session::corpus_tokens`]. `tokens` are the
    /// bytes that [`Dataset::to_bytes`] writes. Both are checked before anything is replaced: after an error the
    /// session is unchanged.
    ///
    /// # Errors
    /// Those of [`Session::import_model`]; [`Error::CheckpointDamaged`] if the file has no optimizer state, or the
    /// tokens are incomplete; [`Error::TokenOutOfRange`], [`Error::TextTooShort`] or [`Error::NothingToLearn`] if the
    /// tokens belong to another run.
    pub fn restore_run(&mut self, checkpoint: &[u8], tokens: &[u8]) -> Result<RunStatus> {
        let mut file = formats::read(checkpoint)?;
        let missing = || Error::CheckpointDamaged { reason: "it holds a model but no run".into() };
        let state = file.take_training().ok_or_else(missing)?;
        let data = Dataset::from_bytes(tokens)?;
        let vocabulary = file.config.vocabulary;
        if let Some(id) = data.train.iter().chain(data.validation.iter()).find(|&id| id as usize >= vocabulary) {
            return Err(Error::TokenOutOfRange { id, vocabulary });
        }
        data.check(state.progress.config.window(file.config.context))?;
        self.open(file, Some(state))?;
        self.model_mut()?.data = Some(Rc::new(data));
        self.status()
    }

    /// Returns the token ids of the run as bytes, for [`Session::restore_run`].
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoRun`] if no run was prepared.
    pub fn corpus_tokens(&self) -> Result<Vec<u8>> {
        Ok(self.model()?.data.as_ref().ok_or(Error::NoRun)?.to_bytes())
    }
}
