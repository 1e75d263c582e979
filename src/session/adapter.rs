//! Fine-tuning with an adapter: put beside the model when a run asks for one, merged on demand, saved and opened alone.

use super::{ModelSummary, Session};
use crate::{
    config::{LoraConfig, TrainConfig},
    error::{Error, Result},
    formats::{AdapterWeights, peft, read_peft},
    train::{RunStatus, Trainer},
};

impl Session {
    /// Gives the model the adapter that a run asks for, if it has none; one that is there is trained on.
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

    /// Takes the adapter up into the model's weights. The model writes what it wrote; a run begins anew.
    pub fn merge_adapter(&mut self) -> Result<ModelSummary> {
        let model = self.model_mut()?;
        if model.gpt.adapter().is_none() {
            return Err(Error::NoAdapter);
        }
        model.gpt.merge();
        model.trainer = Trainer::continuing(&model.gpt, model.trainer.history().clone());
        self.writing = None;
        self.model_summary().ok_or(Error::NoModel)
    }

    /// The adapter alone, as a zip of what PEFT opens. `base`: the name of the model that it belongs to.
    pub async fn export_adapter(&self, base: &str) -> Result<Vec<u8>> {
        let gpt = &self.model()?.gpt;
        let adapter = gpt.adapter().ok_or(Error::NoAdapter)?;
        let weights = adapter.flat.read().await?;
        peft(&AdapterWeights { config: adapter.config, weights }, &gpt.config, base)
    }

    /// Puts PEFT's adapter beside the current model, in place of one that is there; on an error all stays.
    pub fn import_adapter(&mut self, config: &[u8], weights: &[u8]) -> Result<ModelSummary> {
        let model = self.model_mut()?;
        let AdapterWeights { config, weights } = read_peft(config, weights, &model.gpt.config)?;
        model.gpt.put_adapter(config, weights);
        model.trainer = Trainer::continuing(&model.gpt, model.trainer.history().clone());
        self.writing = None;
        self.model_summary().ok_or(Error::NoModel)
    }

    /// Puts the weights of the run's best evaluation in place of the current ones.
    pub fn return_to_best(&mut self) -> Result<RunStatus> {
        let model = self.model_mut()?;
        model.trainer.return_to_best(&mut model.gpt);
        self.writing = None;
        self.status()
    }
}
