//! The KV cache: keys and values of previous tokens, so that each new token costs the forward pass of one token.

use super::{Gpt, Ids, Mode, Weights};
use crate::{
    error::Result,
    ops::{self, Heads, Past, Tensor},
};

/// Keys and values of every layer, for at most one context of tokens.
pub struct Cache {
    layers: Vec<Past>,
    /// The number of tokens in the cache.
    len: usize,
}

impl Cache {
    /// Makes an empty cache for a model, on its engine.
    pub fn new(gpt: &Gpt) -> Self {
        let width = gpt.architecture.attention.key_value_width();
        let past = || Past::new(gpt.config.context, width, &gpt.device());
        Self { layers: (0..gpt.architecture.layers).map(|_| past()).collect(), len: 0 }
    }

    /// Returns the number of tokens in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Attention of new tokens, from `qkv [tokens, joint width]`, over all tokens so far, `[tokens, query width]`; appends
    /// their keys and values to the cache.
    pub(super) fn attend(&mut self, layer: usize, qkv: &Tensor<2>, heads: Heads) -> Tensor<2> {
        self.layers[layer].attend(qkv, self.len, heads)
    }

    /// Counts new tokens, once every layer has added their keys and values.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }
}

impl Gpt {
    /// Runs the forward pass on `ids`, one window of at most a context, with an empty cache; returns the logits of the
    /// last token, `[1, vocabulary]`.
    pub fn read(&self, weights: &Weights, ids: &Ids, cache: &mut Cache) -> Tensor<2> {
        cache.len = 0;
        self.read_on(weights, ids, cache)
    }

    /// Runs the forward pass on one more token; returns the logits after it, `[1, vocabulary]`. The cache must have
    /// room.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) for an id outside the model's vocabulary.
    pub fn read_one(&self, weights: &Weights, id: u32, cache: &mut Cache) -> Result<Tensor<2>> {
        Ok(self.read_on(weights, &self.ids(vec![id])?, cache))
    }

    fn read_on(&self, weights: &Weights, ids: &Ids, cache: &mut Cache) -> Tensor<2> {
        assert!(cache.len + ids.time() <= self.config.context, "the cache is full");
        ops::head::logits(&self.forward(weights, ids, Mode::Write(cache)).x, &weights.head)
    }
}
