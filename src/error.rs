//! The crate's error type. A variant's serialised `code` is stable: the page looks up the message by it, and the fields
//! beside it are the offending value and a valid one. `Display` is for developers and logs.

use serde::Serialize;

use crate::formats::MissingPart;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error that a user's input or request can cause.
///
/// Serialises as `{ "code": "heads-do-not-divide-width", "heads": 3, ... }`.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[expect(missing_docs, reason = "a variant's message says what it means and names its fields")]
pub enum Error {
    // Text
    #[error("{name} is empty")]
    FileEmpty { name: String },
    /// `kind` is the format that the first bytes show ("pdf", "zip", ...), if any.
    #[error("{name} is binary, not text")]
    FileBinary { name: String, kind: Option<String> },
    #[error("{name} is a damaged or cut gzip file")]
    GzipDamaged { name: String },
    #[error("{name} has {bytes} bytes; at most {limit} fit")]
    FileTooLarge { name: String, bytes: u64, limit: u64 },
    /// Each document takes memory beside its text.
    #[error("{name} has {documents} documents; at most {most} fit")]
    TooManyDocuments { name: String, documents: u64, most: u64 },
    #[error("{name} is not valid UTF-8 from byte {offset}")]
    FileNotUtf8 { name: String, offset: u64 },
    /// `column`: in characters, from 1 on; `reason`: the parser's message.
    #[error("{name} is not valid JSON at line {line}, column {column}: {reason}")]
    JsonInvalid { name: String, line: u64, column: u64, reason: String },
    #[error("{name} holds no text in field {field:?}; it has {fields:?}")]
    FieldMissing { name: String, field: String, fields: Vec<String> },
    /// The field that would be read has too small a share of the file's words, `percent`. `conversational`: the records
    /// are conversations, which can be chosen, too.
    #[error("{name} would be read for {percent}% of its words; a field of {fields:?} is to be chosen")]
    FieldUnclear { name: String, percent: u64, fields: Vec<String>, conversational: bool },
    #[error("{name} holds no text")]
    NoTextInFile { name: String },
    #[error("{name} is a chat of which the filters leave nothing")]
    ChatEmpty { name: String },
    /// `people`: those with the most messages.
    #[error("{you} says nothing in {name}; {people:?} do")]
    ChatPersonMissing { name: String, you: String, people: Vec<String> },
    #[error("{tokens} tokens are fewer than the {needed} that one context needs")]
    TextTooShort { tokens: usize, needed: usize },
    #[error("the conversations have no answer that could be learned")]
    NothingToLearn,
    #[error("no text has been loaded")]
    NoText,
    /// Bytes or the end of a file arrived before it was opened or after it was refused.
    #[error("no file is being read")]
    NoFileOpen,

    // Tokenizer
    #[error("vocabulary of {asked}; {min} to {max} are possible")]
    VocabularySize { asked: usize, min: usize, max: usize },
    /// The tokenizer file is damaged or contradicts itself.
    #[error("the tokenizer cannot be read: {reason}")]
    TokenizerInvalid { reason: String },
    /// The tokenizer file is valid, but would encode differently than Lorito does.
    #[error("the tokenizer is of another kind: {reason}")]
    TokenizerUnsupported { reason: String },
    #[error("token id {id} is outside the vocabulary of {vocabulary}")]
    TokenOutOfRange { id: u32, vocabulary: usize },
    /// With a vocabulary whose ids take 4 bytes.
    #[error("the token ids of the text need {bytes} bytes where {limit} fit")]
    TokensTooLarge { bytes: u64, limit: u64 },
    #[error("the tokenizer has no tokens for the turns of conversations")]
    TokenizerWithoutTurns,
    /// The chat template is no Jinja.
    #[error("the chat template cannot be read: {reason}")]
    ChatTemplateInvalid { reason: String },
    /// The chat template refuses a conversation (`raise_exception`), or needs what is not there.
    #[error("the chat template does not take the conversation: {reason}")]
    ChatTemplateFailed { reason: String },
    #[error("the chat template computes or writes too much")]
    ChatTemplateEndless,
    /// `turn`: the answer, from 1 on.
    #[error("the chat template does not show what turn {turn}, an answer, adds")]
    ChatTemplateUnclear { turn: usize },
    #[error("no tokenizer yet")]
    NoTokenizer,

