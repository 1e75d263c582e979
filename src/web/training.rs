//! A run, step by step.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, bytes, from_js, thrown};

#[wasm_bindgen]
impl Session {
    #[wasm_bindgen(js_name = beginTraining, unchecked_return_type = "RunStatus")]
    pub fn begin_training(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.begin_training(from_js(train)?))
    }

    /// Takes down what the run that has begun will compute first, for `finishSelfCheck`.
    #[wasm_bindgen(js_name = beginSelfCheck)]
    pub async fn begin_self_check(&mut self) -> Thrown<()> {
        self.0.begin_self_check().await.map_err(thrown)
    }

    /// Computes it on both engines; null where nothing was taken down.
    #[wasm_bindgen(js_name = finishSelfCheck, unchecked_return_type = "SelfCheckResult | null")]
    pub async fn finish_self_check(&mut self) -> Thrown<JsValue> {
        answer(self.0.finish_self_check().await)
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

    /// Checks the run's checkpoint and tokens before anything is replaced.
    #[wasm_bindgen(js_name = restoreRun, unchecked_return_type = "RunStatus")]
    pub fn restore_run(&mut self, checkpoint: Vec<u8>, tokens: Vec<u8>) -> Thrown<JsValue> {
        answer(self.0.restore_run(&checkpoint, &tokens))
    }

    #[wasm_bindgen(js_name = corpusTokens)]
    pub fn corpus_tokens(&self) -> Thrown<Uint8Array> {
        bytes(self.0.corpus_tokens())
    }
}
