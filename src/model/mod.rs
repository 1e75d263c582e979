//! A transformer that predicts the next token, of any [`Architecture`]: one forward pass for training, evaluation and
//! generation, and one backward pass.
//!
//! Activations are `[batch * time, width]`: every part but attention is independent of the token's position.

mod adapter;
mod batch;
mod cache;
mod frozen;
mod layout;
mod weights;

pub use adapter::Adapter;
pub use batch::{Ids, Targets};
pub use cache::Cache;
pub use frozen::{Frozen, bytes_of, inserted, packed_shape};
pub use layout::{Layout, Parameter, ROWS};
pub use weights::{Block, Linear, Norm, Weights};

use crate::{
    architecture::{Architecture, Kind, Mlp, Module, Positions, Projection, Role},
    config::{LoraConfig, ModelConfig},
    error::Result,
    ops::{
        self, AttentionSaved, Device, Dropout, Flat, Gradients, Heads, Mask, NormSaved, Precision, ReadFailed,
        Rotation, Scalar, Scalars, Tensor,
    },
};
use weights::GradientLayout;

/// A model: its configuration, the layout of its tensors, and the flat array of its weights.
pub struct Gpt {
    /// The architecture's settings.
    pub config: ModelConfig,
    architecture: Architecture,
    /// The layout of its tensors in the flat array.
    pub layout: Layout,
    places: GradientLayout,
    /// Zeros, as many as the longest bias has, in place of biases that the architecture does not have.
    zeros: Flat,
    /// The rotations of all positions, `[context, head width]`, where the architecture's positions are rotary.
    rotations: Option<Tensor<2>>,
    /// The weights, a flat array in this layout; of a frozen model those tensors that are not packed, in the layout of
    /// [`Frozen::rest`].
    pub flat: Flat,
    /// The packed matrices of a model that is frozen: only an adapter of it can be trained.
    frozen: Option<Frozen>,
    /// A half-precision copy of the weights, where training reads one.
    half: Option<Flat>,
    /// The adapter, which is trained instead of `flat`.
    adapter: Option<Adapter>,
    /// The number of changes of the weights.
    changes: u64,
}

/// Values of one block that the backward pass needs.
struct BlockSaved {
    norm_1: NormSaved,
    normed_1: Tensor<2>,
    /// Queries, keys and values before the norm of heads, where there is one.
    before_norm: Option<Tensor<2>>,
    attention: AttentionSaved,
    attended: Tensor<2>,
    norm_2: NormSaved,
    normed_2: Tensor<2>,
    before_activation: Tensor<2>,
    after_activation: Tensor<2>,
}

/// Hidden states of a forward pass, and values that the backward pass needs.
struct Hidden {
    /// After the last layer norm, `[windows * time, width]`.
    x: Tensor<2>,
    blocks: Vec<BlockSaved>,
    norm: NormSaved,
}

/// The mode of a forward pass.
enum Mode<'a> {
    /// Returns the hidden states of every position.
    Read,
    /// The same with dropout, and with the values that the backward pass needs.
    Train(Option<Dropout>),
    /// Returns the hidden states of the last position, with the tokens in the cache as context. New keys and values are
    /// added to the cache.
    Write(&'a mut Cache),
}

