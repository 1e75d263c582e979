//! The border to JavaScript, and the only place that knows it: every method translates and hands over to
//! [`session::Session`](crate::session::Session). Errors are thrown as plain objects, `{ code, ...fields }`.
//!
//! Methods that wait (`async`) must not overlap with any other call; the worker takes turns with a mutex.

mod adapter;
mod pretrained;

use burn::tensor::Device;
use js_sys::{Float32Array, Uint8Array, Uint32Array};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::prelude::*;

use crate::{
    chat::{self, whatsapp::ChatOptions},
    config::{Limits, presets},
    corpus::{self, ReadOptions},
    device::{self, Engine},
    error::{Error, Result},
    ops, session,
};

unsafe extern "C" {
    /// Runs the constructors that Burn's registry of operations is made of.
    fn __wasm_call_ctors();
}

/// Runs once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    // Naming this function keeps the linker from wrapping every export in a call of all constructors, which made a
    // training step cost seconds. A test holds the wrappers away.
    // SAFETY: called once, before anything else of this module.
    unsafe { __wasm_call_ctors() };
    console_error_panic_hook::set_once();
    // Shaders that the browser rejects are only logged; unheard, training would go on with stale numbers.
    let _ = console_log::init_with_level(log::Level::Warn);
}

/// Names that say more where the room they come from is not named.
#[wasm_bindgen(typescript_custom_section)]
const NAMES: &str = "
export type TextSummary = Summary;
export type TextSource = SourceSummary;
export type TokenizerKind = Kind;
export type KernelChoice = Choice;
export type ChatMessage = Message;
export type ChatRole = Role;
";

type Thrown<T> = std::result::Result<T, JsValue>;

fn to_js<T: Serialize + ?Sized>(value: &T) -> Thrown<JsValue> {
    let plain = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&plain).map_err(|error| JsValue::from_str(&error.to_string()))
}

/// By way of JSON, since a lying file's sizes can be larger than JavaScript's exact numbers, which `to_js` refuses.
fn thrown(error: Error) -> JsValue {
    let json = serde_json::to_string(&error).unwrap_or_default();
    js_sys::JSON::parse(&json).unwrap_or_else(|_| JsValue::from_str(&error.to_string()))
}

fn from_js<T: DeserializeOwned>(value: JsValue) -> Thrown<T> {
    serde_wasm_bindgen::from_value(value).map_err(|error| thrown(Error::SettingInvalid { reason: error.to_string() }))
}

fn answer<T: Serialize>(result: Result<T>) -> Thrown<JsValue> {
    to_js(&result.map_err(thrown)?)
}

/// Milliseconds since 1970.
fn now() -> f64 {
    js_sys::Date::now()
}

/// One person's work, on one engine. See `src/session.rs`.
#[wasm_bindgen]
pub struct Session(session::Session);

#[wasm_bindgen]
impl Session {
    /// Starts an engine. `limits`: what the GPU's adapter can hold; the CPU's are known.
    pub async fn start(
        #[wasm_bindgen(unchecked_param_type = "Engine")] engine: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Limits | undefined")] limits: JsValue,
    ) -> Thrown<Session> {
        let engine: Engine = from_js(engine)?;
        let limits: Option<Limits> = from_js(limits)?;
        let (device, limits) = match engine {
            Engine::Cpu => (device::cpu(), device::CPU_LIMITS),
            Engine::WebGpu => {
                let failed = |reason: String| thrown(Error::WebGpuUnavailable { reason });
                let limits = limits.ok_or_else(|| failed("no limits given".into()))?;
                // Submissions end where `ops::gpu` says; this is for what does so little that it does not.
                let options = Device::wgpu_options().tasks_max(128);
                (options.init_async().await.map_err(|error| failed(error.to_string()))?, limits)
            }
        };
        Ok(Session(session::Session::new(device, engine, limits)))
    }

    #[wasm_bindgen(unchecked_return_type = "{ engine: Engine; limits: Limits }")]
    pub fn engine(&self) -> Thrown<JsValue> {
        #[derive(Serialize)]
        struct Started {
            engine: Engine,
            limits: Limits,
        }
        let (engine, limits) = self.0.engine();
        to_js(&Started { engine, limits })
    }

