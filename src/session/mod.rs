//! One person's work: the text they brought, the tokenizer, the model, its training, what it writes. The page talks to
//! this and to nothing below it; `web/` only translates.
//!
//! A model keeps the tokenizer and the token ids it was made with, so that loading another text or training another
//! tokenizer never changes a run under way.

mod adapter;
mod cpu_writer;
mod files;
mod pretrained;
mod running;
mod self_check;
mod text;
mod training;
mod turns;
mod writing;

use std::{collections::HashMap, rc::Rc};

use serde::{Deserialize, Serialize};

use crate::{
    chat,
    config::{Limits, LoraConfig, Memory, ModelConfig, Preset, TrainConfig, presets},
    corpus::{Budget, Corpus, FileReader},
    device::Engine,
    error::{Error, Result},
    generate::{Generation, Sampling},
    model::Gpt,
    ops::{self, Device, KernelChoice},
    rehearsal,
    tokenizer::{Kind, StreamDecoder, TokenIds, Tokenizer},
    train::{Dataset, HalfPrecision, SelfCheck, TextFacts, Trainer, check_half_precision},
};
use cpu_writer::CpuWriter;

pub use cpu_writer::WritingTimes;

/// What the tokenizer makes of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TokenizerSummary {
    #[cfg_attr(target_arch = "wasm32", tsify(type = "TokenizerKind"))]
    pub kind: Kind,
    pub vocabulary: usize,
    pub train_tokens: usize,
    pub validation_tokens: usize,
    pub tokens_per_character: f64,
}

/// What a model and a run would cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Plan {
    pub parameters: u64,
    pub memory: Memory,
    pub seconds_per_step: f64,
    pub seconds: f64,
    /// Tokens that the run trains on, with repetition.
    pub train_tokens: u64,
    /// How often that is the whole text.
    pub epochs: f64,
    /// Bytes that the text and its token ids take beside `memory`, in WebAssembly's.
    pub text_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ModelSummary {
    pub parameters: u64,
    pub vocabulary: usize,
    /// Whether its tokenizer has the tokens of a conversation.
    pub chat: bool,
    pub config: ModelConfig,
    /// What learns in the place of the whole, and how many numbers it has.
    pub adapter: Option<LoraConfig>,
    pub adapter_parameters: u64,
    /// Texts of the tokens that the model has no weights for, right after it was opened.
    pub tokens_left_out: Vec<String>,
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct GenerateOptions {
    pub max_tokens: usize,
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Whether to keep keys and values of the tokens read; without, every token reads the whole window again.
    pub cache: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { max_tokens: 200, sampling: Sampling::default(), cache: true }
    }
}

struct Model {
    gpt: Gpt,
    tokenizer: Rc<Tokenizer>,
    trainer: Trainer,
    /// Writes what the GPU would be slower at.
    cpu_writer: CpuWriter,
    /// The text of its training, once there was one.
    data: Option<Rc<Dataset>>,
    facts: TextFacts,
    /// The run that has been taken up.
    run: Option<running::Running>,
}

impl Model {
    fn summary(&self) -> ModelSummary {
        let Self { gpt, tokenizer, .. } = self;
        let (config, adapter) = (gpt.config, gpt.adapter().map(|adapter| adapter.config));
        ModelSummary {
            parameters: config.parameters(),
            vocabulary: config.vocabulary,
            chat: tokenizer.turns().is_some(),
            config,
            adapter,
            adapter_parameters: adapter.map_or(0, |adapter| adapter.parameters(&config).0),
            tokens_left_out: Vec::new(),
        }
    }
}

struct Writing {
    generation: Generation,
    /// Whether it is the model's copy on the CPU that writes.
    by_copy: bool,
    decoder: StreamDecoder,
    /// Finds the end of an answer in a transcript's lines.
    answer: Option<chat::Answer>,
}

pub struct Session {
    device: Device,
    engine: Engine,
    limits: Limits,
    /// Measured speed of matrix products, 10^9 operations a second.
    gigaflops: f64,
    /// The same for each size that was measured.
    speeds: HashMap<Size, f64>,
    corpus: Corpus,
    /// What texts and model share.
    budget: Budget,
    reader: Option<FileReader>,
    tokenizer: Option<Rc<Tokenizer>>,
    /// The text's ids, made when first needed and dropped when text or tokenizer change.
    data: Option<Rc<Dataset>>,
    model: Option<Model>,
    /// Another model that is on its way.
    opening: Option<pretrained::Opening>,
    writing: Option<Writing>,
    /// Of the run that has begun, with the kernels that it is of.
    self_check: Option<(String, SelfCheck)>,
    /// The kernels that have been checked.
    checked: Vec<String>,
}

