//! Chooses model, vocabulary and settings of training for the time that a person gives them: the largest model of which
//! this machine learns enough tokens in that time, and which the text is long enough for.
//!
//! That a model learns most from a given amount of computing if the tokens it sees are in proportion to its parameters is
//! from Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models". The other
//! numbers are chosen by nanoGPT's recipes for small texts, not tuned.

use serde::{Deserialize, Serialize};

use super::{Decay, ModelConfig, Preset, TrainConfig, settings, tiny};
use crate::tokenizer::Kind;

/// The name of the preset of a plan.
pub const NAME: &str = "time";

/// A model to choose from.
struct Size {
    layers: usize,
    heads: usize,
    width: usize,
    context: usize,
}

const fn size(layers: usize, heads: usize, width: usize, context: usize) -> Size {
    Size { layers, heads, width, context }
}

/// The models to choose from, the smallest first.
const SIZES: [Size; 8] = [
    size(2, 4, 64, 64),
    size(3, 3, 96, 64),
    size(4, 4, 128, 64),
    size(5, 5, 160, 128),
    size(6, 6, 192, 128),
    size(6, 8, 256, 128),
    size(6, 6, 384, 256),
    size(8, 8, 512, 256),
];

/// Tokens that a model should see for each parameter of its blocks. In runs of minutes it is far from the 20 of Hoffmann et
/// al.; a model that sees only one learns less than a smaller one in the same time (docs/BENCHMARKS.md).
const TOKENS_PER_PARAMETER: f64 = 3.0;
/// Most parameters for each character of the training text.
const PARAMETERS_PER_CHARACTER: f64 = 10.0;
/// Share of the time that is left for the steps beside evaluations, samples and checkpoints.
const FOR_STEPS: f64 = 0.9;
/// Windows of a batch.
const BATCHES: [usize; 4] = [8, 16, 32, 64];
/// Most of a step's time that may pass without computing on its windows, before a larger batch is better.
const IDLE: f64 = 0.25;
/// Fewest steps of a run for a larger batch.
const FEW_STEPS: f64 = 1500.0;
/// Bytes from which on a text gets a BPE tokenizer instead of characters.
const LONG_TEXT: u64 = 1_000_000;
/// The learning rate of a model of width 64; it falls with the root of the width.
const LEARNING_RATE: f64 = 3e-3;
/// Evaluations of a run.
const EVALUATIONS: u64 = 8;

/// What is known of the text and wanted of the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextToLearn {
    /// Bytes of the text.
    pub bytes: u64,
    /// Characters of the training split.
    pub train_characters: usize,
    /// Different characters of the text.
    pub distinct_characters: usize,
    /// The size of a BPE vocabulary that suits the text.
    pub suited_vocabulary: usize,
}

/// What the person has chosen beside the time; the plan keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Chosen {
    /// The kind of tokens.
    #[cfg_attr(target_arch = "wasm32", tsify(optional, type = "TokenizerKind"))]
    pub tokenizer: Option<Kind>,
    /// The size of the vocabulary of a BPE tokenizer.
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub vocabulary: Option<usize>,
    /// Whether the model is of the Llama family.
    #[cfg_attr(target_arch = "wasm32", tsify(optional))]
    pub llama: bool,
}

impl Chosen {
    /// A model of the family that was chosen.
    fn built(&self, model: ModelConfig) -> ModelConfig {
        if self.llama { model.as_llama() } else { model }
    }
}

/// Why no larger model was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum TimeReason {
    /// The next larger model would learn too little in this time.
    LargerSeesLess {
        /// How many times it would see the training text.
        times: f64,
        /// How many times the chosen model sees it.
        sees: f64,
    },
    /// The next larger model would learn so short a text by heart.
    TextIsShort {
        /// How many times the chosen model sees the training text.
        sees: f64,
    },
    /// The next larger model does not fit into memory.
    Memory,
    /// It is the largest model of a plan.
    Largest,
}

