//! GPT-2 (Radford et al. 2019): learned positions, layer norm before each part, GELU in the tanh approximation,
//! biases everywhere, the head tied to the token embedding; or one of its family ([`Variant`]).
//!
//! Activations are `[batch * time, width]`: every part but attention treats tokens alike.

mod batch;
mod cache;
mod layout;
mod places;
mod weights;

use burn::tensor::{Device, Tensor};

pub use batch::Ids;
pub use cache::Cache;
pub use layout::{Layout, Parameter};
pub use places::Places;
pub use weights::{Block, Linear, Norm, Weights};

use crate::{
    config::{ModelConfig, Variant},
    ops::{self, AttentionSaved, Dropout, Figure, Figures, Gradients, LayerNormSaved, Mask, Precision},
};

/// A model: its shape, where its tensors lie, and the flat array of its weights.
pub struct Gpt {
    pub config: ModelConfig,
    pub layout: Layout,
    places: Places,
    /// `[layout.len]`
    pub flat: Tensor<1>,
    /// The same with half precision, where training reads it.
    half: Option<Tensor<1>>,
}

/// What the backward pass needs of one block.
struct BlockSaved {
    norm_1: LayerNormSaved,
    normed_1: Tensor<2>,
    attention: AttentionSaved,
    attended: Tensor<2>,
    norm_2: LayerNormSaved,
    normed_2: Tensor<2>,
    before_activation: Tensor<2>,
    after_activation: Tensor<2>,
}

/// Hidden states of a pass, and what its backward pass needs.
struct Hidden {
    /// After the last layer norm, `[windows * time, width]`.
    x: Tensor<2>,
    blocks: Vec<BlockSaved>,
    norm: LayerNormSaved,
}

/// The places of the model where dropout applies.
enum Site {
    Embedding,
    Attention(usize),
    AttentionOut(usize),
    MlpOut(usize),
}

