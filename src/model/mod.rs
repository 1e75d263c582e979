//! GPT-2 (Radford et al. 2019): learned positions, layer norm before each part, GELU in the tanh approximation,
//! biases everywhere, the head tied to the token embedding.
//!
//! Activations are `[batch * time, width]`: every part but attention treats tokens alike.

mod batch;
mod cache;
mod layout;
mod weights;

use burn::tensor::{Device, Tensor};

pub use batch::Ids;
pub use cache::Cache;
pub use layout::{Layout, Parameter};
pub use weights::{Block, Linear, Norm, Weights};

use crate::{
    config::ModelConfig,
    ops::{self, AttentionInputs, AttentionSaved, Dropout, LayerNormSaved},
};

/// A model: its shape, where its tensors lie, and the flat array of its weights.
pub struct Gpt {
    pub config: ModelConfig,
    pub layout: Layout,
    /// `[layout.len]`
    pub flat: Tensor<1>,
}

/// What the backward pass needs of one block.
struct BlockSaved {
    norm_1: LayerNormSaved,
    normed_1: Tensor<2>,
    attention: AttentionSaved,
    attended: Tensor<2>,
    attention_mask: Option<Tensor<2>>,
    norm_2: LayerNormSaved,
    normed_2: Tensor<2>,
    before_gelu: Tensor<2>,
    after_gelu: Tensor<2>,
    mlp_mask: Option<Tensor<2>>,
}

/// Hidden states of a pass, and what its backward pass needs.
struct Hidden {
    /// After the last layer norm, `[batch * time, width]`.
    x: Tensor<2>,
    embedding_mask: Option<Tensor<2>>,
    blocks: Vec<BlockSaved>,
    norm: LayerNormSaved,
}

impl Gpt {
    /// A fresh model, initialised as GPT-2 is.
    pub fn new(config: ModelConfig, seed: u64, device: &Device) -> Self {
        let layout = Layout::new(&config);
        let initial = layout.initial(seed);
        Self::from_flat(config, initial, device)
    }

    /// A model of given weights, laid out as [`Layout`] says.
    pub fn from_flat(config: ModelConfig, flat: Vec<f32>, device: &Device) -> Self {
        let layout = Layout::new(&config);
        assert_eq!(flat.len(), layout.len, "weights of another model");
        let flat = ops::tensor(flat, [layout.len], device);
        Self { config, layout, flat }
    }

    pub fn device(&self) -> Device {
        self.flat.device()
    }

    pub fn weights(&self) -> Weights {
        Weights::view(&self.layout, &self.flat)
    }

    /// Logits of every position, `[batch * time, vocabulary]`.
    pub fn logits(&self, ids: &Ids) -> Tensor<2> {
        let weights = self.weights();
        let hidden = self.forward(&weights, ids, None, None);
        ops::product_right_transposed(hidden.x, weights.tokens)
    }

    /// Mean cross-entropy of `targets` in nats, `[1]`, without dropout.
    pub fn loss(&self, ids: &Ids, targets: &Ids) -> Tensor<1> {
        ops::cross_entropy(self.logits(ids), targets.tensor.clone(), &targets.numbers)
    }

    /// The loss `[1]` and its gradient for every weight.
    pub fn loss_and_gradient(&self, ids: &Ids, targets: &Ids, dropout: Option<&Dropout>) -> (Tensor<1>, Weights) {
        let weights = self.weights();
        let hidden = self.forward(&weights, ids, dropout, None);
        let logits = ops::product_right_transposed(hidden.x.clone(), weights.tokens.clone());
        let (loss, gradient) = ops::cross_entropy_with_gradient(logits, targets.tensor.clone(), &targets.numbers);
        (loss, self.backward(weights, hidden, ids, gradient))
    }

