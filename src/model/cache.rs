//! The KV cache: keys and values of the tokens already read, so that writing one more token costs one token.

use super::{Gpt, Ids, Weights, add_linear};
use crate::{
    config::Variant,
    error::Result,
    ops::{self, Past, Tensor},
};

/// Keys and values of every layer, for at most one context of tokens.
pub struct Cache {
    layers: Vec<Past>,
    /// Tokens held.
    len: usize,
}

impl Cache {
    pub fn new(gpt: &Gpt) -> Self {
        let past = || Past::new(gpt.config.context, gpt.config.width, &gpt.device());
        Self { layers: (0..gpt.config.layers).map(|_| past()).collect(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Gpt {
    /// Reads `ids`, one window of at most a context, into an empty cache; the logits of its last token,
    /// `[1, vocabulary]`.
    pub fn read(&self, weights: &Weights, ids: &Ids, cache: &mut Cache) -> Tensor<2> {
        cache.len = 0;
        self.read_on(weights, ids, cache)
    }

    /// Reads one more token; the logits after it, `[1, vocabulary]`. The cache must have room.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) for one that the model does not have.
    pub fn read_one(&self, weights: &Weights, id: u32, cache: &mut Cache) -> Result<Tensor<2>> {
        Ok(self.read_on(weights, &self.ids(vec![id])?, cache))
    }

    fn read_on(&self, weights: &Weights, ids: &Ids, cache: &mut Cache) -> Tensor<2> {
        assert!(cache.len + ids.time() <= self.config.context, "the cache is full");
        let Variant { activation, epsilon, .. } = self.config.variant;
        let mut x = ops::embed(ids, &weights.tokens, &weights.positions, cache.len, None);
        for (block, past) in weights.blocks.iter().zip(&mut cache.layers) {
            let (normed, _) = ops::layer_norm(&x, &block.norm_1.gain, &block.norm_1.bias, epsilon, weights.precision);
            let attention = &block.attention;
            let attended = past.attend(&normed, &attention.weight, &attention.bias, cache.len, self.config.heads);
            x = add_linear(&x, &attended, &block.attention_out, None);
            let (normed, _) = ops::layer_norm(&x, &block.norm_2.gain, &block.norm_2.bias, epsilon, weights.precision);
            let (_, activated) = ops::linear_activated(&normed, &block.mlp.weight, &block.mlp.bias, activation);
            x = add_linear(&x, &activated, &block.mlp_out, None);
        }
        cache.len += ids.time();
        let last = ops::last_row(&x);
        let (hidden, _) = ops::layer_norm(&last, &weights.norm.gain, &weights.norm.bias, epsilon, weights.precision);
        ops::head::logits(&hidden, &weights.head)
    }
}
