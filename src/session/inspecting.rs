//! Inspects the model: token probabilities of a text, the logit lens, and the token map, with each token's text.
//! Nothing here changes the model or a run.

use serde::Serialize;

use super::{Model, Session};
use crate::{
    config::ModelConfig,
    error::{Error, Result},
    inspect::{Candidate, Prediction, Site, Trace},
    tokenizer::{StreamDecoder, Tokenizer},
};

/// Number of likeliest tokens listed for each token.
const CANDIDATES: usize = 10;
/// Number of likeliest tokens listed for each layer of the lens.
const LENS_CANDIDATES: usize = 5;
/// Most multiplications of a weight with a token in one trace: about four seconds.
const MOST_PRODUCTS: u64 = 4_000_000_000;
/// Most attention weights of one trace: 16 MiB.
const MOST_ATTENTION: usize = 1 << 22;
/// Most tokens that the page draws at once.
const MOST_TOKENS: usize = 256;
/// Most tokens on the map.
const MOST_ON_MAP: usize = 2048;
/// Number of nearest tokens listed.
const NEAREST: usize = 10;

/// A candidate for a position of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TokenChoice {
    /// Its token id.
    pub id: u32,
    /// The token for display, with incomplete characters as bytes like `<0xC3>`.
    pub text: String,
    /// The text that it appends: a character appears with its last byte.
    pub adds: String,
    /// Its probability, from 0 to 1.
    pub probability: f32,
}

/// A token of a text, with the model's prediction for its position.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct InspectedToken {
    /// Its token id.
    pub id: u32,
    /// The token for display, with incomplete characters as bytes like `<0xC3>`.
    pub text: String,
    /// The text that it appends: a character appears with its last byte.
    pub adds: String,
    /// Whether it is part of the prompt or the token that begins the text, so that it was not drawn.
    pub given: bool,
    /// Its probability, from 0 to 1; none for the first token, which has no context.
    pub probability: Option<f32>,
    /// Its surprise in bits: minus the binary logarithm of `probability`.
    pub surprise: Option<f32>,
    /// Its rank among all tokens by probability, from 1.
    pub rank: Option<usize>,
    /// The likeliest tokens at its position, the likeliest first.
    pub choices: Vec<TokenChoice>,
}

/// An inspected text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Inspection {
    /// The inspected tokens: the last ones of the text.
    pub tokens: Vec<InspectedToken>,
    /// The likeliest tokens after the last one.
    pub next: Vec<TokenChoice>,
    /// The ids of the whole text, including those omitted before `tokens`.
    pub ids: Vec<u32>,
    /// The text of the omitted tokens.
    pub before: String,
    /// The most tokens that are inspected with this model.
    pub most: usize,
    /// The number of layers.
    pub layers: usize,
    /// The number of heads of each layer.
    pub heads: usize,
}

/// The logit lens of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LensRow {
    /// The number of layers computed: 0 is the embedding alone.
    pub layers: usize,
    /// The likeliest tokens, the likeliest first.
    pub choices: Vec<TokenChoice>,
    /// The probability of the next token in the text; none after the last token.
    pub following: Option<f32>,
}

/// A token as a point of the map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct MapPoint {
    /// Its token id.
    pub id: u32,
    /// The token for display.
    pub text: String,
    /// Its coordinate along the first principal component.
    pub x: f32,
    /// Its coordinate along the second principal component.
    pub y: f32,
}

/// The token embeddings as a map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TokenMap {
    /// One point for each token on the map, in the order of their ids.
    pub points: Vec<MapPoint>,
    /// The share of the total variance of each of the two components, from 0 to 1.
    pub shares: [f32; 2],
    /// The size of the vocabulary; the map has only its first tokens.
    pub vocabulary: usize,
}

/// A neighbour of a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct NearToken {
    /// Its token id.
    pub id: u32,
    /// The token for display.
    pub text: String,
    /// The cosine similarity of both embeddings; 1 if they point the same way.
    pub cosine: f32,
}

