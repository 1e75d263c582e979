//! Reads and writes Lorito's model file, `NAME.safetensors`: a model with all that generation and training need. A
//! checkpoint is the same file with the optimizer state in it, so a checkpoint opens as a model too.
//!
//! Tensors: the weights under their names in transformers; `lorito.steps` with loss, gradient norm and learning rate of
//! every step; from version 2 on `lorito.evaluations` and `lorito.samples`, which version 1 has in its manifest (see
//! `history.rs`); in a checkpoint `optimizer.STATE.NAME` beside each weight `NAME` for each state of the optimizer (of
//! AdamW `first_moment` and `second_moment`), and `best.NAME` of the step with the lowest validation loss. A model with
//! an adapter has the adapter's matrices too, `NAME.lora_A`, `[inputs, rank]`, and `NAME.lora_B`, `[rank, outputs]`;
//! optimizer state and best weights are then those of the adapter. Everything else is in the metadata:
//! - `lorito.manifest`: JSON, see `Manifest`;
//! - `lorito.tokenizer`: the text of `tokenizer.json`;
//! - `lorito.hash`: XXH3-64 in hexadecimal over manifest, tokenizer and tensors, see `hash`.
//!
//! A file that is only to be written with may have matrices of 8 bits ([`write_in_8_bits`]): of a matrix with a multiple of
//! 32 numbers the tensor is then U8, `[blocks, 34]`, the blocks of ggml's `Q8_0` one after another.
//!
//! A frozen model has its packed matrices as they are in memory (`ops::Form`), named in the manifest: with 16 bits a number
//! F16 or BF16, otherwise U8, `[blocks, bytes of a block]`; a row for each output of a linear layer, with its inputs.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    iter,
};

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{
    ggml::{BLOCK, Encoding},
    history::{self, EVALUATIONS, LARGEST_STEP, SAMPLES, STEPS},
    safetensors::{Header, Numbers, Tensor, append},
};
use crate::{
    architecture::Role,
    config::{LoraConfig, ModelConfig, TrainConfig, Variant},
    error::{Error, Result},
    model::{Frozen, Layout, Parameter, inserted, packed_shape},
    ops::{Form, Packed},
    tokenizer::{TokenRoles, Tokenizer},
    train::{Best, Evaluation, History, OptimizerKind, OptimizerState, Progress, Sample, TextFacts, TrainingState},
};

/// The newest version, increased when an older page could not read the file any more. A file that version 1 can
/// represent is written as version 1, so that older pages can open it.
///
/// Version 2: evaluations and samples are tensors. Version 3: the architecture may have no biases. Version 4: the architecture
/// may be of the Llama family. Version 5: matrices may have 8 bits for each number. Version 6: matrices may be packed.
const VERSION: u32 = 6;

/// Approximate limit in bytes of evaluations and samples in a manifest: the header has a limit, a history has none.
const LONGEST_IN_MANIFEST: usize = 1 << 20;

const MANIFEST: &str = "lorito.manifest";
const TOKENIZER: &str = "lorito.tokenizer";
const HASH: &str = "lorito.hash";
const OPTIMIZER: &str = "optimizer.";
const BEST: &str = "best.";

/// Largest size of weights in bytes with 32-bit addresses.
const LARGEST_WEIGHTS: u64 = 1 << 31;

/// A model with all its data in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The name that the user gave the model.
    pub name: String,
    /// The settings of its architecture.
    pub config: ModelConfig,
    /// The text of `tokenizer.json`. The reader has to check that it fits the model.
    pub tokenizer: String,
    /// The roles of special tokens, unless their names show them all.
    pub roles: Option<TokenRoles>,
    /// The weights, a flat array in their [`Layout`]; of a frozen model those that are not packed.
    pub weights: Vec<f32>,
    /// The packed matrices of a frozen model.
    pub frozen: Option<Frozen>,
    /// Statistics of the training text.
    pub facts: TextFacts,
    /// The losses, evaluations and samples of all runs.
    pub history: History,
    /// The last run, with its settings.
    pub progress: Progress,
    /// The adapter, if the model has one.
    pub adapter: Option<AdapterWeights>,
    /// The optimizer state, to resume the last run exactly.
    pub optimizer: Option<OptimizerState>,
    /// The best checkpoint of the run.
    pub best: Option<Best>,
}

