//! Adds chat support to a model without it: its tokenizer gets the special tokens of ChatML, and its embedding rows for
//! them.

use std::rc::Rc;

use super::{Model, Session, cpu_writer::CpuWriter};
use crate::{
    architecture::{Module, Role},
    chat,
    config::ModelConfig,
    error::{Error, Result},
    model::{Frozen, Gpt, Layout},
    tokenizer::Tokenizer,
    train::Trainer,
};

impl Session {
    /// Adds the special tokens of ChatML to a model without a chat template, if the text has conversations. The embedding
    /// row of each is initialised with the mean of the rows that have its meaning, so that it is useful even if only an
    /// adapter is trained. Returns whether the model was changed.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::ModelTooLarge`] if the additional rows do not fit into memory;
    /// [`Error::TokenizerInvalid`] if its tokenizer cannot take further tokens; [`Error::DeviceLost`] or
    /// [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn add_turn_tokens(&mut self) -> Result<bool> {
        if !self.corpus.has_conversations() {
            return Ok(false);
        }
        let Model { gpt, tokenizer, .. } = self.model()?;
        if chat::template(tokenizer).is_some() {
            return Ok(false);
        }
        let taught = tokenizer.with_special_tokens(&chat::CHATML_TOKENS)?;
        let vocabulary = taught.vocabulary().max(gpt.config.vocabulary);
        let config = ModelConfig { vocabulary, ..gpt.config };
        let rows = meanings(tokenizer, &taught);
        // A frozen model whose tokenizer had the tokens stays as it is.
        let kept = gpt.frozen().filter(|_| config == gpt.config && rows.is_empty());
        config.fit_to_write(kept.map(Frozen::bytes), &self.limits, self.engine)?;
        let adapter = match gpt.adapter() {
            Some(adapter) => Some((adapter.config, adapter.flat.read().await?)),
            None => None,
        };
        let mut grown = match kept {
            Some(frozen) => Gpt::of_frozen(config, gpt.flat.read().await?, frozen.clone()),
            None => {
                let flat = with_rows(&gpt.layout, &gpt.numbers().await?, config, &rows);
                Gpt::from_flat(config, flat, &self.device)
            }
        };
        if let Some((config, weights)) = adapter {
            grown.put_adapter(config, weights);
        }
        let model = self.model.take().ok_or(Error::NoModel)?;
        let trainer = Trainer::continuing(&grown, model.trainer.history().clone());
        self.put(Model { gpt: grown, tokenizer: Rc::new(taught), trainer, cpu_writer: CpuWriter::default(), ..model });
        Ok(true)
    }
}

/// The ids of new tokens, and of the tokens that have the meaning of each: a turn begins like a line, and its end is that
/// of a text.
fn meanings(old: &Tokenizer, taught: &Tokenizer) -> Vec<(usize, Vec<usize>)> {
    let end = vec![old.end_of_text().unwrap_or_else(|| old.start())];
    let line = Some(old.encode("\n")).filter(|ids| !ids.is_empty()).unwrap_or_else(|| vec![old.start()]);
    let new = chat::CHATML_TOKENS.iter().zip([line, end]).filter(|(token, _)| old.special_token(token).is_none());
    new.filter_map(|(token, alike)| {
        let ids = alike.into_iter().map(|id| id as usize).collect();
        Some((taught.special_token(token)? as usize, ids))
    })
    .collect()
}

/// The weights of a model with more rows in its token embedding, and in its head unless that is tied.
fn with_rows(layout: &Layout, flat: &[f32], config: ModelConfig, rows: &[(usize, Vec<usize>)]) -> Vec<f32> {
    let larger = Layout::new(&config);
    let mut out = layout.moved(flat, &larger);
    let width = config.width;
    for role in [Module::TokenEmbedding, Module::Head].map(Role::weight) {
        let (Some(from), Some(to)) = (layout.get(role), larger.get(role)) else { continue };
        let (old, new) = (&flat[from.range()], &mut out[to.range()]);
        for (row, spelled) in rows {
            let place = &mut new[row * width..][..width];
            place.fill(0.0);
            for id in spelled {
                let value = &old[id * width..][..width];
                place.iter_mut().zip(value).for_each(|(sum, value)| *sum += value / spelled.len() as f32);
            }
        }
    }
    out
}
