//! Where the gradient of each of a model's tensors goes in the flat array of all gradients, which is laid out as the
//! weights are.

use std::ops::Range;

use super::layout::{Layout, Parameter};
use crate::{
    config::Part,
    ops::{LinearPlace, NormPlace},
};

pub struct BlockPlaces {
    pub norm_1: NormPlace,
    pub attention: LinearPlace,
    pub attention_out: LinearPlace,
    pub norm_2: NormPlace,
    pub mlp: LinearPlace,
    pub mlp_out: LinearPlace,
}

impl BlockPlaces {
    pub fn linear(&self, part: Part) -> &LinearPlace {
        match part {
            Part::Attention => &self.attention,
            Part::AttentionOut => &self.attention_out,
            Part::Mlp => &self.mlp,
            Part::MlpOut => &self.mlp_out,
        }
    }
}

/// The token embedding's is the beginning.
pub struct Places {
    /// The token embedding's too, where the head is tied to it.
    pub head: Range<usize>,
    pub positions: Range<usize>,
    pub blocks: Vec<BlockPlaces>,
    pub norm: NormPlace,
}

impl Places {
    pub fn new(layout: &Layout) -> Self {
        let mut parameters = layout.parameters.iter().map(Parameter::range);
        let mut next = || parameters.next().expect("a layout of GPT-2");
        let tokens = next();
        let positions = next();
        let layers = layout.layers();
        let blocks = (0..layers)
            .map(|layer| BlockPlaces {
                norm_1: NormPlace { index: 2 * layer, gain: next(), bias: next() },
                attention: LinearPlace { weight: next(), bias: next() },
                attention_out: LinearPlace { weight: next(), bias: next() },
                norm_2: NormPlace { index: 2 * layer + 1, gain: next(), bias: next() },
                mlp: LinearPlace { weight: next(), bias: next() },
                mlp_out: LinearPlace { weight: next(), bias: next() },
            })
            .collect();
        let norm = NormPlace { index: 2 * layers, gain: next(), bias: next() };
        Self { head: parameters.next().unwrap_or(tokens), positions, blocks, norm }
    }

    /// The layer norms' places, in the order of their indices.
    pub fn norms(&self) -> Vec<NormPlace> {
        let blocks = self.blocks.iter().flat_map(|block| [block.norm_1.clone(), block.norm_2.clone()]);
        blocks.chain([self.norm.clone()]).collect()
    }
}