/// An adapter with all its data in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterWeights {
    /// The settings of the adapter.
    pub config: LoraConfig,
    /// The weights, a flat array in the layout of [`Layout::adapter`].
    pub weights: Vec<f32>,
}

impl ModelFile {
    /// Parses the tokenizer.
    ///
    /// # Errors
    /// [`Error::TokenizerInvalid`] or [`Error::TokenizerUnsupported`] if it cannot be used.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let tokenizer = Tokenizer::from_json(self.tokenizer.as_bytes())?;
        Ok(match &self.roles {
            Some(roles) => tokenizer.with_roles(roles.clone()),
            None => tokenizer,
        })
    }

    /// Configuration and weights of the equivalent model that other programs support ([`ModelConfig::exported`]).
    pub(super) fn exported(&self) -> (ModelConfig, Cow<'_, [f32]>) {
        let exported = self.config.exported();
        if exported == self.config {
            return (exported, Cow::Borrowed(&self.weights));
        }
        let (from, to) = (Layout::new(&self.config), Layout::new(&exported));
        (exported, Cow::Owned(from.moved(&self.weights, &to)))
    }

    /// Takes the training state out; `None` if the file is no checkpoint.
    pub fn take_training(&mut self) -> Option<TrainingState> {
        Some(TrainingState {
            progress: self.progress.clone(),
            optimizer: self.optimizer.take()?,
            history: std::mem::take(&mut self.history),
            best: self.best.take(),
        })
    }

    /// The flat arrays, in the order of [`groups`].
    fn flats(&self) -> impl Iterator<Item = &[f32]> {
        let adapter = self.adapter.iter().map(|adapter| &adapter.weights[..]);
        let state = self.optimizer.iter().flat_map(|state| &state.tensors).map(Vec::as_slice);
        let best = self.best.iter().map(|best| &best.weights[..]);
        iter::once(&self.weights[..]).chain(adapter).chain(state).chain(best)
    }
}

/// The tensors of one flat array, whose names begin with `prefix`.
struct Group {
    prefix: String,
    layout: Layout,
}

/// All flat arrays of a file.
fn groups(
    config: &ModelConfig,
    packed: &BTreeMap<Role, Form>,
    adapter: Option<&LoraConfig>,
    optimizer: Option<OptimizerKind>,
    best: bool,
) -> Vec<Group> {
    let whole = Layout::new(config);
    let thin = adapter.map(|lora| Layout::adapter(config, lora));
    let trained = thin.clone().unwrap_or_else(|| whole.clone());
    let states = optimizer.iter().flat_map(|kind| kind.state_names()).map(|state| format!("{OPTIMIZER}{state}."));
    let of_training = states.chain(best.then(|| BEST.to_owned()));
    let first = iter::once(whole.without(|role| packed.contains_key(&role)))
        .chain(thin)
        .map(|layout| Group { prefix: String::new(), layout });
    first.chain(of_training.map(|prefix| Group { prefix, layout: trained.clone() })).collect()
}

/// The tensors of a flat array.
pub(super) fn tensors<'a>(prefix: &str, layout: &Layout, flat: &'a [f32]) -> impl Iterator<Item = Tensor<'a>> {
    layout.parameters.iter().map(move |parameter| {
        let values = &flat[parameter.offset..][..parameter.len()];
        Tensor::f32(format!("{prefix}{}", parameter.name), &parameter.shape, values)
    })
}

