//! Estimates the memory of a model and its training, and checks it against an engine's limits.

use serde::{Deserialize, Serialize};

use super::{
    ModelConfig, TrainConfig,
    nearest::{Asked, nearest_that_fits},
};
use crate::{
    architecture::Architecture,
    device::Engine,
    error::{Error, Result},
    model::ROWS,
};

impl ModelConfig {
    /// Estimates the bytes that training holds at least at once, from the shapes of the tensors.
    pub fn memory(&self, run: &TrainConfig, engine: Engine) -> Memory {
        self.memory_of(None, run, engine)
    }

    /// Estimates the same of a model whose weights take `packed` bytes, if some of them have fewer bits than 32 and stay
    /// frozen.
    pub fn memory_of(&self, packed: Option<u64>, run: &TrainConfig, engine: Engine) -> Memory {
        self.memory_with(packed, run, engine, LEAST_LOGITS)
    }

    /// Estimates the bytes that training holds at once on an engine with these limits: where there is memory, more logits
    /// at a time.
    fn memory_within(&self, packed: Option<u64>, run: &TrainConfig, limits: &Limits, engine: Engine) -> Memory {
        self.memory_with(packed, run, engine, self.bytes_of_logits(run, limits, engine))
    }

    /// The bytes of logits that training holds at once. Each group of rows reads the embedding of all tokens twice, and on
    /// the GPU reads and writes its gradient: so as few as a quarter of the largest buffer and the memory that is left
    /// allow. On the CPU, what its caches hold best.
    pub fn bytes_of_logits(&self, run: &TrainConfig, limits: &Limits, engine: Engine) -> u64 {
        let all = 4 * (run.batch_size * run.window(self.context)) as u64 * self.vocabulary as u64;
        let most = limits.largest_buffer / 4;
        if engine == Engine::Cpu || all.min(most) <= LEAST_LOGITS {
            return LEAST_LOGITS;
        }
        let left = limits.total.saturating_sub(self.memory(run, engine).total());
        most.min(LEAST_LOGITS + left)
    }

    /// Estimates the bytes that training holds with at most so many workers. `packed`: see [`ModelConfig::memory_of`].
    pub fn memory_of_workers(
        &self,
        packed: Option<u64>,
        run: &TrainConfig,
        limits: &Limits,
        engine: Engine,
        most: usize,
    ) -> Memory {
        let alone = self.memory_within(packed, run, limits, engine);
        let others = self.workers_that_fit(packed, run, limits, engine).min(run.shards_of(self)).min(most.max(1)) - 1;
        Memory { workers: others as u64 * self.bytes_of_worker(packed, run), ..alone }
    }

    /// Returns how many workers can share the steps of a run within these limits; 1 where only one computes. `packed`: see
    /// [`ModelConfig::memory_of`].
    pub fn workers_that_fit(&self, packed: Option<u64>, run: &TrainConfig, limits: &Limits, engine: Engine) -> usize {
        if engine != Engine::Cpu {
            return 1;
        }
        let left = limits.total.saturating_sub(self.memory_of(packed, run, engine).total());
        usize::try_from(left / self.bytes_of_worker(packed, run)).unwrap_or(usize::MAX - 1).saturating_add(1)
    }

    /// The bytes of each further worker: the weights, gradients and activations of a shard, and both sides of a message
    /// with weights and gradients; the moments, the cache and the saved weights are the first worker's alone.
    fn bytes_of_worker(&self, packed: Option<u64>, run: &TrainConfig) -> u64 {
        let flat = packed.unwrap_or(4 * self.parameters());
        let trained = 4 * run.lora.map_or(self.parameters(), |lora| lora.parameters(self).0);
        let alone = self.memory_of(packed, run, Engine::Cpu);
        MODULE + alone.total() - 2 * trained - flat
    }