    // Model and training
    /// `allowed`: the numbers of heads that divide this width; `widths`: the nearest widths that these heads divide.
    #[error("{heads} heads do not divide width {width}; {allowed:?} do, or widths {widths:?}")]
    HeadsDoNotDivideWidth { heads: usize, width: usize, allowed: Vec<usize>, widths: Vec<usize> },
    #[error("{setting} is {value}; {min} to {max} are possible")]
    SettingOutOfRange { setting: String, value: f64, min: f64, max: f64 },
    #[error("a setting is of the wrong kind: {reason}")]
    SettingInvalid { reason: String },
    #[error("there is no preset {preset:?}; there are {known:?}")]
    PresetUnknown { preset: String, known: Vec<String> },
    #[error("the model needs {bytes} bytes where {limit} fit")]
    // Boxed, as it would make every result several times larger.
    ModelTooLarge { bytes: u64, limit: u64, nearest: Option<Box<crate::config::Nearest>> },
    /// The tokenizer has ordinary tokens without a row in the model's embedding.
    #[error("the model has rows for {model} tokens and the tokenizer {tokenizer}")]
    VocabularyMismatch { model: usize, tokenizer: usize },
    #[error("the model was made with another tokenizer than the current one")]
    TokenizerChanged,
    #[error("no model yet")]
    NoModel,
    /// Weights or their end arrived before a model was being opened or after it was refused.
    #[error("no model is being opened")]
    NoModelOpening,
    /// `rank` and `alpha`: those of the existing adapter.
    #[error("the model has an adapter of rank {rank} and alpha {alpha}: it can be trained on, or merged first")]
    AdapterPresent { rank: usize, alpha: f64 },
    #[error("the model has no adapter")]
    NoAdapter,
    /// Slow motion computes on a copy of the model.
    #[error("the model has {parameters} parameters; a copy of at most {limit} is made")]
    ModelTooLargeToCopy { parameters: u64, limit: u64 },
    #[error("the conversation does not end with a message of the user")]
    NoQuestion,
    /// `turn`: the position of the system message, from 1 on.
    #[error("a system message is turn {turn}; only the first can be one")]
    SystemNotFirst { turn: usize },
    #[error("there is no run to go on with")]
    NoRun,
    #[error("the loss stopped being a number at step {step} (learning rate {learning_rate})")]
    Diverged { step: u64, learning_rate: f64 },

