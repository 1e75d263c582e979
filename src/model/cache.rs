//! The KV cache: keys and values of the tokens already read, so that writing one more token costs one token.

use burn::tensor::Tensor;

use super::{Gpt, Ids, Weights, linear, norm};
use crate::ops;

/// Keys and values of every layer, for at most one context of tokens.
pub struct Cache {
    /// `[context, width]` a layer.
    keys: Vec<Tensor<2>>,
    values: Vec<Tensor<2>>,
    /// Tokens held.
    len: usize,
}

impl Cache {
    pub fn new(gpt: &Gpt) -> Self {
        let empty = || {
            let zeros = || Tensor::zeros([gpt.config.context, gpt.config.width], &gpt.device());
            (0..gpt.config.layers).map(|_| zeros()).collect()
        };
        Self { keys: empty(), values: empty(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the keys and values of a whole pass's `qkv`, `[time, 3 * width]`.
    pub(super) fn fill(&mut self, layer: usize, qkv: &Tensor<2>) {
        let [time, columns] = qkv.dims();
        self.write(layer, 0..time, qkv, columns / 3);
    }

    fn write(&mut self, layer: usize, rows: std::ops::Range<usize>, qkv: &Tensor<2>, width: usize) {
        let part = |index: usize| qkv.clone().slice([0..rows.len(), index * width..(index + 1) * width]);
        self.keys[layer].inplace(|keys| keys.slice_assign([rows.clone(), 0..width], part(1)));
        self.values[layer].inplace(|values| values.slice_assign([rows.clone(), 0..width], part(2)));
    }
}

impl Gpt {
    /// Reads `ids`, one window of at most a context, into an empty cache; the logits of its last token,
    /// `[1, vocabulary]`.
    pub fn read(&self, weights: &Weights, ids: &Ids, cache: &mut Cache) -> Tensor<2> {
        let hidden = self.forward(weights, ids, None, Some(cache));
        cache.len = ids.time;
        let last = hidden.x.slice([ids.time - 1..ids.time, 0..self.config.width]);
        ops::product_right_transposed(last, weights.tokens.clone())
    }

    /// Reads one more token; the logits after it, `[1, vocabulary]`. The cache must have room.
    pub fn read_one(&self, weights: &Weights, id: u32, cache: &mut Cache) -> Tensor<2> {
        let position = cache.len;
        assert!(position < self.config.context, "the cache is full");
        let width = self.config.width;
        let ids = Ids::new(vec![id], 1, &self.device());
        let mut x = ops::embed(ids.tensor, weights.tokens.clone(), weights.positions.clone(), 1, position);
        for (layer, block) in weights.blocks.iter().enumerate() {
            let (normed, _) = norm(x.clone(), &block.norm_1);
            let qkv = linear(normed, &block.attention);
            cache.write(layer, position..position + 1, &qkv, width);
            let past = |held: &Tensor<2>| held.clone().slice([0..position + 1, 0..width]);
            let query = qkv.slice([0..1, 0..width]);
            let attended = ops::attend(query, past(&cache.keys[layer]), past(&cache.values[layer]), self.config.heads);
            x = x + linear(attended, &block.attention_out);
            let (normed, _) = norm(x.clone(), &block.norm_2);
            x = x + linear(ops::gelu(linear(normed, &block.mlp)), &block.mlp_out);
        }
        cache.len += 1;
        ops::product_right_transposed(norm(x, &weights.norm).0, weights.tokens.clone())
    }
}
