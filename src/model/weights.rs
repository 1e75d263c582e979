//! A model's tensors by role: as views into the flat array of weights, and as slots in the gradient buffer.

use std::ops::Range;

use super::{
    frozen::Frozen,
    layout::{Layout, Parameter},
};
use crate::{
    architecture::{Kind, Module, Projection, Role},
    ops::{Flat, LinearGradient, NormGradient, Precision, Tensor},
};

/// The parts of a transformer block that have tensors. `N` is what is held of a norm, `L` of a linear layer.
#[derive(Clone)]
pub struct Block<N, L> {
    /// The norm before attention.
    pub norm_1: N,
    /// The layer that makes queries, keys and values.
    pub attention: L,
    /// The norms of each head's queries and keys, where the architecture has them.
    pub head_norms: Option<[N; 2]>,
    /// The projection after attention.
    pub attention_out: L,
    /// The norm before the MLP.
    pub norm_2: N,
    /// The first layer of the MLP; of a gated one, gates and values together.
    pub mlp: L,
    /// The second layer of the MLP.
    pub mlp_out: L,
}

impl<N, L> Block<N, L> {
    fn new(norm: impl Fn(Module) -> N, linear: impl Fn(Module) -> L, with_head_norms: bool) -> Self {
        let linear = |projection| linear(Module::Linear(projection));
        Self {
            norm_1: norm(Module::AttentionNorm),
            attention: linear(Projection::Attention),
            head_norms: with_head_norms.then(|| [Module::QueryNorm, Module::KeyNorm].map(&norm)),
            attention_out: linear(Projection::AttentionOut),
            norm_2: norm(Module::MlpNorm),
            mlp: linear(Projection::Mlp),
            mlp_out: linear(Projection::MlpOut),
        }
    }

    /// Returns a linear layer.
    pub fn linear(&self, projection: Projection) -> &L {
        match projection {
            Projection::Attention => &self.attention,
            Projection::AttentionOut => &self.attention_out,
            Projection::Mlp => &self.mlp,
            Projection::MlpOut => &self.mlp_out,
        }
    }

    /// Returns a linear layer mutably.
    pub fn linear_mut(&mut self, projection: Projection) -> &mut L {
        match projection {
            Projection::Attention => &mut self.attention,
            Projection::AttentionOut => &mut self.attention_out,
            Projection::Mlp => &mut self.mlp,
            Projection::MlpOut => &mut self.mlp_out,
        }
    }
}

/// Gain and bias of a layer norm, `[width]` each.
#[derive(Clone)]
pub struct Norm {
    /// `[width]`
    pub gain: Tensor<1>,
    /// `[width]`
    pub bias: Tensor<1>,
}

/// A linear layer: `[inputs, outputs]` and `[outputs]`.
#[derive(Clone)]
pub struct Linear {
    /// `[inputs, outputs]`
    pub weight: Tensor<2>,
    /// `[outputs]`
    pub bias: Tensor<1>,
}

/// Every tensor of a model.
#[derive(Clone)]
pub struct Weights {
    /// The precision of the matrices in products.
    pub precision: Precision,
    /// The token embedding `[vocabulary, width]`, in segments of rows.
    pub tokens: Vec<Tensor<2>>,
    /// The head's matrix, in the same segments: `tokens` if it is tied, else its own.
    pub head: Vec<Tensor<2>>,
    /// The position embedding, `[context, width]`, where the architecture has one.
    pub positions: Option<Tensor<2>>,
    /// The transformer blocks, in order.
    pub blocks: Vec<Block<Norm, Linear>>,
    /// The norm before the head.
    pub norm: Norm,
}

