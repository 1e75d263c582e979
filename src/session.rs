//! One person's work: the text they brought, the tokenizer, the model, its training, what it writes. The page talks to
//! this and to nothing below it; `web.rs` only translates.
//!
//! A model keeps the tokenizer and the token ids it was made with, so that loading another text or training another
//! tokenizer never changes a run under way.

mod adapter;
mod pretrained;
mod turns;

use std::rc::Rc;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    chat,
    config::{Limits, LoraConfig, Memory, ModelConfig, TrainConfig},
    corpus::{Corpus, FileReader, ReadOptions, Summary},
    device::Engine,
    error::{Error, Result},
    formats::{self, AdapterWeights, ModelFile},
    generate::{Generation, LeftOut, Sampling, Window},
    model::{Gpt, Ids},
    ops, rehearsal,
    tokenizer::{Kind, Piece, StreamDecoder, Tokenizer, default_vocabulary},
    train::{
        Answers, Dataset, Evaluation, HalfPrecision, Sample, StepRecord, TextFacts, Trainer, TrainingState,
        check_half_precision,
    },
};

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
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct RunStatus {
    pub step: u64,
    pub start_step: u64,
    pub end_step: u64,
    pub eval_every: u64,
    pub tokens_per_step: u64,
    /// Calls of `evaluateBatch` that make one evaluation.
    pub evaluation_batches: usize,
    /// Wall time spent training so far.
    pub seconds: f64,
    /// The run's best evaluation.
    pub best: Option<BestSoFar>,
    /// Evaluations since then, all of them worse: from two on, the model learns its text by heart.
    pub worse_evaluations: usize,
}

/// The evaluation of a run whose validation loss was lowest; its weights can be had back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct BestSoFar {
    pub step: u64,
    pub validation_loss: f32,
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
    /// The text of its training, once there was one.
    data: Option<Rc<Dataset>>,
    facts: TextFacts,
}

struct Writing {
    generation: Generation,
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
    corpus: Corpus,
    reader: Option<FileReader>,
    tokenizer: Option<Rc<Tokenizer>>,
    /// The text's ids, made when first needed and dropped when text or tokenizer change.
    data: Option<Rc<Dataset>>,
    model: Option<Model>,
    /// Another model that is on its way.
    opening: Option<pretrained::Opening>,
    writing: Option<Writing>,
}

/// Share of the measured speed of matrix products that a whole training step reaches.
const EFFICIENCY: f64 = 0.6;

impl Session {
    pub fn new(device: Device, engine: Engine, limits: Limits) -> Self {
        Self {
            device,
            engine,
            limits,
            gigaflops: 5.0,
            corpus: Corpus::default(),
            reader: None,
            tokenizer: None,
            data: None,
            model: None,
            opening: None,
            writing: None,
        }
    }

    pub fn engine(&self) -> (Engine, Limits) {
        (self.engine, self.limits)
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn set_gigaflops(&mut self, gigaflops: f64) {
        self.gigaflops = gigaflops;
        ops::set_speed(gigaflops * 1e9);
    }

    /// Finds the GPU's fastest kernels for matrix products; `clock` tells seconds.
    pub async fn measure_kernels(&self, clock: impl Fn() -> f64) -> Result<ops::KernelChoice> {
        let measured = ops::measure_kernels(&self.device, clock).await;
        measured.map(|found| found.choice).map_err(|reason| Error::DeviceLost { reason })
    }

    /// Whether half precision can be trusted here.
    pub async fn check_half_precision(&self) -> Result<HalfPrecision> {
        check_half_precision(&self.device).await
    }

    // Text

    /// Begins to read a file; what was being read is dropped, what was loaded stays.
    pub fn open_file(&mut self, name: &str, expected_bytes: u64, field: Option<String>) {
        self.open_file_with(name, ReadOptions { field, expected_bytes, ..ReadOptions::default() });
    }

    pub fn open_file_with(&mut self, name: &str, options: ReadOptions) {
        self.reader = Some(FileReader::new(name, options));
    }

    pub fn push_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(reader) = &mut self.reader else { return Err(Error::NoText) };
        let pushed = reader.push(bytes);
        if pushed.is_err() {
            self.reader = None;
        }
        pushed
    }

