//! Suggests changes to settings that do not fit the engine: as few settings as possible, each by as little as possible.

use serde::Serialize;

use super::{Memory, ModelConfig, TrainConfig};
use crate::device::Engine;

/// The nearest settings that fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Nearest {
    /// The requested model, or a smaller one.
    #[serde(flatten)]
    pub model: ModelConfig,
    /// Number of windows in one forward and backward pass.
    pub batch_size: usize,
    /// Tokens per window; 0 for the model's context length.
    pub window_length: usize,
}

/// Lower limits of window length and width.
const SHORTEST: usize = 32;
const NARROWEST: usize = 32;

/// A setting that affects memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    BatchSize,
    WindowLength,
    Context,
    Layers,
    /// The number of heads, with a constant head width; with a single head, its width.
    Width,
}

/// The run's settings come first: of two equally small changes, the one that keeps the model is preferred.
const OF_A_RUN: [Setting; 2] = [Setting::BatchSize, Setting::WindowLength];
const ALL: [Setting; 5] =
    [Setting::BatchSize, Setting::WindowLength, Setting::Context, Setting::Layers, Setting::Width];

/// The requested model and run, as far as their settings affect memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub model: ModelConfig,
    pub run: TrainConfig,
    /// The bytes of the model's weights, if some of them have fewer bits than 32.
    packed: Option<u64>,
    /// The head width of the requested model; other models keep it as long as they have several heads.
    head_width: usize,
}

impl Asked {
    pub fn new(model: &ModelConfig, packed: Option<u64>, run: &TrainConfig) -> Self {
        Self { model: *model, run: run.clone(), packed, head_width: model.head_width() }
    }

    fn memory(&self, engine: Engine) -> Memory {
        self.model.memory_of(self.packed, &self.run, engine)
    }

    fn value(&self, setting: Setting) -> usize {
        match setting {
            Setting::BatchSize => self.run.batch_size,
            Setting::WindowLength => self.run.window(self.model.context),
            Setting::Context => self.model.context,
            Setting::Layers => self.model.layers,
            Setting::Width => self.model.width,
        }
    }

    fn with(&self, setting: Setting, value: usize) -> Self {
        let mut changed = self.clone();
        match setting {
            Setting::BatchSize => changed.run.batch_size = value,
            Setting::WindowLength => changed.run.window_length = value,
            Setting::Context => {
                changed.model.context = value;
                changed.run.window_length = changed.run.window_length.min(value);
            }
            Setting::Layers => changed.model.layers = value,
            Setting::Width => {
                changed.model.heads = (value / self.head_width).max(1);
                changed.model.width = value;
                if changed.model.variant.llama.is_some() {
                    changed.model = changed.model.as_llama();
                }
            }
        }
        changed
    }

    /// The settings that may change.
    pub(super) fn settings(&self, model_too: bool) -> Vec<Setting> {
        if !model_too {
            return OF_A_RUN.to_vec();
        }
        // Where windows are as long as the context, the context is reduced instead.
        let whole_windows = self.run.window(self.model.context) == self.model.context;
        ALL.into_iter().filter(|setting| !(whole_windows && *setting == Setting::WindowLength)).collect()
    }

    /// Smaller values of a setting, the largest first.
    pub(super) fn smaller(&self, setting: Setting) -> Vec<usize> {
        let value = self.value(setting);
        let down =
            |least: usize, step: usize| (least..value).rev().filter(|value| value.is_multiple_of(step)).collect();
        match setting {
            Setting::BatchSize | Setting::Layers => down(1, 1),
            Setting::WindowLength | Setting::Context => down(SHORTEST, 8),
            Setting::Width => {
                let head = self.head_width;
                let heads = (1..self.model.heads).rev().map(|heads| heads * head);
                let single = (NARROWEST..head).rev().filter(|width| width.is_multiple_of(4));
                heads.filter(|width| *width >= NARROWEST).chain(single).collect()
            }
        }
    }

