//! Embeddings of texts: numbers by which texts can be compared.

use std::pin::Pin;

use super::{Model, Session};
use crate::{error::Result, ops};

/// A future behind a pointer. The compiler would take a plain one into the binding that awaits it, out of the part of the
/// WebAssembly that is loaded when it is needed (web/build/parts.mjs).
type Later<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

impl Session {
    /// Returns the embedding of a text, `[width]`: the mean of the hidden states after the last norm over the tokens of the
    /// text, divided by its length (L2 norm), so that the dot product of two embeddings is their cosine similarity. A text
    /// that exceeds the context is read in windows of a context each. The tokens that the tokenizer puts before every text
    /// are read, but do not count. An empty text has the embedding of the token that begins a text.
    ///
    /// A causal model that was trained to predict the next token is no embedding model: such means tell topics and languages
    /// apart, and little more.
    ///
    /// # Errors
    /// [`Error::NoModel`](crate::error::Error::NoModel) if there is no model;
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
    #[inline(never)]
    pub fn embed<'a>(&'a self, text: &'a str) -> Later<'a, Result<Vec<f32>>> {
        Box::pin(self.embedded(text))
    }

    async fn embedded(&self, text: &str) -> Result<Vec<f32>> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let mut ids = tokenizer.encode_from_start(text);
        let mut uncounted = tokenizer.encode_from_start("").len();
        if ids.len() <= uncounted {
            (ids, uncounted) = (vec![tokenizer.start()], 0);
        }
        let width = gpt.config.width;
        let mut sum = vec![0.0f64; width];
        for (window, ids) in ids.chunks(gpt.config.context).enumerate() {
            let states = ops::read(gpt.hidden_states(&gpt.ids(ids.to_vec())?)).await?;
            let before = uncounted.saturating_sub(window * gpt.config.context);
            for state in states.chunks_exact(width).skip(before) {
                sum.iter_mut().zip(state).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        // The length of the sum divides as that of the mean would.
        let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        Ok(sum.iter().map(|value| (value / length) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::{
        config::{ModelConfig, Variant},
        device::{CPU_LIMITS, Engine},
        error::Error,
        inspect::Site,
        model::Gpt,
        ops::Device,
        tokenizer::Kind,
    };

    const CONTEXT: usize = 16;

    /// A session with a model of letters whose weights are large enough that every part affects the result.
    fn session() -> Session {
        let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        session.open_file("a.txt", 0, None);
        session.push_bytes("the tide goes out and the gulls come in\n".repeat(9).as_bytes()).unwrap();
        session.close_file().unwrap();
        session.train_tokenizer(Kind::Char, None).unwrap();
        let variant = Variant::GPT2;
        let config =
            ModelConfig { vocabulary: 0, context: CONTEXT, layers: 2, heads: 2, width: 16, dropout: 0.0, variant };
        session.create_model(config, 7).unwrap();
        let gpt = &mut session.model.as_mut().unwrap().gpt;
        let weights = block_on(gpt.flat.read()).unwrap().into_iter().map(|weight| weight * 6.0).collect();
        *gpt = Gpt::from_flat(gpt.config, weights, &Device::cpu());
        session
    }

    /// The embedding by the plain pass of `inspect`.
    fn plainly(session: &Session, text: &str) -> Vec<f32> {
        let Model { gpt, tokenizer, .. } = session.model().unwrap();
        let (ids, width) = (tokenizer.encode(text), gpt.config.width);
        let mut mean = vec![0.0; width];
        for window in ids.chunks(CONTEXT) {
            let trace = block_on(gpt.trace(&gpt.ids(window.to_vec()).unwrap())).unwrap();
            for (at, value) in trace.at(Site::Normed).iter().enumerate() {
                mean[at % width] += value / ids.len() as f32;
            }
        }
        let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
        mean.iter().map(|value| value / length).collect()
    }

    #[test]
    fn an_embedding_is_the_mean_of_the_last_hidden_states_with_length_1() {
        let session = session();
        let mut all: Vec<Vec<f32>> = Vec::new();
        for text in ["the", "gulls come in", "the tide goes out and the gulls come in, the tide goes out"] {
            let embedding = block_on(session.embed(text)).unwrap();
            let right = plainly(&session, text);
            for (got, right) in embedding.iter().zip(&right) {
                assert!((got - right).abs() < 1e-5, "{text}: {embedding:?} instead of {right:?}");
            }
            let length: f32 = embedding.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5, "{text}: the square of the length is {length}");
            assert!(all.iter().all(|other| other.iter().zip(&embedding).any(|(a, b)| (a - b).abs() > 1e-3)), "{text}");
            all.push(embedding);
        }
    }

    #[test]
    fn an_empty_text_has_an_embedding_and_no_model_has_none() {
        let empty = block_on(session().embed("")).unwrap();
        assert!(empty.len() == 16 && empty.iter().all(|value| value.is_finite()), "{empty:?}");
        let without = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        assert_eq!(block_on(without.embed("the")), Err(Error::NoModel));
    }
}