    /// Adds the file that was being read to the text.
    pub fn close_file(&mut self) -> Result<Summary> {
        self.close_file_at(usize::MAX)
    }

    /// Puts the file that was being read in the place of a source, once it is known to be good.
    pub fn close_file_at(&mut self, index: usize) -> Result<Summary> {
        let source = self.reader.take().ok_or(Error::NoText)?.finish()?;
        self.corpus.replace(index, source);
        self.data = None;
        Ok(self.corpus.summary())
    }

    pub fn drop_file(&mut self) {
        self.reader = None;
    }

    pub fn remove_source(&mut self, index: usize) -> Summary {
        self.corpus.remove(index);
        self.data = None;
        self.corpus.summary()
    }

    pub fn clear_text(&mut self) {
        self.corpus.clear();
        self.data = None;
    }

    pub fn text_summary(&self) -> Summary {
        self.corpus.summary()
    }

    // Tokenizer

    pub fn suggested_vocabulary(&self) -> usize {
        default_vocabulary(self.corpus.summary().characters)
    }

    /// Makes a tokenizer from the text and encodes the text with it. Merges are learned from the training split alone;
    /// characters are collected from both, so that the validation split can be encoded.
    pub fn train_tokenizer(&mut self, kind: Kind, vocabulary: Option<usize>) -> Result<TokenizerSummary> {
        if self.corpus.is_empty() {
            return Err(Error::NoText);
        }
        let split = self.corpus.split();
        let chat = self.corpus.has_conversations();
        let tokenizer = match kind {
            Kind::Bpe => Tokenizer::train(kind, vocabulary, &spoken(split.train, chat))?,
            Kind::Char | Kind::Byte => {
                Tokenizer::train(kind, None, &spoken([split.train, split.validation].concat(), chat))?
            }
        };
        let tokenizer = if chat { tokenizer.with_special_tokens(&chat::TOKENS)? } else { tokenizer };
        self.tokenizer = Some(Rc::new(tokenizer));
        self.data = None;
        self.tokenizer_summary()?.ok_or(Error::NoTokenizer)
    }

    /// `None` before there is a tokenizer.
    pub fn tokenizer_summary(&mut self) -> Result<Option<TokenizerSummary>> {
        let Some(tokenizer) = self.tokenizer.clone() else { return Ok(None) };
        let data = match self.corpus.is_empty() {
            true => Rc::new(Dataset::default()),
            false => self.dataset()?,
        };
        let tokens = data.train.len() + data.validation.len();
        Ok(Some(TokenizerSummary {
            kind: tokenizer.kind(),
            vocabulary: tokenizer.vocabulary(),
            train_tokens: data.train.len(),
            validation_tokens: data.validation.len(),
            tokens_per_character: tokens as f64 / self.corpus.summary().characters.max(1) as f64,
        }))
    }