    /// The largest value of a setting that `fits` accepts.
    fn largest(&self, setting: Setting, fits: &impl Fn(&Self) -> bool) -> Option<Self> {
        let values = self.smaller(setting);
        // Memory grows with every setting, so the values that fit are at the end.
        let first = values.partition_point(|value| !fits(&self.with(setting, *value)));
        values.get(first).map(|value| self.with(setting, *value))
    }

    /// The relative reduction of a setting in `other`.
    fn share(&self, other: &Self, setting: Setting) -> f64 {
        1.0 - other.value(setting) as f64 / self.value(setting) as f64
    }
}

/// The settings nearest to the requested ones that `fits` accepts: with one of them changed, by the smallest share;
/// with two, where one is not enough; or with all of them. `model_too`: whether the model may change.
pub(super) fn nearest_that_fits(
    asked: &Asked,
    model_too: bool,
    fits: impl Fn(&Memory) -> bool,
    engine: Engine,
) -> Option<Nearest> {
    let fits = |asked: &Asked| fits(&asked.memory(engine));
    let settings = asked.settings(model_too);
    let found = one(asked, &settings, &fits)
        .or_else(|| two(asked, &settings, &fits))
        .or_else(|| several(asked, &settings, &fits))?;
    Some(Nearest { model: found.model, batch_size: found.run.batch_size, window_length: found.run.window_length })
}

fn one(asked: &Asked, settings: &[Setting], fits: &impl Fn(&Asked) -> bool) -> Option<Asked> {
    let found = settings.iter().filter_map(|&setting| Some((asked.largest(setting, fits)?, setting)));
    smallest_change(found.map(|(found, setting)| (asked.share(&found, setting), found)))
}

fn two(asked: &Asked, settings: &[Setting], fits: &impl Fn(&Asked) -> bool) -> Option<Asked> {
    let pairs =
        settings.iter().enumerate().flat_map(|(at, &one)| settings[at + 1..].iter().map(move |&two| (one, two)));
    smallest_change(pairs.flat_map(|(one, two)| {
        asked.smaller(one).into_iter().filter_map(move |value| {
            let found = asked.with(one, value).largest(two, fits)?;
            Some((asked.share(&found, one) + asked.share(&found, two), found))
        })
    }))
}

/// Reduces all settings by the same share, then raises each as far as the others allow.
fn several(asked: &Asked, settings: &[Setting], fits: &impl Fn(&Asked) -> bool) -> Option<Asked> {
    let shrunk = |percent: usize| {
        settings.iter().fold(asked.clone(), |shrunk, &setting| {
            let values = shrunk.smaller(setting);
            let below = values.iter().find(|value| **value * 100 <= asked.value(setting) * percent).or(values.last());
            below.map_or(shrunk.clone(), |value| shrunk.with(setting, *value))
        })
    };
    let mut found = (1..100).rev().map(shrunk).find(fits)?;
    for &setting in settings {
        let nearer = asked
            .smaller(setting)
            .into_iter()
            .find(|value| *value > found.value(setting) && fits(&found.with(setting, *value)));
        found = nearer.map_or(found.clone(), |value| found.with(setting, value));
    }
    Some(found)
}