impl Site {
    fn mask(self, dropout: Option<Dropout>) -> Option<Mask> {
        let number = match self {
            Self::Embedding => 0,
            Self::Attention(layer) => 3 * layer + 1,
            Self::AttentionOut(layer) => 3 * layer + 2,
            Self::MlpOut(layer) => 3 * layer + 3,
        };
        dropout.map(|dropout| dropout.mask(number))
    }
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
        let len = flat.len();
        Self::from_tensor(config, ops::tensor(flat, [len], device))
    }

    /// A model of weights where they are, `flat [layout.len]`.
    pub fn from_tensor(config: ModelConfig, flat: Tensor<1>) -> Self {
        let layout = Layout::new(&config);
        assert_eq!(flat.dims(), [layout.len], "weights of another model");
        Self { config, places: Places::new(&layout), layout, flat, half: None }
    }

    pub fn device(&self) -> Device {
        self.flat.device()
    }

    pub fn weights(&self) -> Weights {
        Weights::view(&self.layout, &self.flat, None)
    }

    /// Weights as a loss is computed with.
    fn training_weights(&self) -> Weights {
        Weights::view(&self.layout, &self.flat, self.half.as_ref())
    }

    /// The precision of what losses are computed from; that of weights where the engine has no other.
    pub fn set_precision(&mut self, precision: Precision) {
        match precision {
            Precision::Single => self.half = None,
            Precision::Half if self.half.is_none() && ops::supports_half(&self.device()) => {
                self.half = Some(ops::halved(&self.flat))
            }
            Precision::Half => {}
        }
    }

    /// To be told whenever `flat` has changed.
    pub fn weights_changed(&self) {
        if let Some(half) = &self.half {
            ops::halve_into(&self.flat, half);
        }
    }

    /// Zeros for the gradients of all weights.
    pub fn gradients(&self) -> Gradients {
        Gradients::new(self.layout.len, &self.places.norms(), &self.device())
    }

    /// Logits of every position, `[windows * time, vocabulary]`.
    pub fn logits(&self, ids: &Ids) -> Tensor<2> {
        let weights = self.weights();
        ops::head::logits(&self.forward(&weights, ids, None, false).x, &weights.head)
    }

    /// Logits after the last of `ids`, a single window, `[1, vocabulary]`.
    pub fn last_logits(&self, ids: &Ids) -> Tensor<2> {
        let weights = self.weights();
        ops::head::logits(&ops::last_row(&self.forward(&weights, ids, None, false).x), &weights.head)
    }

    /// Mean cross-entropy of `targets` in nats, without dropout, into `figure`.
    pub fn loss(&self, ids: &Ids, targets: &Ids, figures: &mut Figures, figure: Figure) {
        let weights = self.training_weights();
        let hidden = self.forward(&weights, ids, None, false);
        ops::head::loss(&hidden.x, &weights.head, targets, figures, figure);
    }

    /// The loss into `figure`, and its gradient for every weight into `gradients`, to which a further pass adds.
    pub fn loss_and_gradient(
        &self,
        ids: &Ids,
        targets: &Ids,
        dropout: Option<Dropout>,
        figures: &mut Figures,
        figure: Figure,
        gradients: &mut Gradients,
    ) {
        let weights = self.training_weights();
        let hidden = self.forward(&weights, ids, dropout, true);
        let gradient = ops::head::loss_and_gradient(
            &hidden.x,
            &weights.head,
            targets,
            figures,
            figure,
            self.places.head.start,
            gradients,
        );
        self.backward(&weights, hidden, ids, gradient, dropout, gradients);
        gradients.end_pass();
    }

    /// `to_train`: keeps what the backward pass needs.
    fn forward(&self, weights: &Weights, ids: &Ids, dropout: Option<Dropout>, to_train: bool) -> Hidden {
        let Variant { activation, epsilon, .. } = self.config.variant;
        let mask = Site::Embedding.mask(dropout);
        let mut x = ops::embed(ids, &weights.tokens, &weights.positions, 0, mask);
        let mut blocks = Vec::new();
        for (layer, block) in weights.blocks.iter().enumerate() {
            let (normed_1, norm_1) =
                ops::layer_norm(&x, &block.norm_1.gain, &block.norm_1.bias, epsilon, weights.precision);
            let qkv = ops::linear(&normed_1, &block.attention.weight, &block.attention.bias);
            let mask = Site::Attention(layer).mask(dropout);
            let (attended, attention) = ops::attention(&qkv, ids.windows, self.config.heads, mask, weights.precision);
            x = add_linear(&x, &attended, &block.attention_out, Site::AttentionOut(layer).mask(dropout));
            let (normed_2, norm_2) =
                ops::layer_norm(&x, &block.norm_2.gain, &block.norm_2.bias, epsilon, weights.precision);
            let (before_activation, after_activation) =
                ops::linear_activated(&normed_2, &block.mlp.weight, &block.mlp.bias, activation);
            x = add_linear(&x, &after_activation, &block.mlp_out, Site::MlpOut(layer).mask(dropout));
            let saved = BlockSaved {
                norm_1,
                normed_1,
                attention,
                attended,
                norm_2,
                normed_2,
                before_activation,
                after_activation,
            };
            blocks.extend(to_train.then_some(saved));
        }
        let (x, norm) = ops::layer_norm(&x, &weights.norm.gain, &weights.norm.bias, epsilon, weights.precision);
        Hidden { x, blocks, norm }
    }

    /// The backward pass, from the gradient of the hidden states, `[windows * time, width]`.
    fn backward(
        &self,
        weights: &Weights,
        hidden: Hidden,
        ids: &Ids,
        gradient: Tensor<2>,
        dropout: Option<Dropout>,
        gradients: &mut Gradients,
    ) {
        let places = &self.places;
        let Hidden { blocks, norm, .. } = hidden;
        let mut x = ops::layer_norm_backward(&norm, &weights.norm.gain, &gradient, None, &places.norm, gradients);
        for (layer, saved) in blocks.into_iter().enumerate().rev() {
            let (block, place) = (&weights.blocks[layer], &places.blocks[layer]);
            let out = ops::drop_out(&x, Site::MlpOut(layer).mask(dropout));
            let mlp = ops::input_gradient_through_activation(
                &out,
                &block.mlp_out.weight,
                &saved.before_activation,
                self.config.variant.activation,
            );
            ops::weight_gradient(&saved.after_activation, &out, &place.mlp_out, gradients);
            let normed = ops::input_gradient(&mlp, &block.mlp.weight);
            ops::weight_gradient(&saved.normed_2, &mlp, &place.mlp, gradients);
            let gain = &block.norm_2.gain;
            x = ops::layer_norm_backward(&saved.norm_2, gain, &normed, Some(&x), &place.norm_2, gradients);
            let out = ops::drop_out(&x, Site::AttentionOut(layer).mask(dropout));
            let attended = ops::input_gradient(&out, &block.attention_out.weight);
            ops::weight_gradient(&saved.attended, &out, &place.attention_out, gradients);
            let qkv = ops::attention_backward(saved.attention, &attended);
            let normed = ops::input_gradient(&qkv, &block.attention.weight);
            ops::weight_gradient(&saved.normed_1, &qkv, &place.attention, gradients);
            let gain = &block.norm_1.gain;
            x = ops::layer_norm_backward(&saved.norm_1, gain, &normed, Some(&x), &place.norm_1, gradients);
        }
        let x = ops::drop_out(&x, Site::Embedding.mask(dropout));
        let tokens = (self.config.vocabulary, self.config.variant.tied);
        ops::embed_backward(ids, &x, tokens, &places.positions, gradients);
    }
}

/// `x` and what a linear layer makes of `input`, dropped out.
fn add_linear(x: &Tensor<2>, input: &Tensor<2>, linear: &Linear, mask: Option<Mask>) -> Tensor<2> {
    ops::linear_residual(input, &linear.weight, &linear.bias, x, mask)
}
