//! Runs a forward pass in plain loops and keeps its intermediate values under names. It reads the weights from any
//! engine, tensor by tensor, with an adapter merged in, and holds one block of them at a time.

use super::plain;
use crate::{
    architecture::{Architecture, Norm, Positions},
    error::Result,
    model::{Gpt, Ids},
    ops::{Tensor, read},
};

/// A named point of the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The embedding of tokens, and of positions where there is one: the input of the first block.
    Embedding,
    /// After a block's attention and its residual connection; blocks count from 0.
    Attention(usize),
    /// After a block, that is after its MLP.
    Block(usize),
    /// After the last norm: the input of the head.
    Normed,
}

/// The intermediate values of one window.
pub struct Trace {
    /// Tokens of the window.
    pub time: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of each block.
    pub heads: usize,
    /// Attention weights, `[layers, heads, time, time]`; rows sum to 1, and later tokens have 0.
    pub attention: Vec<f32>,
    /// In the order of the forward pass.
    sites: Vec<(Site, Vec<f32>)>,
    head: Head,
}

/// The last norm and the language-model head.
struct Head {
    gain: Vec<f32>,
    bias: Vec<f32>,
    norm: Norm,
    /// `[vocabulary, width]`
    table: Vec<f32>,
}

impl Trace {
    /// The residual stream at a site, `[time, width]`.
    ///
    /// # Panics
    /// If the model has fewer blocks.
    pub fn at(&self, site: Site) -> &[f32] {
        let found = self.sites.iter().find(|(other, _)| *other == site);
        found.map_or_else(|| panic!("the model has no {site:?}"), |(_, values)| values)
    }

    /// The logits after each token, `[time, vocabulary]`.
    pub fn logits(&self) -> Vec<f32> {
        plain::scores(self.at(Site::Normed), &self.head.table, self.width)
    }

    /// The logit lens (nostalgebraist 2020): applies the last norm and the head to the residual stream at this site.
    /// Returns the logits after the token at `position`, `[vocabulary]`.
    ///
    /// # Panics
    /// If the window has no such position, or the model no such site.
    pub fn lens(&self, site: Site, position: usize) -> Vec<f32> {
        let row = &self.at(site)[position * self.width..][..self.width];
        let Head { gain, bias, norm, table } = &self.head;
        match site {
            Site::Normed => plain::scores(row, table, self.width),
            _ => plain::scores(&plain::normalised(row, gain, bias, *norm), table, self.width),
        }
    }

    /// The attention weights of the token at `position`, for each token up to itself, `[position + 1]`, in a head of a
    /// layer.
    ///
    /// # Panics
    /// When there is no such layer, head or position.
    pub fn attention_of(&self, layer: usize, head: usize, position: usize) -> &[f32] {
        &self.attention[((layer * self.heads + head) * self.time + position) * self.time..][..=position]
    }
}

impl Gpt {
    /// Traces one window of tokens. It takes about a second per 10^9 multiplications of a weight with a token.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
    ///
    /// # Panics
    /// If there are several windows, or one that exceeds the context length.
    pub async fn trace(&self, ids: &Ids) -> Result<Trace> {
        assert!(ids.windows() == 1 && ids.time() <= self.config.context, "one window of at most a context");
        let Architecture { norm, positions, layers, width, attention, mlp, tied, .. } = self.config.architecture();
        let (weights, time) = (self.weights(), ids.time());
        let tokens = rows(&weights.tokens).await?;
        let mut x = embedded(ids, &tokens, width);
        if let Some(positions) = &weights.positions {
            add(&mut x, &values(positions).await?);
        }
        let (mut sites, mut attended) = (vec![(Site::Embedding, x.clone())], Vec::new());
        for (layer, block) in weights.blocks.iter().enumerate() {
            let normed = normalised(&x, &block.norm_1, norm).await?;
            let mut qkv = linear(&normed, &block.attention).await?;
            if let Some([query, key]) = &block.head_norms {
                let (query, key) = (values(&query.gain).await?, values(&key.gain).await?);
                for row in qkv.chunks_exact_mut(attention.joint_width()) {
                    let (queries, rest) = row.split_at_mut(attention.query_width());
                    let keys = &mut rest[..attention.key_value_heads * attention.head_width];
                    for (heads, gain) in [(queries, &query), (keys, &key)] {
                        let normed = plain::normalised(heads, gain, &vec![0.0; gain.len()], norm);
                        heads.copy_from_slice(&normed);
                    }
                }
            }
            if let Positions::Rotary(rope) = positions {
                let frequencies = rope.frequencies(attention.head_width);
                let rotated = (attention.heads + attention.key_value_heads) * attention.head_width;
                for (position, row) in qkv.chunks_exact_mut(attention.joint_width()).enumerate() {
                    plain::rotate(&mut row[..rotated], &frequencies, position);
                }
            }
            let (heads, shares) = plain::attention(&qkv, &attention);
            attended.extend(shares);
            add(&mut x, &linear(&heads, &block.attention_out).await?);
            sites.push((Site::Attention(layer), x.clone()));
            let normed = normalised(&x, &block.norm_2, norm).await?;
            let mut inner = linear(&normed, &block.mlp).await?;
            if mlp.gated {
                let gated = |row: &[f32]| -> Vec<f32> {
                    let (gates, values) = row.split_at(mlp.width);
                    gates
                        .iter()
                        .zip(values)
                        .map(|(gate, value)| plain::activate(mlp.activation, *gate) * value)
                        .collect()
                };
                inner = inner.chunks_exact(2 * mlp.width).flat_map(gated).collect();
            } else {
                inner.iter_mut().for_each(|value| *value = plain::activate(mlp.activation, *value));
            }
            add(&mut x, &linear(&inner, &block.mlp_out).await?);
            sites.push((Site::Block(layer), x.clone()));
        }
        let head = Head {
            gain: values(&weights.norm.gain).await?,
            bias: values(&weights.norm.bias).await?,
            norm,
            table: if tied { tokens } else { rows(&weights.head).await? },
        };
        sites.push((Site::Normed, plain::normalised(&x, &head.gain, &head.bias, norm)));
        Ok(Trace { time, width, layers, heads: attention.heads, attention: attended, sites, head })
    }
}

/// The embedding of each token, `[time, width]`.
fn embedded(ids: &Ids, tokens: &[f32], width: usize) -> Vec<f32> {
    ids.as_slice().iter().flat_map(|&id| &tokens[id as usize * width..][..width]).copied().collect()
}

async fn normalised(x: &[f32], norm: &crate::model::Norm, kind: Norm) -> Result<Vec<f32>> {
    Ok(plain::normalised(x, &values(&norm.gain).await?, &values(&norm.bias).await?, kind))
}

async fn linear(x: &[f32], linear: &crate::model::Linear) -> Result<Vec<f32>> {
    Ok(plain::linear(x, &values(&linear.weight).await?, &values(&linear.bias).await?))
}

/// Reads the numbers of a tensor, row-major.
pub(super) async fn values<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>> {
    Ok(read(tensor.clone()).await?)
}

/// Reads the numbers of a table that consists of several tensors.
pub(super) async fn rows(pieces: &[Tensor<2>]) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for piece in pieces {
        all.extend(values(piece).await?);
    }
    Ok(all)
}

fn add(x: &mut [f32], other: &[f32]) {
    x.iter_mut().zip(other).for_each(|(x, other)| *x += other);
}
