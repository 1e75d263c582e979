//! Lorito's one file, `NAME.safetensors`: a model with all that it needs to write and to be trained on. A checkpoint is
//! the same file with the optimizer's moments in it, so a checkpoint opens as a model too.
//!
//! Tensors: the weights under GPT-2's names; `lorito.steps`, `[steps, 4]` of F64, with every step's number, loss,
//! gradient norm and learning rate; in a checkpoint `optimizer.first_moment.NAME` and `optimizer.second_moment.NAME`
//! beside each weight `NAME`, and `best.NAME` of the step whose validation loss was lowest. A model with an adapter has the
//! adapter's thin matrices too, `NAME.lora_A`, `[inputs, rank]`, and `NAME.lora_B`, `[rank, outputs]`; moments and best
//! weights are then those of the adapter. All else is in the metadata:
//! - `lorito.manifest`: JSON, see `Manifest`;
//! - `lorito.tokenizer`: the text of `tokenizer.json`;
//! - `lorito.hash`: XXH3-64 in hexadecimal over manifest, tokenizer and tensors, see `hash`.

use std::{array, collections::HashSet, iter};

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::safetensors::{Header, Tensor, append};
use crate::{
    config::{LoraConfig, ModelConfig, TrainConfig},
    error::{Error, Result},
    model::Layout,
    tokenizer::{TokenRoles, Tokenizer},
    train::{Best, Evaluation, History, Progress, Sample, StepRecord, TextFacts, TrainingState},
};

/// Raised when an older page could not read the file any more.
const VERSION: u32 = 1;

const MANIFEST: &str = "lorito.manifest";
const TOKENIZER: &str = "lorito.tokenizer";
const HASH: &str = "lorito.hash";
const STEPS: &str = "lorito.steps";
const FIRST_MOMENT: &str = "optimizer.first_moment.";
const SECOND_MOMENT: &str = "optimizer.second_moment.";
const BEST: &str = "best.";

/// Columns of `lorito.steps`.
const COLUMNS: usize = 4;

/// Bytes of weights that can be counted where memory has 32-bit addresses.
const LARGEST_WEIGHTS: u64 = 1 << 31;

/// Whole numbers up to here are exact in F64, and sums of a few of them fit.
const LARGEST_STEP: u64 = 1 << 52;

/// A model taken down to numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    pub name: String,
    pub config: ModelConfig,
    /// The text of `tokenizer.json`. Whether it fits the model is for the reader to find out.
    pub tokenizer: String,
    /// What its tokens are for, where their names do not say it all.
    pub roles: Option<TokenRoles>,
    /// Flat, as [`Layout`] says.
    pub weights: Vec<f32>,
    /// What it was trained on.
    pub facts: TextFacts,
    pub history: History,
    /// The last run, with its settings.
    pub progress: Progress,
    pub adapter: Option<AdapterWeights>,
    /// With these the last run can go on as if it had not stopped.
    pub moments: Option<Moments>,
    /// What the run that these are a checkpoint of was best with.
    pub best: Option<Best>,
}

/// An adapter taken down to numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterWeights {
    pub config: LoraConfig,
    /// Flat, as [`Layout::adapter`] says.
    pub weights: Vec<f32>,
}

/// AdamW's running means, flat as the weights are.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

impl ModelFile {
    /// Reads the tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let tokenizer = Tokenizer::from_json(self.tokenizer.as_bytes())?;
        Ok(match &self.roles {
            Some(roles) => tokenizer.with_roles(roles.clone()),
            None => tokenizer,
        })
    }

    /// Takes out what a trainer goes on from; `None` where the file is no checkpoint.
    pub fn take_training(&mut self) -> Option<TrainingState> {
        let Moments { first, second } = self.moments.take()?;
        Some(TrainingState {
            progress: self.progress.clone(),
            first_moment: first,
            second_moment: second,
            history: std::mem::take(&mut self.history),
            best: self.best.take(),
        })
    }

    /// The flat arrays, in the order of [`groups`].
    fn flats(&self) -> impl Iterator<Item = &[f32]> {
        let adapter = self.adapter.iter().map(|adapter| &adapter.weights[..]);
        let moments = self.moments.iter().flat_map(|it| [&it.first[..], &it.second[..]]);
        let best = self.best.iter().map(|best| &best.weights[..]);
        iter::once(&self.weights[..]).chain(adapter).chain(moments).chain(best)
    }
}

/// Tensors of one flat array, whose names begin with `prefix`.
struct Group {
    prefix: &'static str,
    layout: Layout,
}

/// Every flat array that a file has.
fn groups(config: &ModelConfig, adapter: Option<&LoraConfig>, moments: bool, best: bool) -> Vec<Group> {
    let whole = Layout::new(config);
    let thin = adapter.map(|lora| Layout::adapter(config, lora));
    let trained = thin.clone().unwrap_or_else(|| whole.clone());
    let learning = [(moments, FIRST_MOMENT), (moments, SECOND_MOMENT), (best, BEST)];
    let learning = learning.into_iter().filter(|(there, _)| *there);
    let first = iter::once(whole).chain(thin).map(|layout| Group { prefix: "", layout });
    first.chain(learning.map(|(_, prefix)| Group { prefix, layout: trained.clone() })).collect()
}

