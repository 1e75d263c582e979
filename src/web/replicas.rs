//! The pool of the CPU engine in a browser: workers, each with a module of its own, which web/worker/replica-pool.ts starts and
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
    model::{Frozen, Layout},
    ops::Form,
    train::{self, Dataset, ReplicaPool, ReplicaSetup, Share, Shares},
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** What a worker has to know of a run; `weights`, `matrices`: those of the model that an adapter belongs to. */
export interface ReplicaSetup {
  settings: string;
  tokens: Uint8Array;
  weights: Float32Array | undefined;
  matrices: Uint8Array | undefined;
}
/** What a worker has computed of a step: shards, losses and sums of gradients. */
export interface ReplicaShare { from: number; to: number; losses: Float32Array; sums: Float32Array }
/** Workers that compute shares of a step. */
export interface ReplicaWorkers {
  readonly replicas: number;
  begin(setup: ReplicaSetup, replicas: number): void;
  give(replica: number, step: number, from: number, to: number, weights: Float32Array): void;
  take(): Promise<ReplicaShare[]>;
  end(): void;
}
";

#[wasm_bindgen]
extern "C" {
    /// A `ReplicaWorkers`.
    #[wasm_bindgen(typescript_type = "ReplicaWorkers")]
    pub type JsReplicaWorkers;

    #[wasm_bindgen(method)]
    fn begin(this: &JsReplicaWorkers, setup: &JsReplicaSetup, replicas: usize);
    #[wasm_bindgen(method, getter)]
    fn replicas(this: &JsReplicaWorkers) -> usize;
    #[wasm_bindgen(method)]
    fn give(this: &JsReplicaWorkers, replica: usize, step: f64, from: usize, to: usize, weights: Float32Array);
    #[wasm_bindgen(method)]
    fn take(this: &JsReplicaWorkers) -> Promise;
    #[wasm_bindgen(method)]
    fn end(this: &JsReplicaWorkers);

    /// A `ReplicaSetup`.
    #[wasm_bindgen(typescript_type = "ReplicaSetup")]
    pub type JsReplicaSetup;

    #[wasm_bindgen(method, getter)]
    fn settings(this: &JsReplicaSetup) -> String;
    #[wasm_bindgen(method, getter)]
    fn tokens(this: &JsReplicaSetup) -> Uint8Array;
    #[wasm_bindgen(method, getter)]
    fn weights(this: &JsReplicaSetup) -> Option<Float32Array>;
    #[wasm_bindgen(method, getter)]
    fn matrices(this: &JsReplicaSetup) -> Option<Uint8Array>;

    /// A `ReplicaShare`.
    #[wasm_bindgen(typescript_type = "ReplicaShare")]
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

/// The settings of a setup, as JSON in `ReplicaSetup.settings`.
#[derive(Serialize, Deserialize)]
struct Settings {
    model: ModelConfig,
    config: TrainConfig,
    adapter: Option<LoraConfig>,
    /// The form of each tensor of a frozen model, none for those that are not packed.
    forms: Vec<Option<Form>>,
}

fn object<T: JsCast>(fields: &[(&str, JsValue)]) -> T {
    let object = js_sys::Object::new();
    for (name, value) in fields {
        // A new object takes every property.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.unchecked_into()
}

struct BrowserReplicas {
    pool: JsReplicaWorkers,
    /// The number of shards of a step, and of passes.
    step: (usize, usize),
}

impl ReplicaPool for BrowserReplicas {
    fn begin(&mut self, setup: ReplicaSetup, replicas: usize) {
        let ReplicaSetup { model, config, data, adapter, frozen } = setup;
        self.step = (config.shards_of(&model), config.gradient_accumulation);
        let (adapter, weights) = adapter.unzip();
        let (forms, matrices) = frozen.map(|frozen| frozen.to_bytes(&Layout::new(&model))).unzip();
        let forms = forms.unwrap_or_default();
        let settings = serde_json::to_string(&Settings { model, config, adapter, forms }).unwrap_or_default();
        let matrices = matrices.map_or(JsValue::UNDEFINED, |bytes| Uint8Array::from(&bytes[..]).into());
        let weights = weights.map_or(JsValue::UNDEFINED, |weights| Float32Array::from(&weights[..]).into());
        let tokens = Uint8Array::from(&data.to_bytes()[..]).into();
        let fields = [("settings", settings.into()), ("tokens", tokens), ("weights", weights), ("matrices", matrices)];
        let setup = object(&fields);
        self.pool.begin(&setup, replicas);
    }

    fn replicas(&self) -> usize {
        self.pool.replicas()
    }

    fn give(&mut self, replica: usize, step: u64, shards: Range<usize>, weights: &[f32]) {
        self.pool.give(replica, step as f64, shards.start, shards.end, Float32Array::from(weights));
    }

    fn take(&mut self) -> Shares<'_> {
        let (count, passes) = self.step;
        let coming = self.pool.take();
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
        self.pool.end();
    }
}

#[wasm_bindgen]
impl Session {
    /// Sets how many workers may train together, this one included; a pool has to be there for more than one.
    #[wasm_bindgen(js_name = setWorkers)]
    pub fn set_workers(&mut self, most: usize) {
        self.0.set_workers(most);
    }

    /// Has the workers of `pool` share the steps of later runs.
    #[wasm_bindgen(js_name = setReplicaPool)]
    pub fn set_replica_pool(&mut self, pool: JsReplicaWorkers) {
        self.0.set_replica_pool(Box::new(BrowserReplicas { pool, step: (1, 1) }));
    }
}

/// A copy of the model in a worker that only computes gradients.
#[wasm_bindgen]
pub struct Replica(train::Replica);

#[wasm_bindgen]
impl Replica {
    /// Makes a replica for a run.
    #[wasm_bindgen(constructor)]
    pub fn new(setup: &JsReplicaSetup) -> Thrown<Replica> {
        let damaged = |error: serde_json::Error| thrown(Error::SettingInvalid { reason: error.to_string() });
        let Settings { model, config, adapter, forms } = serde_json::from_str(&setup.settings()).map_err(damaged)?;
        let data = Arc::new(Dataset::from_bytes(&setup.tokens().to_vec()).map_err(thrown)?);
        let weights = setup.weights().map(|weights| Arc::new(weights.to_vec()));
        let frozen = match setup.matrices() {
            Some(bytes) => {
                Some(Frozen::from_bytes(&Layout::new(&model), &forms, &bytes.to_vec()).ok_or_else(|| {
                    thrown(Error::ConfigurationInvalid { reason: "matrices of another model".into() })
                })?)
            }
            None => None,
        };
        let setup = ReplicaSetup { model, config, data, adapter: adapter.zip(weights), frozen };
        train::Replica::new(setup).map(Replica).map_err(thrown)
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
