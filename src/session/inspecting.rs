//! A look inside the model, in tokens with their texts: what it held likely where it wrote, what each layer would have said, and
//! the map of its tokens. Nothing here changes the model or a run.

use serde::Serialize;

use super::{Model, Session};
use crate::{
    config::ModelConfig,
    error::{Error, Result},
    inspect::{Candidate, Prediction, Site, Trace},
    tokenizer::{StreamDecoder, Tokenizer},
};

/// Likeliest tokens that are given with each token.
const CANDIDATES: usize = 10;
/// The same for each layer.
const LENS_CANDIDATES: usize = 5;
/// Products of a weight and a token that a trace may take, about four seconds of them.
const MOST_PRODUCTS: u64 = 4_000_000_000;
/// Numbers of attention, 16 MiB of them.
const MOST_ATTENTION: usize = 1 << 22;
/// More tokens are not drawn at once.
const MOST_TOKENS: usize = 256;
/// Tokens on the map.
const MOST_ON_MAP: usize = 2048;
/// Tokens that are named as near another.
const NEAREST: usize = 10;

/// A token that could stand at a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TokenChoice {
    /// Its token id.
    pub id: u32,
    /// The token for display, with bytes that are no whole character as `<0xC3>`.
    pub text: String,
    /// What it adds to the text before it: a character with its last byte.
    pub adds: String,
    /// How likely the model held it, from 0 to 1.
    pub probability: f32,
}

/// A token of a text, and what the model thought of it before it read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct InspectedToken {
    /// Its token id.
    pub id: u32,
    /// The token for display, with bytes that are no whole character as `<0xC3>`.
    pub text: String,
    /// What it adds to the text before it: a character with its last byte.
    pub adds: String,
    /// Whether it is of the prompt, or begins the text, and was not drawn.
    pub given: bool,
    /// How likely the model held it, from 0 to 1; none for the first token, before which there is nothing.
    pub probability: Option<f32>,
    /// How surprised the model was, in bits: minus the binary logarithm of `probability`.
    pub surprise: Option<f32>,
    /// Its place among all tokens by their probability, from 1 on.
    pub rank: Option<usize>,
    /// The likeliest tokens at its place, the likeliest first.
    pub choices: Vec<TokenChoice>,
}

/// A text as the model read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Inspection {
    /// The tokens that were looked at, which are the last ones of the text.
    pub tokens: Vec<InspectedToken>,
    /// The likeliest tokens after the last one.
    pub next: Vec<TokenChoice>,
    /// The ids of the whole text, with those that were left out before `tokens`.
    pub ids: Vec<u32>,
    /// The text of those that were left out.
    pub before: String,
    /// How many tokens are looked at at most with this model.
    pub most: usize,
    /// The number of layers.
    pub layers: usize,
    /// The number of heads of each layer.
    pub heads: usize,
}

/// What a layer would say next, if it were the last one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LensRow {
    /// How many layers have been computed: 0 is the embedding alone.
    pub layers: usize,
    /// The likeliest tokens, the likeliest first.
    pub choices: Vec<TokenChoice>,
    /// The probability of the token that follows in the text; none after the last one.
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
    /// Where it is along the first direction.
    pub x: f32,
    /// Where it is along the second direction.
    pub y: f32,
}

/// The token embeddings as a map.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TokenMap {
    /// One for each token on it, in the order of their ids.
    pub points: Vec<MapPoint>,
    /// The share of all differences that each of the two directions shows, from 0 to 1.
    pub shares: [f32; 2],
    /// How many tokens the model has; those beyond the first ones are not on the map.
    pub vocabulary: usize,
}

/// A token that is near another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct NearToken {
    /// Its token id.
    pub id: u32,
    /// The token for display.
    pub text: String,
    /// The cosine of the angle between both embeddings; 1 if they point the same way.
    pub cosine: f32,
}

impl Session {
    /// Looks at how the model reads `prompt` and what it wrote after it: how likely each token was, and which ones would have been
    /// likelier. Without a prompt the text begins with the token that begins every text. Of a long text only the last tokens are
    /// looked at. [`Session::lens`] and [`Session::inspected_attention`] then tell more of the same text.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn inspect(&mut self, prompt: &str, written: &str) -> Result<Inspection> {
        let Model { gpt, tokenizer, inspected, .. } = self.model_mut()?;
        *inspected = None; // its memory serves again
        let mut ids = tokenizer.encode(prompt);
        if ids.is_empty() {
            ids.push(tokenizer.start());
        }
        let given = ids.len();
        ids.extend(tokenizer.encode(written));
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

    /// How much each token of the text that was looked at attends to each, `[layers, heads, tokens, tokens]`; nothing if none
    /// was.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn inspected_attention(&self) -> Result<&[f32]> {
        Ok(self.model()?.inspected.as_ref().map_or(&[], |inspected| &inspected.trace.attention))
    }

    /// What each layer would say after the token at `position` of the text that was looked at, from the embedding alone to the
    /// last layer; nothing if no text was, or it has no such token.
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

    /// Frees the memory of the text that was looked at.
    pub fn forget_inspection(&mut self) {
        if let Some(model) = &mut self.model {
            model.inspected = None;
        }
    }

    /// Places the model's tokens, of a large vocabulary the first ones, on a map.
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

    /// The tokens whose embeddings are most like that of `id`, the nearest first.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::TokenOutOfRange`] for a token that it does not have;
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

/// A text that is looked at.
pub(super) struct Inspected {
    trace: Trace,
    /// `[time]`
    ids: Vec<u32>,
}

/// How many tokens are traced at most: a context, of a large model less.
pub(super) fn most_tokens(config: &ModelConfig) -> usize {
    let in_time = (MOST_PRODUCTS / config.parameters().max(1)) as usize;
    let in_memory = (MOST_ATTENTION / (config.layers * config.heads)).isqrt();
    config.context.min(in_time).min(in_memory).clamp(1, MOST_TOKENS)
}

/// The ids that tokens have.
fn used(tokenizer: &Tokenizer) -> impl Iterator<Item = u32> + '_ {
    (0..tokenizer.vocabulary() as u32).filter(|id| tokenizer.unused().binary_search(id).is_err())
}

/// What a trace predicts after each token.
fn predictions(trace: &Trace, tokenizer: &Tokenizer) -> Vec<Prediction> {
    let logits = trace.logits();
    let rows = logits.chunks_exact(logits.len() / trace.time);
    rows.map(|row| Prediction::new(row, tokenizer.vocabulary(), tokenizer.unused())).collect()
}

/// The likeliest tokens after what `decoder` has read.
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