impl Weights {
    /// Makes views into `flat`, and of the products' matrices into `half` if given; nothing is copied. Of a frozen model
    /// the packed matrices are `frozen`'s, and `flat` has the others. `zeros`, as long as the longest bias, replaces
    /// biases that the architecture does not have.
    pub fn view(
        layout: &Layout,
        layers: usize,
        flat: &Flat,
        frozen: Option<&Frozen>,
        half: Option<&Flat>,
        zeros: &Flat,
    ) -> Self {
        let products = half.unwrap_or(flat);
        let packed = |role| frozen.and_then(|frozen| frozen.tensor(role));
        let layout = frozen.map_or(layout, |frozen| &frozen.rest);
        let bias = |layer, module, length: usize| match layout.get(Role::new(layer, module, Kind::Bias)) {
            Some(bias) => vector(flat, bias),
            None => zeros.piece(0, [length]),
        };
        let norm = |layer, module| {
            let gain = layout.tensor(Role::new(layer, module, Kind::Weight));
            Norm { gain: vector(flat, gain), bias: bias(layer, module, gain.len()) }
        };
        let linear = |layer, module| {
            let role = Role::new(layer, module, Kind::Weight);
            let weight = packed(role).unwrap_or_else(|| matrix(products, layout.tensor(role)));
            Linear { bias: bias(layer, module, weight.dims()[1]), weight }
        };
        let head_norms = has_head_norms(layout);
        let [embedding, head] = [Module::TokenEmbedding, Module::Head].map(Role::weight);
        let table = |role, flat: &Flat| match packed(role) {
            Some(table) => Some(vec![table]),
            None => layout.get(role).map(|table| rows(flat, table)),
        };
        let tokens = || table(embedding, flat).expect("every architecture has a token embedding");
        let head = table(head, products).or_else(|| table(embedding, products));
        Self {
            precision: if half.is_some() { Precision::Half } else { Precision::Single },
            head: head.unwrap_or_else(tokens),
            tokens: tokens(),
            positions: layout.get(Role::weight(Module::PositionEmbedding)).map(|table| matrix(flat, table)),
            blocks: (0..layers)
                .map(|layer| Block::new(|module| norm(layer, module), |module| linear(layer, module), head_norms))
                .collect(),
            norm: norm(0, Module::FinalNorm),
        }
    }
}

fn has_head_norms(layout: &Layout) -> bool {
    layout.get(Role::new(0, Module::QueryNorm, Kind::Weight)).is_some()
}

fn vector(flat: &Flat, parameter: &Parameter) -> Tensor<1> {
    flat.piece(parameter.offset, [parameter.len()])
}

fn matrix(flat: &Flat, parameter: &Parameter) -> Tensor<2> {
    flat.piece(parameter.offset, [parameter.shape[0], parameter.shape[1]])
}

fn rows(flat: &Flat, parameter: &Parameter) -> Vec<Tensor<2>> {
    flat.rows(parameter.offset, [parameter.shape[0], parameter.shape[1]])
}

/// The slot of each tensor's gradient in the gradient buffer, which has the layout of the weights. The token
/// embedding's is at its beginning.
pub struct GradientLayout {
    /// The slot of the head's matrix, which is the token embedding's too if the head is tied.
    pub head: Range<usize>,
    /// `None` where the architecture has no position embedding.
    pub positions: Option<Range<usize>>,
    pub blocks: Vec<Block<NormGradient, LinearGradient>>,
    pub norm: NormGradient,
}

impl GradientLayout {
    pub fn new(layout: &Layout, layers: usize) -> Self {
        let bias = |layer, module| layout.get(Role::new(layer, module, Kind::Bias)).map(Parameter::range);
        let weight = |layer, module| layout.tensor(Role::new(layer, module, Kind::Weight)).range();
        let norm =
            |index, layer, module| NormGradient { index, gain: weight(layer, module), bias: bias(layer, module) };
        let head_norms = has_head_norms(layout);
        let block = |layer| {
            Block::new(
                |module| norm(2 * layer + usize::from(module == Module::MlpNorm), layer, module),
                |module| LinearGradient { weight: weight(layer, module), bias: bias(layer, module) },
                head_norms,
            )
        };
        let head = layout.get(Role::weight(Module::Head)).map(Parameter::range);
        Self {
            head: head.unwrap_or_else(|| weight(0, Module::TokenEmbedding)),
            positions: layout.get(Role::weight(Module::PositionEmbedding)).map(Parameter::range),
            blocks: (0..layers).map(block).collect(),
            norm: norm(2 * layers, 0, Module::FinalNorm),
        }
    }

    /// The slots of all norms of the residual stream, in the order of their indices.
    pub fn norms(&self) -> Vec<NormGradient> {
        let blocks = self.blocks.iter().flat_map(|block| [block.norm_1.clone(), block.norm_2.clone()]);
        blocks.chain([self.norm.clone()]).collect()
    }
}
