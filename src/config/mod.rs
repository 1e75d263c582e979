//! Configuration of the model and of the training run, with limits and presets.

mod llama;
mod lora;
mod memory;
mod nearest;
pub mod settings;
mod shards;
mod time_plan;

use serde::{Deserialize, Serialize};

pub use llama::{Llama, LlamaFamily, Rope, RopeScaling};
pub use lora::{LoraConfig, Targets};
pub use memory::{LEAST_LOGITS, Limits, Memory, rows_of_logits};
pub use nearest::Nearest;
pub use settings::LARGEST_VOCABULARY;
pub use time_plan::{Chosen, TextToLearn, TimePlan, TimeReason, plan_for_time, sizes_for_time, steps_within};

use crate::{
    device::Engine,
    error::{Error, Result},
};

/// The shape of a model: GPT-2 (Radford et al. 2019; names as in nanoGPT), or of the Llama family.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ModelConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Largest number of tokens in the context.
    pub context: usize,
    /// Transformer blocks, each with attention and an MLP.
    pub layers: usize,
    /// Attention heads of each layer.
    pub heads: usize,
    /// Embedding width; for a GPT-2 a multiple of `heads`.
    pub width: usize,
    /// Probability of dropping an activation in training.
    pub dropout: f32,
    /// Deviations from the published GPT-2.
    #[serde(default, skip_serializing_if = "Variant::is_published")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub variant: Variant,
}

/// Deviations from GPT-2: activation, the norms' epsilon, tied head, biases; and what a model of the Llama family has
/// instead of GPT-2's parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Variant {
    /// The activation between the two layers of each MLP.
    pub activation: Activation,
    /// Added to the variance in layer norms.
    pub epsilon: f32,
    /// Whether the head shares the token embedding's matrix; otherwise it has its own.
    pub tied: bool,
    /// Whether linear layers and layer norms have biases; nanoGPT's `bias`.
    #[serde(skip_serializing_if = "is_true")]
    pub bias: bool,
    /// The settings of a model of the Llama family, which makes it one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub llama: Option<Llama>,
}

impl Variant {
    /// The published GPT-2: GELU in the tanh approximation, an epsilon of 1e-5, a tied head, and biases.
    pub const GPT2: Self = Self {
        activation: Activation::GeluTanh,
        epsilon: settings::EPSILON.default as f32,
        tied: true,
        bias: true,
        llama: None,
    };

    fn is_published(&self) -> bool {
        *self == Self::GPT2
    }
}

impl Default for Variant {
    fn default() -> Self {
        Self::GPT2
    }
}

/// The MLP's activation function. Names as in transformers 5.23, `activations.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Activation {
    /// GELU in the tanh approximation: `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`.
    GeluTanh,
    /// GELU with the error function: `gelu`.
    Gelu,
    /// `relu`
    Relu,
    /// `silu`, also called swish.
    Silu,
    /// `tanh`
    Tanh,
}

/// How the learning rate falls from its peak to the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Decay {
    /// Along a cosine to a tenth: nanoGPT's, and that of all files that name none.
    #[default]
    Cosine,
    /// Along a line to about zero.
    Linear,
}

/// The order in which a run goes through the windows of its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Order {
    /// Each window is drawn anew, at any place: nanoGPT's, and that of all files that name none.
    #[default]
    Random,
    /// One after the other in a shuffled order, so that every token is seen once before any is seen again.
    Shuffled,
}