/// The metadata of a model, except its tokenizer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    version: u32,
    created_with: String,
    name: String,
    config: ModelConfig,
    text: TextFacts,
    progress: Progress,
    history: HistoryManifest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_roles: Option<TokenRoles>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adapter: Option<LoraConfig>,
    /// The optimizer of a checkpoint. Older checkpoints name none: theirs is AdamW.
    #[serde(default, skip_serializing_if = "is_default")]
    optimizer: OptimizerKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<BestManifest>,
    /// Whether the model's own matrices have 8 bits for each number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    eight_bits: bool,
    /// The forms of a frozen model's packed matrices, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    packed: BTreeMap<String, Form>,
}

impl Manifest {
    /// The forms of the packed matrices by their roles.
    fn forms(&self) -> Result<BTreeMap<Role, Form>> {
        if self.packed.is_empty() {
            return Ok(BTreeMap::new());
        }
        let layout = Layout::new(&self.config);
        let mut forms = BTreeMap::new();
        for (name, &form) in &self.packed {
            let found = layout.parameters.iter().find(|parameter| parameter.name == *name);
            let fits = |parameter: &&Parameter| {
                packed_shape(parameter).is_some_and(|[_, columns]| columns.is_multiple_of(form.block()))
            };
            let parameter = found.filter(fits).ok_or_else(|| damaged(format!("no matrix of {form:?} is {name}")))?;
            forms.insert(parameter.spec.role, form);
        }
        Ok(forms)
    }
}

fn is_default(kind: &OptimizerKind) -> bool {
    *kind == OptimizerKind::default()
}

/// A [`Best`] without its weights.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BestManifest {
    step: u64,
    validation_loss: f32,
}

/// A [`History`] without its steps, and from version 2 on without its evaluations and samples.
#[derive(Serialize, Deserialize)]
struct HistoryManifest {
    #[serde(default)]
    evaluations: Vec<Evaluation>,
    #[serde(default)]
    samples: Vec<Sample>,
    seconds: f64,
    tokens: u64,
}

/// Whether evaluations and samples are too large for a manifest.
fn is_long(history: &History) -> bool {
    let samples = history.samples.iter().map(|sample| 64 + sample.text.len());
    128 * history.evaluations.len() + samples.sum::<usize>() > LONGEST_IN_MANIFEST
}

/// Writes a model, or with its optimizer state a checkpoint.
///
/// # Errors
/// [`Error::HeaderTooLarge`] if name and tokenizer exceed the header's limit; [`Error::WeightsNotFinite`], because such
/// a file could not be opened again.
pub fn write(file: &ModelFile) -> Result<Vec<u8>> {
    write_as(file, false)
}

/// Writes a model whose own matrices have 8 bits for each number, in about a quarter of the size. The numbers are rounded,
/// so that what it generates may differ.
///
/// # Errors
/// Those of [`write()`].
pub fn write_in_8_bits(file: &ModelFile) -> Result<Vec<u8>> {
    write_as(file, true)
}