    /// Measures matrix products for a few tenths of a second, for estimates of time.
    #[wasm_bindgen(unchecked_return_type = "{ gigaflops: number }")]
    pub async fn measure(&mut self) -> Thrown<JsValue> {
        /// Milliseconds that are not counted: the GPU compiles its shader, the browser optimises the hot code.
        const WARM_UP: f64 = 250.0;
        const MEASURED: f64 = 150.0;
        let device = self.0.device().clone();
        let matrix = |rows, columns| ops::tensor(vec![0.5; rows * columns], [rows, columns], &device);
        let (x, weight) = (matrix(512, 128), matrix(512, 128));
        let (mut products, mut began, mut warm) = (0, now(), false);
        loop {
            let product = ops::last_row(&ops::input_gradient(&x, &weight));
            ops::read(product).await.map_err(|failed| thrown(failed.into()))?;
            products += 1;
            if !warm && now() - began >= WARM_UP {
                (products, began, warm) = (0, now(), true);
            }
            if warm && products > 0 && now() - began >= MEASURED {
                break;
            }
        }
        let gigaflops = f64::from(products) * 2.0 * 512.0 * 128.0 * 512.0 / (now() - began) / 1e6;
        self.0.set_gigaflops(gigaflops);
        #[derive(Serialize)]
        struct Measured {
            gigaflops: f64,
        }
        to_js(&Measured { gigaflops })
    }

    /// Queues what [`Self::measure_kernels`] will, without waiting.
    #[wasm_bindgen(js_name = rehearseKernels)]
    pub fn rehearse_kernels(&self) {
        ops::rehearse_kernels(self.0.device());
    }

    /// Finds and uses the GPU's fastest kernels for matrix products, in half a second at most.
    #[wasm_bindgen(js_name = measureKernels, unchecked_return_type = "KernelChoice")]
    pub async fn measure_kernels(&self) -> Thrown<JsValue> {
        answer(self.0.measure_kernels(|| now() / 1000.0).await)
    }

    /// Uses the kernels that were found before.
    #[wasm_bindgen(js_name = chooseKernels)]
    pub fn choose_kernels(&self, #[wasm_bindgen(unchecked_param_type = "KernelChoice")] choice: JsValue) -> Thrown<()> {
        ops::choose_kernels(from_js(choice)?);
        Ok(())
    }

    /// Whether training with half precision gives what training without it does: a few steps of each.
    #[wasm_bindgen(js_name = checkHalfPrecision, unchecked_return_type = "HalfPrecision")]
    pub async fn check_half_precision(&self) -> Thrown<JsValue> {
        answer(self.0.check_half_precision().await)
    }

    // Text

    #[wasm_bindgen(js_name = openFile)]
    pub fn open_file(
        &mut self,
        name: &str,
        #[wasm_bindgen(js_name = expectedBytes)] expected: f64,
        field: Option<String>,
        #[wasm_bindgen(unchecked_param_type = "ChatOptions | undefined")] chat: JsValue,
    ) -> Thrown<()> {
        let chat = if chat.is_undefined() { ChatOptions::default() } else { from_js(chat)? };
        let options = ReadOptions { field, expected_bytes: expected as u64, chat, ..ReadOptions::default() };
        self.0.open_file_with(name, options);
        Ok(())
    }

    #[wasm_bindgen(js_name = pushBytes)]
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Thrown<()> {
        self.0.push_bytes(bytes).map_err(thrown)
    }

    #[wasm_bindgen(js_name = closeFile, unchecked_return_type = "TextSummary")]
    pub fn close_file(&mut self, replaces: Option<usize>) -> Thrown<JsValue> {
        answer(self.0.close_file_at(replaces.unwrap_or(usize::MAX)))
    }

    #[wasm_bindgen(js_name = dropFile)]
    pub fn drop_file(&mut self) {
        self.0.drop_file();
    }

    /// Which field of these JSON lines holds the text, where nobody says; undefined: whole lines count.
    #[wasm_bindgen(js_name = likelyField)]
    pub fn likely_field(&self, lines: &str) -> Option<String> {
        corpus::likely_field(lines)
    }

    /// How many of the first lines count for that.
    #[wasm_bindgen(js_name = likelyFieldLines)]
    pub fn likely_field_lines(&self) -> usize {
        corpus::SAMPLE
    }

    #[wasm_bindgen(js_name = removeSource, unchecked_return_type = "TextSummary")]
    pub fn remove_source(&mut self, index: usize) -> Thrown<JsValue> {
        to_js(&self.0.remove_source(index))
    }

    #[wasm_bindgen(js_name = clearText)]
    pub fn clear_text(&mut self) {
        self.0.clear_text();
    }

    #[wasm_bindgen(js_name = textSummary, unchecked_return_type = "TextSummary")]
    pub fn text_summary(&self) -> Thrown<JsValue> {
        to_js(&self.0.text_summary())
    }

    // Tokenizer

    #[wasm_bindgen(js_name = suggestedVocabulary)]
    pub fn suggested_vocabulary(&self) -> usize {
        self.0.suggested_vocabulary()
    }