/// Settings of a training run. Every number has nanoGPT's meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TrainConfig {
    /// Number of optimizer steps of this run.
    pub steps: u64,
    /// Number of windows in one forward and backward pass.
    pub batch_size: usize,
    /// Tokens per window; 0 for the model's context length. A model with a long context can be trained on short windows
    /// too, with less memory.
    #[serde(skip_serializing_if = "is_zero")]
    pub window_length: usize,
    /// Number of passes whose gradients are averaged into one step.
    pub gradient_accumulation: usize,
    /// The parts of each batch whose gradients the CPU engine computes by themselves, so that several workers can share a
    /// step; 0 for as many as suit model and batch ([`TrainConfig::shards_of`]). The order of the sums depends on it, and
    /// never on the number of workers.
    #[serde(skip_serializing_if = "is_one")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub shards: usize,
    /// Peak learning rate, reached after `warmup_steps`.
    pub learning_rate: f64,
    /// How the learning rate falls after its peak.
    #[serde(skip_serializing_if = "is_default")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub decay: Decay,
    /// Number of steps in which the learning rate rises linearly to its peak.
    pub warmup_steps: u64,
    /// AdamW's decoupled weight decay: each step multiplies trained matrices by `1 - learning_rate * weight_decay`.
    pub weight_decay: f64,
    /// AdamW's decay rate of the running mean of the gradient.
    pub beta1: f64,
    /// AdamW's decay rate of the running mean of the squared gradient.
    pub beta2: f64,
    /// Largest global norm of the gradient; 0 turns clipping off.
    pub grad_clip: f64,
    /// Number of steps between two evaluations.
    pub eval_every: u64,
    /// Seed of the windows and of dropout.
    pub seed: u64,
    /// Which windows of the text a batch has.
    #[serde(skip_serializing_if = "is_default")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub order: Order,
    /// On the GPU: 16-bit copies of weights and activations (`ops::Precision`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub half_precision: bool,
    /// The time in seconds after which the run should end, from its beginning: once about 20 steps have been measured,
    /// before the end of the warm-up, `steps` becomes what fits into it, and this `None`. A run that is resumed later
    /// has that number of steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub time_limit: Option<f64>,
    /// Trains an adapter instead of the whole model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub lora: Option<LoraConfig>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        use settings::*;
        Self {
            steps: STEPS.default as u64,
            batch_size: BATCH_SIZE.default as usize,
            window_length: WINDOW_LENGTH.default as usize,
            gradient_accumulation: GRADIENT_ACCUMULATION.default as usize,
            shards: SHARDS.default as usize,
            learning_rate: LEARNING_RATE.default,
            decay: Decay::Cosine,
            warmup_steps: WARMUP_STEPS.default as u64,
            weight_decay: WEIGHT_DECAY.default,
            beta1: BETA1.default,
            beta2: BETA2.default,
            grad_clip: GRAD_CLIP.default,
            eval_every: EVAL_EVERY.default as u64,
            seed: SEED.default as u64,
            order: Order::Random,
            half_precision: false,
            time_limit: None,
            lora: None,
        }
    }
}

impl TrainConfig {
    /// Settings for fine-tuning, with windows shorter than the context: a short run at a low learning rate, which an
    /// adapter's few parameters need three times as large.
    pub fn for_fine_tuning(context: usize, adapter: Option<LoraConfig>) -> Self {
        /// In tokens; longer windows take memory that a GPU may lack.
        const LONGEST_WINDOW: usize = 256;
        Self {
            steps: 300,
            batch_size: 4,
            window_length: if context > LONGEST_WINDOW { LONGEST_WINDOW } else { 0 },
            learning_rate: if adapter.is_some() { 3e-4 } else { 1e-4 },
            warmup_steps: 20,
            eval_every: 50,
            lora: adapter,
            ..Self::default()
        }
    }
}

/// A named size of model, with settings of training that suit it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Preset {
    /// The preset's identifier, such as `shakespeare-small`; the page translates it.
    pub name: &'static str,
    /// The shape of the model, with the vocabulary that [`presets`] was given.
    pub model: ModelConfig,
    /// The settings of training.
    pub train: TrainConfig,
    /// Whether the model can be trained within the limits that [`Preset::fitted`] was given.
    pub fits: bool,
}

impl Preset {
    /// Halves the batch size and doubles gradient accumulation until training fits, so that a step has as many
    /// windows as before. If nothing fits, the settings stay as they are and `fits` becomes false.
    pub fn fitted(self, limits: &Limits, engine: Engine) -> Self {
        // The largest vocabulary that a text is likely to get.
        let model = ModelConfig { vocabulary: self.model.vocabulary.max(LARGE_VOCABULARY), ..self.model };
        let mut train = self.train.clone();
        loop {
            if model.fit(&train, limits, engine).is_ok() {
                return Self { train, fits: true, ..self };
            }
            if !train.batch_size.is_multiple_of(2) {
                return Self { fits: false, ..self };
            }
            train.batch_size /= 2;
            train.gradient_accumulation *= 2;
        }
    }
}

const LARGE_VOCABULARY: usize = 8192;