fn write_as(file: &ModelFile, eight_bits: bool) -> Result<Vec<u8>> {
    let ModelFile { name, config, tokenizer, facts, history, progress, .. } = file;
    let version = match config.variant {
        _ if file.frozen.is_some() => 6,
        _ if eight_bits => 5,
        Variant { llama: Some(_), .. } => 4,
        Variant { bias: false, .. } => 3,
        _ if is_long(history) => 2,
        _ => 1,
    };
    let long = version > 1;
    let whole = Layout::new(config);
    let packed: Vec<(Role, &Packed)> = file.frozen.iter().flat_map(Frozen::matrices).collect();
    let manifest = Manifest {
        version,
        created_with: format!("Lorito {}", env!("CARGO_PKG_VERSION")),
        name: name.clone(),
        config: *config,
        text: facts.clone(),
        progress: progress.clone(),
        history: HistoryManifest {
            evaluations: if long { Vec::new() } else { history.evaluations.clone() },
            samples: if long { Vec::new() } else { history.samples.clone() },
            seconds: history.seconds,
            tokens: history.tokens,
        },
        token_roles: file.roles.clone(),
        adapter: file.adapter.as_ref().map(|adapter| adapter.config),
        optimizer: file.optimizer.as_ref().map_or_else(OptimizerKind::default, |state| state.kind),
        best: file.best.as_ref().map(|best| BestManifest { step: best.step, validation_loss: best.validation_loss }),
        eight_bits,
        packed: inserted(packed.iter().map(|(role, packed)| (whole.tensor(*role).name.clone(), packed.form()))),
    };
    let (lora, forms) = (manifest.adapter, inserted(packed.iter().map(|(role, packed)| (*role, packed.form()))));
    let manifest = serde_json::to_string(&manifest).expect("strings and numbers can be written");
    let groups =
        groups(config, &forms, lora.as_ref(), file.optimizer.as_ref().map(|state| state.kind), file.best.is_some());
    for (Group { prefix, layout }, flat) in groups.iter().zip(file.flats()) {
        check_finite(prefix, layout, flat)?;
    }
    let steps: Vec<_> = history.steps.iter().map(history::step_row).collect();
    let evaluations: Vec<_> = history.evaluations.iter().filter(|_| long).map(history::evaluation_row).collect();
    let samples = if long { history::sample_bytes(&history.samples) } else { Vec::new() };
    let mut all = vec![history::rows(STEPS, &steps)];
    all.extend(long.then(|| history::rows(EVALUATIONS, &evaluations)));
    let matrices = groups[0].layout.parameters.iter().filter(|parameter| eight_bits && has_blocks(parameter));
    let blocks: Vec<Vec<u8>> = matrices.map(|parameter| blocks(&file.weights[parameter.range()])).collect();
    let mut blocks = blocks.iter();
    for (place, (Group { prefix, layout }, flat)) in groups.iter().zip(file.flats()).enumerate() {
        for (parameter, tensor) in layout.parameters.iter().zip(tensors(prefix, layout, flat)) {
            let is_small = eight_bits && place == 0 && has_blocks(parameter);
            all.push(match is_small.then(|| blocks.next()).flatten() {
                Some(bytes) => of_blocks(tensor.name, parameter, bytes),
                None => tensor,
            });
        }
    }
    all.extend(long.then(|| history::samples(&samples)));
    all.extend(packed.iter().map(|(role, packed)| of_packed(whole.tensor(*role).name.clone(), packed)));
    let pieces = all.iter().filter_map(|tensor| match tensor.numbers {
        Numbers::Bytes(bytes) => Some(bytes),
        Numbers::Columns(_) => None,
    });
    let hash = hash(&manifest, tokenizer, pieces);
    // Wider numbers come first.
    all.sort_by_key(|tensor| match tensor.dtype {
        Dtype::U8 => 2,
        Dtype::F16 | Dtype::BF16 => 1,
        _ => 0,
    });
    let metadata = [("format", "pt"), (MANIFEST, &manifest[..]), (TOKENIZER, &tokenizer[..]), (HASH, &hash[..])];
    let mut out = Vec::new();
    append(&mut out, &metadata, &all)?;
    Ok(out)
}