/// What the speed of products depends on: the tokens of a pass, as a power of two, and the model's width.
type Size = (usize, usize);

fn size(model: &ModelConfig, train: &TrainConfig) -> Size {
    ((train.batch_size * train.window(model.context)).next_power_of_two(), model.width)
}

/// Share of the measured speed of matrix products that a whole training step reaches.
const EFFICIENCY: f64 = 0.6;

impl Session {
    pub fn new(device: Device, engine: Engine, limits: Limits) -> Self {
        Self {
            device: device.with_largest_buffer(limits.largest_buffer),
            engine,
            limits,
            gigaflops: 5.0,
            speeds: HashMap::new(),
            corpus: Corpus::default(),
            budget: Budget::default(),
            reader: None,
            tokenizer: None,
            data: None,
            model: None,
            opening: None,
            writing: None,
            self_check: None,
            checked: Vec::new(),
        }
    }

    /// For machines with less memory than a browser's.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    pub fn engine(&self) -> (Engine, Limits) {
        (self.engine, self.limits)
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Measures, unless that has been done, how fast products are as training has them, for estimates of time and for how
    /// much the GPU is given at once; in a few tenths of a second. `clock` tells seconds. Returns 10^9 operations a second.
    pub async fn measure(&mut self, model: &ModelConfig, train: &TrainConfig, clock: impl Fn() -> f64) -> Result<f64> {
        train.validate()?;
        model.validate()?;
        let size = size(model, train);
        let gigaflops = match self.speeds.get(&size) {
            Some(&known) => known,
            None => ops::speed(size.0, size.1, &self.device, clock).await? / 1e9,
        };
        self.speeds.insert(size, gigaflops);
        self.gigaflops = gigaflops;
        self.device.set_speed(gigaflops * 1e9);
        Ok(gigaflops)
    }

    /// Divides kernels by the speed that was measured for the run that trains; other sizes may be planned meanwhile.
    fn use_speed_of_run(&self) -> Result<()> {
        let Model { gpt, trainer, .. } = self.model()?;
        if let Some(gigaflops) = self.speeds.get(&size(&gpt.config, &trainer.progress().config)) {
            self.device.set_speed(gigaflops * 1e9);
        }
        Ok(())
    }

    /// Finds the GPU's fastest kernels for matrix products; `clock` tells seconds.
    pub async fn measure_kernels(&self, clock: impl Fn() -> f64) -> Result<KernelChoice> {
        let Some(gpu) = self.device.gpu() else { return Ok(KernelChoice::default()) };
        Ok(gpu.measure_kernels(clock).await?.choice)
    }

    /// Whether half precision can be trusted here.
    pub async fn check_half_precision(&self) -> Result<HalfPrecision> {
        check_half_precision(&self.device).await
    }

    // Model

    /// The presets, as they fit here.
    pub fn presets(&self) -> Vec<Preset> {
        let all = presets(self.vocabulary().unwrap_or(256));
        all.into_iter().map(|preset| preset.fitted(&self.limits, self.engine)).collect()
    }

    /// What `model` and `train` would cost on this engine.
    pub fn plan(&mut self, model: &ModelConfig, train: &TrainConfig) -> Result<Plan> {
        train.validate()?;
        let limits = self.limits_beside_texts();
        // With the model that is there a smaller batch is nearer than another model.
        if self.model.as_ref().is_some_and(|there| there.gpt.config == *model) {
            model.fit_as_it_is(train, &limits, self.engine).or_else(|refused| match refused {
                Error::ModelTooLarge { nearest: None, .. } => model.fit(train, &limits, self.engine),
                refused => Err(refused),
            })?;
        }
        model.fit(train, &limits, self.engine)?;
        let passes = train.gradient_accumulation as u64;
        let train_tokens = train.steps * passes * (train.batch_size * train.window(model.context)) as u64;
        let gigaflops = self.speeds.get(&size(model, train)).unwrap_or(&self.gigaflops);
        let seconds_per_step = passes as f64 * model.training_flops(train) / (gigaflops * 1e9 * EFFICIENCY);
        let summary = self.corpus.summary();
        let (text_tokens, ids) = match (&self.tokenizer, self.corpus.is_empty()) {
            (Some(_), false) => self.dataset().map(|data| (data.train.len(), data.bytes()))?,
            _ => (summary.train_characters, TokenIds::width(0) * summary.characters),
        };
        Ok(Plan {
            parameters: model.parameters(),
            memory: model.memory(train, self.engine),
            seconds_per_step,
            seconds: seconds_per_step * train.steps as f64,
            train_tokens,
            epochs: train_tokens as f64 / text_tokens.max(1) as f64,
            text_bytes: (summary.bytes + ids) as u64,
        })
    }