/// The smallest preset's model, whose settings are the defaults.
fn tiny(vocabulary: usize) -> ModelConfig {
    use settings::*;
    ModelConfig {
        vocabulary,
        context: CONTEXT.default as usize,
        layers: LAYERS.default as usize,
        heads: HEADS.default as usize,
        width: WIDTH.default as usize,
        dropout: DROPOUT.default as f32,
        variant: Variant::GPT2,
    }
}

/// The presets, smallest first. `shakespeare-small` and `shakespeare` are nanoGPT's two recipes
/// (README and `config/train_shakespeare_char.py`).
pub fn presets(vocabulary: usize) -> Vec<Preset> {
    let model = |layers, heads, width, context, dropout| ModelConfig {
        context,
        layers,
        heads,
        width,
        dropout,
        ..tiny(vocabulary)
    };
    let train = |steps, batch_size, learning_rate| TrainConfig {
        steps,
        batch_size,
        learning_rate,
        shards: 0,
        ..TrainConfig::default()
    };
    let preset = |name, model, train| Preset { name, model, train, fits: true };
    vec![
        preset("tiny", tiny(vocabulary), train(1000, 8, 2e-3)),
        preset("shakespeare-small", model(4, 4, 128, 64, 0.0), train(2000, 12, 1e-3)),
        preset("medium", model(6, 6, 192, 128, 0.1), train(3000, 16, 1e-3)),
        preset("shakespeare", model(6, 6, 384, 256, 0.2), train(5000, 64, 1e-3)),
    ]
}

/// Returns a preset by name.
///
/// # Errors
/// [`Error::PresetUnknown`], with the available names.
pub fn preset(name: &str, vocabulary: usize) -> Result<Preset> {
    let all = presets(vocabulary);
    let known = all.iter().map(|preset| preset.name.to_owned()).collect();
    all.into_iter().find(|preset| preset.name == name).ok_or(Error::PresetUnknown { preset: name.to_owned(), known })
}

impl ModelConfig {
    /// The model of the Llama family that has this one's width, layers, heads and context.
    pub fn as_llama(self) -> Self {
        let llama = Some(Llama::like(self.width, self.heads));
        Self { variant: Variant { activation: Activation::Silu, bias: false, llama, ..self.variant }, ..self }
    }

    /// Checks that every setting is within its limits, and that the heads of a GPT-2 divide the width.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] or [`Error::HeadsDoNotDivideWidth`] for the first invalid setting, with valid
    /// values.
    pub fn validate(&self) -> Result<()> {
        settings::VOCABULARY.check(self.vocabulary as f64)?;
        settings::CONTEXT.check(self.context as f64)?;
        settings::LAYERS.check(self.layers as f64)?;
        settings::WIDTH.check(self.width as f64)?;
        settings::HEADS.check(self.heads as f64)?;
        settings::DROPOUT.check(f64::from(self.dropout))?;
        settings::EPSILON.check(f64::from(self.variant.epsilon))?;
        if let Some(llama) = &self.variant.llama {
            return llama.validate(self.heads);
        }
        if !self.width.is_multiple_of(self.heads) {
            let allowed = (1..=self.width.min(settings::HEADS.max as usize))
                .filter(|heads| self.width.is_multiple_of(*heads))
                .collect();
            let below = self.width / self.heads * self.heads;
            let widths = [below, below + self.heads]
                .into_iter()
                .filter(|width| settings::WIDTH.check(*width as f64).is_ok())
                .collect();
            return Err(Error::HeadsDoNotDivideWidth { heads: self.heads, width: self.width, allowed, widths });
        }
        Ok(())
    }

    /// The length of one head's query, key or value vector.
    pub fn head_width(&self) -> usize {
        self.variant.llama.map_or(self.width / self.heads.max(1), |llama| llama.head_width)
    }

    /// The number of parameters: embeddings, blocks, the last layer norm, and the head unless it is tied.
    pub fn parameters(&self) -> u64 {
        self.architecture().parameters()
    }

    /// Floating-point operations of one forward and backward pass (Kaplan et al. 2020: 6 per parameter and
    /// token, plus attention).
    pub fn training_flops(&self, run: &TrainConfig) -> f64 {
        let window = run.window(self.context);
        let tokens = (run.batch_size * window) as f64;
        let architecture = self.architecture();
        let attention = 12.0 * (self.layers * architecture.attention.query_width() * window) as f64;
        tokens * (6.0 * architecture.parameters() as f64 + attention)
    }
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_true(value: &bool) -> bool {
    *value
}

impl TrainConfig {
    /// The number of tokens per window for a model with this context.
    pub fn window(&self, context: usize) -> usize {
        if self.window_length == 0 { context } else { self.window_length.min(context) }
    }