/// Reads a file of [`write()`].
///
/// # Errors
/// [`Error::NotALoritoModel`] for a file of another program; [`Error::SafetensorsInvalid`], [`Error::FileTruncated`],
/// [`Error::CheckpointDamaged`] or [`Error::WeightsNotFinite`] for a damaged one; [`Error::CheckpointVersion`] for one
/// of a newer page; [`Error::ModelTooLarge`] for weights that do not fit into memory.
pub fn read(bytes: &[u8]) -> Result<ModelFile> {
    let header = Header::read(bytes, Some(bytes.len() as u64))?;
    let content = Content::check(&header)?;
    let tokenizer = &header.metadata[TOKENIZER];
    let pieces = content.names().into_iter().map(|name| header.bytes(&name, bytes));
    if header.metadata[HASH] != hash(&header.metadata[MANIFEST], tokenizer, pieces) {
        return Err(damaged("the hash is another"));
    }
    let long = content.is_long();
    let Content { manifest, groups, optimizer, forms } = content;
    let mut flats = groups.iter().enumerate().map(|(place, Group { prefix, layout })| -> Result<Vec<f32>> {
        let mut flat = vec![0.0f32; layout.len];
        for parameter in &layout.parameters {
            let values = &mut flat[parameter.offset..][..parameter.len()];
            let piece = header.bytes(&format!("{prefix}{}", parameter.name), bytes);
            match manifest.eight_bits && place == 0 && has_blocks(parameter) {
                true => values.copy_from_slice(&Encoding::Q8_0.read(piece)),
                false => bytemuck::cast_slice_mut(values).copy_from_slice(piece),
            }
        }
        check_finite(prefix, layout, &flat)?;
        Ok(flat)
    });
    let mut flat = || flats.next().expect("as many as were checked");
    let steps = history::read_steps(header.bytes(STEPS, bytes))?;
    let HistoryManifest { mut evaluations, mut samples, seconds, tokens } = manifest.history;
    if long {
        evaluations = history::read_evaluations(header.bytes(EVALUATIONS, bytes))?;
        samples = history::read_samples(header.bytes(SAMPLES, bytes))?;
    }
    let weights = flat()?;
    let adapter = match manifest.adapter {
        Some(config) => Some(AdapterWeights { config, weights: flat()? }),
        None => None,
    };
    let optimizer = match optimizer {
        Some(kind) => {
            let tensors = kind.state_names().iter().map(|_| flat()).collect::<Result<_>>()?;
            Some(OptimizerState { kind, tensors })
        }
        None => None,
    };
    let best = match manifest.best {
        Some(BestManifest { step, validation_loss }) => Some(Best { step, validation_loss, weights: flat()? }),
        None => None,
    };
    let frozen = match forms.is_empty() {
        true => None,
        false => Some(read_packed(&Layout::new(&manifest.config), &forms, &header, bytes)?),
    };
    Ok(ModelFile {
        name: manifest.name,
        config: manifest.config,
        tokenizer: tokenizer.clone(),
        roles: manifest.token_roles,
        weights,
        frozen,
        adapter,
        facts: manifest.text,
        history: History { steps, evaluations, samples, seconds, tokens },
        progress: manifest.progress,
        optimizer,
        best,
    })
}

fn read_packed(whole: &Layout, forms: &BTreeMap<Role, Form>, header: &Header, file: &[u8]) -> Result<Frozen> {
    let mut matrices = BTreeMap::new();
    for (&role, &form) in forms {
        let parameter = whole.tensor(role);
        let shape = packed_shape(parameter).unwrap_or_default();
        let of_another_shape = || damaged(format!("{} has another shape", parameter.name));
        let packed = Packed::new(form, shape, header.bytes(&parameter.name, file).to_vec());
        let packed = packed.ok_or_else(of_another_shape)?;
        if !packed.is_finite() {
            return Err(Error::WeightsNotFinite { tensor: parameter.name.clone() });
        }
        matrices.insert(role, packed);
    }
    Frozen::new(whole, matrices).ok_or_else(|| damaged("matrices of another model"))
}

/// Whether a tensor is a matrix of whole blocks of 8-bit numbers.
fn has_blocks(parameter: &Parameter) -> bool {
    parameter.shape.len() == 2 && parameter.len().is_multiple_of(BLOCK)
}

fn blocks(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(Encoding::Q8_0.bytes(values.len()));
    Encoding::Q8_0.append(&mut bytes, values);
    bytes
}

fn of_blocks<'a>(name: String, parameter: &Parameter, bytes: &'a [u8]) -> Tensor<'a> {
    Tensor { name, dtype: Dtype::U8, shape: shape_of_blocks(parameter), numbers: Numbers::Bytes(bytes) }
}

