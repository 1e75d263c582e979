//! LoRA fine-tuning: adds an adapter when a run asks for one, merges it on demand, saves and opens it by itself, and
//! measures what it changes.

use std::rc::Rc;

use super::{Model, ModelSummary, Session};
use crate::{
    config::{LoraConfig, TrainConfig},
    error::{Error, Result},
    formats::{AdapterWeights, peft, read_peft},
    train::{AdapterComparison, AdapterLosses, Dataset, RunStatus, Trainer},
};

/// A comparison of the model with and without its adapter.
pub(super) struct Comparison {
    losses: AdapterComparison,
    data: Rc<Dataset>,
}

impl Session {
    /// Adds the adapter that a run asks for, if the model has none; an existing one is trained further.
    pub(super) fn adapt(&mut self, run: &TrainConfig) -> Result<()> {
        let model = self.model_mut()?;
        match (model.gpt.adapter().map(|adapter| adapter.config), run.lora) {
            (None, None) => {}
            (Some(there), Some(asked)) if there == asked => {}
            (Some(LoraConfig { rank, alpha, .. }), _) => return Err(Error::AdapterPresent { rank, alpha }),
            (None, Some(asked)) => {
                model.gpt.adapt(asked, run.seed);
                model.trainer = Trainer::continuing(&model.gpt, model.trainer.history().clone());
            }
        }
        Ok(())
    }

    /// Merges the adapter into the weights of the model, which then generates the same texts. A generation in progress
    /// and the optimizer state are dropped; the history is kept.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoAdapter`] if it has no adapter; [`Error::ModelTooLarge`] if it
    /// is frozen, and does not fit into memory with 32 bits a number, which merging needs.
    pub fn merge_adapter(&mut self) -> Result<ModelSummary> {
        let (limits, engine) = (self.limits, self.engine);
        let model = self.model_mut()?;
        if model.gpt.adapter().is_none() {
            return Err(Error::NoAdapter);
        }
        if model.gpt.frozen().is_some() {
            model.gpt.config.fit_to_write(None, &limits, engine)?;
        }
        model.gpt.merge();
        model.trainer = Trainer::continuing(&model.gpt, model.trainer.history().clone());
        self.writing = None;
        self.model_summary().ok_or(Error::NoModel)
    }

    /// Returns the adapter alone as a zip archive of the two files that PEFT opens. `base` is the name or path of the
    /// base model that is written into it.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoAdapter`] if it has no adapter; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn export_adapter(&self, base: &str) -> Result<Vec<u8>> {
        let gpt = &self.model()?.gpt;
        let adapter = gpt.adapter().ok_or(Error::NoAdapter)?;
        let weights = adapter.flat.read().await?;
        peft(&AdapterWeights { config: adapter.config, weights }, &gpt.config, base)
    }

    /// Puts an adapter from the two files of PEFT on the current model, in place of an existing adapter. `config` is
    /// `adapter_config.json` and `weights` is `adapter_model.safetensors`. If it fails, nothing changes.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::SettingUnsupported`] if PEFT settings have no counterpart
    /// here; [`Error::TensorUnknown`], [`Error::TensorMissing`] or [`Error::TensorShape`] if the adapter belongs to
    /// another model; [`Error::ConfigurationInvalid`], [`Error::SafetensorsInvalid`] or [`Error::WeightsNotFinite`] if
    /// a file is damaged; [`Error::GitLfsPointer`] if it is only a pointer to the file.
    pub fn import_adapter(&mut self, config: &[u8], weights: &[u8]) -> Result<ModelSummary> {
        let model = self.model_mut()?;
        let AdapterWeights { config, weights } = read_peft(config, weights, &model.gpt.config)?;
        model.gpt.put_adapter(config, weights);
        model.trainer = Trainer::continuing(&model.gpt, model.trainer.history().clone());
        self.writing = None;
        self.model_summary().ok_or(Error::NoModel)
    }

    /// Replaces the current weights by those of the best checkpoint. A generation in progress is dropped.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn return_to_best(&mut self) -> Result<RunStatus> {
        let model = self.model_mut()?;
        model.trainer.return_to_best(&mut model.gpt);
        self.writing = None;
        self.status()
    }

    /// Begins to measure the validation losses of the model without and with its adapter, on the held-back text of its run,
    /// or else on that of the loaded text. Returns how many calls of [`Session::compare_batch`] are needed; 0 if the losses
    /// are known, or there is no held-back text in the model's tokens.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoAdapter`] if it has no adapter; [`Error::TokensTooLarge`] if the
    /// token ids of the text do not fit into memory.
    pub fn begin_comparison(&mut self) -> Result<usize> {
        let model = self.model()?;
        if model.gpt.adapter().is_none() {
            return Err(Error::NoAdapter);
        }
        let data = match (&model.data, &self.tokenizer) {
            (Some(data), _) => Some(data.clone()),
            (None, Some(tokenizer)) if Rc::ptr_eq(tokenizer, &model.tokenizer) && !self.corpus.is_empty() => {
                Some(self.dataset()?)
            }
            _ => None,
        };
        let model = self.model_mut()?;
        let is_known = |Comparison { losses, data: before }: &Comparison| {
            losses.result(&model.gpt).is_some() && data.as_ref().is_some_and(|data| Rc::ptr_eq(data, before))
        };
        if model.comparison.as_ref().is_some_and(is_known) {
            return Ok(0);
        }
        model.comparison =
            data.map(|data| Comparison { losses: model.trainer.compare_adapter(&model.gpt, &data), data });
        Ok(model.comparison.as_ref().map_or(0, |comparison| comparison.losses.batches()))
    }

    /// Computes the losses of the next validation batch, without and with the adapter; on the GPU they are only queued.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::TokenOutOfRange`] if the text has ids outside its vocabulary.
    pub fn compare_batch(&mut self) -> Result<()> {
        let Model { gpt, comparison, .. } = self.model_mut()?;
        if let Some(Comparison { losses, data }) = comparison {
            losses.next(gpt, data)?;
        }
        Ok(())
    }

    /// Waits for the losses of the batches. `None` if no text is held back, or if the model has changed meanwhile.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn finish_comparison(&mut self) -> Result<Option<AdapterLosses>> {
        let Model { gpt, comparison, .. } = self.model_mut()?;
        match comparison {
            Some(Comparison { losses, .. }) => losses.finish(gpt).await,
            None => Ok(None),
        }
    }
}
