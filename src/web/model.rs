//! Methods for the model: its cost estimates, its kernels, and its creation.

use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, from_js, seconds, thrown, to_js};
use crate::config::ModelConfig;

#[wasm_bindgen]
impl Session {
    /// Returns the presets, with settings that fit this machine.
    #[wasm_bindgen(unchecked_return_type = "Preset[]")]
    pub fn presets(&self) -> Thrown<JsValue> {
        to_js(&self.0.presets())
    }

    /// Returns the model of the Llama family with the width, layers, heads and context of `model`.
    #[wasm_bindgen(js_name = asLlama, unchecked_return_type = "ModelConfig")]
    pub fn as_llama(&self, #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue) -> Thrown<JsValue> {
        to_js(&from_js::<ModelConfig>(model)?.as_llama())
    }

    /// Estimates the memory and operations of a model and its training.
    #[wasm_bindgen(js_name = planModel, unchecked_return_type = "Plan")]
    pub fn plan_model(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.plan(&from_js(model)?, &from_js(train)?))
    }

    /// Chooses tokenizer, model and training for a run of so many seconds on the loaded text.
    #[wasm_bindgen(js_name = planForTime, unchecked_return_type = "TimePlan")]
    pub async fn plan_for_time(
        &mut self,
        limit: f64,
        #[wasm_bindgen(unchecked_param_type = "Chosen")] chosen: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.plan_for_time(limit, &from_js(chosen)?, seconds).await)
    }

    /// Returns a key of the GPU kernels that a model needs: equal for models that need the same kernels.
    #[wasm_bindgen(js_name = kernelsOf)]
    pub fn kernels_of(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<String> {
        Ok(self.0.kernels_of(&from_js(model)?, &from_js(train)?))
    }

    /// Submits all queued work to the GPU.
    pub fn submit(&self) {
        self.0.submit();
    }

    /// Queues each kernel that evaluation and generation need once, without waiting.
    #[wasm_bindgen(js_name = warmUpWriting)]
    pub fn warm_up_writing(&self, #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue) -> Thrown<()> {
        self.0.warm_up_writing(&from_js(model)?).map_err(thrown)
    }

    /// The same for training.
    #[wasm_bindgen(js_name = warmUpTraining)]
    pub fn warm_up_training(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<()> {
        self.0.warm_up_training(&from_js(model)?, &from_js(train)?).map_err(thrown)
    }

    /// Creates a model whose vocabulary is the tokenizer's, whatever `model` says.
    #[wasm_bindgen(js_name = createModel, unchecked_return_type = "ModelSummary")]
    pub fn create_model(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ModelConfig")] model: JsValue,
        seed: f64,
    ) -> Thrown<JsValue> {
        answer(self.0.create_model(from_js(model)?, seed as u64))
    }

    /// Returns the model's size and settings; null if there is none.
    #[wasm_bindgen(js_name = modelSummary, unchecked_return_type = "ModelSummary | null")]
    pub fn model_summary(&self) -> Thrown<JsValue> {
        to_js(&self.0.model_summary())
    }
}
