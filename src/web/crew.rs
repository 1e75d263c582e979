//! The crew of the CPU engine in a browser: workers, each with a module of its own, which web/worker/crew.ts starts and
//! talks to. They share no memory: weights and gradients are copied into messages.

use std::{ops::Range, sync::Arc};

use js_sys::{Array, Float32Array, Promise, Reflect, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::{Session, Thrown, thrown};
use crate::{
    config::{LoraConfig, ModelConfig, TrainConfig},
    error::Error,
    train::{self, Brief, Crew, Dataset, Share, Shares},
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** What a worker has to know of a run; `weights`: those of the model that an adapter belongs to. */
export interface HandBrief { settings: string; tokens: Uint8Array; weights: Float32Array | undefined }
/** What a worker has computed of a step: shards, losses and sums of gradients. */
export interface HandShare { from: number; to: number; losses: Float32Array; sums: Float32Array }
/** Workers that compute shares of a step. */
export interface CrewOfWorkers {
  readonly hands: number;
  begin(brief: HandBrief, hands: number): void;
  give(hand: number, step: number, from: number, to: number, weights: Float32Array): void;
  take(): Promise<HandShare[]>;
  end(): void;
}
";

#[wasm_bindgen]
extern "C" {
    /// A `CrewOfWorkers`.
    #[wasm_bindgen(typescript_type = "CrewOfWorkers")]
    pub type JsCrew;

    #[wasm_bindgen(method)]
    fn begin(this: &JsCrew, brief: &JsBrief, hands: usize);
    #[wasm_bindgen(method, getter)]
    fn hands(this: &JsCrew) -> usize;
    #[wasm_bindgen(method)]
    fn give(this: &JsCrew, hand: usize, step: f64, from: usize, to: usize, weights: Float32Array);
    #[wasm_bindgen(method)]
    fn take(this: &JsCrew) -> Promise;
    #[wasm_bindgen(method)]
    fn end(this: &JsCrew);

    /// A `HandBrief`.
    #[wasm_bindgen(typescript_type = "HandBrief")]
    pub type JsBrief;

    #[wasm_bindgen(method, getter)]
    fn settings(this: &JsBrief) -> String;
    #[wasm_bindgen(method, getter)]
    fn tokens(this: &JsBrief) -> Uint8Array;
    #[wasm_bindgen(method, getter)]
    fn weights(this: &JsBrief) -> Option<Float32Array>;

    /// A `HandShare`.
    #[wasm_bindgen(typescript_type = "HandShare")]
    pub type JsShare;

    #[wasm_bindgen(method, getter)]
    fn from(this: &JsShare) -> usize;
    #[wasm_bindgen(method, getter)]
    fn to(this: &JsShare) -> usize;
    #[wasm_bindgen(method, getter)]
    fn losses(this: &JsShare) -> Float32Array;
    #[wasm_bindgen(method, getter)]
    fn sums(this: &JsShare) -> Float32Array;
}

/// The settings of a brief, as JSON in `HandBrief.settings`.
#[derive(Serialize, Deserialize)]
struct Settings {
    model: ModelConfig,
    config: TrainConfig,
    adapter: Option<LoraConfig>,
}

fn object<T: JsCast>(fields: &[(&str, JsValue)]) -> T {
    let object = js_sys::Object::new();
    for (name, value) in fields {
        // A new object takes every property.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.unchecked_into()
}

struct WorkerCrew {
    crew: JsCrew,
    /// The number of shards of a step, and of passes.
    step: (usize, usize),
}

impl Crew for WorkerCrew {
    fn begin(&mut self, brief: Brief, hands: usize) {
        let Brief { model, config, data, adapter } = brief;
        self.step = (config.shards_of(&model), config.gradient_accumulation);
        let (adapter, weights) = adapter.unzip();
        let settings = serde_json::to_string(&Settings { model, config, adapter }).unwrap_or_default();
        let weights = weights.map_or(JsValue::UNDEFINED, |weights| Float32Array::from(&weights[..]).into());
        let tokens = Uint8Array::from(&data.to_bytes()[..]).into();
        let brief = object(&[("settings", settings.into()), ("tokens", tokens), ("weights", weights)]);
        self.crew.begin(&brief, hands);
    }

    fn hands(&self) -> usize {
        self.crew.hands()
    }

    fn give(&mut self, hand: usize, step: u64, shards: Range<usize>, weights: &[f32]) {
        self.crew.give(hand, step as f64, shards.start, shards.end, Float32Array::from(weights));
    }

    fn take(&mut self) -> Shares<'_> {
        let (count, passes) = self.step;
        let coming = self.crew.take();
        Box::pin(async move {
            let Ok(shares) = JsFuture::from(coming).await else { return Vec::new() };
            let shares = Array::from(&shares).into_iter().map(JsValue::unchecked_into::<JsShare>);
            let share = |share: JsShare| {
                let shards = share.from()..share.to();
                Share::of_values(count, shards, passes, share.losses().to_vec(), share.sums().to_vec())
            };
            shares.filter_map(share).collect()
        })
    }

    fn end(&mut self) {
        self.crew.end();
    }
}

#[wasm_bindgen]
impl Session {
    /// Sets how many workers may train together, this one included; a crew has to be there for more than one.
    #[wasm_bindgen(js_name = setWorkers)]
    pub fn set_workers(&mut self, most: usize) {
        self.0.set_workers(most);
    }

    /// Has the workers of `crew` share the steps of later runs.
    #[wasm_bindgen(js_name = setCrew)]
    pub fn set_crew(&mut self, crew: JsCrew) {
        self.0.set_crew(Box::new(WorkerCrew { crew, step: (1, 1) }));
    }
}

/// A copy of the model in a worker that only computes gradients.
#[wasm_bindgen]
pub struct Hand(train::Hand);

#[wasm_bindgen]
impl Hand {
    /// Makes a hand for a run.
    #[wasm_bindgen(constructor)]
    pub fn new(brief: &JsBrief) -> Thrown<Hand> {
        let damaged = |error: serde_json::Error| thrown(Error::SettingInvalid { reason: error.to_string() });
        let Settings { model, config, adapter } = serde_json::from_str(&brief.settings()).map_err(damaged)?;
        let data = Arc::new(Dataset::from_bytes(&brief.tokens().to_vec()).map_err(thrown)?);
        let weights = brief.weights().map(|weights| Arc::new(weights.to_vec()));
        let brief = Brief { model, config, data, adapter: adapter.zip(weights) };
        train::Hand::new(brief).map(Hand).map_err(thrown)
    }

    /// Computes the shards from `from` to before `to` of the step after `step`.
    pub fn share(&mut self, step: f64, from: usize, to: usize, weights: &Float32Array) -> Thrown<JsShare> {
        let own = self.0.weights_mut();
        if own.len() != weights.length() as usize {
            let reason = format!("{} weights instead of {}", weights.length(), own.len());
            return Err(thrown(Error::ConfigurationInvalid { reason }));
        }
        weights.copy_to(own);
        let share = self.0.share(step as u64, from..to).map_err(thrown)?;
        let sums: Vec<&[f32]> = share.sums.iter().filter_map(|(_, gradients)| gradients.as_slice()).collect();
        let all = Float32Array::new_with_length(sums.iter().map(|sum| sum.len() as u32).sum());
        let mut place = 0;
        for sum in sums {
            let end = place + sum.len() as u32;
            all.subarray(place, end).copy_from(sum);
            place = end;
        }
        let losses = Float32Array::from(&share.losses[..]).into();
        self.0.reuse(share);
        let (from, to) = (JsValue::from(from as u32), JsValue::from(to as u32));
        Ok(object(&[("from", from), ("to", to), ("losses", losses), ("sums", all.into())]))
    }
}