/// The choice for a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TimePlan {
    /// The kind of tokens.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "TokenizerKind"))]
    pub tokenizer: Kind,
    /// The size of the vocabulary; of characters and bytes the expected one.
    pub vocabulary: usize,
    /// Model and training. The number of steps is an estimate until the run has measured its steps
    /// ([`TrainConfig::time_limit`]).
    pub preset: Preset,
    /// Why no larger model was chosen.
    pub reason: TimeReason,
}

/// The models to choose from, the smallest first.
fn sizes() -> impl Iterator<Item = ModelConfig> {
    SIZES.iter().map(|&Size { layers, heads, width, context }| ModelConfig {
        layers,
        heads,
        width,
        context,
        ..tiny(settings::VOCABULARY.default as usize)
    })
}

/// The same, as they are built: of the family that was chosen.
pub fn sizes_for_time(chosen: &Chosen) -> impl Iterator<Item = ModelConfig> {
    sizes().map(|model| chosen.built(model))
}

/// A model with its run in the time.
struct Candidate {
    model: ModelConfig,
    train: TrainConfig,
    kind: Kind,
    /// Tokens that it sees, with repetition, for each parameter of its blocks.
    tokens_per_parameter: f64,
    /// How many times it sees the training text.
    sees: f64,
}

/// Plans a run of `seconds`. `seconds_per_step` estimates the time of a step; `fits` says whether a model and its
/// training fit into memory. The model of the plan is a GPT-2, as that of a preset; of the Llama family it has the same
/// width, layers, heads and context.
pub fn plan_for_time(
    text: &TextToLearn,
    seconds: f64,
    chosen: &Chosen,
    seconds_per_step: impl Fn(&ModelConfig, &TrainConfig) -> f64,
    fits: impl Fn(&ModelConfig, &TrainConfig) -> bool,
) -> TimePlan {
    let seconds_per_step = |model: &ModelConfig, train: &TrainConfig| seconds_per_step(&chosen.built(*model), train);
    let fits = |model: &ModelConfig, train: &TrainConfig| fits(&chosen.built(*model), train);
    let mut best: Option<Candidate> = None;
    let mut reason = TimeReason::Largest;
    for model in sizes() {
        let next = candidate(model, text, seconds, chosen, &seconds_per_step);
        let Some(smaller) = &best else {
            best = Some(next);
            continue;
        };
        let sees = smaller.sees;
        let parameters = next.model.parameters() as f64;
        let too_large = parameters > PARAMETERS_PER_CHARACTER * text.train_characters as f64;
        if too_large {
            reason = TimeReason::TextIsShort { sees };
        } else if next.tokens_per_parameter < TOKENS_PER_PARAMETER {
            reason = TimeReason::LargerSeesLess { times: next.sees, sees };
        } else if !fits(&next.model, &next.train) {
            reason = TimeReason::Memory;
        } else {
            best = Some(next);
            continue;
        }
        break;
    }
    let Candidate { model, train, kind, .. } = best.expect("at least one size");
    let fits = fits(&model, &train);
    TimePlan {
        tokenizer: kind,
        vocabulary: model.vocabulary,
        preset: Preset { name: NAME, model, train, fits },
        reason,
    }
}

