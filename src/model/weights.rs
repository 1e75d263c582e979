//! The flat array seen as a model's tensors.

use super::layout::{Layout, Parameter};
use crate::{
    config::Part,
    ops::{Flat, Precision, Tensor},
};

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

impl Block {
    pub fn linear(&self, part: Part) -> &Linear {
        match part {
            Part::Attention => &self.attention,
            Part::AttentionOut => &self.attention_out,
            Part::Mlp => &self.mlp,
            Part::MlpOut => &self.mlp_out,
        }
    }

    pub fn linear_mut(&mut self, part: Part) -> &mut Linear {
        match part {
            Part::Attention => &mut self.attention,
            Part::AttentionOut => &mut self.attention_out,
            Part::Mlp => &mut self.mlp,
            Part::MlpOut => &mut self.mlp_out,
        }
    }
}

/// Every trained tensor of a model.
#[derive(Clone)]
pub struct Weights {
    /// Of the matrices that products read.
    pub precision: Precision,
    /// In pieces of rows, as the flat array is divided.
    pub tokens: Vec<Tensor<2>>, // wte
    /// `tokens` once more, as the head reads it, or the head's own.
    pub head: Vec<Tensor<2>>,
    pub positions: Tensor<2>, // wpe
    pub blocks: Vec<Block>,
    pub norm: Norm, // ln_f
}

impl Weights {
    /// Views into `flat`, and of the products' matrices into `half` where there is one; nothing is copied.
    pub fn view(layout: &Layout, flat: &Flat, half: Option<&Flat>) -> Self {
        let products = half.unwrap_or(flat);
        let linear = |weight: &Parameter, bias| Linear { weight: matrix(products, weight), bias: vector(flat, bias) };
        let mut parameters = layout.parameters.iter();
        let mut next = || parameters.next().expect("a layout of GPT-2");
        let token_place = next();
        let positions = matrix(flat, next());
        let layers = layout.layers();
        let blocks = (0..layers)
            .map(|_| Block {
                norm_1: norm(flat, next(), next()),
                attention: linear(next(), next()),
                attention_out: linear(next(), next()),
                norm_2: norm(flat, next(), next()),
                mlp: linear(next(), next()),
                mlp_out: linear(next(), next()),
            })
            .collect();
        let norm = norm(flat, next(), next());
        let (tokens, head) = (rows(flat, token_place), rows(products, parameters.next().unwrap_or(token_place)));
        let precision = if half.is_some() { Precision::Half } else { Precision::Single };
        Self { precision, tokens, head, positions, blocks, norm }
    }
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

fn norm(flat: &Flat, gain: &Parameter, bias: &Parameter) -> Norm {
    Norm { gain: vector(flat, gain), bias: vector(flat, bias) }
}
