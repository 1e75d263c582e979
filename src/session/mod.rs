//! A session: the loaded text, the tokenizer, the model, its training and its generations. The page calls only this
//! module; `web/` only translates.
//!
//! A model keeps its own tokenizer and token ids, so that loading another text or training another tokenizer never
//! changes a run in progress.

mod adapter;
mod conversations;
mod copied;
mod cpu_writer;
mod documents;
mod embedding;
mod files;
mod inspecting;
mod pretrained;
mod running;
mod self_check;
mod slow_motion;
mod text;
mod time_plan;
mod training;
mod turns;
mod workers;
mod writing;

use std::{collections::HashMap, rc::Rc};

use serde::{Deserialize, Serialize};

use crate::{
    architecture::ParameterParts,
    chat,
    config::{Limits, LoraConfig, Memory, ModelConfig, Preset, TrainConfig, presets, settings, steps_within},
    corpus::{Budget, Corpus, FileReader},
    device::Engine,
    error::{Error, Result},
    generate::{Generation, Sampling},
    model::{Frozen, Gpt},
    ops::{self, Device, KernelChoice},
    tokenizer::{Kind, StreamDecoder, TokenIds, Tokenizer, TurnTokens},
    train::{Dataset, HalfPrecision, SelfCheck, TextFacts, Trainer, check_half_precision},
    warm_up,
};
use cpu_writer::CpuWriter;
use workers::Workers;

pub use cpu_writer::WritingTimes;
pub use inspecting::{InspectedToken, Inspection, LensRow, MapPoint, NearToken, TokenChoice, TokenMap};
pub use slow_motion::{ShownRow, SlowMotion, SlowPosition};

/// The current tokenizer, and how many tokens it makes of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TokenizerSummary {
    /// Whether tokens are characters, bytes or merged bytes.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "TokenizerKind"))]
    pub kind: Kind,
    /// The number of token ids.
    pub vocabulary: usize,
    /// The number of tokens of the training split.
    pub train_tokens: usize,
    /// The number of tokens of the validation split.
    pub validation_tokens: usize,
    /// The mean number of tokens for a character of the text.
    pub tokens_per_character: f64,
}

/// The estimated memory and time of a model and a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Plan {
    /// The planned model.
    pub model: ModelConfig,
    /// The number of parameters of the model, without an adapter.
    pub parameters: u64,
    /// The number of parameters of each part of the model.
    pub parts: ParameterParts,
    /// The number of parameters that are trained: all, or those of the run's adapter.
    pub trained_parameters: u64,
    /// The bytes that weights, optimizer state and activations take.
    pub memory: Memory,
    /// The time of one step, estimated from the measured speed of matrix products.
    pub seconds_per_step: f64,
    /// The number of steps; with a time limit, about as many as fit into it.
    pub steps: u64,
    /// The time of all steps, without evaluations and samples; with a time limit, that time.
    pub seconds: f64,
    /// The number of tokens that the run trains on, counted with repetition.
    pub train_tokens: u64,
    /// How many times that is the training split.
    pub epochs: f64,
    /// The bytes of WebAssembly memory that the text and its token ids take in addition to `memory`.
    pub text_bytes: u64,
}

/// The size and the settings of the current model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ModelSummary {
    /// The number of parameters, without those of an adapter.
    pub parameters: u64,
    /// The number of rows of its token embedding.
    pub vocabulary: usize,
    /// Whether it has a chat template.
    pub chat: bool,
    /// The texts that begin and end the turns of a conversation in what it writes, if they are known.
    pub turns: Option<TurnTokens>,
    /// The settings of its architecture.
    pub config: ModelConfig,
    /// The settings of its adapter, if it has one.
    pub adapter: Option<LoraConfig>,
    /// The number of trained parameters of the adapter; 0 without one.
    pub adapter_parameters: u64,
    /// The settings that suit training it on, if it was trained elsewhere.
    pub fine_tuning: FineTuning,
    /// The texts of added tokens for which the model has no embedding row. They are listed only right after the model
    /// was opened.
    pub tokens_left_out: Vec<String>,
    /// The names of chat templates other than the default one, of which no use is made. They are listed only then, too.
    pub templates_left_out: Vec<String>,
}

/// Settings of training that suit a model that was trained elsewhere; see [`TrainConfig::for_fine_tuning`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct FineTuning {
    /// For training the whole model.
    pub whole: TrainConfig,
    /// For training an adapter.
    pub adapter: TrainConfig,
}

/// The settings of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct GenerateOptions {
    /// The largest number of tokens to generate.
    pub max_tokens: usize,
    /// How tokens are drawn.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Whether to keep a KV cache; without it, every token reads the whole window again.
    pub cache: bool,
    /// Whether the model's adapter takes part; without it, the model generates as it was before it got the adapter.
    pub adapter: bool,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            max_tokens: settings::MAX_TOKENS.default as usize,
            sampling: Sampling::default(),
            cache: true,
            adapter: true,
        }
    }
}