fn smallest_change(found: impl Iterator<Item = (f64, Asked)>) -> Option<Asked> {
    found.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::config::Variant;

    const TEN_LAYERS: ModelConfig = ModelConfig {
        vocabulary: 4096,
        context: 256,
        layers: 10,
        heads: 8,
        width: 512,
        dropout: 0.0,
        variant: Variant::GPT2,
    };

    fn nearest(asked: &Asked, model_too: bool, total: u64) -> Option<Nearest> {
        nearest_that_fits(asked, model_too, |memory| memory.total() <= total, Engine::WebGpu)
    }

    #[test]
    fn a_small_excess_needs_a_small_change() {
        let run = TrainConfig { batch_size: 4, ..TrainConfig::default() };
        let asked = Asked::new(&TEN_LAYERS, None, &run);
        // The weights alone are 0.6 % too many, which no batch size changes.
        let weights = asked.memory(Engine::WebGpu).weights;
        let fits = |memory: &Memory| memory.weights <= weights - weights * 6 / 1000;
        let found = nearest_that_fits(&asked, true, fits, Engine::WebGpu).unwrap();
        let nine = ModelConfig { layers: 9, ..TEN_LAYERS };
        assert_eq!(found, Nearest { model: nine, batch_size: 4, window_length: 0 });
        // The total is too much: a quarter of the batch is more than the excess, a layer of the model is less.
        let total = asked.memory(Engine::WebGpu).total();
        let found = nearest(&asked, true, total - total * 6 / 1000).unwrap();
        assert_eq!(
            found,
            Nearest { model: ModelConfig { context: 248, ..TEN_LAYERS }, batch_size: 4, window_length: 0 }
        );
        // An existing model keeps its shape.
        let found = nearest(&asked, false, total - total * 6 / 1000).unwrap();
        assert_eq!(found, Nearest { model: TEN_LAYERS, batch_size: 4, window_length: 248 });
        assert_eq!(nearest(&asked, false, weights), None);
    }

    /// Random models, runs and limits: a suggestion fits, no smaller change would, and a larger limit never needs a
    /// larger change.
    #[test]
    fn a_suggestion_fits_and_no_smaller_change_would() {
        let mut random = Pcg64Mcg::seed_from_u64(7);
        let mut offered = [0; 6];
        for _ in 0..400 {
            let heads = random.random_range(1..=16);
            let model = ModelConfig {
                vocabulary: random.random_range(2..=50_257),
                context: random.random_range(1..=512),
                layers: random.random_range(1..=24),
                heads,
                width: heads * random.random_range(1..=64),
                ..TEN_LAYERS
            };
            let window_length = if random.random() { 0 } else { random.random_range(1..=512) };
            let run = TrainConfig { batch_size: random.random_range(1..=64), window_length, ..TrainConfig::default() };
            let asked = Asked::new(&model, None, &run);
            let whole = asked.memory(Engine::Cpu).total();
            let mut before = None;
            for percent in [2, 10, 40, 90, 99] {
                let (total, settings) = (whole * percent / 100, asked.settings(true));
                let fits = |asked: &Asked| asked.memory(Engine::Cpu).total() <= total;
                let alone = settings.iter().map(|&setting| {
                    asked.smaller(setting).into_iter().find(|value| fits(&asked.with(setting, *value)))
                });
                let alone: Vec<Option<usize>> = alone.collect();
                let Some(found) = nearest_that_fits(&asked, true, |memory| memory.total() <= total, Engine::Cpu) else {
                    assert!(alone.iter().all(Option::is_none), "{asked:?} in {total}");
                    continue;
                };
                found.model.validate().unwrap();
                let run =
                    TrainConfig { batch_size: found.batch_size, window_length: found.window_length, ..run.clone() };
                let found = Asked::new(&found.model, None, &run);
                assert!(fits(&found), "{found:?} in {total}");
                let changed: Vec<Setting> =
                    settings.iter().copied().filter(|&setting| found.value(setting) != asked.value(setting)).collect();
                offered[changed.len()] += 1;
                if alone.iter().any(Option::is_some) {
                    let least = settings
                        .iter()
                        .zip(&alone)
                        .filter_map(|(&setting, value)| Some(asked.share(&asked.with(setting, (*value)?), setting)));
                    let least = least.fold(f64::INFINITY, f64::min);
                    // A shorter context may shorten the windows too.
                    let share =
                        changed.iter().map(|&setting| asked.share(&found, setting)).fold(f64::INFINITY, f64::min);
                    assert!(share <= least, "{found:?} instead of {asked:?} in {total}: {share} and {least}");
                    assert!(changed.len() == 1 || changed == [Setting::WindowLength, Setting::Context], "{changed:?}");
                    // With a smaller limit the change was no smaller.
                    assert!(before.is_none_or(|before| share <= before));
                    before = Some(share);
                } else {
                    assert!(changed.len() > 1);
                }
            }
        }
        assert!(offered[1] > 100 && offered[2] > 20 && offered[3..].iter().sum::<usize>() > 5, "{offered:?}");
    }
}
