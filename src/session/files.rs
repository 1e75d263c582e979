//! Exports the model in every format, and opens Lorito's own model files.

use std::rc::Rc;

use super::{Model, ModelSummary, Session, cpu_writer::CpuWriter};
use crate::{
    chat,
    device::Engine,
    error::{Error, Result},
    formats::{self, AdapterWeights, ModelFile},
    model::{Frozen, Gpt, Layout},
    train::{Trainer, TrainingState},
};

impl Session {
    pub(super) async fn model_file(&self, name: &str) -> Result<ModelFile> {
        let Model { gpt, tokenizer, trainer, facts, .. } = self.model()?;
        Ok(ModelFile {
            name: name.to_owned(),
            config: gpt.config,
            tokenizer: tokenizer.to_json(),
            roles: tokenizer.stated_roles().cloned(),
            weights: gpt.flat.read().await?,
            frozen: gpt.frozen().cloned(),
            facts: facts.clone(),
            history: trainer.history().clone(),
            progress: trainer.progress().clone(),
            adapter: match gpt.adapter() {
                Some(adapter) => {
                    let weights = adapter.flat.read().await?;
                    Some(AdapterWeights { config: adapter.config, weights })
                }
                None => None,
            },
            optimizer: None,
            best: None,
        })
    }

    /// Returns the model as one file in our own format, which is a safetensors file. `name` is stored in it.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::WeightsNotFinite`] if the weights have diverged;
    /// [`Error::HeaderTooLarge`] if name and tokenizer are too long for the header; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn export_safetensors(&self, name: &str) -> Result<Vec<u8>> {
        formats::write(&self.model_file(name).await?)
    }

    /// Like [`Self::export_safetensors`], with 8 bits for each number of the model's own matrices, which rounds them.
    ///
    /// # Errors
    /// Those of [`Self::export_safetensors`].
    pub async fn export_safetensors_in_8_bits(&self, name: &str) -> Result<Vec<u8>> {
        let (file, weights) = (self.model_file(name).await?, self.model()?.gpt.numbers());
        formats::write_in_8_bits(&match file.frozen {
            None => file,
            Some(_) => ModelFile { weights: weights.await?, frozen: None, ..file },
        })
    }

    /// Returns the model as a zip archive of the files that transformers open, with a merged adapter. `date` goes into
    /// the model card as it is.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::FileTooLarge`] or [`Error::HeaderTooLarge`] if a file exceeds
    /// the limits of its format; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn export_hugging_face(&self, name: &str, date: &str) -> Result<Vec<u8>> {
        self.export_hugging_face_in(name, date, &formats::Words::default()).await
    }

    /// Like [`Self::export_hugging_face`], with model card, scripts and notebook in the language of `words`.
    ///
    /// # Errors
    /// Those of [`Self::export_hugging_face`].
    pub async fn export_hugging_face_in(&self, name: &str, date: &str, words: &formats::Words) -> Result<Vec<u8>> {
        formats::hugging_face_in(&self.merged_file(name).await?, date, words)
    }

    /// Returns the model as a GGUF file, which llama.cpp opens, with a merged adapter.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::ActivationNotInLlamaCpp`] or [`Error::TokenizerNotInLlamaCpp`]
    /// if llama.cpp cannot run this model; [`Error::VocabularyMismatch`] if the tokenizer has more ids than the model;
    /// [`Error::TokenizerInvalid`] if two tokens have the same spelling; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn export_gguf(&self, name: &str, precision: formats::GgufPrecision) -> Result<Vec<u8>> {
        formats::llama_cpp(&self.merged_file(name).await?, precision)
    }

    /// Returns a Modelfile, from which Ollama makes a model of the GGUF file with the name `gguf` in the same folder.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn export_modelfile(&self, gguf: &str, words: &formats::Words) -> Result<String> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        Ok(formats::modelfile(tokenizer, &gpt.config, gguf, chat::present(), words))
    }

    /// The model for other formats: the adapter is merged into the weights, and a frozen model's are widened.
    async fn merged_file(&self, name: &str) -> Result<ModelFile> {
        let file = self.model_file(name).await?;
        match (&file.adapter, &file.frozen) {
            (None, None) => Ok(file),
            _ => Ok(ModelFile { weights: self.model()?.gpt.merged().await?, adapter: None, frozen: None, ..file }),
        }
    }

    /// Opens a file in our own format in place of the current model. If the file is refused, the current model stays.
    ///
    /// # Errors
    /// [`Error::NotALoritoModel`] or [`Error::SafetensorsInvalid`] if the file has another format;
    /// [`Error::FileTruncated`], [`Error::HeaderTooLarge`], [`Error::CheckpointDamaged`],
    /// [`Error::ConfigurationInvalid`], [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorType`],
    /// [`Error::WeightsNotFinite`], [`Error::TokenizerInvalid`] or [`Error::TokenizerUnsupported`] if it is damaged;
    /// [`Error::CheckpointVersion`] if a newer version wrote it; [`Error::VocabularyMismatch`] if its tokenizer has
    /// more ids than the model; [`Error::ModelTooLarge`] if the model does not fit into memory.
    pub fn import_model(&mut self, bytes: &[u8]) -> Result<ModelSummary> {
        self.open(formats::read(bytes)?, None)?;
        self.model_summary().ok_or(Error::NoModel)
    }

    pub(super) fn open(&mut self, file: ModelFile, state: Option<TrainingState>) -> Result<()> {
        let tokenizer = file.tokenizer()?;
        if tokenizer.vocabulary() > file.config.vocabulary {
            let (model, tokenizer) = (file.config.vocabulary, tokenizer.vocabulary());
            return Err(Error::VocabularyMismatch { model, tokenizer });
        }
        // A GPU gets all numbers in 32 bits.
        let frozen = file.frozen.as_ref().filter(|_| self.engine == Engine::Cpu);
        file.config.fit_to_write(frozen.map(Frozen::bytes), &self.limits, self.engine)?;
        // The old model is dropped first, because both may not fit.
        self.writing = None;
        self.model = None;
        self.device.release();
        let mut gpt = match (file.frozen, self.engine) {
            (Some(frozen), Engine::Cpu) => Gpt::of_frozen(file.config, file.weights, frozen),
            (Some(frozen), Engine::WebGpu) => {
                let flat = frozen.widened(&Layout::new(&file.config), &file.weights);
                Gpt::from_flat(file.config, flat, &self.device)
            }
            (None, _) => Gpt::from_flat(file.config, file.weights, &self.device),
        };
        if let Some(AdapterWeights { config, weights }) = file.adapter {
            gpt.put_adapter(config, weights);
        }
        let trainer = match state {
            Some(state) => Trainer::restore(&gpt, state),
            None => Trainer::continuing(&gpt, file.history),
        };
        let tokenizer = Rc::new(tokenizer);
        let (cpu_writer, facts) = (CpuWriter::default(), file.facts);
        self.put(Model {
            gpt,
            tokenizer,
            trainer,
            cpu_writer,
            data: None,
            facts,
            run: None,
            inspected: None,
            comparison: None,
        });
        Ok(())
    }
}