    fn memory_with(&self, packed: Option<u64>, run: &TrainConfig, engine: Engine, bytes_of_logits: u64) -> Memory {
        let TrainConfig { batch_size, half_precision, .. } = *run;
        let architecture = self.architecture();
        let flat = architecture.parameters();
        // The trained weights, and the sums of an adapter and the model's matrices, which a packed matrix has not.
        let (trained, adapted) = run.lora.map_or((flat, 0), |lora| lora.parameters(self));
        let (weights, adapted) = packed.map_or((4 * flat, adapted), |packed| (packed, 0));
        let Architecture { attention, mlp, .. } = &architecture;
        let [vocabulary, context, layers, width] =
            [self.vocabulary, self.context, self.layers, self.width].map(|value| value as u64);
        let [heads, queries, joint] =
            [attention.heads, attention.query_width(), attention.joint_width()].map(|value| value as u64);
        let [mlp_width, first_width] = [mlp.width, mlp.first_width()].map(|value| value as u64);
        let window = run.window(self.context) as u64;
        // The CPU engine computes one shard of a batch at a time, and has a buffer of gradients for each level of their sum.
        let shards = if engine == Engine::Cpu { run.shards_of(self) } else { 1 };
        let sums = u64::from(shards.next_power_of_two().ilog2()) + 1;
        let tokens = batch_size.div_ceil(shards) as u64 * window;
        // Per token and layer the backward pass needs: the residual before and after attention and both norms' output
        // (4 widths), queries, keys and values, before the norm of heads too where there is one, attention's output, the
        // MLP before and after its activation; the norms' means and deviations; and for attention one sum per head on the
        // GPU, all its weights on the CPU.
        let of_attention = heads * if engine == Engine::Cpu { window } else { 1 };
        let joints = if attention.normed { 2 * joint } else { joint };
        let block = tokens * (4 * width + joints + queries + first_width + mlp_width + 4 + of_attention);
        // Also the gradients of the widest layer: the MLP's, those of queries, keys and values, and nine of one width.
        let gated = if mlp.gated { first_width } else { 0 };
        let temporary = tokens * (mlp_width + gated + joint + 9 * width + of_attention);
        let logits = tokens.min(rows_of_logits(self.vocabulary, bytes_of_logits) as u64) * vocabulary;
        // The KV cache for generating a sample. On the CPU it grows with the text.
        let cached = if engine == Engine::Cpu { context.min(CACHED) } else { context };
        let cache = layers * cached * attention.key_value_width() as u64;
        // Both norms' output (2 widths), attention's and the activation's with half the bits; and the weights' copy.
        let halved = layers * tokens * (2 * width + queries + mlp_width);
        let (spared, copy) = if half_precision { (halved / 2, flat / 2) } else { (0, 0) };
        Memory {
            weights,
            // Gradients and AdamW's two moments.
            optimizer: 4 * (sums + 2) * trained,
            // Also another copy of the weights while they are saved, and the best weights.
            activations: weights
                + 4 * (layers * block + temporary + logits + cache + adapted + trained + copy - spared),
            workers: 0,
            largest_buffer: packed
                .unwrap_or(4 * undivided(&architecture, engine))
                .max(4 * (tokens * first_width).max(logits)),
        }
    }

    /// Checks that an engine with these limits can train the model.
    ///
    /// # Errors
    /// [`Error::ModelTooLarge`] when the buffers do not fit, with the nearest model and run that do, if there are
    /// any; and the errors of [`ModelConfig::validate`].
    pub fn fit(&self, run: &TrainConfig, limits: &Limits, engine: Engine) -> Result<()> {
        self.fit_or_offer(None, run, limits, engine, true)
    }

    /// Checks the same for a model that exists already, whose shape cannot change.
    ///
    /// # Errors
    /// As [`ModelConfig::fit`], but only another batch size and window length are offered. `packed`: see
    /// [`ModelConfig::memory_of`].
    pub fn fit_as_it_is(&self, packed: Option<u64>, run: &TrainConfig, limits: &Limits, engine: Engine) -> Result<()> {
        self.fit_or_offer(packed, run, limits, engine, false)
    }

    fn fit_or_offer(
        &self,
        packed: Option<u64>,
        run: &TrainConfig,
        limits: &Limits,
        engine: Engine,
        model_too: bool,
    ) -> Result<()> {
        self.validate()?;
        let run = TrainConfig { half_precision: false, ..run.clone() };
        let memory = self.memory_of(packed, &run, engine);
        if limits.allow(&memory) {
            return Ok(());
        }
        let (bytes, limit) = limits.exceeded(&memory);
        let nearest =
            nearest_that_fits(&Asked::new(self, packed, &run), model_too, |memory| limits.allow(memory), engine);
        Err(Error::ModelTooLarge { bytes, limit, nearest: nearest.map(Box::new) })
    }