/// A packed matrix: numbers of 16 bits in their rows, or blocks.
fn of_packed(name: String, packed: &Packed) -> Tensor<'_> {
    let (dtype, shape) = packed_form(packed.form(), packed.shape());
    Tensor { name, dtype, shape, numbers: Numbers::Bytes(packed.bytes()) }
}

/// The type and shape of the tensor that a packed matrix `[rows, columns]` is.
fn packed_form(form: Form, [rows, columns]: [usize; 2]) -> (Dtype, Vec<usize>) {
    match form {
        Form::F16 => (Dtype::F16, vec![rows, columns]),
        Form::Bf16 => (Dtype::BF16, vec![rows, columns]),
        Form::Q8 | Form::Offset | Form::Scaled => {
            (Dtype::U8, vec![rows * (columns / form.block()), form.block_bytes()])
        }
    }
}

/// The blocks, and the bytes of each.
fn shape_of_blocks(parameter: &Parameter) -> Vec<usize> {
    vec![parameter.len() / BLOCK, Encoding::Q8_0.block_bytes()]
}

/// Checks that all elements of a flat array are finite.
fn check_finite(prefix: &str, layout: &Layout, flat: &[f32]) -> Result<()> {
    let is_bad = |range: std::ops::Range<usize>| flat[range].iter().any(|value| !value.is_finite());
    match layout.parameters.iter().find(|parameter| is_bad(parameter.range())) {
        Some(parameter) => Err(Error::WeightsNotFinite { tensor: format!("{prefix}{}", parameter.name) }),
        None => Ok(()),
    }
}

/// Checks the beginning of a file of `total` bytes, if that is known; returns the size of the whole file. The beginning
/// must contain the eight bytes of the header's length and the header, and may contain more.
///
/// # Errors
/// Those of [`read`] that the beginning shows.
pub fn check_header(beginning: &[u8], total: Option<u64>) -> Result<u64> {
    let header = Header::read(beginning, total)?;
    Content::check(&header)?;
    Ok(header.file_len())
}

/// The contents of a file according to its checked header.
struct Content {
    manifest: Manifest,
    groups: Vec<Group>,
    /// The optimizer whose state it has, if any.
    optimizer: Option<OptimizerKind>,
    /// The forms of a frozen model's packed matrices.
    forms: BTreeMap<Role, Form>,
}

impl Content {
    fn check(header: &Header) -> Result<Self> {
        for key in [MANIFEST, TOKENIZER, HASH] {
            if !header.metadata.contains_key(key) {
                return Err(Error::NotALoritoModel { missing: key.into() });
            }
        }
        let manifest = Manifest::parse(&header.metadata[MANIFEST])?;
        let has_state = header.names.iter().any(|name| name.starts_with(OPTIMIZER));
        let optimizer = has_state.then_some(manifest.optimizer);
        history::check_steps(header)?;
        if manifest.version > 1 {
            history::check_evaluations(header)?;
        }
        let forms = manifest.forms()?;
        let groups = groups(&manifest.config, &forms, manifest.adapter.as_ref(), optimizer, manifest.best.is_some());
        for (place, Group { prefix, layout }) in groups.iter().enumerate() {
            for parameter in &layout.parameters {
                let name = format!("{prefix}{}", parameter.name);
                match manifest.eight_bits && place == 0 && has_blocks(parameter) {
                    true => header.check(&name, Dtype::U8, &shape_of_blocks(parameter))?,
                    false => header.check(&name, Dtype::F32, &parameter.shape)?,
                }
            }
        }
        let whole = Layout::new(&manifest.config);
        for (&role, &form) in &forms {
            let parameter = whole.tensor(role);
            let (dtype, shape) = packed_form(form, packed_shape(parameter).unwrap_or_default());
            header.check(&parameter.name, dtype, &shape)?;
        }
        let content = Self { manifest, groups, optimizer, forms };
        let expected: HashSet<_> = content.names().into_iter().collect();
        match header.names.iter().find(|name| !expected.contains(*name)) {
            Some(name) => Err(Error::SafetensorsInvalid { reason: format!("no model has a tensor {name}") }),
            None => Ok(content),
        }
    }

