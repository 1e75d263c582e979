//! Opens a model of another program piece by piece, while the previous model stays usable.

use std::rc::Rc;

use serde::Serialize;

use super::{Model, ModelSummary, Session, cpu_writer::CpuWriter};
use crate::{
    config::Limits,
    device::Engine,
    error::{Error, Result},
    formats::{Folder, PIECE, Piece, Pretrained, numbers, pretrained_config},
    model::Gpt,
    ops::{Device, Upload},
    tokenizer::Opened,
    train::{TextFacts, Trainer},
};

/// What a pretrained model takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct OpeningCost {
    /// The number of its parameters.
    pub parameters: u64,
    /// The bytes of memory that it takes to generate text with it.
    pub bytes: u64,
    /// Whether this engine has them.
    pub fits: bool,
}

/// A model whose weights are being loaded.
pub(super) struct Opening {
    plan: Pretrained,
    /// The upload, which begins once the pieces that are only compared have been read, as its length depends on them.
    upload: Option<Upload>,
    /// The index of the next piece.
    come: usize,
    /// The previous piece, if the next one is compared with it.
    compared: Vec<f32>,
}

impl Opening {
    async fn take(&mut self, bytes: &[u8], limits: &Limits, engine: Engine, device: &Device) -> Result<()> {
        let Self { plan, upload, come, compared } = self;
        let piece = plan.pieces.get(*come).ok_or(Error::NoModelOpening)?;
        let numbers = numbers(piece, bytes)?;
        *come += 1;
        if *come <= plan.compared {
            if *come % 2 == 1 {
                *compared = numbers;
            } else if *compared != numbers {
                plan.untie();
            }
            return Ok(());
        }
        let upload = match upload {
            Some(upload) => upload,
            None => {
                // It may have grown since the upload began.
                plan.config.fit_to_write(limits, engine)?;
                *compared = Vec::new();
                let layout = plan.layout.clone().divided(device.most_numbers());
                upload.insert(Upload::new(layout.segments, device))
            }
        };
        if let Some([rows, width]) = piece.joint {
            upload.write_columns(piece.offset, width, &numbers, rows).await?;
        } else if piece.offset < plan.layout.len {
            for (index, part) in numbers.chunks(PIECE).enumerate() {
                upload.write(piece.offset + index * PIECE, part).await?;
            }
        }
        Ok(())
    }
}

impl Session {
    /// Begins to open a Hugging Face model or a GGUF file from its small files and the headers of its large ones. A model that was
    /// being opened is dropped; the current one stays. Returns the pieces of the weight files, in the order in which
    /// [`Session::push_pretrained`] expects their bytes.
    ///
    /// # Errors
    /// [`Error::FileMissing`] or [`Error::GitLfsPointer`] if a file is not there; [`Error::ArchitectureUnsupported`] or
    /// [`Error::SettingUnsupported`] if it is not a GPT-2 that can be opened; [`Error::ConfigurationInvalid`],
    /// [`Error::SafetensorsInvalid`], [`Error::TorchFileInvalid`], [`Error::GgufInvalid`], [`Error::HeaderTooLarge`],
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorType`], [`Error::TensorNotContiguous`] or
    /// [`Error::TensorUnknown`] if the files contradict each other or are damaged; [`Error::PickleRefused`] if one holds
    /// more than weights; those of
    /// [`Tokenizer::from_folder`](crate::tokenizer::Tokenizer::from_folder); [`Error::ModelTooLarge`] if the model does
    /// not fit into memory.
    pub fn begin_pretrained(&mut self, folder: &Folder) -> Result<Vec<Piece>> {
        self.opening = None;
        let plan = Pretrained::plan(folder)?;
        plan.config.fit_to_write(&self.limits, self.engine)?;
        let pieces = plan.pieces.clone();
        self.opening = Some(Opening { plan, upload: None, come: 0, compared: Vec::new() });
        Ok(pieces)
    }

    /// Checks whether the model that a `config.json` describes can be opened here, before its weights are fetched.
    ///
    /// # Errors
    /// [`Error::ArchitectureUnsupported`], [`Error::SettingUnsupported`], [`Error::ConfigurationInvalid`] or
    /// [`Error::ModelTooLarge`], as from [`Session::begin_pretrained`].
    pub fn check_pretrained(&self, config: &[u8]) -> Result<()> {
        pretrained_config(config)?.fit_to_write(&self.limits, self.engine)
    }

    /// Estimates what the model that a `config.json` describes takes to be opened here.
    ///
    /// # Errors
    /// [`Error::ArchitectureUnsupported`], [`Error::SettingUnsupported`] or [`Error::ConfigurationInvalid`], as from
    /// [`Session::begin_pretrained`].
    pub fn cost_of_opening(&self, config: &[u8]) -> Result<OpeningCost> {
        let config = pretrained_config(config)?;
        Ok(OpeningCost {
            parameters: config.parameters(),
            bytes: config.memory_to_write(self.engine).total(),
            fits: config.fit_to_write(&self.limits, self.engine).is_ok(),
        })
    }

    /// Takes the bytes of the next piece and uploads its weights. After an error the model that was being opened is
    /// dropped.
    ///
    /// # Errors
    /// [`Error::NoModelOpening`] if no model is being opened, or it has all of its pieces; [`Error::FileTruncated`] if
    /// `bytes` has not the length of the piece; [`Error::WeightsNotFinite`] if a weight is not finite;
    /// [`Error::ModelTooLarge`] if a language-model head that is not tied makes the model too large;
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn push_pretrained(&mut self, bytes: &[u8]) -> Result<()> {
        let mut opening = self.opening.take().ok_or(Error::NoModelOpening)?;
        opening.take(bytes, &self.limits, self.engine, &self.device).await?;
        self.opening = Some(opening);
        Ok(())
    }

    /// Replaces the current model by the opened one, after all pieces. Only the summary that this returns lists the
    /// tokens that were left out.
    ///
    /// # Errors
    /// [`Error::NoModelOpening`] if no model is being opened; [`Error::FileTruncated`] if pieces are missing, in which
    /// case the opened model is dropped.
    pub fn finish_pretrained(&mut self) -> Result<ModelSummary> {
        let Opening { plan, upload, come, .. } = self.opening.take().ok_or(Error::NoModelOpening)?;
        if let Some(piece) = plan.pieces.get(come) {
            return Err(Error::FileTruncated { found: piece.from, expected: piece.to });
        }
        let upload = upload.ok_or(Error::NoModelOpening)?;
        let gpt = Gpt::of(plan.config, upload.finish());
        let trainer = Trainer::new(&gpt);
        let Opened { tokenizer, left_out } = plan.tokenizer;
        let (tokenizer, facts, cpu_writer) = (Rc::new(tokenizer), TextFacts::default(), CpuWriter::default());
        let summary = self.put(Model {
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
        Ok(ModelSummary { tokens_left_out: left_out, ..summary })
    }

    /// Drops the model that is being opened, if there is one.
    pub fn drop_pretrained(&mut self) {
        self.opening = None;
    }

    /// Replaces the current model.
    pub(super) fn put(&mut self, model: Model) -> ModelSummary {
        self.writing = None;
        self.tokenizer = Some(model.tokenizer.clone());
        self.data = None;
        let summary = model.summary();
        self.model = Some(model);
        self.device.release();
        summary
    }
}