    /// Estimates the bytes that generating text with the model holds at once. `packed`: see [`ModelConfig::memory_of`].
    pub fn memory_to_write(&self, packed: Option<u64>, engine: Engine) -> Memory {
        let run = TrainConfig { batch_size: 1, ..TrainConfig::default() };
        let held = Memory { optimizer: 0, ..self.memory_of(packed, &run, engine) };
        // A pass over one window keeps nothing for a backward pass: the activations of one layer approximate it. Neither
        // the copy for saving nor the best weights are there.
        let copies = held.weights + 4 * self.parameters();
        Memory { activations: (held.activations - copies) / self.layers as u64, ..held }
    }

    /// Checks that an engine with these limits can generate text with the model, which takes less than training.
    ///
    /// # Errors
    /// [`Error::ModelTooLarge`], which offers no other model, and the errors of [`ModelConfig::validate`].
    pub fn fit_to_write(&self, packed: Option<u64>, limits: &Limits, engine: Engine) -> Result<()> {
        self.validate()?;
        let held = self.memory_to_write(packed, engine);
        if limits.allow(&held) {
            return Ok(());
        }
        let (bytes, limit) = limits.exceeded(&held);
        Err(Error::ModelTooLarge { bytes, limit, nearest: None })
    }
}

/// The number of elements of the largest part of the weights in one buffer: on the GPU the flat array is divided
/// between tensors, and embeddings of all tokens between rows (`model::Layout`).
fn undivided(architecture: &Architecture, engine: Engine) -> u64 {
    match engine {
        Engine::Cpu => architecture.parameters(),
        Engine::WebGpu => architecture.longest_undivided(ROWS),
    }
}

/// The bytes of a further worker's program and browser thread, about.
const MODULE: u64 = 16 << 20;

/// The tokens of a text, about, that is written while the CPU engine trains.
const CACHED: u64 = 1024;

/// The bytes of logits that may be held at once on every engine.
pub const LEAST_LOGITS: u64 = 32 << 20;

/// The number of rows whose logits are held at once: the largest multiple of 64 within these bytes, but no fewer than 64.
/// Views of the hidden states then begin where the GPU may bind a buffer.
pub fn rows_of_logits(vocabulary: usize, bytes: u64) -> usize {
    let numbers = usize::try_from(bytes / 4).unwrap_or(usize::MAX);
    (numbers / vocabulary.max(1) / 64 * 64).max(64)
}

/// The bytes that a training run holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Memory {
    /// The weights: 32 bits each, or those of a frozen model as its file had them.
    pub weights: u64,
    /// The gradient buffer and AdamW's two moments.
    pub optimizer: u64,
    /// Everything else: activations kept for the backward pass, gradients of activations, logits, the KV cache,
    /// and copies of the weights.
    pub activations: u64,
    /// What the other workers hold that share the steps: each a copy of the model, gradients and activations.
    pub workers: u64,
    /// The largest single buffer, which counts in one of the others too.
    pub largest_buffer: u64,
}

impl Memory {
    /// The sum of weights, optimizer state, activations and workers.
    pub fn total(&self) -> u64 {
        self.weights + self.optimizer + self.activations + self.workers
    }
}

/// The memory limits of an engine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Limits {
    /// The largest size of a single buffer.
    pub largest_buffer: u64,
    /// The largest total size of all buffers.
    pub total: u64,
}

impl Limits {
    fn allow(&self, memory: &Memory) -> bool {
        memory.largest_buffer <= self.largest_buffer && memory.weights <= MOST_WEIGHTS && memory.total() <= self.total
    }

    /// The size that exceeds its limit, and the limit.
    fn exceeded(&self, memory: &Memory) -> (u64, u64) {
        if memory.largest_buffer > self.largest_buffer {
            (memory.largest_buffer, self.largest_buffer)
        } else if memory.weights > MOST_WEIGHTS {
            (memory.weights, MOST_WEIGHTS)
        } else {
            (memory.total(), self.total)
        }
    }
}

