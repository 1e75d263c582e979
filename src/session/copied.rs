//! Searches for parts of a generated text that are copied from the training text.

use std::rc::Rc;

use super::{Model, Session};
use crate::{
    copied::{CopiedSearch, LearnedText, NearestSearch, SourceEnd},
    error::Result,
    train::Dataset,
};

/// Largest training text, in tokens, with which each evaluation's sample is compared: a quarter of a second at most.
/// Longer ones are searched only on request.
const MOST_AT_EVALUATIONS: usize = 4_000_000;

impl Session {
    /// Begins to search for the runs of `written` that are copied from the training text. `None` if no text is known.
    ///
    /// # Errors
    /// [`Error::TokensTooLarge`](crate::error::Error::TokensTooLarge) if the token ids of the text do not fit into memory.
    pub fn find_copied(&mut self, written: &str) -> Result<Option<CopiedSearch>> {
        Ok(self.learned_text()?.map(|learned| CopiedSearch::new(written, learned)))
    }

    /// Begins to search for the passages of the training text most similar to `text`. `None` if no text is known.
    ///
    /// # Errors
    /// Those of [`find_copied`](Self::find_copied).
    pub fn find_nearest(&mut self, text: &str) -> Result<Option<NearestSearch>> {
        Ok(self.learned_text()?.map(|learned| NearestSearch::new(text, learned)))
    }

    /// The text that the model was trained on or, if that is unknown, the text that is loaded.
    fn learned_text(&mut self) -> Result<Option<LearnedText>> {
        if let Some(Model { data: Some(data), tokenizer, .. }) = &self.model {
            let sources = if self.is_loaded(data) { self.learned_sources() } else { Vec::new() };
            return Ok(Some(LearnedText::new(data.clone(), tokenizer.clone(), sources)));
        }
        match &self.tokenizer {
            Some(tokenizer) if !self.corpus.is_empty() => {
                let tokenizer = tokenizer.clone();
                Ok(Some(LearnedText::new(self.dataset()?, tokenizer, self.learned_sources())))
            }
            _ => Ok(None),
        }
    }

    /// Whether these are the token ids of the loaded text.
    fn is_loaded(&self, data: &Rc<Dataset>) -> bool {
        self.data.as_ref().is_some_and(|loaded| Rc::ptr_eq(loaded, data) || loaded == data)
    }

    /// The sources of the training split.
    fn learned_sources(&self) -> Vec<SourceEnd> {
        let split = self.corpus.split();
        let mut documents = 0;
        let mut ends = Vec::new();
        for source in self.corpus.sources() {
            // Documents are slices of their source's text, in its order.
            let text = source.text.as_bytes().as_ptr_range();
            documents +=
                split.train[documents..].iter().take_while(|document| text.contains(&document.as_ptr())).count();
            ends.push(SourceEnd { name: source.name.clone(), documents });
        }
        ends
    }
}

impl Model {
    /// Begins to search for copied runs of a sample, unless the training text is too long for that.
    pub(super) fn copied_in_sample(&self, text: &str) -> Option<CopiedSearch> {
        let data = self.data.as_ref()?;
        let is_worth_it = self.trainer.progress().step > 0 && data.train.len() <= MOST_AT_EVALUATIONS;
        is_worth_it.then(|| CopiedSearch::new(text, LearnedText::new(data.clone(), self.tokenizer.clone(), Vec::new())))
    }
}