impl Session {
    /// Inspects how the model reads `prompt` and the text `written` after it: the probability of each token, and the
    /// likeliest alternatives. Without a prompt the text begins with the token that begins every text. Of a long text
    /// only the last tokens are inspected. [`Session::lens`] and [`Session::inspected_attention`] then return more
    /// about the same text.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn inspect(&mut self, prompt: &str, written: &str) -> Result<Inspection> {
        let Model { gpt, tokenizer, inspected, .. } = self.model_mut()?;
        *inspected = None; // frees its memory for the next one
        let mut ids = if prompt.is_empty() { vec![tokenizer.start()] } else { tokenizer.encode_from_start(prompt) };
        let given = ids.len();
        ids.extend(tokenizer.encode_on(written));
        let most = most_tokens(&gpt.config);
        let first = ids.len().saturating_sub(most);
        let trace = gpt.trace(&gpt.ids(ids[first..].to_vec())?).await?;
        let predictions = predictions(&trace, tokenizer);
        let mut decoder = tokenizer.decoder();
        let before = ids[..first].iter().map(|&id| decoder.push(id)).collect::<Result<String>>()?;
        let mut tokens = Vec::with_capacity(trace.time);
        for (at, &id) in ids[first..].iter().enumerate() {
            let prediction = at.checked_sub(1).map(|before| &predictions[before]);
            tokens.push(InspectedToken {
                id,
                text: tokenizer.token_text(id),
                given: first + at < given,
                probability: prediction.map(|prediction| prediction.of(id)),
                surprise: prediction.map(|prediction| prediction.surprise(id)),
                rank: prediction.map(|prediction| prediction.rank(id)),
                choices: prediction.map_or_else(Vec::new, |it| choices(it, CANDIDATES, tokenizer, &decoder)),
                adds: decoder.push(id)?,
            });
        }
        let next = choices(&predictions[trace.time - 1], CANDIDATES, tokenizer, &decoder);
        let (layers, heads) = (trace.layers, trace.heads);
        *inspected = Some(Inspected { trace, ids: ids[first..].to_vec() });
        Ok(Inspection { tokens, next, ids, before, most, layers, heads })
    }

    /// Returns the attention weights of the inspected text, `[layers, heads, tokens, tokens]`; empty if no text was
    /// inspected.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn inspected_attention(&self) -> Result<&[f32]> {
        Ok(self.model()?.inspected.as_ref().map_or(&[], |inspected| &inspected.trace.attention))
    }

    /// Returns the logit lens after the token at `position` of the inspected text, from the embedding alone to the last
    /// layer; empty if no text was inspected, or it has no such token.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn lens(&self, position: usize) -> Result<Vec<LensRow>> {
        let Model { tokenizer, inspected, .. } = self.model()?;
        let Some(Inspected { trace, ids }) = inspected.as_ref().filter(|inspected| position < inspected.ids.len())
        else {
            return Ok(Vec::new());
        };
        let mut decoder = tokenizer.decoder();
        for &id in &ids[..=position] {
            decoder.push(id)?;
        }
        let row = |layers: usize| {
            let site = layers.checked_sub(1).map_or(Site::Embedding, Site::Block);
            let prediction = Prediction::new(&trace.lens(site, position), tokenizer.vocabulary(), tokenizer.unused());
            let following = ids.get(position + 1).map(|&id| prediction.of(id));
            LensRow { layers, choices: choices(&prediction, LENS_CANDIDATES, tokenizer, &decoder), following }
        };
        Ok((0..=trace.layers).map(row).collect())
    }

    /// Frees the memory of the inspected text.
    pub fn forget_inspection(&mut self) {
        if let Some(model) = &mut self.model {
            model.inspected = None;
        }
    }

    /// Projects the model's tokens onto a map; of a large vocabulary the first ones.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn token_map(&self) -> Result<TokenMap> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let ids: Vec<u32> = used(tokenizer).take(MOST_ON_MAP).collect();
        let map = gpt.embeddings().await?.map(&ids);
        let point = |(&id, &[x, y]): (&u32, &[f32; 2])| MapPoint { id, text: tokenizer.token_text(id), x, y };
        let points = ids.iter().zip(&map.points).map(point).collect();
        Ok(TokenMap { points, shares: map.shares, vocabulary: used(tokenizer).count() })
    }

    /// Returns the tokens whose embeddings are most similar to that of `id`, the nearest first.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::TokenOutOfRange`] for an id outside the vocabulary;
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn nearest_tokens(&self, id: u32) -> Result<Vec<NearToken>> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let vocabulary = tokenizer.vocabulary();
        if id as usize >= vocabulary {
            return Err(Error::TokenOutOfRange { id, vocabulary });
        }
        let nearest = gpt.embeddings().await?.nearest(id, used(tokenizer), NEAREST);
        Ok(nearest.into_iter().map(|(id, cosine)| NearToken { id, text: tokenizer.token_text(id), cosine }).collect())
    }
}

/// An inspected text.
pub(super) struct Inspected {
    trace: Trace,
    /// `[time]`
    ids: Vec<u32>,
}

/// The most tokens of one trace: a context length, less for a large model.
pub(super) fn most_tokens(config: &ModelConfig) -> usize {
    let in_time = (MOST_PRODUCTS / config.parameters().max(1)) as usize;
    let in_memory = (MOST_ATTENTION / (config.layers * config.heads)).isqrt();
    config.context.min(in_time).min(in_memory).clamp(1, MOST_TOKENS)
}

/// The ids that have tokens.
fn used(tokenizer: &Tokenizer) -> impl Iterator<Item = u32> + '_ {
    (0..tokenizer.vocabulary() as u32).filter(|id| tokenizer.unused().binary_search(id).is_err())
}

/// The predictions of a trace after each token.
fn predictions(trace: &Trace, tokenizer: &Tokenizer) -> Vec<Prediction> {
    let logits = trace.logits();
    let rows = logits.chunks_exact(logits.len() / trace.time);
    rows.map(|row| Prediction::new(row, tokenizer.vocabulary(), tokenizer.unused())).collect()
}

/// The likeliest tokens after those that `decoder` has read.
pub(super) fn choices(
    prediction: &Prediction,
    count: usize,
    tokenizer: &Tokenizer,
    decoder: &StreamDecoder,
) -> Vec<TokenChoice> {
    let choice = |Candidate { id, probability }| {
        let adds = decoder.clone().push(id).unwrap_or_default();
        TokenChoice { id, text: tokenizer.token_text(id), adds, probability }
    };
    let able = prediction.likeliest(count).into_iter().filter(|candidate| candidate.probability > 0.0);
    able.map(choice).collect()
}