    /// Checks that every setting is within its limits, those of the adapter too.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`] for the first invalid setting, with its limits.
    pub fn validate(&self) -> Result<()> {
        settings::STEPS.check(self.steps as f64)?;
        settings::WINDOW_LENGTH.check(self.window_length as f64)?;
        settings::BATCH_SIZE.check(self.batch_size as f64)?;
        settings::GRADIENT_ACCUMULATION.check(self.gradient_accumulation as f64)?;
        settings::SHARDS.check(self.shards as f64)?;
        settings::LEARNING_RATE.check(self.learning_rate)?;
        settings::WARMUP_STEPS.check(self.warmup_steps as f64)?;
        settings::WEIGHT_DECAY.check(self.weight_decay)?;
        settings::BETA1.check(self.beta1)?;
        settings::BETA2.check(self.beta2)?;
        settings::GRAD_CLIP.check(self.grad_clip)?;
        settings::EVAL_EVERY.check(self.eval_every as f64)?;
        self.time_limit.map_or(Ok(()), |seconds| settings::TIME_LIMIT.check(seconds))?;
        self.lora.map_or(Ok(()), |lora| lora.validate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpt2_small_has_the_published_number_of_parameters() {
        let gpt2 = ModelConfig {
            vocabulary: 50257,
            context: 1024,
            layers: 12,
            heads: 12,
            width: 768,
            dropout: 0.1,
            variant: Variant::GPT2,
        };
        assert_eq!(gpt2.parameters(), 124_439_808);
    }

    #[test]
    fn heads_that_do_not_divide_the_width_get_valid_suggestions() {
        let config = ModelConfig { heads: 5, ..preset("tiny", 65).unwrap().model };
        let Err(Error::HeadsDoNotDivideWidth { allowed, widths, .. }) = config.validate() else { panic!("accepted") };
        assert_eq!(allowed, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(widths, [60, 65]);
    }

    #[test]
    fn every_preset_is_valid() {
        for preset in presets(300) {
            preset.model.validate().unwrap();
            preset.train.validate().unwrap();
        }
        assert!(preset("huge", 65).is_err());
    }

    #[test]
    fn every_preset_marked_as_fitting_fits_on_small_devices() {
        for (total, all_fit) in [(2 << 30, true), (1 << 30, true), (512 << 20, true), (128 << 20, false)] {
            let limits = Limits { largest_buffer: (128u64 << 20).min(total), total };
            for engine in [Engine::WebGpu, Engine::Cpu] {
                for (preset, plain) in presets(300).into_iter().zip(presets(300)) {
                    let fitted = preset.fitted(&limits, engine);
                    assert_eq!(fitted.fits, fitted.model.fit(&fitted.train, &limits, engine).is_ok(), "{fitted:?}");
                    assert!(fitted.fits || !all_fit, "{fitted:?} in {total}");
                    let windows = |run: &TrainConfig| run.batch_size * run.gradient_accumulation;
                    assert_eq!(windows(&fitted.train), windows(&plain.train));
                    assert_eq!(fitted.model, plain.model);
                }
            }
        }
        // Nothing changes where memory is sufficient.
        let ample = Limits { largest_buffer: 1 << 30, total: 4 << 30 };
        for preset in presets(300) {
            assert_eq!(preset.clone().fitted(&ample, Engine::WebGpu), preset);
        }
    }

    #[test]
    fn settings_that_older_files_lack_are_what_these_files_meant() {
        let stored = serde_json::to_value(TrainConfig::default()).unwrap();
        assert!(["decay", "order", "timeLimit"].iter().all(|name| stored.get(name).is_none()));
        let run: TrainConfig = serde_json::from_str("{}").unwrap();
        assert_eq!((run.decay, run.order, run.time_limit), (Decay::Cosine, Order::Random, None));
    }

    #[test]
    fn nan_is_out_of_range() {
        assert!(TrainConfig { learning_rate: f64::NAN, ..TrainConfig::default() }.validate().is_err());
    }
}