    /// Whether evaluations and samples are tensors.
    fn is_long(&self) -> bool {
        self.manifest.version > 1
    }

    /// The names of all tensors, in the order of writing and hashing.
    fn names(&self) -> Vec<String> {
        let mut names = vec![STEPS.to_owned()];
        names.extend(self.is_long().then(|| EVALUATIONS.to_owned()));
        for Group { prefix, layout } in &self.groups {
            names.extend(layout.parameters.iter().map(|parameter| format!("{prefix}{}", parameter.name)));
        }
        names.extend(self.is_long().then(|| SAMPLES.to_owned()));
        let whole = Layout::new(&self.manifest.config);
        names.extend(self.forms.keys().map(|&role| whole.tensor(role).name.clone()));
        names
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
        if !(1..=VERSION).contains(&version) {
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
        // A model without a run has a configuration of 0 steps.
        TrainConfig { steps: config.steps.max(1), ..config.clone() }.validate().map_err(impossible)?;
        // Older pages wrote models that were opened and not trained as runs of no steps from the first step on.
        let ends_before = || config.steps > 0 && *step > self.progress.end_step();
        if *step > LARGEST_STEP || start_step > step || ends_before() || updates > step {
            return Err(damaged(format!("step {step} lies outside its run")));
        }
        Ok(())
    }
}

/// Hash of all data that is read. Tensors are hashed by name, so that their order in the file does not matter, and
/// exchanged names are detected.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variant;

    fn checkpoint() -> ModelFile {
        let variant = Variant::GPT2;
        let config = ModelConfig { vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0.0, variant };
        let ones = || vec![1.0; Layout::new(&config).len];
        ModelFile {
            name: "small".into(),
            config,
            tokenizer: "{}".into(),
            roles: None,
            weights: ones(),
            frozen: None,
            facts: TextFacts::default(),
            history: History::default(),
            progress: Progress { config: TrainConfig::default(), start_step: 0, step: 0, updates: 0 },
            adapter: None,
            optimizer: Some(OptimizerState { kind: OptimizerKind::AdamW, tensors: vec![ones(), ones()] }),
            best: None,
        }
    }

    /// The file with another first number in a tensor, and a matching hash.
    fn with_number(bytes: &[u8], tensor: &str, number: f32) -> Vec<u8> {
        let header = Header::read(bytes, None).unwrap();
        let mut changed = bytes.to_vec();
        let from = header.place(tensor).unwrap().2.start as usize;
        changed[from..from + 4].copy_from_slice(&number.to_le_bytes());
        let names = Content::check(&header).unwrap().names();
        let pieces = names.iter().map(|name| header.bytes(name, &changed));
        let right = hash(&header.metadata[MANIFEST], &header.metadata[TOKENIZER], pieces);
        let place = bytes.windows(16).position(|window| window == header.metadata[HASH].as_bytes()).unwrap();
        changed[place..place + 16].copy_from_slice(right.as_bytes());
        changed
    }

    #[test]
    fn nan_and_infinity_are_refused_although_the_hash_matches() {
        let good = write(&checkpoint()).unwrap();
        for tensor in ["transformer.ln_f.weight", "optimizer.second_moment.transformer.wpe.weight"] {
            assert!(read(&with_number(&good, tensor, 2.0)).is_ok());
            for number in [f32::NAN, f32::INFINITY] {
                let refused = read(&with_number(&good, tensor, number)).unwrap_err();
                assert_eq!(refused, Error::WeightsNotFinite { tensor: tensor.into() });
            }
        }
    }
}