    fn dataset(&mut self) -> Result<Rc<Dataset>> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let tokenizer = self.tokenizer.as_ref().ok_or(Error::NoTokenizer)?;
        if self.corpus.is_empty() {
            return Err(Error::NoText);
        }
        let split = self.corpus.split();
        let answers = if self.corpus.has_conversations() { Some(answers(tokenizer)?) } else { None };
        let bytes = || split.validation.iter().map(|document| document.len() as u64).sum();
        let data = Rc::new(Dataset {
            train: tokenizer.encode_documents(&split.train)?,
            validation: tokenizer.encode_documents(&split.validation)?,
            validation_bytes: if answers.is_none() { bytes() } else { 0 },
            answers,
        });
        self.data = Some(data.clone());
        Ok(data)
    }

    /// Ids of the current tokenizer, if there is one.
    pub fn vocabulary(&self) -> Option<usize> {
        self.tokenizer.as_ref().map(|tokenizer| tokenizer.vocabulary())
    }

    fn tokenizer(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_deref().ok_or(Error::NoTokenizer)
    }

    pub fn preview_tokens(&self, text: &str) -> Result<Vec<Piece>> {
        Ok(self.tokenizer()?.pieces(text))
    }

    /// Whether each token of a text would be learned, or only read; all are where there are no conversations.
    pub fn learned_tokens(&self, text: &str) -> Result<Vec<bool>> {
        let tokenizer = self.tokenizer()?;
        let ids: Vec<u16> = tokenizer.encode(text).into_iter().map(|id| id as u16).collect();
        let answers = if self.corpus.has_conversations() { answers(tokenizer).ok() } else { None };
        Ok(answers.map_or(vec![true; ids.len()], |answers| answers.learned(&ids, 0, ids.len()).collect()))
    }

    pub fn unknown_characters(&self, text: &str) -> Result<String> {
        Ok(self.tokenizer()?.unknown_characters(text).into_iter().collect())
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer()?.encode(text))
    }

    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer()?.decode(ids)
    }

    // Model

    /// What `model` and `train` would cost on this engine.
    pub fn plan(&mut self, model: &ModelConfig, train: &TrainConfig) -> Result<Plan> {
        train.validate()?;
        model.fit(train, &self.limits, self.engine)?;
        let passes = train.gradient_accumulation as u64;
        let train_tokens = train.steps * passes * (train.batch_size * train.window(model.context)) as u64;
        let seconds_per_step = passes as f64 * model.training_flops(train) / (self.gigaflops * 1e9 * EFFICIENCY);
        let text_tokens = match (&self.tokenizer, self.corpus.is_empty()) {
            (Some(_), false) => self.dataset()?.train.len(),
            _ => self.corpus.summary().train_characters,
        };
        Ok(Plan {
            parameters: model.parameters(),
            memory: model.memory(train, self.engine),
            seconds_per_step,
            seconds: seconds_per_step * train.steps as f64,
            train_tokens,
            epochs: train_tokens as f64 / text_tokens.max(1) as f64,
        })
    }

    /// Which kernels of the GPU a model needs: equal for models that need the same.
    pub fn kernels_of(&self, config: &ModelConfig, train: &TrainConfig) -> String {
        let ModelConfig { vocabulary, width, variant, .. } = rehearsal::smallest_like(config);
        let (dropping, adding) = (config.dropout > 0.0, train.gradient_accumulation > 1);
        let (head_width, half) = (config.head_width(), train.half_precision);
        format!(
            "{vocabulary} {width} {head_width} {dropping} {adding} {half} {:?} {}",
            variant.activation, variant.tied
        )
    }

    /// Waits until everything queued so far is with the GPU: what follows may be swallowed (web/shaders.ts).
    pub async fn settle(&self) -> Result<()> {
        if let Some(Model { gpt, .. }) = &self.model {
            ops::read(ops::piece(gpt.trained_flat(), 0, [1])).await?;
        }
        Ok(())
    }

    /// Queues every kernel that training such a model and writing with it needs, so that they get compiled. Nothing here
    /// waits, and nothing that the session holds changes.
    pub fn rehearse(&self, config: &ModelConfig, train: &TrainConfig) -> Result<()> {
        rehearsal::rehearse(config, train, &self.device)
    }

    /// A fresh model for the current tokenizer.
    pub fn create_model(&mut self, config: ModelConfig, seed: u64) -> Result<ModelSummary> {
        let tokenizer = self.tokenizer.clone().ok_or(Error::NoTokenizer)?;
        let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..config };
        config.fit(&TrainConfig { batch_size: 1, ..TrainConfig::default() }, &self.limits, self.engine)?;
        self.writing = None;
        // The old model goes first: both may not fit.
        self.model = None;
        ops::release();
        let gpt = Gpt::new(config, seed, &self.device);
        let trainer = Trainer::new(&gpt);
        self.model = Some(Model { gpt, tokenizer, trainer, data: None, facts: TextFacts::default() });
        self.model_summary().ok_or(Error::NoModel)
    }

    /// `None` before there is a model.
    pub fn model_summary(&self) -> Option<ModelSummary> {
        let Model { gpt, tokenizer, .. } = self.model.as_ref()?;
        let (config, adapter) = (gpt.config, gpt.adapter().map(|adapter| adapter.config));
        Some(ModelSummary {
            parameters: config.parameters(),
            vocabulary: config.vocabulary,
            chat: chat::has_tokens(tokenizer),
            config,
            adapter,
            adapter_parameters: adapter.map_or(0, |adapter| adapter.parameters(&config).0),
        })
    }

    fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or(Error::NoModel)
    }

    fn model_mut(&mut self) -> Result<&mut Model> {
        self.model.as_mut().ok_or(Error::NoModel)
    }

    // Training

    /// Starts a run on the text as it is now.
    pub fn begin_training(&mut self, config: TrainConfig) -> Result<RunStatus> {
        config.validate()?;
        let model = self.model.as_ref().ok_or(Error::NoModel)?;
        let tokenizer = self.tokenizer.as_ref().ok_or(Error::NoTokenizer)?;
        // The same number of ids is not enough: another tokenizer means other tokens by them.
        if !Rc::ptr_eq(tokenizer, &model.tokenizer) && tokenizer.to_json() != model.tokenizer.to_json() {
            return Err(Error::TokenizerChanged);
        }
        model.gpt.config.fit(&config, &self.limits, self.engine)?;
        // Odd widths would have pieces of hidden states begin where a GPU cannot bind a buffer.
        let can_be_half = config.lora.is_none() && model.gpt.config.width.is_multiple_of(2);
        if config.half_precision && !(can_be_half && ops::supports_half(&self.device)) {
            return Err(Error::HalfPrecisionUnavailable);
        }
        let context = config.window(model.gpt.config.context);
        // A model that was restored without its text goes on with the tokens that came with it.
        let data = match (self.corpus.is_empty(), &model.data) {
            (true, Some(data)) => data.clone(),
            _ => self.dataset()?,
        };
        data.check(context)?;
        self.adapt(&config)?;
        let summary = self.corpus.summary();
        let model = self.model_mut()?;
        if summary.documents > 0 {
            model.facts = TextFacts {
                documents: summary.documents,
                characters: summary.characters,
                bytes: summary.bytes as u64,
                train_tokens: data.train.len(),
                validation_tokens: data.validation.len(),
            };
        }
        model.data = Some(data);
        model.trainer.begin(config)?;
        self.status()
    }

    /// Queues one step; on the CPU it is done on return.
    pub fn step(&mut self) -> Result<()> {
        let model = self.model_mut()?;
        let data = model.data.clone().ok_or(Error::NoText)?;
        model.trainer.step(&mut model.gpt, &data)
    }

    /// Figures of the steps queued since the last call.
    pub async fn read_losses(&mut self) -> Result<Vec<StepRecord>> {
        self.model_mut()?.trainer.read().await
    }

    pub fn evaluate_batch(&mut self, index: usize) -> Result<()> {
        let model = self.model_mut()?;
        let data = model.data.clone().ok_or(Error::NoText)?;
        model.trainer.evaluate_batch(&model.gpt, &data, index);
        Ok(())
    }

    pub async fn finish_evaluation(&mut self) -> Result<Evaluation> {
        let model = self.model_mut()?;
        let data = model.data.clone().ok_or(Error::NoText)?;
        model.trainer.finish_evaluation(&data).await
    }

    /// Keeps what the model wrote with its history.
    pub fn add_sample(&mut self, text: String) -> Result<()> {
        let trainer = &mut self.model_mut()?.trainer;
        let step = trainer.progress().step;
        trainer.history_mut().samples.push(Sample { step, text });
        Ok(())
    }

    pub fn add_training_seconds(&mut self, seconds: f64) -> Result<()> {
        self.model_mut()?.trainer.history_mut().seconds += seconds;
        Ok(())
    }

    pub fn status(&self) -> Result<RunStatus> {
        let Model { gpt, trainer, data, .. } = self.model()?;
        let progress = trainer.progress();
        let config = &progress.config;
        let windows = (config.batch_size * config.gradient_accumulation) as u64;
        Ok(RunStatus {
            step: progress.step,
            start_step: progress.start_step,
            end_step: progress.end_step(),
            eval_every: config.eval_every,
            tokens_per_step: windows * config.window(gpt.config.context) as u64,
            evaluation_batches: data.as_ref().map_or(0, |data| trainer.validation_batches(gpt, data)),
            seconds: trainer.history().seconds,
            best: trainer.best().map(|(step, validation_loss)| BestSoFar { step, validation_loss }),
            worse_evaluations: trainer.worse_evaluations(),
        })
    }

    pub fn history(&self) -> Result<&crate::train::History> {
        Ok(self.model()?.trainer.history())
    }

    /// Model and run as one file; the tokens of the run are [apart](Session::corpus_tokens), as they never change.
    pub async fn checkpoint(&self) -> Result<Vec<u8>> {
        let mut file = self.model_file("checkpoint").await?;
        let state = {
            let Model { gpt, trainer, .. } = self.model()?;
            trainer.state(gpt).await?
        };
        file.moments = Some(formats::Moments { first: state.first_moment, second: state.second_moment });
        file.best = state.best;
        formats::write(&file)
    }

    /// Brings back what [`Session::checkpoint`] wrote; on an error everything stays as it was.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<RunStatus> {
        let mut file = formats::read(bytes)?;
        let missing = || Error::CheckpointDamaged { reason: "it holds a model but no run".into() };
        let state = file.take_training().ok_or_else(missing)?;
        self.open(file, Some(state))?;
        self.status()
    }

    /// The token ids of the model's run.
    pub fn corpus_tokens(&self) -> Result<Vec<u8>> {
        Ok(self.model()?.data.as_ref().ok_or(Error::NoText)?.to_bytes())
    }

    pub fn restore_corpus(&mut self, bytes: &[u8]) -> Result<()> {
        let data = Dataset::from_bytes(bytes)?;
        let model = self.model_mut()?;
        let vocabulary = model.gpt.config.vocabulary;
        if let Some(id) = data.train.iter().chain(&data.validation).find(|&&id| usize::from(id) >= vocabulary) {
            return Err(Error::TokenOutOfRange { id: u32::from(*id), vocabulary });
        }
        model.data = Some(Rc::new(data));
        Ok(())
    }

    // Writing

    pub fn begin_generation(&mut self, prompt: &str, options: GenerateOptions) -> Result<()> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let ids = tokenizer.encode(prompt);
        let GenerateOptions { max_tokens, sampling, cache } = options;
        let generation = Generation::new(gpt, &ids, sampling, max_tokens, tokenizer.end_of_text(), cache)?;
        let generation = generation.among(tokenizer.vocabulary());
        self.writing = Some(Writing { generation, decoder: tokenizer.decoder(), answer: None });
        Ok(())
    }

    /// Begins an answer to a conversation that ends with the user's turn; what of it the model does not see. The answer
    /// ends at a token of the template, or at a line of a transcript, that ends the turn.
    pub fn begin_chat(&mut self, messages: &[chat::Message], options: GenerateOptions) -> Result<LeftOut> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let GenerateOptions { max_tokens, sampling, cache } = options;
        let window = Window::of_conversation(chat::prompt(messages, tokenizer)?, gpt.config.context, max_tokens);
        let left_out = window.left_out();
        let generation = Generation::in_window(gpt, window, sampling, max_tokens, chat::ends(tokenizer), cache)?;
        let generation = generation.among(tokenizer.vocabulary());
        let answer = (!chat::has_tokens(tokenizer)).then(chat::Answer::default);
        self.writing = Some(Writing { generation, decoder: tokenizer.decoder(), answer });
        Ok(left_out)
    }

    /// What of the conversation the model does not see any more: a long answer pushes out turns as well.
    pub fn left_out(&self) -> LeftOut {
        self.writing.as_ref().map(|writing| writing.generation.left_out()).unwrap_or_default()
    }

    /// The next piece of text; empty while a character is not complete; `None` when the text has ended.
    pub async fn next_token(&mut self) -> Result<Option<String>> {
        let model = self.model.as_ref().ok_or(Error::NoModel)?;
        let Some(writing) = &mut self.writing else { return Ok(None) };
        if writing.answer.as_ref().is_some_and(chat::Answer::has_ended) {
            return Ok(None);
        }
        let Some(id) = writing.generation.next(&model.gpt).await? else { return Ok(None) };
        let text = writing.decoder.push(id)?;
        Ok(Some(match &mut writing.answer {
            Some(answer) => answer.push(&text),
            None => text,
        }))
    }

    /// Ends the text; what an incomplete character left over.
    pub fn end_generation(&mut self) -> String {
        let Some(Writing { decoder, answer, .. }) = self.writing.take() else { return String::new() };
        let rest = decoder.finish();
        match answer {
            Some(answer) => answer.finish(&rest),
            None => rest,
        }
    }

    /// Logits `[vocabulary]` after the last of `ids`, of which the last context is read.
    pub async fn logits(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let end = [tokenizer.end_of_text()];
        let ids = if ids.is_empty() { &end } else { &ids[ids.len().saturating_sub(gpt.config.context)..] };
        let ids = Ids::new(ids.to_vec(), 1, &self.device);
        ids.check(gpt.config.vocabulary)?;
        Ok(ops::read(gpt.last_logits(&ids)).await?)
    }

    // Files

    async fn model_file(&self, name: &str) -> Result<ModelFile> {
        let Model { gpt, tokenizer, trainer, facts, .. } = self.model()?;
        Ok(ModelFile {
            name: name.to_owned(),
            config: gpt.config,
            tokenizer: tokenizer.to_json(),
            weights: ops::read(gpt.flat.clone()).await?,
            facts: facts.clone(),
            history: trainer.history().clone(),
            progress: trainer.progress().clone(),
            adapter: match gpt.adapter() {
                Some(adapter) => {
                    let weights = ops::read(adapter.flat.clone()).await?;
                    Some(AdapterWeights { config: adapter.config, weights })
                }
                None => None,
            },
            moments: None,
            best: None,
        })
    }

    /// The model as one file that this page and `safetensors` open.
    pub async fn export_safetensors(&self, name: &str) -> Result<Vec<u8>> {
        formats::write(&self.model_file(name).await?)
    }

    /// The model as a zip of what Hugging Face's transformers open. `date`: as the model card shall say it.
    pub async fn export_hugging_face(&self, name: &str, date: &str) -> Result<Vec<u8>> {
        formats::hugging_face(&self.merged_file(name).await?, date)
    }

    /// The model as a GGUF file, which llama.cpp opens.
    pub async fn export_gguf(&self, name: &str, numbers: formats::GgufNumbers) -> Result<Vec<u8>> {
        formats::llama_cpp(&self.merged_file(name).await?, numbers)
    }

    /// The model for those who know no adapters: it is taken up into the weights.
    async fn merged_file(&self, name: &str) -> Result<ModelFile> {
        let file = self.model_file(name).await?;
        match file.adapter {
            None => Ok(file),
            Some(_) => Ok(ModelFile { weights: self.model()?.gpt.merged().await?, adapter: None, ..file }),
        }
    }

    /// Opens a model file in place of the current model; on an error the current one stays.
    pub fn import_model(&mut self, bytes: &[u8]) -> Result<ModelSummary> {
        self.open(formats::read(bytes)?, None)?;
        self.model_summary().ok_or(Error::NoModel)
    }

    fn open(&mut self, file: ModelFile, state: Option<TrainingState>) -> Result<()> {
        let tokenizer = Tokenizer::from_json(file.tokenizer.as_bytes())?;
        if tokenizer.vocabulary() > file.config.vocabulary {
            let (model, tokenizer) = (file.config.vocabulary, tokenizer.vocabulary());
            return Err(Error::VocabularyMismatch { model, tokenizer });
        }
        file.config.fit_to_write(&self.limits, self.engine)?;
        // The old model goes first: both may not fit.
        self.writing = None;
        self.model = None;
        ops::release();
        let mut gpt = Gpt::from_flat(file.config, file.weights, &self.device);
        if let Some(AdapterWeights { config, weights }) = file.adapter {
            let len = weights.len();
            gpt.put_adapter(config, ops::tensor(weights, [len], &self.device));
        }
        let trainer = match state {
            Some(state) => Trainer::restore(&gpt, state),
            None => Trainer::continuing(&gpt, file.history),
        };
        let tokenizer = Rc::new(tokenizer);
        self.put(Model { gpt, tokenizer, trainer, data: None, facts: file.facts })?;
        Ok(())
    }
}

/// Documents for a tokenizer to learn from. The tokens between the turns of conversations are no words of theirs.
fn spoken(documents: Vec<&str>, chat: bool) -> Vec<&str> {
    if chat { documents.into_iter().flat_map(chat::words).collect() } else { documents }
}

/// The tokens between turns, by their ids.
fn answers(tokenizer: &Tokenizer) -> Result<Answers> {
    let id = |token: &str| tokenizer.special_token(token).and_then(|id| u16::try_from(id).ok());
    let [Some(system), Some(user), Some(assistant), Some(end)] = chat::TOKENS.map(id) else {
        return Err(Error::TokenizerWithoutTurns);
    };
    let end_of_text = u16::try_from(tokenizer.end_of_text()).unwrap_or(u16::MAX);
    Ok(Answers { tokens: [system, user, assistant, end], end_of_text })
}