struct Model {
    gpt: Gpt,
    tokenizer: Rc<Tokenizer>,
    trainer: Trainer,
    /// Generates where the GPU would be slower.
    cpu_writer: CpuWriter,
    /// The token ids of its training, once it has been trained.
    data: Option<Rc<Dataset>>,
    facts: TextFacts,
    /// The run that was begun or resumed.
    run: Option<running::Running>,
    /// The inspected text.
    inspected: Option<inspecting::Inspected>,
    /// What its adapter changes, while that is measured.
    comparison: Option<adapter::Comparison>,
}

impl Model {
    /// The bytes of its weights in a run, if some of them have fewer bits than 32: only adapters leave them so.
    fn packed_for(&self, run: &TrainConfig) -> Option<u64> {
        run.lora.and_then(|_| self.gpt.frozen()).map(Frozen::bytes)
    }

    fn summary(&self) -> ModelSummary {
        let Self { gpt, tokenizer, .. } = self;
        let (config, adapter) = (gpt.config, gpt.adapter().map(|adapter| adapter.config));
        ModelSummary {
            parameters: config.parameters(),
            vocabulary: config.vocabulary,
            chat: chat::template(tokenizer).is_some(),
            turns: chat::shown_turns(tokenizer),
            config,
            adapter,
            adapter_parameters: adapter.map_or(0, |adapter| adapter.parameters(&config).0),
            fine_tuning: FineTuning {
                whole: TrainConfig::for_fine_tuning(config.context, None),
                adapter: TrainConfig::for_fine_tuning(config.context, Some(adapter.unwrap_or_default())),
            },
            tokens_left_out: Vec::new(),
            templates_left_out: Vec::new(),
        }
    }
}

struct Writing {
    generation: Generation,
    /// Whether the model's copy on the CPU generates.
    by_copy: bool,
    decoder: StreamDecoder,
    /// Finds the end of an answer in a transcript.
    answer: Option<chat::Answer>,
}

/// The state of one page: text, tokenizer, model, training run and generation, on one engine.
pub struct Session {
    device: Device,
    engine: Engine,
    limits: Limits,
    /// Measured speed of matrix products, in 10^9 operations per second.
    gigaflops: f64,
    /// The same for each size that was measured.
    speeds: HashMap<Size, f64>,
    /// Measured seconds of a kernel that computes next to nothing; `None` before the first measurement.
    small_kernel: Option<f64>,
    corpus: Corpus,
    /// The memory budget that texts and model share.
    budget: Budget,
    reader: Option<FileReader>,
    tokenizer: Option<Rc<Tokenizer>>,
    /// The token ids of the text, made when first needed and dropped when text or tokenizer change.
    data: Option<Rc<Dataset>>,
    model: Option<Model>,
    /// A pretrained model that is being opened.
    opening: Option<pretrained::Opening>,
    writing: Option<Writing>,
    /// The check of the run that has begun, with the key of its kernels.
    self_check: Option<(String, SelfCheck)>,
    /// The keys of the kernels that have been checked.
    checked: Vec<String>,
    /// The workers that may share a run's steps.
    workers: Option<Workers>,
    /// How many workers may train together, this session included.
    most_workers: usize,
}

/// The sizes that the speed of products depends on: the tokens of a pass, as a power of two, and the model's width.
type Size = (usize, usize);

fn size(model: &ModelConfig, train: &TrainConfig) -> Size {
    ((train.batch_size * train.window(model.context)).next_power_of_two(), model.width)
}

/// Share of the measured speed of matrix products that a whole training step reaches.
const EFFICIENCY: f64 = 0.6;

/// The number of kernels in a forward and a backward pass and the optimizer's update, each of which takes some time
/// however small the model is (`cargo xtask bench --only dispatches`).
fn kernels_of_a_pass(layers: usize) -> f64 {
    (15 + 21 * layers) as f64
}

impl Session {
    /// Creates an empty session on `device`, which belongs to `engine`; `limits` are the bytes of memory that a model
    /// may take.
    pub fn new(device: Device, engine: Engine, limits: Limits) -> Self {
        Self {
            device: device.with_largest_buffer(limits.largest_buffer),
            engine,
            limits,
            gigaflops: 5.0,
            speeds: HashMap::new(),
            small_kernel: None,
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
            workers: None,
            most_workers: 1,
        }
    }

    /// Sets how much memory texts and the model may take together, for machines with less memory than a browser has.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Returns the engine and its memory limits.
    pub fn engine(&self) -> (Engine, Limits) {
        (self.engine, self.limits)
    }