    /// The forward pass. A cache, where there is one, is filled with the keys and values of `ids`.
    fn forward(
        &self,
        weights: &Weights,
        ids: &Ids,
        dropout: Option<&Dropout>,
        mut cache: Option<&mut Cache>,
    ) -> Hidden {
        let embedded = ops::embed(ids.tensor.clone(), weights.tokens.clone(), weights.positions.clone(), ids.time, 0);
        let (mut x, embedding_mask) = drop_out(embedded, dropout);
        let mut blocks = Vec::with_capacity(weights.blocks.len());
        for (layer, block) in weights.blocks.iter().enumerate() {
            let (normed_1, norm_1) = norm(x.clone(), &block.norm_1);
            let qkv = linear(normed_1.clone(), &block.attention);
            if let Some(cache) = cache.as_deref_mut() {
                cache.fill(layer, &qkv);
            }
            let inputs = AttentionInputs { qkv, batch: ids.windows, heads: self.config.heads };
            let (attended, attention) = ops::attention(inputs, dropout);
            let (out, attention_mask) = drop_out(linear(attended.clone(), &block.attention_out), dropout);
            x = x + out;
            let (normed_2, norm_2) = norm(x.clone(), &block.norm_2);
            let before_gelu = linear(normed_2.clone(), &block.mlp);
            let after_gelu = ops::gelu(before_gelu.clone());
            let (out, mlp_mask) = drop_out(linear(after_gelu.clone(), &block.mlp_out), dropout);
            x = x + out;
            blocks.push(BlockSaved {
                norm_1,
                normed_1,
                attention,
                attended,
                attention_mask,
                norm_2,
                normed_2,
                before_gelu,
                after_gelu,
                mlp_mask,
            });
        }
        let (x, norm) = norm(x, &weights.norm);
        Hidden { x, embedding_mask, blocks, norm }
    }

    /// The backward pass, from the gradient of the logits, `[batch * time, vocabulary]`.
    fn backward(&self, weights: Weights, hidden: Hidden, ids: &Ids, logits: Tensor<2>) -> Weights {
        let head = ops::product_left_transposed(logits.clone(), hidden.x);
        let last = ops::layer_norm_backward(hidden.norm, weights.norm.gain, ops::product(logits, weights.tokens));
        let mut x = last.x;
        let mut blocks = Vec::with_capacity(weights.blocks.len());
        for (block, saved) in weights.blocks.into_iter().zip(hidden.blocks).rev() {
            let out = masked(x.clone(), saved.mlp_mask);
            let mlp_out = ops::linear_backward(saved.after_gelu, block.mlp_out.weight, out);
            let mlp = ops::gelu_backward(saved.before_gelu, mlp_out.x);
            let mlp = ops::linear_backward(saved.normed_2, block.mlp.weight, mlp);
            let norm_2 = ops::layer_norm_backward(saved.norm_2, block.norm_2.gain, mlp.x);
            x = x + norm_2.x;
            let out = masked(x.clone(), saved.attention_mask);
            let attention_out = ops::linear_backward(saved.attended, block.attention_out.weight, out);
            let qkv = ops::attention_backward(saved.attention, attention_out.x);
            let attention = ops::linear_backward(saved.normed_1, block.attention.weight, qkv);
            let norm_1 = ops::layer_norm_backward(saved.norm_1, block.norm_1.gain, attention.x);
            x = x + norm_1.x;
            blocks.push(Block {
                norm_1: Norm { gain: norm_1.gain, bias: norm_1.bias },
                attention: Linear { weight: attention.weight, bias: attention.bias },
                attention_out: Linear { weight: attention_out.weight, bias: attention_out.bias },
                norm_2: Norm { gain: norm_2.gain, bias: norm_2.bias },
                mlp: Linear { weight: mlp.weight, bias: mlp.bias },
                mlp_out: Linear { weight: mlp_out.weight, bias: mlp_out.bias },
            });
        }
        blocks.reverse();
        let x = masked(x, hidden.embedding_mask);
        let ModelConfig { vocabulary, context, .. } = self.config;
        let (tokens, positions) =
            ops::embed_backward(ids.tensor.clone(), &ids.numbers, x, vocabulary, context, ids.time);
        Weights { tokens: tokens + head, positions, blocks, norm: Norm { gain: last.gain, bias: last.bias } }
    }
}

fn norm(x: Tensor<2>, norm: &Norm) -> (Tensor<2>, LayerNormSaved) {
    ops::layer_norm(x, norm.gain.clone(), norm.bias.clone())
}

fn linear(x: Tensor<2>, linear: &Linear) -> Tensor<2> {
    ops::linear(x, linear.weight.clone(), linear.bias.clone())
}

fn drop_out(x: Tensor<2>, dropout: Option<&Dropout>) -> (Tensor<2>, Option<Tensor<2>>) {
    let mask = dropout.map(|dropout| dropout.mask(x.dims()));
    (masked(x, mask.clone()), mask)
}

fn masked(x: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
    match mask {
        Some(mask) => x * mask,
        None => x,
    }
}