    #[wasm_bindgen(js_name = trainTokenizer, unchecked_return_type = "TokenizerSummary")]
    pub fn train_tokenizer(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TokenizerKind")] kind: JsValue,
        vocabulary: Option<usize>,
    ) -> Thrown<JsValue> {
        answer(self.0.train_tokenizer(from_js(kind)?, vocabulary))
    }

    #[wasm_bindgen(js_name = tokenizerSummary, unchecked_return_type = "TokenizerSummary | null")]
    pub fn tokenizer_summary(&mut self) -> Thrown<JsValue> {
        answer(self.0.tokenizer_summary())
    }

    #[wasm_bindgen(js_name = previewTokens, unchecked_return_type = "Piece[]")]
    pub fn preview_tokens(&self, text: &str) -> Thrown<JsValue> {
        answer(self.0.preview_tokens(text))
    }

    #[wasm_bindgen(js_name = unknownCharacters)]
    pub fn unknown_characters(&self, text: &str) -> Thrown<String> {
        self.0.unknown_characters(text).map_err(thrown)
    }

    /// Whether each token of a text would be learned (1) or only read (0).
    #[wasm_bindgen(js_name = learnedTokens)]
    pub fn learned_tokens(&self, text: &str) -> Thrown<Vec<u8>> {
        let learned = self.0.learned_tokens(text).map_err(thrown)?;
        Ok(learned.into_iter().map(u8::from).collect())
    }

    /// Gives a model that knows no conversations the tokens for their turns, where the text holds some.
    #[wasm_bindgen(js_name = learnTurns)]
    pub async fn learn_turns(&mut self) -> Thrown<bool> {
        self.0.learn_turns().await.map_err(thrown)
    }

    pub fn encode(&self, text: &str) -> Thrown<Uint32Array> {
        self.0.encode(text).map(|ids| Uint32Array::from(&ids[..])).map_err(thrown)
    }

    pub fn decode(&self, ids: &[u32]) -> Thrown<String> {
        self.0.decode(ids).map_err(thrown)
    }

    // Model

    #[wasm_bindgen(unchecked_return_type = "Preset[]")]
    pub fn presets(&self) -> Thrown<JsValue> {
        to_js(&presets(self.0.vocabulary().unwrap_or(256)))
    }