    /// Returns the handle of the engine, for measurements.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Measures the speed of matrix products of the sizes that training this model needs, for estimates of time and for
    /// how much work the GPU gets at once. It takes a few tenths of a second; a size that has been measured before is
    /// not measured again. `clock` returns seconds. Returns 10^9 floating-point operations per second.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] or [`Error::HeadsDoNotDivideWidth`] if a setting is invalid; [`Error::DeviceLost`]
    /// or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn measure(&mut self, model: &ModelConfig, train: &TrainConfig, clock: impl Fn() -> f64) -> Result<f64> {
        train.validate()?;
        model.validate()?;
        let size = size(model, train);
        let gigaflops = match self.speeds.get(&size) {
            Some(&known) => known,
            None => ops::speed(size.0, size.1, &self.device, &clock).await? / 1e9,
        };
        if self.small_kernel.is_none() {
            self.small_kernel = Some(ops::small_kernel(&self.device, clock).await?);
        }
        self.speeds.insert(size, gigaflops);
        self.gigaflops = gigaflops;
        self.device.set_speed(gigaflops * 1e9);
        Ok(gigaflops)
    }

    /// Divides kernels by the speed measured for the current run, and logits by the memory that is left beside it; other
    /// sizes may be planned meanwhile.
    fn use_speed_of_run(&self) -> Result<()> {
        let Model { gpt, trainer, .. } = self.model()?;
        if let Some(gpu) = self.device.gpu() {
            gpu.hold_logits(gpt.config.bytes_of_logits(&trainer.progress().config, &self.limits, self.engine));
        }
        if let Some(gigaflops) = self.speeds.get(&size(&gpt.config, &trainer.progress().config)) {
            self.device.set_speed(gigaflops * 1e9);
        }
        Ok(())
    }

    /// Measures which kernels for matrix products and attention are fastest on this GPU, and uses them from now on. `clock`
    /// returns seconds. On the CPU it returns the default choice.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the GPU stopped answering, or no kernel gives the results of the CPU;
    /// [`Error::GpuCommandRejected`] if the GPU refuses a kernel.
    pub async fn measure_kernels(&self, clock: impl Fn() -> f64) -> Result<KernelChoice> {
        let Some(gpu) = self.device.gpu() else { return Ok(KernelChoice::default()) };
        Ok(gpu.measure_kernels(clock).await?.choice)
    }

    /// Checks by a short training of a small model whether half precision gives the losses of single precision on this
    /// GPU.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn check_half_precision(&self) -> Result<HalfPrecision> {
        check_half_precision(&self.device).await
    }

    // Model

    /// Returns the presets for the current vocabulary, reduced to what fits into memory here.
    pub fn presets(&self) -> Vec<Preset> {
        let all = presets(self.vocabulary().unwrap_or(256));
        all.into_iter().map(|preset| preset.fitted(&self.limits, self.engine)).collect()
    }

    /// Estimates the memory and time that `model` and `train` need on this engine. If a text is loaded and there is a
    /// tokenizer, this encodes the text.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] or [`Error::HeadsDoNotDivideWidth`] if a setting is invalid;
    /// [`Error::ModelTooLarge`], with the nearest settings that fit, if there is not enough memory;
    /// [`Error::TokensTooLarge`] if the token ids of the text do not fit beside it.
    pub fn plan(&mut self, model: &ModelConfig, train: &TrainConfig) -> Result<Plan> {
        train.validate()?;
        let limits = self.limits_beside_texts();
        let existing = self.model.as_ref().filter(|there| there.gpt.config == *model);
        let packed = existing.and_then(|there| there.packed_for(train));
        // For the existing model, a smaller batch is a nearer suggestion than another model.
        if existing.is_some() {
            model.fit_as_it_is(packed, train, &limits, self.engine).or_else(|refused| match refused {
                Error::ModelTooLarge { nearest: None, .. } => model.fit(train, &limits, self.engine),
                refused => Err(refused),
            })?;
        } else {
            model.fit(train, &limits, self.engine)?;
        }
        let passes = train.gradient_accumulation as u64;
        let seconds_per_step = self.seconds_per_step(model, train);
        let steps = train.time_limit.map_or(train.steps, |seconds| steps_within(seconds, seconds_per_step));
        let train_tokens = steps * passes * (train.batch_size * train.window(model.context)) as u64;
        let summary = self.corpus.summary();
        let (text_tokens, ids) = match (&self.tokenizer, self.corpus.is_empty()) {
            (Some(_), false) => self.dataset().map(|data| (data.train.len(), data.bytes()))?,
            _ => (summary.train_characters, TokenIds::width(0) * summary.characters),
        };
        Ok(Plan {
            model: *model,
            parameters: model.parameters(),
            parts: model.architecture().parts(),
            trained_parameters: train.lora.map_or(model.parameters(), |lora| lora.parameters(model).0),
            memory: model.memory_of_workers(packed, train, &limits, self.engine, self.most_workers),
            seconds_per_step,
            steps,
            seconds: train.time_limit.unwrap_or(seconds_per_step * steps as f64),
            train_tokens,
            epochs: train_tokens as f64 / text_tokens.max(1) as f64,
            text_bytes: (summary.bytes + ids) as u64,
        })
    }

    /// Returns a key for the GPU kernels that a model and a run need: models with equal keys need the same kernels.
    pub fn kernels_of(&self, config: &ModelConfig, train: &TrainConfig) -> String {
        let ModelConfig { vocabulary, width, variant, .. } = warm_up::smallest_like(config);
        let (dropping, adding) = (config.dropout > 0.0, train.gradient_accumulation > 1);
        let (head_width, half) = (config.head_width(), train.half_precision);
        let divided = warm_up::is_divided(config, &self.device);
        format!(
            "{vocabulary} {width} {head_width} {dropping} {adding} {half} {divided} {:?} {} {}",
            variant.activation, variant.tied, variant.bias
        )
    }

    /// Submits all queued work to the GPU, so that it is computed even if later commands are discarded
    /// (web/worker/shaders.ts).
    pub fn submit(&self) {
        self.device.submit();
    }

    /// Warms up the GPU for evaluation and generation: queues every kernel that such a model needs, so that its
    /// pipelines are compiled. It does not wait, and it changes nothing in the session.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] or [`Error::HeadsDoNotDivideWidth`] if a setting is invalid.
    pub fn warm_up_writing(&self, config: &ModelConfig) -> Result<()> {
        let warmed_up = warm_up::warm_up_writing(config, &self.device);
        // Submitted at once, while commands are discarded: later they would be computed, and their pipelines compiled a
        // second time.
        self.submit();
        warmed_up
    }

    /// Warms up the GPU for training such a model, in the same way as [`warm_up_writing`](Self::warm_up_writing).
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] or [`Error::HeadsDoNotDivideWidth`] if a setting is invalid.
    pub fn warm_up_training(&self, config: &ModelConfig, train: &TrainConfig) -> Result<()> {
        let warmed_up = warm_up::warm_up_training(config, train, &self.device);
        self.submit();
        warmed_up
    }

    /// Creates a model with random weights for the current tokenizer, in place of the current model. The vocabulary of
    /// `config` is replaced by that of the tokenizer; `seed` seeds the initialisation.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer; [`Error::SettingOutOfRange`] or
    /// [`Error::HeadsDoNotDivideWidth`] if a setting is invalid; [`Error::ModelTooLarge`] if training it with a batch
    /// of one window does not fit into memory.
    pub fn create_model(&mut self, config: ModelConfig, seed: u64) -> Result<ModelSummary> {
        let tokenizer = self.tokenizer.clone().ok_or(Error::NoTokenizer)?;
        let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..config };
        let train = TrainConfig { batch_size: 1, ..TrainConfig::default() };
        config.fit(&train, &self.limits_beside_texts(), self.engine)?;
        self.writing = None;
        // The old model is dropped first, because both may not fit.
        self.model = None;
        self.device.release();
        let gpt = Gpt::new(config, seed, &self.device);
        let trainer = Trainer::new(&gpt);
        let cpu_writer = CpuWriter::default();
        let facts = TextFacts::default();
        self.model = Some(Model {
            gpt,
            tokenizer,
            trainer,
            cpu_writer,
            data: None,
            facts,
            run: None,
            inspected: None,
            comparison: None,
        });
        self.model_summary().ok_or(Error::NoModel)
    }

    /// Returns the size and settings of the current model, or `None` before there is one.
    pub fn model_summary(&self) -> Option<ModelSummary> {
        self.model.as_ref().map(Model::summary)
    }

    /// Memory limits of a model: on the CPU it shares its memory with the texts.
    fn limits_beside_texts(&self) -> Limits {
        let beside = self.budget.memory.saturating_sub(self.corpus.cost(None, self.bytes_per_id()));
        match self.engine {
            Engine::Cpu => Limits { total: self.limits.total.min(beside), ..self.limits },
            Engine::WebGpu => self.limits,
        }
    }

    /// Bytes of each token id of the texts, in the vocabulary of the current tokenizer.
    fn bytes_per_id(&self) -> u64 {
        TokenIds::width(self.vocabulary().unwrap_or(0)) as u64
    }

    /// Bytes of the model in the memory that holds the texts, without a run's activations.
    fn model_bytes(&self) -> u64 {
        // Weights, gradient and AdamW's two moments, of 4 bytes each; a frozen model has its weights alone.
        match (&self.model, self.engine) {
            (Some(Model { gpt, .. }), Engine::Cpu) => match gpt.frozen() {
                Some(frozen) => frozen.bytes(),
                None => 16 * gpt.config.parameters(),
            },
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
