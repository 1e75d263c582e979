//! The table of numeric settings: name, group and limits of each. The configurations validate themselves with it, and
//! the fields of the page are made from it (web/shared/settings.ts, which tests/settings.rs writes).

use serde::Serialize;

use crate::error::{Error, Result};

/// The configuration that a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Group {
    /// Training of a tokenizer.
    Tokenizer,
    /// The shape of a model: `ModelConfig`.
    Model,
    /// A training run: `TrainConfig`.
    Train,
    /// An adapter: `LoraConfig`.
    Adapter,
    /// A generation: `GenerateOptions`.
    Generate,
}

/// The unit of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Tokens of a text.
    Tokens,
    /// Windows of the training data.
    Windows,
    /// Forward and backward passes.
    Passes,
    /// Steps of the optimizer.
    Steps,
}

/// A numeric setting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The field's name, as it is in JavaScript.
    pub name: &'static str,
    /// The configuration that it belongs to.
    pub group: Group,
    /// Whether it is an integer.
    pub whole: bool,
    /// The default value; for a model's settings that of the smallest preset.
    pub default: f64,
    /// The smallest valid value.
    pub min: f64,
    /// The largest valid value.
    pub max: f64,
    /// Its unit, where its name does not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

impl Setting {
    const fn whole(group: Group, name: &'static str, default: u64, (min, max): (u64, u64)) -> Self {
        Self { name, group, whole: true, default: default as f64, min: min as f64, max: max as f64, unit: None }
    }

    const fn real(group: Group, name: &'static str, default: f64, (min, max): (f64, f64)) -> Self {
        Self { name, group, whole: false, default, min, max, unit: None }
    }

    const fn counting(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// [`Error::SettingOutOfRange`], with the limits, for a value outside them and for NaN.
    pub fn check(&self, value: f64) -> Result<()> {
        let Self { name, min, max, .. } = *self;
        if value >= min && value <= max {
            return Ok(());
        }
        Err(Error::SettingOutOfRange { setting: name.to_owned(), value, min, max })
    }
}

/// Largest size of a vocabulary: 2^18, the size of the largest published ones.
pub const LARGEST_VOCABULARY: usize = 262_144;

/// Declares the settings and the list of all of them, in the order of the page's fields.
macro_rules! settings {
    ($($constant:ident = $setting:expr;)*) => {
        $(#[doc = concat!("The setting `", stringify!($constant), "`, under its name in JavaScript.")]
        pub const $constant: Setting = $setting;)*
        /// All settings.
        pub const ALL: &[Setting] = &[$($constant),*];
    };
}

/// The number of key-value heads of a model of the Llama family. The page has no fields for this and the three below:
/// its presets and opened models fix them.
pub const KEY_VALUE_HEADS: Setting = Setting::whole(Model, "keyValueHeads", 2, (1, 128));
/// The width of a head of a model of the Llama family.
pub const HEAD_WIDTH: Setting = Setting::whole(Model, "headWidth", 16, (2, 256));
/// The width of the MLP of a model of the Llama family.
pub const MLP_WIDTH: Setting = Setting::whole(Model, "mlpWidth", 192, (1, 32_768));
/// The base of the wavelengths of rotary positions.
pub const ROPE_THETA: Setting = Setting::real(Model, "ropeTheta", 10_000.0, (1.0, 1e9));
/// The time of a run in seconds, up to a year. The page has a choice of its own for it.
pub const TIME_LIMIT: Setting = Setting::real(Train, "timeLimit", 300.0, (1.0, 31_536_000.0));
/// The parts of a batch; 0 for as many as suit it. The page has no field for it: it changes speed, and only the last bits
/// of losses. One is what runs of older files have.
pub const SHARDS: Setting = Setting::whole(Train, "shards", 1, (0, 64));

use Group::{Adapter, Generate, Model, Tokenizer, Train};

settings! {
    // At least the bytes, the end of a text and some merges; at most the size that a page can train.
    BPE_VOCABULARY = Setting::whole(Tokenizer, "vocabulary", 512, (300, 32_768)).counting(Unit::Tokens);

    VOCABULARY = Setting::whole(Model, "vocabulary", 256, (2, LARGEST_VOCABULARY as u64));
    LAYERS = Setting::whole(Model, "layers", 2, (1, 96));
    HEADS = Setting::whole(Model, "heads", 4, (1, 128));
    WIDTH = Setting::whole(Model, "width", 64, (1, 4096));
    CONTEXT = Setting::whole(Model, "context", 64, (1, 4096)).counting(Unit::Tokens);
    DROPOUT = Setting::real(Model, "dropout", 0.0, (0.0, 0.9));
    EPSILON = Setting::real(Model, "epsilon", 1e-5, (1e-12, 1.0));

    STEPS = Setting::whole(Train, "steps", 2000, (1, 1_000_000_000));
    BATCH_SIZE = Setting::whole(Train, "batchSize", 12, (1, 4096)).counting(Unit::Windows);
    WINDOW_LENGTH = Setting::whole(Train, "windowLength", 0, (0, 4096)).counting(Unit::Tokens);
    LEARNING_RATE = Setting::real(Train, "learningRate", 1e-3, (1e-9, 10.0));
    WARMUP_STEPS = Setting::whole(Train, "warmupSteps", 100, (0, 1_000_000_000)).counting(Unit::Steps);
    EVAL_EVERY = Setting::whole(Train, "evalEvery", 250, (1, 1_000_000_000)).counting(Unit::Steps);
    WEIGHT_DECAY = Setting::real(Train, "weightDecay", 0.1, (0.0, 10.0));
    BETA1 = Setting::real(Train, "beta1", 0.9, (0.0, 0.9999));
    BETA2 = Setting::real(Train, "beta2", 0.99, (0.0, 0.99999));
    GRAD_CLIP = Setting::real(Train, "gradClip", 1.0, (0.0, 1e6));
    GRADIENT_ACCUMULATION = Setting::whole(Train, "gradientAccumulation", 1, (1, 4096)).counting(Unit::Passes);
    // Integers are exact in JavaScript up to here.
    SEED = Setting::whole(Train, "seed", 1337, (0, (1 << 53) - 1));

    RANK = Setting::whole(Adapter, "rank", 8, (1, 256));
    ALPHA = Setting::real(Adapter, "alpha", 16.0, (1e-3, 4096.0));

    MAX_TOKENS = Setting::whole(Generate, "maxTokens", 300, (1, 1_000_000_000)).counting(Unit::Tokens);
    TEMPERATURE = Setting::real(Generate, "temperature", 0.8, (0.0, 100.0));
    TOP_K = Setting::whole(Generate, "topK", 0, (0, LARGEST_VOCABULARY as u64));
    TOP_P = Setting::real(Generate, "topP", 1.0, (0.001, 1.0));
    REPETITION_PENALTY = Setting::real(Generate, "repetitionPenalty", 1.0, (0.1, 10.0));
    SAMPLING_SEED = Setting::whole(Generate, "seed", 1337, (0, (1 << 53) - 1));
}
