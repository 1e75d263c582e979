//! Opening a model of Hugging Face's piece by piece, while the model before it stays.

use std::rc::Rc;

use super::{Model, ModelSummary, Session};
use crate::{
    error::{Error, Result},
    formats::{Folder, Piece, Pretrained, numbers, pretrained_config},
    model::Gpt,
    ops::{self, Upload},
    tokenizer::Opened,
    train::{TextFacts, Trainer},
};

/// A model whose weights are on their way.
pub(super) struct Opening {
    plan: Pretrained,
    upload: Upload,
    /// Pieces that have come.
    come: usize,
}

impl Session {
    /// Begins to open a folder of small files and beginnings of large ones; what was being opened is dropped. The answer is
    /// what [`Session::push_pretrained`] wants to be given, in this order.
    pub fn begin_pretrained(&mut self, folder: &Folder) -> Result<Vec<Piece>> {
        self.opening = None;
        let plan = Pretrained::plan(folder)?;
        plan.config.fit_to_write(&self.limits, self.engine)?;
        let pieces = plan.pieces.clone();
        let upload = Upload::new(plan.layout.len, &self.device);
        self.opening = Some(Opening { plan, upload, come: 0 });
        Ok(pieces)
    }

    /// Whether a model that this `config.json` describes can be opened here, before its weights are fetched.
    ///
    /// # Errors
    /// What [`Session::begin_pretrained`] would say of it.
    pub fn check_pretrained(&self, config: &[u8]) -> Result<()> {
        pretrained_config(config)?.fit_to_write(&self.limits, self.engine)
    }

    /// Takes the bytes of the next piece.
    pub async fn push_pretrained(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(Opening { plan, upload, come }) = &mut self.opening else { return Err(Error::NoModel) };
        let Some(piece) = plan.pieces.get(*come) else { return Err(Error::NoModel) };
        let written = match numbers(piece, bytes) {
            Ok(numbers) => upload.write(piece.offset, &numbers).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        *come += 1;
        if written.is_err() {
            self.opening = None;
        }
        written
    }

    /// Puts the model in place of the current one, once all pieces have come. Only this summary says which tokens were left
    /// out.
    pub fn finish_pretrained(&mut self) -> Result<ModelSummary> {
        let Opening { plan, upload, come } = self.opening.take().ok_or(Error::NoModel)?;
        if let Some(piece) = plan.pieces.get(come) {
            return Err(Error::FileTruncated { found: piece.from, expected: piece.to });
        }
        let gpt = Gpt::from_tensor(plan.config, upload.finish());
        let trainer = Trainer::new(&gpt);
        let Opened { tokenizer, left_out } = plan.tokenizer;
        let (tokenizer, facts) = (Rc::new(tokenizer), TextFacts::default());
        let summary = self.put(Model { gpt, tokenizer, trainer, data: None, facts })?;
        Ok(ModelSummary { tokens_left_out: left_out, ..summary })
    }

    pub fn drop_pretrained(&mut self) {
        self.opening = None;
    }

    /// Another model in place of the current one.
    pub(super) fn put(&mut self, model: Model) -> Result<ModelSummary> {
        self.writing = None;
        self.tokenizer = Some(model.tokenizer.clone());
        self.data = None;
        self.model = Some(model);
        ops::release();
        self.model_summary().ok_or(Error::NoModel)
    }
}
