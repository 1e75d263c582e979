//! Generates token ids from a prompt, through a sliding [`Window`]. Knows ids only, never text.

mod sampler;
mod window;

pub use sampler::{Sampler, Sampling};
pub use window::{Exchange, LeftOut, Prompt, Question, Window};

use crate::{
    error::{Error, Result},
    model::{Cache, Gpt, Weights},
    ops::read,
};

/// A generation in progress: the window that the model sees, the KV cache and the sampler.
pub struct Generation {
    weights: Weights,
    sampler: Sampler,
    /// `None` recomputes the whole window for every token: the slow reference for tests.
    cache: Option<Cache>,
    window: Window,
    /// The number of the window's ids that are in the cache.
    known: usize,
    /// Ids that end the text, and are not part of it.
    ends: Vec<u32>,
    left: usize,
    /// Ids from here on are never drawn, and neither are those in `unused`.
    vocabulary: usize,
    unused: Vec<u32>,
}

impl Generation {
    /// Starts a generation that continues `prompt`; an empty prompt is replaced by the id `first`. It ends after
    /// `length` tokens, or when one of `ends` is drawn. Without `cached` the whole window is read again for every
    /// token.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if an id of the prompt or of `ends` is outside the vocabulary of the model;
    /// [`Error::SettingOutOfRange`] if a sampling setting is outside its limits.
    pub fn new(
        gpt: &Gpt,
        prompt: &[u32],
        sampling: Sampling,
        length: usize,
        first: u32,
        ends: &[u32],
        cached: bool,
    ) -> Result<Self> {
        let window = Window::of_text(prompt, first, gpt.config.context);
        Self::in_window(gpt, window, sampling, length, ends.to_vec(), cached)
    }

    /// Starts a generation that continues the ids of a window, for example of a conversation. It ends after `length`
    /// tokens, or when one of `ends` is drawn.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn in_window(
        gpt: &Gpt,
        window: Window,
        sampling: Sampling,
        length: usize,
        ends: Vec<u32>,
        cached: bool,
    ) -> Result<Self> {
        let vocabulary = gpt.config.vocabulary;
        if let Some(&id) = window.ids().iter().chain(&ends).find(|&&id| id as usize >= vocabulary) {
            return Err(Error::TokenOutOfRange { id, vocabulary });
        }
        Ok(Self {
            weights: gpt.weights(),
            sampler: Sampler::new(sampling)?,
            cache: cached.then(|| Cache::new(gpt)),
            window,
            known: 0,
            ends,
            left: length,
            vocabulary,
            unused: Vec::new(),
        })
    }

    /// Restricts sampling to ids below `vocabulary` that are not `unused`: a model may have embedding rows without a
    /// token, for example to round their number.
    pub fn among(self, vocabulary: usize, unused: &[u32]) -> Self {
        let vocabulary = self.vocabulary.min(vocabulary);
        let unused = unused.iter().copied().filter(|&id| (id as usize) < vocabulary).collect();
        Self { vocabulary, unused, ..self }
    }

    /// Generates as the model without its adapter.
    pub fn without_adapter(self, gpt: &Gpt) -> Self {
        Self { weights: gpt.weights_without_adapter(), ..self }
    }

    /// Returns which part of a conversation the model does not see.
    pub fn left_out(&self) -> LeftOut {
        self.window.left_out()
    }

    /// Draws the next token and returns its id, or `None` at the end of the text. The window slides in the same way
    /// with and without the KV cache, so that both give the same text.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn next(&mut self, gpt: &Gpt) -> Result<Option<u32>> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.window.make_room() {
            self.known = 0;
        }
        let ids = self.window.ids();
        let logits = match &mut self.cache {
            Some(cache) if self.known > 0 => {
                debug_assert_eq!(self.known + 1, ids.len());
                gpt.read_one(&self.weights, ids[self.known], cache)?
            }
            Some(cache) => gpt.read(&self.weights, &gpt.ids(ids.to_vec())?, cache),
            None => gpt.last_logits_with(&self.weights, &gpt.ids(ids.to_vec())?),
        };
        self.known = ids.len();
        let mut logits = read(logits).await?;
        logits.truncate(self.vocabulary);
        self.unused.iter().for_each(|&id| logits[id as usize] = f32::NEG_INFINITY);
        let id = self.sampler.draw(logits, ids);
        if self.ends.contains(&id) {
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
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        config::{ModelConfig, Variant},
        ops::Device,
    };

    fn write(gpt: &Gpt, prompt: &[u32], sampling: Sampling, length: usize, cached: bool) -> Vec<u32> {
        // The model is not trained to end a text, so the last id serves as the end, and may be drawn.
        let mut generation = Generation::new(gpt, prompt, sampling, length, 30, &[30], cached).unwrap();
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
        let gpt = Gpt::new(config, 3, &Device::cpu());
        // Weights large enough that the likeliest token changes from position to position.
        let weights = block_on(gpt.flat.read()).unwrap().into_iter().map(|weight| weight * 12.0).collect();
        Gpt::from_flat(config, weights, &Device::cpu())
    }

    #[test]
    fn greedy_text_is_the_same_with_and_without_the_cache() {
        let gpt = model();
        let greedy = Sampling { temperature: 0.0, repetition_penalty: 1.3, ..Sampling::default() };
        for prompt in [&[][..], &[1], &[5, 6, 7, 8], &[9; 12], &[2; 40]] {
            // 40 tokens exceed the context of 12 several times.
            let cached = write(&gpt, prompt, greedy, 40, true);
            assert_eq!(cached, write(&gpt, prompt, greedy, 40, false));
            assert!(cached.iter().any(|id| *id != cached[0]), "a text of one token shows nothing");
        }
    }

    #[test]
    fn the_same_seed_generates_the_same_text() {
        let gpt = model();
        let sampling = Sampling { temperature: 1.0, seed: 4, ..Sampling::default() };
        let text = write(&gpt, &[1], sampling, 30, true);
        assert_eq!(text, write(&gpt, &[1], sampling, 30, true));
        assert_ne!(text, write(&gpt, &[1], Sampling { seed: 5, ..sampling }, 30, true));
    }

    #[test]
    fn ids_without_a_token_are_never_drawn() {
        let gpt = model();
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        let drawn = |unused: &[u32]| {
            let generation = Generation::new(&gpt, &[1], greedy, 1, 0, &[], true).unwrap();
            block_on(generation.among(20, unused).next(&gpt)).unwrap().unwrap()
        };
        let likeliest = drawn(&[]);
        assert_ne!(drawn(&[likeliest, 25]), likeliest);
    }

    #[test]
    fn any_of_several_end_tokens_ends_a_text() {
        let gpt = model();
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        let text = write(&gpt, &[1], greedy, 3, true);
        let ends = [30, text[1]];
        let mut generation = Generation::new(&gpt, &[1], greedy, 3, 0, &ends, true).unwrap();
        assert_ne!(text[0], text[1], "the second id shows nothing");
        assert_eq!(block_on(generation.next(&gpt)).unwrap(), Some(text[0]));
        assert_eq!(block_on(generation.next(&gpt)).unwrap(), None);
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_refused() {
        let gpt = model();
        let refused = Generation::new(&gpt, &[31], Sampling::default(), 1, 0, &[], true);
        assert_eq!(refused.err(), Some(Error::TokenOutOfRange { id: 31, vocabulary: 31 }));
    }
}