    // Files of weights
    #[error("not a safetensors file: {reason}")]
    SafetensorsInvalid { reason: String },
    #[error("no GGUF file that can be read: {reason}")]
    GgufInvalid { reason: String },
    /// The setting may change what the model computes.
    #[error("the file sets {setting} to {found}, which is not known")]
    GgufSettingUnknown { setting: String, found: String },
    #[error("no file of PyTorch's weights that can be read: {reason}")]
    TorchFileInvalid { reason: String },
    /// `found`: the opcode or global that a plain state dict does not have.
    #[error("the file of PyTorch's weights refers to {found}, which is not run")]
    PickleRefused { found: String },
    #[error("the header claims {bytes} bytes; at most {limit} are read")]
    HeaderTooLarge { bytes: u64, limit: u64 },
    /// `found`: names that the file has instead, the most similar ones first.
    #[error("tensor {tensor} is missing; there are {found:?}")]
    TensorMissing { tensor: String, found: Vec<String> },
    #[error("tensor {tensor} has shape {found:?} where {expected:?} is right")]
    TensorShape { tensor: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("tensor {tensor} has type {found}; {supported:?} are right")]
    TensorType { tensor: String, found: String, supported: Vec<String> },
    /// `strides`: the distances between neighbours along each axis, in numbers.
    #[error("tensor {tensor} is a view with strides {strides:?}")]
    TensorNotContiguous { tensor: String, strides: Vec<usize> },
    #[error("GPT-2 has no tensor {tensor}")]
    TensorUnknown { tensor: String },
    #[error("tensor {tensor} holds what is no number")]
    WeightsNotFinite { tensor: String },
    #[error("{name} is missing")]
    FileMissing { name: String },
    /// The file is the pointer that a clone without Git LFS has in place of a large file.
    #[error("{name} is a pointer of Git LFS, not the file itself")]
    GitLfsPointer { name: String },
    /// `kind`: what the family has and Lorito lacks, if that is known.
    #[error("{found} models cannot be opened ({kind:?}); {supported:?} can")]
    ArchitectureUnsupported { found: String, kind: Option<MissingPart>, supported: Vec<String> },
    #[error("{setting} is {found}; {supported:?} can be opened")]
    SettingUnsupported { setting: String, found: String, supported: Vec<String> },
    #[error("the file ends after {found} bytes where {expected} are right")]
    FileTruncated { found: u64, expected: u64 },
    #[error("the file is no Lorito model: {missing} is missing")]
    NotALoritoModel { missing: String },
    #[error("the model's configuration cannot be used: {reason}")]
    ConfigurationInvalid { reason: String },
    #[error("the checkpoint is damaged: {reason}")]
    CheckpointDamaged { reason: String },
    #[error("the checkpoint has version {found}; {supported} is supported")]
    CheckpointVersion { found: u32, supported: u32 },

    /// llama.cpp computes every GPT-2 with `gelu-tanh`.
    #[error("llama.cpp knows no GPT-2 with activation {activation:?}")]
    ActivationNotInLlamaCpp { activation: crate::config::Activation },

    /// `feature`: the unsupported feature, as the tokenizer's file names it.
    #[error("llama.cpp cannot cut texts as the tokenizer does: {feature}")]
    TokenizerNotInLlamaCpp { feature: String },

    // Engine
    #[error("WebGPU cannot start: {reason}")]
    WebGpuUnavailable { reason: String },
    #[error("this engine has no half precision that can be trusted")]
    HalfPrecisionUnavailable,
    /// `bytes`: the size of the failed allocation.
    #[error("the engine has no memory left for {bytes} more bytes")]
    OutOfMemory { bytes: u64 },
    #[error("the GPU stopped answering: {reason}")]
    DeviceLost { reason: String },
    /// The command would fail again.
    #[error("the GPU cannot run a kernel: {reason}")]
    GpuCommandRejected { reason: String },
    #[error("{reason}")]
    Internal { reason: String },
}

/// Longest name of a file's that an error repeats, in characters.
const LONGEST_NAME: usize = 80;

/// The beginning of a name that a file states, for an error: it may be as long as the file.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

impl Error {
    /// The stable code of this error in the page and the JavaScript API.
    pub fn code(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["code"].as_str().unwrap_or("internal").to_owned()
    }
}

impl From<crate::ops::ReadFailed> for Error {
    fn from(failed: crate::ops::ReadFailed) -> Self {
        match failed {
            crate::ops::ReadFailed::KernelRejected(reason) => Self::GpuCommandRejected { reason },
            crate::ops::ReadFailed::Lost(reason) => Self::DeviceLost { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_serialise_with_kebab_case_codes_and_camel_case_fields() {
        let error = Error::HeadsDoNotDivideWidth { heads: 3, width: 8, allowed: vec![1, 2, 4, 8], widths: vec![6, 9] };
        let value = serde_json::to_value(&error).unwrap();
        assert_eq!(value["code"], "heads-do-not-divide-width");
        assert_eq!(value["allowed"][2], 4);
        assert_eq!(error.code(), "heads-do-not-divide-width");
        let diverged = serde_json::to_value(Error::Diverged { step: 7, learning_rate: 0.1 }).unwrap();
        assert_eq!(diverged["learningRate"], 0.1);
    }
}
