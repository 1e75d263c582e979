//! The flat array seen as a model's tensors.

use burn::tensor::Tensor;

use super::layout::{Layout, Parameter};
use crate::ops;

/// Gain and bias of a layer norm, `[width]` each.
#[derive(Clone)]
pub struct Norm {
    pub gain: Tensor<1>,
    pub bias: Tensor<1>,
}

/// A linear layer: `[inputs, outputs]` and `[outputs]`.
#[derive(Clone)]
pub struct Linear {
    pub weight: Tensor<2>,
    pub bias: Tensor<1>,
}

/// One transformer block, GPT-2's names in comments.
#[derive(Clone)]
pub struct Block {
    pub norm_1: Norm,          // ln_1
    pub attention: Linear,     // attn.c_attn
    pub attention_out: Linear, // attn.c_proj
    pub norm_2: Norm,          // ln_2
    pub mlp: Linear,           // mlp.c_fc
    pub mlp_out: Linear,       // mlp.c_proj
}

/// Every trained tensor of a model.
#[derive(Clone)]
pub struct Weights {
    pub tokens: Tensor<2>,    // wte, also the head
    pub positions: Tensor<2>, // wpe
    pub blocks: Vec<Block>,
    pub norm: Norm, // ln_f
}

impl Weights {
    /// Views into `flat`; nothing is copied.
    pub fn view(layout: &Layout, flat: &Tensor<1>) -> Self {
        let mut parameters = layout.parameters.iter();
        let mut next = || parameters.next().expect("a layout of GPT-2");
        let tokens = matrix(flat, next());
        let positions = matrix(flat, next());
        let layers = (layout.parameters.len() - 4) / 12;
        let blocks = (0..layers)
            .map(|_| Block {
                norm_1: norm(flat, next(), next()),
                attention: linear(flat, next(), next()),
                attention_out: linear(flat, next(), next()),
                norm_2: norm(flat, next(), next()),
                mlp: linear(flat, next(), next()),
                mlp_out: linear(flat, next(), next()),
            })
            .collect();
        Self { tokens, positions, blocks, norm: norm(flat, next(), next()) }
    }
}

fn vector(flat: &Tensor<1>, parameter: &Parameter) -> Tensor<1> {
    ops::piece(flat, parameter.offset, [parameter.len()])
}

fn matrix(flat: &Tensor<1>, parameter: &Parameter) -> Tensor<2> {
    ops::piece(flat, parameter.offset, [parameter.shape[0], parameter.shape[1]])
}

fn norm(flat: &Tensor<1>, gain: &Parameter, bias: &Parameter) -> Norm {
    Norm { gain: vector(flat, gain), bias: vector(flat, bias) }
}

fn linear(flat: &Tensor<1>, weight: &Parameter, bias: &Parameter) -> Linear {
    Linear { weight: matrix(flat, weight), bias: vector(flat, bias) }
}