/// The pieces of a flat array as tensors.
pub(super) fn tensors<'a>(prefix: &str, layout: &Layout, flat: &'a [f32]) -> impl Iterator<Item = Tensor<'a>> {
    layout.parameters.iter().map(move |parameter| {
        let values = &flat[parameter.offset..][..parameter.len()];
        Tensor::f32(format!("{prefix}{}", parameter.name), &parameter.shape, values)
    })
}

/// What the metadata says of a model, beside its tokenizer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    version: u32,
    created_with: String,
    name: String,
    config: ModelConfig,
    text: TextFacts,
    progress: Progress,
    history: Figures,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_roles: Option<TokenRoles>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adapter: Option<LoraConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<BestFigures>,
}

/// A [`Best`] without its weights.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BestFigures {
    step: u64,
    validation_loss: f32,
}

/// A [`History`] without its steps.
#[derive(Serialize, Deserialize)]
struct Figures {
    evaluations: Vec<Evaluation>,
    samples: Vec<Sample>,
    seconds: f64,
    tokens: u64,
}

/// Writes a model, or with its moments a checkpoint.
///
/// # Errors
/// [`Error::HeaderTooLarge`] where tokenizer, evaluations and samples take more than a header may.
pub fn write(file: &ModelFile) -> Result<Vec<u8>> {
    let ModelFile { name, config, tokenizer, facts, history, progress, .. } = file;
    let manifest = Manifest {
        version: VERSION,
        created_with: format!("Lorito {}", env!("CARGO_PKG_VERSION")),
        name: name.clone(),
        config: *config,
        text: facts.clone(),
        progress: progress.clone(),
        history: Figures {
            evaluations: history.evaluations.clone(),
            samples: history.samples.clone(),
            seconds: history.seconds,
            tokens: history.tokens,
        },
        token_roles: file.roles.clone(),
        adapter: file.adapter.as_ref().map(|adapter| adapter.config),
        best: file.best.as_ref().map(|best| BestFigures { step: best.step, validation_loss: best.validation_loss }),
    };
    let lora = manifest.adapter;
    let manifest = serde_json::to_string(&manifest).expect("strings and numbers can be written");
    let groups = groups(config, lora.as_ref(), file.moments.is_some(), file.best.is_some());
    let steps: Vec<_> = history.steps.iter().map(to_row).collect();
    let (shape, bytes) = (vec![steps.len(), COLUMNS], bytemuck::cast_slice(&steps));
    let steps = Tensor { name: STEPS.into(), dtype: Dtype::F64, shape, bytes };
    let pieces = groups.iter().zip(file.flats()).flat_map(|(group, flat)| tensors(group.prefix, &group.layout, flat));
    let all: Vec<_> = iter::once(steps).chain(pieces).collect();
    let hash = hash(&manifest, tokenizer, all.iter().map(|tensor| tensor.bytes));
    let metadata = [("format", "pt"), (MANIFEST, &manifest[..]), (TOKENIZER, &tokenizer[..]), (HASH, &hash[..])];
    let mut out = Vec::new();
    append(&mut out, &metadata, &all)?;
    Ok(out)
}

/// Reads what [`write`] wrote.
pub fn read(bytes: &[u8]) -> Result<ModelFile> {
    let header = Header::read(bytes, Some(bytes.len() as u64))?;
    let Content { manifest, groups, moments } = Content::check(&header)?;
    let tokenizer = &header.metadata[TOKENIZER];
    let pieces = names(&groups).map(|name| header.bytes(&name, bytes));
    if header.metadata[HASH] != hash(&header.metadata[MANIFEST], tokenizer, pieces) {
        return Err(damaged("the hash is another"));
    }
    let mut flats = groups.iter().map(|Group { prefix, layout }| {
        let mut flat = vec![0.0f32; layout.len];
        for parameter in &layout.parameters {
            let values = &mut flat[parameter.offset..][..parameter.len()];
            let piece = header.bytes(&format!("{prefix}{}", parameter.name), bytes);
            bytemuck::cast_slice_mut(values).copy_from_slice(piece);
        }
        flat
    });
    let mut flat = || flats.next().expect("as many as were checked");
    let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    let rows = header.bytes(STEPS, bytes).chunks_exact(8 * COLUMNS);
    let steps = rows.map(|row| from_row(array::from_fn(|column| number(&row[8 * column..][..8]))));
    let Figures { evaluations, samples, seconds, tokens } = manifest.history;
    Ok(ModelFile {
        name: manifest.name,
        config: manifest.config,
        tokenizer: tokenizer.clone(),
        roles: manifest.token_roles,
        weights: flat(),
        adapter: manifest.adapter.map(|config| AdapterWeights { config, weights: flat() }),
        facts: manifest.text,
        history: History { steps: steps.collect::<Result<_>>()?, evaluations, samples, seconds, tokens },
        progress: manifest.progress,
        moments: moments.then(|| Moments { first: flat(), second: flat() }),
        best: manifest.best.map(|BestFigures { step, validation_loss }| Best {
            step,
            validation_loss,
            weights: flat(),
        }),
    })
}