fn candidate(
    model: ModelConfig,
    text: &TextToLearn,
    seconds: f64,
    chosen: &Chosen,
    seconds_per_step: &impl Fn(&ModelConfig, &TrainConfig) -> f64,
) -> Candidate {
    let kind = chosen.tokenizer.unwrap_or(if text.bytes >= LONG_TEXT { Kind::Bpe } else { Kind::Char });
    let vocabulary = match kind {
        Kind::Char => 1 + text.distinct_characters,
        Kind::Byte => 257,
        Kind::Bpe => chosen.vocabulary.unwrap_or(text.suited_vocabulary),
    };
    let vocabulary = vocabulary.clamp(settings::VOCABULARY.min as usize, settings::VOCABULARY.max as usize);
    let text_tokens = (text.train_characters as f64 / characters_per_token(kind, vocabulary)).max(1.0);
    // The text must have a window and the token after it.
    let context = model.context.min((text_tokens as usize / 2).max(1));
    let model = ModelConfig { vocabulary, context, ..model };
    let peak = LEARNING_RATE * (64.0 / model.width as f64).sqrt();
    let learning_rate = (1e5 * peak).round() / 1e5;
    let run = TrainConfig { learning_rate, decay: Decay::Linear, shards: 0, ..TrainConfig::default() };
    let time = FOR_STEPS * seconds;
    let of_batch = |batch_size| {
        let train = TrainConfig { batch_size, ..run.clone() };
        let step = seconds_per_step(&model, &train);
        (train, step)
    };
    let (mut train, mut step) = of_batch(BATCHES[0]);
    for larger in BATCHES.into_iter().skip(1) {
        let (next, next_step) = of_batch(larger);
        // Twice the windows take twice the time, as far as it is computing that takes it.
        let idle = 2.0 - next_step / step;
        if idle < IDLE || time / next_step < FEW_STEPS {
            break;
        }
        (train, step) = (next, next_step);
    }
    let steps = steps_within(seconds, step);
    let tokens = steps as f64 * (train.batch_size * context) as f64;
    let sees = tokens / text_tokens;
    let (dropout, weight_decay) = regularisation(sees);
    Candidate {
        kind,
        sees,
        tokens_per_parameter: tokens / (model.parameters() - (vocabulary * model.width) as u64) as f64,
        model: ModelConfig { dropout, ..model },
        train: TrainConfig {
            steps,
            weight_decay,
            warmup_steps: (steps / 20).clamp(40, 200).min(steps / 2),
            eval_every: steps.div_ceil(EVALUATIONS),
            time_limit: Some(seconds),
            ..train
        },
    }
}

/// About how many steps fit into a time beside evaluations, samples and checkpoints.
pub fn steps_within(seconds: f64, seconds_per_step: f64) -> u64 {
    ((FOR_STEPS * seconds / seconds_per_step) as u64).clamp(1, settings::STEPS.max as u64)
}

/// Dropout and weight decay by how often the text is seen.
fn regularisation(sees: f64) -> (f32, f64) {
    match sees {
        ..4.0 => (0.0, 0.1),
        ..16.0 => (0.1, 0.1),
        ..64.0 => (0.2, 0.3),
        _ => (0.3, 0.5),
    }
}