    #[wasm_bindgen(js_name = planModel, unchecked_return_type = "Plan")]
    pub fn plan_model(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.plan(&from_js(model)?, &from_js(train)?))
    }

    /// Which of the GPU's kernels a model needs: equal for models that need the same.
    #[wasm_bindgen(js_name = kernelsOf)]
    pub fn kernels_of(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<String> {
        Ok(self.0.kernels_of(&from_js(model)?, &from_js(train)?))
    }

    pub fn settle(&self) {
        self.0.settle();
    }

    /// Queues each of the kernels that evaluating and writing need once, without waiting for any.
    #[wasm_bindgen(js_name = rehearseWriting)]
    pub fn rehearse_writing(&self, #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue) -> Thrown<()> {
        self.0.rehearse_writing(&from_js(model)?).map_err(thrown)
    }

    /// The same for training.
    #[wasm_bindgen(js_name = rehearseTraining)]
    pub fn rehearse_training(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<()> {
        self.0.rehearse_training(&from_js(model)?, &from_js(train)?).map_err(thrown)
    }

    /// The model's vocabulary is the tokenizer's, whatever `model` says.
    #[wasm_bindgen(js_name = createModel, unchecked_return_type = "ModelSummary")]
    pub fn create_model(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        seed: f64,
    ) -> Thrown<JsValue> {
        answer(self.0.create_model(from_js(model)?, seed as u64))
    }

    #[wasm_bindgen(js_name = modelSummary, unchecked_return_type = "ModelSummary | null")]
    pub fn model_summary(&self) -> Thrown<JsValue> {
        to_js(&self.0.model_summary())
    }

    // Training

    #[wasm_bindgen(js_name = beginTraining, unchecked_return_type = "RunStatus")]
    pub fn begin_training(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.begin_training(from_js(train)?))
    }

    pub fn step(&mut self) -> Thrown<()> {
        self.0.step().map_err(thrown)
    }

    #[wasm_bindgen(js_name = readLosses, unchecked_return_type = "StepRecord[]")]
    pub async fn read_losses(&mut self) -> Thrown<JsValue> {
        answer(self.0.read_losses().await)
    }

    #[wasm_bindgen(js_name = evaluateBatch)]
    pub fn evaluate_batch(&mut self, index: usize) -> Thrown<()> {
        self.0.evaluate_batch(index).map_err(thrown)
    }

    #[wasm_bindgen(js_name = finishEvaluation, unchecked_return_type = "Evaluation")]
    pub async fn finish_evaluation(&mut self) -> Thrown<JsValue> {
        answer(self.0.finish_evaluation().await)
    }

    #[wasm_bindgen(js_name = addSample)]
    pub fn add_sample(&mut self, text: String) -> Thrown<()> {
        self.0.add_sample(text).map_err(thrown)
    }

    #[wasm_bindgen(js_name = addTrainingSeconds)]
    pub fn add_training_seconds(&mut self, seconds: f64) -> Thrown<()> {
        self.0.add_training_seconds(seconds).map_err(thrown)
    }

    #[wasm_bindgen(unchecked_return_type = "RunStatus")]
    pub fn status(&self) -> Thrown<JsValue> {
        answer(self.0.status())
    }

    #[wasm_bindgen(unchecked_return_type = "History")]
    pub fn history(&self) -> Thrown<JsValue> {
        answer(self.0.history())
    }

    pub async fn checkpoint(&self) -> Thrown<Uint8Array> {
        bytes(self.0.checkpoint().await)
    }

    #[wasm_bindgen(unchecked_return_type = "RunStatus")]
    pub fn restore(&mut self, checkpoint: Vec<u8>) -> Thrown<JsValue> {
        answer(self.0.restore(&checkpoint))
    }

    #[wasm_bindgen(js_name = corpusTokens)]
    pub fn corpus_tokens(&self) -> Thrown<Uint8Array> {
        bytes(self.0.corpus_tokens())
    }

    #[wasm_bindgen(js_name = restoreCorpus)]
    pub fn restore_corpus(&mut self, tokens: &[u8]) -> Thrown<()> {
        self.0.restore_corpus(tokens).map_err(thrown)
    }

    // Writing

    #[wasm_bindgen(js_name = beginGeneration)]
    pub fn begin_generation(
        &mut self,
        prompt: &str,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<()> {
        self.0.begin_generation(prompt, from_js(options)?).map_err(thrown)
    }

    #[wasm_bindgen(js_name = beginChat, unchecked_return_type = "LeftOut")]
    pub fn begin_chat(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<JsValue> {
        let messages: Vec<chat::Message> = from_js(messages)?;
        answer(self.0.begin_chat(&messages, from_js(options)?))
    }

    #[wasm_bindgen(js_name = leftOut, unchecked_return_type = "LeftOut")]
    pub fn left_out(&self) -> Thrown<JsValue> {
        to_js(&self.0.left_out())
    }

    #[wasm_bindgen(js_name = nextToken)]
    pub async fn next_token(&mut self) -> Thrown<Option<String>> {
        self.0.next_token().await.map_err(thrown)
    }

    #[wasm_bindgen(js_name = endGeneration)]
    pub fn end_generation(&mut self) -> String {
        self.0.end_generation()
    }

    pub async fn logits(&self, ids: Vec<u32>) -> Thrown<Float32Array> {
        let logits = self.0.logits(&ids).await.map_err(thrown)?;
        Ok(Float32Array::from(&logits[..]))
    }

    // Files

    #[wasm_bindgen(js_name = exportSafetensors)]
    pub async fn export_safetensors(&self, name: String) -> Thrown<Uint8Array> {
        bytes(self.0.export_safetensors(&name).await)
    }

    #[wasm_bindgen(js_name = exportHuggingFace)]
    pub async fn export_hugging_face(&self, name: String, date: String) -> Thrown<Uint8Array> {
        bytes(self.0.export_hugging_face(&name, &date).await)
    }

    #[wasm_bindgen(js_name = exportGguf)]
    pub async fn export_gguf(
        &self,
        name: String,
        #[wasm_bindgen(unchecked_param_type = "GgufNumbers")] numbers: JsValue,
    ) -> Thrown<Uint8Array> {
        bytes(self.0.export_gguf(&name, from_js(numbers)?).await)
    }

    /// Refuses a download by its first bytes, of `totalBytes` in all if that is known; how many bytes it promises.
    #[wasm_bindgen(js_name = checkModelHeader)]
    pub fn check_model_header(
        &self,
        start: &[u8],
        #[wasm_bindgen(js_name = totalBytes)] total: Option<f64>,
    ) -> Thrown<f64> {
        let promised = crate::formats::check_header(start, total.map(|total| total as u64));
        promised.map(|bytes| bytes as f64).map_err(thrown)
    }

    #[wasm_bindgen(js_name = importModel, unchecked_return_type = "ModelSummary")]
    pub fn import_model(&mut self, file: Vec<u8>) -> Thrown<JsValue> {
        answer(self.0.import_model(&file))
    }
}

fn bytes(result: Result<Vec<u8>>) -> Thrown<Uint8Array> {
    result.map(|bytes| Uint8Array::from(&bytes[..])).map_err(thrown)
}