/// The places in the model where dropout applies.
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
    /// Makes an untrained model.
    pub fn new(config: ModelConfig, seed: u64, device: &Device) -> Self {
        let layout = Layout::new(&config);
        let initial = layout.initial(seed);
        Self::from_flat(config, initial, device)
    }

    /// Makes a model from given weights in its [`Layout`].
    pub fn from_flat(config: ModelConfig, flat: Vec<f32>, device: &Device) -> Self {
        let layout = Layout::new(&config).divided(device.most_numbers());
        Self::of(config, Flat::new(flat, &layout.segments, device))
    }

    /// Makes a model from weights that are on an engine, in its [`Layout`].
    pub fn of(config: ModelConfig, flat: Flat) -> Self {
        Self::of_parts(config, flat, None)
    }

    /// Makes a frozen model on the CPU of its packed matrices and the flat array of its other tensors.
    pub fn of_frozen(config: ModelConfig, rest: Vec<f32>, frozen: Frozen) -> Self {
        let flat = Flat::new(rest, &frozen.rest.segments, &Device::cpu());
        Self::of_parts(config, flat, Some(frozen))
    }

    fn of_parts(config: ModelConfig, flat: Flat, frozen: Option<Frozen>) -> Self {
        let (architecture, mut layout) = (config.architecture(), Layout::new(&config));
        let held = frozen.as_ref().map_or(&layout, |frozen| &frozen.rest);
        assert_eq!(flat.len(), held.len, "weights of another model");
        if frozen.is_none() {
            layout.segments = flat.segments().clone();
        }
        let places = GradientLayout::new(&layout, architecture.layers);
        let zeros = Flat::zeros(architecture.longest_row(), flat.device());
        let rotations = match architecture.positions {
            Positions::Learned => None,
            Positions::Rotary(rope) => {
                let frequencies = rope.frequencies(architecture.attention.head_width);
                Some(ops::rotations(&frequencies, config.context, flat.device()))
            }
        };
        Self {
            config,
            architecture,
            places,
            layout,
            zeros,
            rotations,
            flat,
            frozen,
            half: None,
            adapter: None,
            changes: 0,
        }
    }

    /// Returns the engine that holds the weights.
    pub fn device(&self) -> Device {
        self.flat.device().clone()
    }

    /// Copies the model to another engine.
    ///
    /// # Errors
    /// [`ReadFailed`] if the GPU that holds the weights fails.
    pub async fn on(&self, device: &Device) -> std::result::Result<Self, ReadFailed> {
        let mut copy = Self::from_flat(self.config, self.numbers().await?, device);
        if let Some(adapter) = &self.adapter {
            copy.put_adapter(adapter.config, adapter.flat.read().await?);
        }
        Ok(copy)
    }

    /// Returns the packed matrices of a frozen model.
    pub fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }

    /// Reads the model's own weights, without an adapter, as a flat array in its layout; those of a frozen model are
    /// widened.
    ///
    /// # Errors
    /// [`ReadFailed`] if the GPU that holds the weights fails.
    pub async fn numbers(&self) -> std::result::Result<Vec<f32>, ReadFailed> {
        let flat = self.flat.read().await?;
        Ok(match &self.frozen {
            Some(frozen) => frozen.widened(&self.layout, &flat),
            None => flat,
        })
    }

    /// Makes a frozen model one of numbers of 32 bits, all of which can be trained; its output stays the same.
    pub fn widen(&mut self) {
        let Some(frozen) = self.frozen.take() else { return };
        let rest = self.flat.as_slice().unwrap_or_default();
        self.flat = Flat::new(frozen.widened(&self.layout, rest), &self.layout.segments, &self.device());
        self.weights_changed();
    }

    /// Returns a version number, which changes whenever the model's output may change.
    pub fn version(&self) -> u64 {
        self.changes
    }

    /// Returns the tensors of the forward pass, with the adapter's sums in place of the matrices that it adapts.
    pub fn weights(&self) -> Weights {
        self.view(None)
    }

    /// Returns the weights in the precision of training.
    fn training_weights(&self) -> Weights {
        self.view(self.half.as_ref())
    }

    fn view(&self, half: Option<&Flat>) -> Weights {
        let mut weights = self.own_weights(half);
        if let Some(adapter) = &self.adapter {
            adapter.substitute(&mut weights);
        }
        weights
    }

    /// Returns the tensors of the forward pass without the adapter: those of the model that it was trained on.
    pub fn weights_without_adapter(&self) -> Weights {
        self.own_weights(None)
    }

    /// The model's weights without an adapter.
    fn own_weights(&self, half: Option<&Flat>) -> Weights {
        Weights::view(&self.layout, self.architecture.layers, &self.flat, self.frozen.as_ref(), half, &self.zeros)
    }

    /// Adds a new adapter, which does not change the output yet.
    pub fn adapt(&mut self, config: LoraConfig, seed: u64) {
        let weights = Layout::adapter(&self.config, &config).initial(seed);
        self.put_adapter(config, weights);
    }

    /// Adds an adapter with given weights, in the layout of [`Layout::adapter`].
    pub fn put_adapter(&mut self, config: LoraConfig, weights: Vec<f32>) {
        self.half = None;
        self.adapter = Some(Adapter::new(&self.config, config, weights, &self.device()));
        self.weights_changed();
    }

    /// Returns the adapter, if there is one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Merges the adapter into the weights, which a frozen model is widened for; the model's output stays the same.
    pub fn merge(&mut self) {
        self.widen();
        let Some(adapter) = self.adapter.take() else { return };
        for (layer, projection, sum) in adapter.sums() {
            let start = self.matrix(layer, projection).offset;
            self.flat.write(start, sum);
        }
    }

    /// Reads the whole model's weights, with an adapter merged into them.
    ///
    /// # Errors
    /// [`ReadFailed`] if the GPU that holds the weights fails.
    pub async fn merged(&self) -> std::result::Result<Vec<f32>, ReadFailed> {
        let mut flat = self.numbers().await?;
        for (layer, projection, sum) in self.adapter.iter().flat_map(Adapter::sums) {
            flat[self.matrix(layer, projection).range()].copy_from_slice(&ops::read(sum.clone()).await?);
        }
        Ok(flat)
    }

    fn matrix(&self, layer: usize, projection: Projection) -> &Parameter {
        self.layout.tensor(Role::new(layer, Module::Linear(projection), Kind::Weight))
    }

    /// Returns the layout of the trained weights: the whole model's, or the adapter's.
    pub fn trained(&self) -> &Layout {
        self.adapter.as_ref().map_or(&self.layout, |adapter| &adapter.layout)
    }

    /// Returns the flat array of the trained weights, in the layout of [`Gpt::trained`].
    pub fn trained_flat(&self) -> &Flat {
        self.adapter.as_ref().map_or(&self.flat, |adapter| &adapter.flat)
    }

    /// Returns [`Gpt::trained_flat`] for writing; [`Gpt::weights_changed`] has to be called afterwards.
    pub fn trained_flat_mut(&mut self) -> &mut Flat {
        match &mut self.adapter {
            Some(adapter) => &mut adapter.flat,
            None => &mut self.flat,
        }
    }

    /// Sets the precision in which losses are computed; without a half-precision copy it is that of the weights.
    pub fn set_precision(&mut self, precision: Precision) {
        match precision {
            Precision::Single => self.half = None,
            // An adapter's sums are recomputed each step, and have 32 bits.
            Precision::Half if self.adapter.is_some() => {}
            Precision::Half if self.half.is_none() && self.device().supports_half() => {
                self.half = Some(self.flat.halved())
            }
            Precision::Half => {}
        }
    }

    /// Updates copies and sums. Call after every change of the trained flat array.
    pub fn weights_changed(&mut self) {
        self.changes += 1;
        if let Some(mut adapter) = self.adapter.take() {
            adapter.refresh(&self.own_weights(None));
            self.adapter = Some(adapter);
        }
        if let Some(half) = &self.half {
            self.flat.halve_into(half);
        }
    }

    /// Makes a gradient buffer for all trained weights.
    pub fn gradients(&self) -> Gradients {
        let norms = if self.adapter.is_none() { self.places.norms() } else { Vec::new() };
        Gradients::new(&self.trained().segments, &norms, &self.device())
    }

    /// Makes one window of token ids for this model.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) for ids outside its vocabulary.
    pub fn ids(&self, numbers: Vec<u32>) -> Result<Ids> {
        Ids::new(numbers, 1, self.config.vocabulary)
    }

    /// Returns the hidden states of every position after the last norm, `[windows * time, width]`.
    pub fn hidden_states(&self, ids: &Ids) -> Tensor<2> {
        self.forward(&self.weights(), ids, Mode::Read).x
    }

    /// Returns the logits of every position, `[windows * time, vocabulary]`.
    pub fn logits(&self, ids: &Ids) -> Tensor<2> {
        let weights = self.weights();
        ops::head::logits(&self.forward(&weights, ids, Mode::Read).x, &weights.head)
    }

    /// Returns the logits after the last of `ids`, a single window, `[1, vocabulary]`.
    pub fn last_logits(&self, ids: &Ids) -> Tensor<2> {
        self.last_logits_with(&self.weights(), ids)
    }

    /// Like [`Gpt::last_logits`], with given tensors of this model.
    pub fn last_logits_with(&self, weights: &Weights, ids: &Ids) -> Tensor<2> {
        ops::head::logits(&ops::last_row(&self.forward(weights, ids, Mode::Read).x), &weights.head)
    }

    /// Writes the mean cross-entropy of `targets` in nats, without dropout, to `scalar`.
    pub fn loss(&self, ids: &Ids, targets: &Targets, scalars: &mut Scalars, scalar: Scalar) {
        self.loss_with(&self.training_weights(), ids, targets, scalars, scalar);
    }

    /// Like [`Gpt::loss`], with given tensors of this model.
    pub fn loss_with(&self, weights: &Weights, ids: &Ids, targets: &Targets, scalars: &mut Scalars, scalar: Scalar) {
        let hidden = self.forward(weights, ids, Mode::Read);
        ops::head::loss(&hidden.x, &weights.head, targets, scalars, scalar);
    }

    /// Writes the loss to `scalar` and its gradient for every trained weight to `gradients`; further passes add to the
    /// gradient.
    pub fn loss_and_gradient(
        &self,
        ids: &Ids,
        targets: &Targets,
        dropout: Option<Dropout>,
        scalars: &mut Scalars,
        scalar: Scalar,
        gradients: &mut Gradients,
    ) {
        let weights = self.training_weights();
        let hidden = self.forward(&weights, ids, Mode::Train(dropout));
        let gradient = ops::head::loss_and_gradient(
            &hidden.x,
            &weights.head,
            targets,
            scalars,
            scalar,
            self.whole().map(|places| places.head.start),
            gradients,
        );
        self.backward(&weights, hidden, ids, gradient, dropout, gradients);
        gradients.end_pass();
    }

    fn forward(&self, weights: &Weights, ids: &Ids, mut mode: Mode) -> Hidden {
        let Architecture { norm: kind, mlp, .. } = &self.architecture;
        let heads = self.heads();
        let norm = |x: &Tensor<2>, norm: &weights::Norm| ops::norm(x, &norm.gain, &norm.bias, *kind, weights.precision);
        let (dropout, first) = match &mode {
            Mode::Read => (None, 0),
            Mode::Train(dropout) => (*dropout, 0),
            Mode::Write(cache) => (None, cache.len()),
        };
        let mut x = ops::embed(ids, &weights.tokens, weights.positions.as_ref(), first, Site::Embedding.mask(dropout));
        let mut blocks = Vec::new();
        for (layer, block) in weights.blocks.iter().enumerate() {
            let (normed_1, norm_1) = norm(&x, &block.norm_1);
            let mut qkv = ops::linear(&normed_1, &block.attention.weight, &block.attention.bias);
            let before_norm = block.head_norms.as_ref().map(|_| ops::copy(&qkv));
            self.prepare(block, &mut qkv, first, ids.time());
            let (attended, attention) = match &mut mode {
                Mode::Write(cache) => (cache.attend(layer, &qkv, heads), None),
                Mode::Read | Mode::Train(_) => {
                    let mask = Site::Attention(layer).mask(dropout);
                    let (attended, saved) = ops::attention(&qkv, ids.windows(), heads, mask, weights.precision);
                    (attended, Some(saved))
                }
            };
            x = add_linear(&x, &attended, &block.attention_out, Site::AttentionOut(layer).mask(dropout));
            let (normed_2, norm_2) = norm(&x, &block.norm_2);
            let (before_activation, after_activation) = match mlp.gated {
                false => ops::linear_activated(&normed_2, &block.mlp.weight, &block.mlp.bias, mlp.activation),
                true => {
                    let before = ops::linear(&normed_2, &block.mlp.weight, &block.mlp.bias);
                    let after = ops::gate(&before, mlp.activation, weights.precision);
                    (before, after)
                }
            };
            x = add_linear(&x, &after_activation, &block.mlp_out, Site::MlpOut(layer).mask(dropout));
            if let (Mode::Train(_), Some(attention)) = (&mode, attention) {
                blocks.push(BlockSaved {
                    norm_1,
                    normed_1,
                    before_norm,
                    attention,
                    attended,
                    norm_2,
                    normed_2,
                    before_activation,
                    after_activation,
                });
            }
        }
        if let Mode::Write(cache) = mode {
            cache.advance(ids.time());
            x = ops::last_row(&x);
        }
        let (x, norm) = norm(&x, &weights.norm);
        Hidden { x, blocks, norm }
    }

    /// The numbers of heads, for attention.
    fn heads(&self) -> Heads {
        let attention = &self.architecture.attention;
        Heads { queries: attention.heads, key_values: attention.key_value_heads }
    }

    /// Applies the norm of heads and the rotation by positions, where the architecture has them, to queries and keys of
    /// windows of `time` tokens, the first of which has the position `first`.
    fn prepare(&self, block: &Block<Norm, Linear>, qkv: &mut Tensor<2>, first: usize, time: usize) {
        let heads = self.heads();
        if let Some([query, key]) = &block.head_norms {
            ops::norm_heads(qkv, heads, [&query.gain, &key.gain], self.architecture.norm.epsilon());
        }
        if let Some(rotations) = &self.rotations {
            ops::rotate(qkv, first, time, heads, rotations, Rotation::Forward);
        }
    }

    /// The backward pass of [`Gpt::prepare`]; `before` is what it was given, if the architecture has a norm of heads.
    fn prepare_backward(
        &self,
        layer: usize,
        block: &Block<Norm, Linear>,
        before: Option<&Tensor<2>>,
        gradient: &mut Tensor<2>,
        time: usize,
        gradients: &mut Gradients,
    ) {
        let heads = self.heads();
        if let Some(rotations) = &self.rotations {
            ops::rotate(gradient, 0, time, heads, rotations, Rotation::Backward);
        }
        if let (Some([query, key]), Some(before)) = (&block.head_norms, before) {
            let epsilon = self.architecture.norm.epsilon();
            let places = self.whole().and_then(|places| places.blocks[layer].head_norms.as_ref());
            let places = places.map(|norms| norms.each_ref().map(|norm| &norm.gain));
            let gains = [&query.gain, &key.gain];
            ops::norm_heads_backward(before, gradient, heads, gains, epsilon, places, gradients);
        }
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
        let Hidden { blocks, norm, .. } = hidden;
        let place = self.whole().map(|places| &places.norm);
        let mut x = ops::norm_backward(&norm, &weights.norm.gain, &gradient, None, place, gradients);
        for (layer, saved) in blocks.into_iter().enumerate().rev() {
            let block = &weights.blocks[layer];
            let places = self.whole().map(|places| &places.blocks[layer]);
            let out = ops::drop_out(&x, Site::MlpOut(layer).mask(dropout));
            let Mlp { activation, gated, .. } = self.architecture.mlp;
            let before = &saved.before_activation;
            let mlp = match gated {
                false => ops::input_gradient_through_activation(&out, &block.mlp_out.weight, before, activation),
                true => ops::gate_backward(&ops::input_gradient(&out, &block.mlp_out.weight), before, activation),
            };
            self.accumulate_gradient(layer, Projection::MlpOut, &saved.after_activation, &out, gradients);
            let normed = ops::input_gradient(&mlp, &block.mlp.weight);
            self.accumulate_gradient(layer, Projection::Mlp, &saved.normed_2, &mlp, gradients);
            let (gain, place) = (&block.norm_2.gain, places.map(|places| &places.norm_2));
            x = ops::norm_backward(&saved.norm_2, gain, &normed, Some(&x), place, gradients);
            let out = ops::drop_out(&x, Site::AttentionOut(layer).mask(dropout));
            let attended = ops::input_gradient(&out, &block.attention_out.weight);
            self.accumulate_gradient(layer, Projection::AttentionOut, &saved.attended, &out, gradients);
            let mut qkv = ops::attention_backward(saved.attention, &attended);
            self.prepare_backward(layer, block, saved.before_norm.as_ref(), &mut qkv, ids.time(), gradients);
            let normed = ops::input_gradient(&qkv, &block.attention.weight);
            self.accumulate_gradient(layer, Projection::Attention, &saved.normed_1, &qkv, gradients);
            let (gain, place) = (&block.norm_1.gain, places.map(|places| &places.norm_1));
            x = ops::norm_backward(&saved.norm_1, gain, &normed, Some(&x), place, gradients);
        }
        if let Some(places) = self.whole() {
            let x = ops::drop_out(&x, Site::Embedding.mask(dropout));
            let tokens = (self.config.vocabulary, self.architecture.tied);
            ops::embed_backward(ids, &x, tokens, places.positions.as_ref(), gradients);
        }
    }

    /// The gradient slots of the whole model, if it is trained without an adapter.
    fn whole(&self) -> Option<&GradientLayout> {
        self.adapter.is_none().then_some(&self.places)
    }

    /// Writes the gradients of a linear layer, or of its adapter.
    fn accumulate_gradient(
        &self,
        layer: usize,
        projection: Projection,
        x: &Tensor<2>,
        gradient: &Tensor<2>,
        gradients: &mut Gradients,
    ) {
        match &self.adapter {
            Some(adapter) => adapter.accumulate_gradient(layer, projection, x, gradient, gradients),
            None => ops::weight_gradient(x, gradient, self.places.blocks[layer].linear(projection), gradients),
        }
    }
}

/// Returns `x` plus the linear layer of `input`, with dropout.
fn add_linear(x: &Tensor<2>, input: &Tensor<2>, linear: &Linear, mask: Option<Mask>) -> Tensor<2> {
    ops::linear_residual(input, &linear.weight, &linear.bias, x, mask)
}