    /// Which kernels of the GPU a model needs: equal for models that need the same.
    pub fn kernels_of(&self, config: &ModelConfig, train: &TrainConfig) -> String {
        let ModelConfig { vocabulary, width, variant, .. } = rehearsal::smallest_like(config);
        let (dropping, adding) = (config.dropout > 0.0, train.gradient_accumulation > 1);
        let (head_width, half) = (config.head_width(), train.half_precision);
        let divided = rehearsal::is_divided(config, &self.device);
        format!(
            "{vocabulary} {width} {head_width} {dropping} {adding} {half} {divided} {:?} {} {}",
            variant.activation, variant.tied, variant.bias
        )
    }

    /// Everything queued so far goes to the GPU: what follows may be swallowed (web/worker/shaders.ts).
    pub fn settle(&self) {
        self.device.submit();
    }

    /// Queues every kernel that evaluating such a model and writing with it needs, so that they get compiled. Nothing
    /// here waits, and nothing that the session holds changes.
    pub fn rehearse_writing(&self, config: &ModelConfig) -> Result<()> {
        let rehearsed = rehearsal::rehearse_writing(config, &self.device);
        // While it is swallowed: later it would be computed, and its pipelines compiled a second time.
        self.settle();
        rehearsed
    }

    /// The same for training it.
    pub fn rehearse_training(&self, config: &ModelConfig, train: &TrainConfig) -> Result<()> {
        let rehearsed = rehearsal::rehearse_training(config, train, &self.device);
        self.settle();
        rehearsed
    }

    /// A fresh model for the current tokenizer.
    pub fn create_model(&mut self, config: ModelConfig, seed: u64) -> Result<ModelSummary> {
        let tokenizer = self.tokenizer.clone().ok_or(Error::NoTokenizer)?;
        let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..config };
        let train = TrainConfig { batch_size: 1, ..TrainConfig::default() };
        config.fit(&train, &self.limits_beside_texts(), self.engine)?;
        self.writing = None;
        // The old model goes first: both may not fit.
        self.model = None;
        self.device.release();
        let gpt = Gpt::new(config, seed, &self.device);
        let trainer = Trainer::new(&gpt);
        let cpu_writer = CpuWriter::default();
        let facts = TextFacts::default();
        self.model = Some(Model { gpt, tokenizer, trainer, cpu_writer, data: None, facts, run: None });
        self.model_summary().ok_or(Error::NoModel)
    }

    /// `None` before there is a model.
    pub fn model_summary(&self) -> Option<ModelSummary> {
        self.model.as_ref().map(Model::summary)
    }

    /// What a model may take: on the CPU it shares its memory with the texts.
    fn limits_beside_texts(&self) -> Limits {
        let beside = self.budget.memory.saturating_sub(self.corpus.cost(None, self.bytes_per_id()));
        match self.engine {
            Engine::Cpu => Limits { total: self.limits.total.min(beside), ..self.limits },
            Engine::WebGpu => self.limits,
        }
    }

    /// Bytes that each token id of the texts takes, in the vocabulary of the current tokenizer.
    fn bytes_per_id(&self) -> u64 {
        TokenIds::width(self.vocabulary().unwrap_or(0)) as u64
    }

    /// Bytes that the model takes of the memory in which the texts are, without a run's activations.
    fn model_bytes(&self) -> u64 {
        // Weights, gradient and AdamW's two moments, of 4 bytes a number.
        match (&self.model, self.engine) {
            (Some(model), Engine::Cpu) => 16 * model.gpt.config.parameters(),
            _ => 0,
        }
    }

    fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or(Error::NoModel)
    }

    fn model_mut(&mut self) -> Result<&mut Model> {
        self.model.as_mut().ok_or(Error::NoModel)
    }
}