/// Refuses a file by its beginning, of `total` bytes in all if that is known; gives the bytes of the whole file. The
/// beginning must hold the eight bytes of the header's length and the header, and may hold more.
pub fn check_header(beginning: &[u8], total: Option<u64>) -> Result<u64> {
    let header = Header::read(beginning, total)?;
    Content::check(&header)?;
    Ok(header.file_len())
}

/// What a header that has been checked promises.
struct Content {
    manifest: Manifest,
    groups: Vec<Group>,
    moments: bool,
}

impl Content {
    fn check(header: &Header) -> Result<Self> {
        for key in [MANIFEST, TOKENIZER, HASH] {
            if !header.metadata.contains_key(key) {
                return Err(Error::NotALoritoModel { missing: key.into() });
            }
        }
        let manifest = Manifest::parse(&header.metadata[MANIFEST])?;
        let moments = header.names.iter().any(|name| name.starts_with("optimizer."));
        let steps = header.shape(STEPS).and_then(|shape| shape.first().copied()).unwrap_or(0);
        header.check(STEPS, Dtype::F64, &[steps, COLUMNS])?;
        let groups = groups(&manifest.config, manifest.adapter.as_ref(), moments, manifest.best.is_some());
        for Group { prefix, layout } in &groups {
            for parameter in &layout.parameters {
                header.check(&format!("{prefix}{}", parameter.name), Dtype::F32, &parameter.shape)?;
            }
        }
        let expected: HashSet<_> = names(&groups).collect();
        match header.names.iter().find(|name| !expected.contains(*name)) {
            Some(name) => Err(Error::SafetensorsInvalid { reason: format!("no model has a tensor {name}") }),
            None => Ok(Self { manifest, groups, moments }),
        }
    }
}

impl Manifest {
    fn parse(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }

        let unreadable = |error: serde_json::Error| damaged(format!("the manifest cannot be read: {error}"));
        let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
        if version != VERSION {
            return Err(Error::CheckpointVersion { found: version, supported: VERSION });
        }
        let manifest: Self = serde_json::from_str(json).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        let impossible = |error: Error| Error::ConfigurationInvalid { reason: error.to_string() };
        self.config.validate().map_err(impossible)?;
        self.adapter.map_or(Ok(()), |lora| lora.validate()).map_err(impossible)?;
        let (bytes, limit) = (4 * self.config.parameters(), LARGEST_WEIGHTS);
        if bytes > limit {
            return Err(Error::ModelTooLarge { bytes, limit, nearest: None });
        }
        let Progress { config, start_step, step, updates } = &self.progress;
        // A model that no run was begun for has one of no steps.
        TrainConfig { steps: config.steps.max(1), ..config.clone() }.validate().map_err(impossible)?;
        if *step > LARGEST_STEP || start_step > step || *step > self.progress.end_step() || updates > step {
            return Err(damaged(format!("step {step} lies outside its run")));
        }
        Ok(())
    }
}

/// Names of all tensors, in the order in which they are written and hashed.
fn names(groups: &[Group]) -> impl Iterator<Item = String> {
    let names = |Group { prefix, layout }: &'_ Group| {
        let names = layout.parameters.iter().map(|parameter| format!("{prefix}{}", parameter.name));
        names.collect::<Vec<_>>()
    };
    iter::once(STEPS.to_owned()).chain(groups.iter().flat_map(names))
}

/// Hash of all that a model is read from. Tensors are taken by name, so that a file whose tensors were put in another
/// order is still whole, and one whose names were exchanged is not.
fn hash<'a>(manifest: &str, tokenizer: &str, pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hasher = Xxh3::new();
    for text in [manifest, tokenizer] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    pieces.for_each(|piece| hasher.update(piece));
    format!("{:016x}", hasher.digest())
}

fn damaged(reason: impl Into<String>) -> Error {
    Error::CheckpointDamaged { reason: reason.into() }
}

fn to_row(record: &StepRecord) -> [f64; COLUMNS] {
    let StepRecord { step, loss, gradient_norm, learning_rate } = *record;
    [step as f64, loss.into(), gradient_norm.into(), learning_rate]
}

fn from_row([step, loss, gradient_norm, learning_rate]: [f64; COLUMNS]) -> Result<StepRecord> {
    if !(0.0..=LARGEST_STEP as f64).contains(&step) || step.fract() != 0.0 {
        return Err(damaged(format!("{step} is no step")));
    }
    Ok(StepRecord { step: step as u64, loss: loss as f32, gradient_norm: gradient_norm as f32, learning_rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_back_and_what_is_no_step_is_refused() {
        let record = StepRecord { step: LARGEST_STEP, loss: f32::MAX, gradient_norm: 1e-45, learning_rate: 1.0 / 3.0 };
        assert_eq!(from_row(to_row(&record)), Ok(record));
        for step in [-1.0, 0.5, f64::NAN, f64::INFINITY, (1u64 << 53) as f64] {
            assert_eq!(from_row([step, 1.0, 1.0, 1.0]).unwrap_err().code(), "checkpoint-damaged");
        }
    }
}
