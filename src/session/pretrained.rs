//! Opens a model of another program piece by piece, while the previous model stays usable.

use std::{collections::BTreeMap, rc::Rc};

use serde::Serialize;

use super::{Model, ModelSummary, Session, cpu_writer::CpuWriter};
use crate::{
    config::{Limits, ModelConfig},
    device::Engine,
    error::{Error, Result},
    formats::{Folder, PIECE, Packing, Piece, Pretrained, numbers, pretrained_config, pretrained_form},
    model::{Gpt, Layout, bytes_of, inserted, packed_shape},
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
    /// Where they go, once the pieces that are only compared have been read, as its length depends on them.
    store: Option<Store>,
    /// The index of the next piece.
    come: usize,
    /// The previous piece, if the next one is compared with it.
    compared: Vec<f32>,
}

/// Where the weights go.
enum Store {
    /// To the engine, with 32 bits a number.
    Upload(Upload),
    /// On the CPU, what has fewer bits stays as it is until somebody trains it.
    Packing(Box<Packing>),
}

/// The bytes of a model's weights on an engine, if it holds some of them in fewer bits than 32.
fn packed_bytes(plan: &Pretrained, engine: Engine) -> Option<u64> {
    let forms = if engine == Engine::Cpu { plan.forms() } else { BTreeMap::new() };
    (!forms.is_empty()).then(|| bytes_of(&plan.layout, &forms))
}

impl Opening {
    async fn take(&mut self, bytes: &[u8], limits: &Limits, engine: Engine, device: &Device) -> Result<()> {
        let Self { plan, store, come, compared } = self;
        let piece = plan.pieces.get(*come).ok_or(Error::NoModelOpening)?;
        *come += 1;
        if *come <= plan.compared {
            let numbers = numbers(piece, bytes)?;
            if *come % 2 == 1 {
                *compared = numbers;
            } else if *compared != numbers {
                plan.untie();
            }
            return Ok(());
        }
        let store = match store {
            Some(store) => store,
            None => {
                // It may have grown since the upload began.
                let packed = packed_bytes(plan, engine);
                plan.config.fit_to_write(packed, limits, engine)?;
                *compared = Vec::new();
                store.insert(match packed {
                    Some(_) => Store::Packing(Box::new(Packing::new(&plan.layout, &plan.forms()))),
                    None => {
                        let layout = plan.layout.clone().divided(device.most_numbers());
                        Store::Upload(Upload::new(layout.segments, device))
                    }
                })
            }
        };
        let upload = match store {
            Store::Upload(upload) => upload,
            Store::Packing(packing) => return packing.put(piece, bytes),
        };
        let numbers = numbers(piece, bytes)?;
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
        plan.config.fit_to_write(packed_bytes(&plan, self.engine), &self.limits, self.engine)?;
        let pieces = plan.pieces.clone();
        self.opening = Some(Opening { plan, store: None, come: 0, compared: Vec::new() });
        Ok(pieces)
    }

    /// Checks whether the model that a `config.json` describes can be opened here, before its weights are fetched.
    ///
    /// # Errors
    /// [`Error::ArchitectureUnsupported`], [`Error::SettingUnsupported`], [`Error::ConfigurationInvalid`] or
    /// [`Error::ModelTooLarge`], as from [`Session::begin_pretrained`].
    pub fn check_pretrained(&self, config: &[u8]) -> Result<()> {
        let (config, packed) = self.described(config)?;
        config.fit_to_write(packed, &self.limits, self.engine)
    }

    /// Estimates what the model that a `config.json` describes takes to be opened here.
    ///
    /// # Errors
    /// [`Error::ArchitectureUnsupported`], [`Error::SettingUnsupported`] or [`Error::ConfigurationInvalid`], as from
    /// [`Session::begin_pretrained`].
    pub fn cost_of_opening(&self, config: &[u8]) -> Result<OpeningCost> {
        let (config, packed) = self.described(config)?;
        Ok(OpeningCost {
            parameters: config.parameters(),
            bytes: config.memory_to_write(packed, self.engine).total(),
            fits: config.fit_to_write(packed, &self.limits, self.engine).is_ok(),
        })
    }

    /// The model that a `config.json` describes, and the bytes of its weights here if they have fewer bits than 32. The
    /// file says how many bits they were saved with; the weight files have the last word.
    fn described(&self, config: &[u8]) -> Result<(ModelConfig, Option<u64>)> {
        let (model, form) = (pretrained_config(config)?, pretrained_form(config));
        let form = form.filter(|_| self.engine == Engine::Cpu);
        let packed = form.map(|form| {
            let layout = Layout::new(&model);
            let matrices = layout.parameters.iter().filter(|parameter| packed_shape(parameter).is_some());
            bytes_of(&layout, &inserted(matrices.map(|parameter| (parameter.spec.role, form))))
        });
        Ok((model, packed))
    }

    /// Takes the bytes of the next piece. After an error the model that was being opened is
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
    /// tokens and chat templates that were left out.
    ///
    /// # Errors
    /// [`Error::NoModelOpening`] if no model is being opened; [`Error::FileTruncated`] if pieces are missing, in which
    /// case the opened model is dropped.
    pub fn finish_pretrained(&mut self) -> Result<ModelSummary> {
        let Opening { plan, store, come, .. } = self.opening.take().ok_or(Error::NoModelOpening)?;
        if let Some(piece) = plan.pieces.get(come) {
            return Err(Error::FileTruncated { found: piece.from, expected: piece.to });
        }
        let gpt = match store.ok_or(Error::NoModelOpening)? {
            Store::Upload(upload) => Gpt::of(plan.config, upload.finish()),
            Store::Packing(packing) => {
                let (frozen, rest) = packing.finish();
                Gpt::of_frozen(plan.config, rest, frozen)
            }
        };
        let trainer = Trainer::new(&gpt);
        let Opened { tokenizer, left_out, templates_left_out } = plan.tokenizer;
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
        Ok(ModelSummary { tokens_left_out: left_out, templates_left_out, ..summary })
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