/// Largest size in bytes of weights that can be saved: they and the file are in WebAssembly's memory of 4 GiB, wherever
/// the model runs.
const MOST_WEIGHTS: u64 = 3 << 29;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoraConfig, Variant, preset};

    #[test]
    fn a_model_that_is_too_large_gets_a_suggestion_that_fits() {
        let config = preset("shakespeare", 65).unwrap().model;
        let limits = Limits { largest_buffer: 128 << 20, total: 1 << 30 };
        let run = TrainConfig { batch_size: 64, ..TrainConfig::default() };
        let Err(Error::ModelTooLarge { nearest: Some(nearest), .. }) = config.fit(&run, &limits, Engine::Cpu) else {
            panic!("accepted")
        };
        let run = TrainConfig { batch_size: nearest.batch_size, window_length: nearest.window_length, ..run };
        nearest.model.fit(&run, &limits, Engine::Cpu).unwrap();
        // The tokens of a step exceed the limit, not the layers or the width.
        assert_eq!((nearest.model.layers, nearest.model.width), (config.layers, config.width));
    }

    #[test]
    fn logits_take_a_quarter_of_the_largest_buffer_where_there_is_memory() {
        let gpt2 = ModelConfig {
            vocabulary: 50_257,
            context: 1024,
            layers: 12,
            heads: 12,
            width: 768,
            dropout: 0.0,
            variant: Variant::GPT2,
        };
        let run = TrainConfig { batch_size: 4, window_length: 256, ..TrainConfig::default() };
        let bytes = |largest_buffer: u64, total: u64| {
            gpt2.bytes_of_logits(&run, &Limits { largest_buffer, total }, Engine::WebGpu)
        };
        assert_eq!(bytes(128 << 20, 8 << 30), 32 << 20);
        assert_eq!(bytes(1 << 30, 8 << 30), 256 << 20);
        // All 1,024 rows at once.
        assert_eq!(rows_of_logits(gpt2.vocabulary, bytes(1 << 30, 8 << 30)), 1280);
        let least = gpt2.memory(&run, Engine::WebGpu).total();
        assert_eq!(bytes(1 << 30, least + (10 << 20)), 42 << 20);
        assert_eq!(bytes(1 << 30, least), 32 << 20);
        let limits = Limits { largest_buffer: 1 << 30, total: 8 << 30 };
        assert_eq!(gpt2.bytes_of_logits(&run, &limits, Engine::Cpu), 32 << 20);
        let more = gpt2.memory_within(None, &run, &limits, Engine::WebGpu).total() - least;
        assert_eq!(more, 4 * (1024 - 128) * 50_257);
    }

    /// With the buffer limits that WebGPU guarantees everywhere, and little memory.
    #[test]
    fn gpt2_fits_where_no_buffer_may_be_larger_than_128_mib() {
        let limits = Limits { largest_buffer: 128 << 20, total: 2 << 30 };
        let gpt2 = ModelConfig {
            vocabulary: 50_257,
            context: 1024,
            layers: 12,
            heads: 12,
            width: 768,
            dropout: 0.1,
            variant: Variant::GPT2,
        };
        gpt2.fit_to_write(None, &limits, Engine::WebGpu).unwrap();
        let run = TrainConfig { batch_size: 1, window_length: 256, ..TrainConfig::default() };
        let adapter = TrainConfig { lora: Some(LoraConfig::default()), ..run.clone() };
        gpt2.fit(&adapter, &limits, Engine::WebGpu).unwrap();
        // Training all weights, with their moments, takes more.
        assert!(
            matches!(gpt2.fit(&run, &limits, Engine::WebGpu), Err(Error::ModelTooLarge { limit, .. }) if limit == 2 << 30)
        );
        // A matrix of that size by itself is not divided.
        let wide = ModelConfig { width: 4096, heads: 32, layers: 1, vocabulary: 100, ..gpt2 };
        let refused = wide.fit_to_write(None, &limits, Engine::WebGpu);
        assert!(matches!(refused, Err(Error::ModelTooLarge { bytes: 268_435_456, .. })), "{refused:?}");
    }
}
