//! The JavaScript bindings, and the only module that knows JavaScript: every method converts its arguments and calls
//! [`session::Session`]. Errors are thrown as plain objects, `{ code, ...fields }`: those of the method of the same
//! name.
//!
//! Asynchronous methods must not overlap with any other call; the worker serialises calls with a mutex.

mod adapter;
mod copied;
mod date;
mod documents;
mod embedding;
mod files;
mod inspecting;
mod log;
mod model;
mod parts;
mod pretrained;
mod replicas;
mod stop;
mod text;
mod training;
mod unicode;
mod writing;

use js_sys::Uint8Array;
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::prelude::*;

pub use date::local_seconds;
pub use unicode::{TextDecoder, nfc, nfd};

use crate::{
    config::Limits,
    device::{self, Engine, Machine},
    error::{Error, Result},
    ops::{Device, Gpu, KernelChoice},
    session,
};

/// Runs once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    stop::note_panics();
    log::start();
}

/// TypeScript aliases for names that are too general outside their module.
#[wasm_bindgen(typescript_custom_section)]
const NAMES: &str = "
export type CrateError = Error;
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

/// Converts an error by way of JSON: sizes in a corrupt file can be larger than JavaScript's exact numbers, which
/// `to_js` refuses.
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

#[wasm_bindgen]
extern "C" {
    /// Milliseconds on a monotonic clock, unlike `Date`'s.
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// The same in seconds, the crate's unit of time.
fn seconds() -> f64 {
    now() / 1000.0
}

/// A session on one engine. See `session::Session`.
#[wasm_bindgen]
pub struct Session(session::Session);

#[wasm_bindgen]
impl Session {
    /// Starts an engine on a machine that the browser describes.
    pub async fn start(
        #[wasm_bindgen(unchecked_param_type = "Engine")] engine: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Machine")] machine: JsValue,
    ) -> Thrown<Session> {
        let engine: Engine = from_js(engine)?;
        let limits = device::limits(engine, &from_js::<Machine>(machine)?);
        let device = match engine {
            Engine::Cpu => Device::cpu(),
            Engine::WebGpu => {
                Device::start_gpu().await.map_err(|reason| thrown(Error::WebGpuUnavailable { reason }))?
            }
        };
        if let Some(gpu) = device.gpu() {
            log::note_failures_of(gpu);
        }
        Ok(Session(session::Session::new(device, engine, limits)))
    }

    /// Returns the engine that was started, and its assumed memory limits.
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

    /// Measures the speed of matrix products of the sizes in training; see `session::Session::measure`. Returns 10^9
    /// operations per second.
    pub async fn measure(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<f64> {
        let (model, train) = (from_js(model)?, from_js(train)?);
        self.0.measure(&model, &train, seconds).await.map_err(thrown)
    }

    /// Queues the kernels of [`Self::measure_kernels`] without waiting.
    #[wasm_bindgen(js_name = warmUpKernels)]
    pub fn warm_up_kernels(&self) {
        if let Some(gpu) = self.0.device().gpu() {
            gpu.warm_up_kernels();
        }
    }

    /// Measures and uses the GPU's fastest kernels for matrix products and attention, in half a second at most.
    #[wasm_bindgen(js_name = measureKernels, unchecked_return_type = "KernelChoice")]
    pub async fn measure_kernels(&self) -> Thrown<JsValue> {
        answer(self.0.measure_kernels(seconds).await)
    }

    /// Uses the kernels of an earlier measurement.
    #[wasm_bindgen(js_name = chooseKernels)]
    pub fn choose_kernels(&self, #[wasm_bindgen(unchecked_param_type = "KernelChoice")] choice: JsValue) -> Thrown<()> {
        let choice: KernelChoice = from_js(choice)?;
        if let Some(gpu) = self.0.device().gpu() {
            gpu.choose_kernels(choice);
        }
        Ok(())
    }

    /// Returns the kernels in use.
    #[wasm_bindgen(js_name = kernelsInUse, unchecked_return_type = "KernelChoice")]
    pub fn kernels_in_use(&self) -> Thrown<JsValue> {
        to_js(&self.0.device().gpu().map(Gpu::kernels_in_use).unwrap_or_default())
    }

    /// Checks whether a few training steps with half precision agree with the same steps without.
    #[wasm_bindgen(js_name = checkHalfPrecision, unchecked_return_type = "HalfPrecision")]
    pub async fn check_half_precision(&self) -> Thrown<JsValue> {
        answer(self.0.check_half_precision().await)
    }
}

fn bytes(result: Result<Vec<u8>>) -> Thrown<Uint8Array> {
    result.map(|bytes| Uint8Array::from(&bytes[..])).map_err(thrown)
}
