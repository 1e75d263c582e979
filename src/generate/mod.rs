//! A prompt to a stream of ids. Knows ids only, never text.
//!
//! GPT-2's positions end with its context, so a longer text is written through a sliding window: when the window is
//! full, its older half is forgotten and the rest read anew from position 0. The rule is the same with and without the
//! cache, so both write the same.

mod sampler;

pub use sampler::{Sampler, Sampling};

use crate::{
    error::{Error, Result},
    model::{Cache, Gpt, Ids, Weights},
    ops::read,
};

/// One text being written.
pub struct Generation {
    weights: Weights,
    sampler: Sampler,
    /// `None` reads the whole window for every token: the slow way that tests compare with.
    cache: Option<Cache>,
    /// The ids that the model sees, at most a context of them.
    window: Vec<u32>,
    /// How many of `window` the cache has read.
    known: usize,
    end_of_text: u32,
    left: usize,
    /// Ids from here on are never drawn.
    vocabulary: usize,
}

impl Generation {
    /// Goes on from `prompt`; an empty one begins a document. Ends after `length` ids or at `end_of_text`.
    pub fn new(
        gpt: &Gpt,
        prompt: &[u32],
        sampling: Sampling,
        length: usize,
        end_of_text: u32,
        cached: bool,
    ) -> Result<Self> {
        let vocabulary = gpt.config.vocabulary;
        if let Some(&id) = prompt.iter().chain([&end_of_text]).find(|&&id| id as usize >= vocabulary) {
            return Err(Error::TokenOutOfRange { id, vocabulary });
        }
        let start = prompt.len().saturating_sub(gpt.config.context);
        let window = if prompt.is_empty() { vec![end_of_text] } else { prompt[start..].to_vec() };
        Ok(Self {
            weights: gpt.weights(),
            sampler: Sampler::new(sampling)?,
            cache: cached.then(|| Cache::new(gpt)),
            window,
            known: 0,
            end_of_text,
            left: length,
            vocabulary,
        })
    }

    /// Draws only ids below `vocabulary`: a model may have rows that no token has, to make a round number.
    pub fn among(self, vocabulary: usize) -> Self {
        Self { vocabulary: self.vocabulary.min(vocabulary), ..self }
    }

    /// The next id, or `None` when the text has ended.
    pub async fn next(&mut self, gpt: &Gpt) -> Result<Option<u32>> {
        if self.left == 0 {
            return Ok(None);
        }
        let context = gpt.config.context;
        if self.window.len() > context {
            let kept = (context / 2).max(1);
            self.window.drain(..self.window.len() - kept);
            self.known = 0;
        }
        let logits = match &mut self.cache {
            Some(cache) if self.known > 0 => {
                debug_assert_eq!(self.known + 1, self.window.len());
                gpt.read_one(&self.weights, self.window[self.known], cache)
            }
            Some(cache) => gpt.read(&self.weights, &Ids::new(self.window.clone(), 1, &gpt.device()), cache),
            None => gpt.last_logits(&Ids::new(self.window.clone(), 1, &gpt.device())),
        };
        self.known = self.window.len();
        let mut logits = read(logits).await?;
        logits.truncate(self.vocabulary);
        let id = self.sampler.draw(logits, &self.window);
        if id == self.end_of_text {
            self.left = 0;
            return Ok(None);
        }
        self.left -= 1;
        self.window.push(id);
        Ok(Some(id))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use futures_lite::future::block_on;

    use super::*;
    use crate::config::{ModelConfig, Variant};

    fn write(gpt: &Gpt, prompt: &[u32], sampling: Sampling, length: usize, cached: bool) -> Vec<u32> {
        // An end of text that is never drawn would have to be trained for; the last id serves, and may end the text.
        let mut generation = Generation::new(gpt, prompt, sampling, length, 30, cached).unwrap();
        let mut ids = Vec::new();
        while let Some(id) = block_on(generation.next(gpt)).unwrap() {
            ids.push(id);
        }
        ids
    }

    fn model() -> Gpt {
        let config = ModelConfig {
            vocabulary: 31,
            context: 12,
            layers: 2,
            heads: 2,
            width: 16,
            dropout: 0.0,
            variant: Variant::GPT2,
        };
        let mut gpt = Gpt::new(config, 3, &Device::flex());
        // Weights large enough that the likeliest token changes from place to place.
        gpt.flat = gpt.flat * 12.0;
        gpt
    }

    #[test]
    fn greedy_text_is_the_same_with_and_without_the_cache() {
        let gpt = model();
        let greedy = Sampling { temperature: 0.0, repetition_penalty: 1.3, ..Sampling::default() };
        for prompt in [&[][..], &[1], &[5, 6, 7, 8], &[9; 12], &[2; 40]] {
            // 40 tokens cross the end of the context of 12 several times.
            let cached = write(&gpt, prompt, greedy, 40, true);
            assert_eq!(cached, write(&gpt, prompt, greedy, 40, false));
            assert!(cached.iter().any(|id| *id != cached[0]), "a text of one token shows nothing");
        }
    }

    #[test]
    fn a_seed_writes_the_same_text_again() {
        let gpt = model();
        let sampling = Sampling { temperature: 1.0, seed: 4, ..Sampling::default() };
        let text = write(&gpt, &[1], sampling, 30, true);
        assert_eq!(text, write(&gpt, &[1], sampling, 30, true));
        assert_ne!(text, write(&gpt, &[1], Sampling { seed: 5, ..sampling }, 30, true));
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_refused() {
        let gpt = model();
        let refused = Generation::new(&gpt, &[31], Sampling::default(), 1, 0, true);
        assert_eq!(refused.err(), Some(Error::TokenOutOfRange { id: 31, vocabulary: 31 }));
    }
}