/// Characters of a token, by what BPE reaches on Spanish and English prose.
fn characters_per_token(kind: Kind, vocabulary: usize) -> f64 {
    match kind {
        Kind::Char | Kind::Byte => 1.0,
        Kind::Bpe => 2.1 + 0.45 * (vocabulary as f64 / 512.0).log2().max(-1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::default_vocabulary;

    /// A text of one byte for each character.
    fn text(characters: usize) -> TextToLearn {
        TextToLearn {
            bytes: characters as u64,
            train_characters: characters / 10 * 9,
            distinct_characters: 80,
            suited_vocabulary: default_vocabulary(characters),
        }
    }

    /// A machine that computes so many floating-point operations per second, and takes so many seconds for each pass
    /// whatever its size is.
    fn planned(text: &TextToLearn, minutes: f64, flops: f64, idle: f64) -> TimePlan {
        let step = |model: &ModelConfig, train: &TrainConfig| idle + model.training_flops(train) / flops;
        plan_for_time(text, 60.0 * minutes, &Chosen::default(), step, |_, _| true)
    }

    const TEXTS: [usize; 4] = [20_000, 1_000_000, 2_000_000, 200_000_000];
    const MINUTES: [f64; 5] = [1.0, 5.0, 15.0, 60.0, 480.0];
    /// A telephone's processor, a computer's, and two graphics cards.
    const MACHINES: [(f64, f64); 4] = [(1e9, 0.0), (1e10, 0.0), (1e11, 2e-3), (5e12, 1e-3)];

    #[test]
    fn every_plan_is_within_the_limits_and_fills_its_time() {
        for characters in TEXTS {
            for minutes in MINUTES {
                for (flops, idle) in MACHINES {
                    let plan = planned(&text(characters), minutes, flops, idle);
                    let Preset { model, train, fits, .. } = &plan.preset;
                    model.validate().unwrap();
                    train.validate().unwrap();
                    assert!(*fits && train.warmup_steps < train.steps && train.eval_every <= train.steps, "{plan:?}");
                    let seconds = train.steps as f64 * (idle + model.training_flops(train) / flops);
                    assert!((0.8 * 60.0 * minutes..60.0 * minutes).contains(&seconds), "{seconds}: {plan:?}");
                    assert_eq!(train.time_limit, Some(60.0 * minutes));
                    assert_eq!(plan.vocabulary, model.vocabulary);
                    // Steps can be measured while it warms up.
                    assert!(train.warmup_steps >= 22 || train.steps < 44, "{plan:?}");
                }
            }
        }
    }

    #[test]
    fn more_time_and_faster_machines_never_get_smaller_models() {
        for characters in TEXTS {
            let text = text(characters);
            let size = |minutes, (flops, idle)| planned(&text, minutes, flops, idle).preset.model.width;
            for machine in MACHINES {
                assert!(MINUTES.map(|minutes| size(minutes, machine)).is_sorted(), "{characters} {machine:?}");
            }
            for minutes in MINUTES {
                assert!(MACHINES.map(|machine| size(minutes, machine)).is_sorted(), "{characters} {minutes}");
            }
        }
        let width = |characters, minutes, machine: usize| {
            let (flops, idle) = MACHINES[machine];
            planned(&text(characters), minutes, flops, idle).preset.model.width
        };
        assert!(width(2_000_000, 60.0, 1) > width(2_000_000, 1.0, 1));
        assert!(width(200_000_000, 15.0, 3) > width(200_000_000, 15.0, 1));
    }

    #[test]
    fn a_short_text_gets_a_small_model_with_more_dropout_and_weight_decay() {
        let (flops, idle) = MACHINES[3];
        let short = planned(&text(20_000), 15.0, flops, idle);
        let long = planned(&text(200_000_000), 15.0, flops, idle);
        assert!(matches!(short.reason, TimeReason::TextIsShort { sees } if sees > 50.0), "{short:?}");
        assert!(short.preset.model.parameters() < long.preset.model.parameters() / 10);
        assert!(short.preset.model.dropout > long.preset.model.dropout);
        assert!(short.preset.train.weight_decay > long.preset.train.weight_decay);
        assert_eq!((short.tokenizer, long.tokenizer), (Kind::Char, Kind::Bpe));
    }

    #[test]
    fn the_reason_names_what_keeps_the_model_small() {
        let slow = planned(&text(200_000_000), 1.0, 1e9, 0.0);
        assert!(matches!(slow.reason, TimeReason::LargerSeesLess { times, sees } if times < sees), "{slow:?}");
        assert_eq!(planned(&text(200_000_000), 480.0, 3e13, 0.0).reason, TimeReason::Largest);
        let small = |model: &ModelConfig, _: &TrainConfig| model.width <= 128;
        let step = |model: &ModelConfig, train: &TrainConfig| model.training_flops(train) / 5e12;
        let plan = plan_for_time(&text(2_000_000), 900.0, &Chosen::default(), step, small);
        assert_eq!((plan.reason, plan.preset.model.width), (TimeReason::Memory, 128));
    }

    #[test]
    fn what_the_person_has_chosen_stays() {
        let chosen = Chosen { tokenizer: Some(Kind::Bpe), vocabulary: Some(700), llama: true };
        let step = |model: &ModelConfig, train: &TrainConfig| model.training_flops(train) / 1e10;
        let plan = plan_for_time(&text(20_000), 300.0, &chosen, step, |model, _| model.variant.llama.is_some());
        assert_eq!((plan.tokenizer, plan.vocabulary, plan.preset.model.vocabulary), (Kind::Bpe, 700, 700));
        // As in presets, the page makes it one of the Llama family.
        assert!(plan.preset.fits && plan.preset.model.variant.llama.is_none());
    }

    #[test]
    fn a_text_of_a_few_words_still_has_a_window() {
        let plan = planned(&text(60), 1.0, 1e10, 0.0);
        assert!(plan.preset.model.context < 54, "{plan:?}");
    }
}
