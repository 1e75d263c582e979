//! Methods for adapters and a run's best weights.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, bytes, thrown};

#[wasm_bindgen]
impl Session {
    /// Merges the adapter into the model's weights.
    #[wasm_bindgen(js_name = mergeAdapter, unchecked_return_type = "ModelSummary")]
    pub fn merge_adapter(&mut self) -> Thrown<JsValue> {
        answer(self.0.merge_adapter())
    }

    /// Exports the adapter in PEFT's format, as a ZIP archive. `base`: the name of its base model.
    #[wasm_bindgen(js_name = exportAdapter)]
    pub async fn export_adapter(&self, base: String) -> Thrown<Uint8Array> {
        bytes(self.0.export_adapter(&base).await)
    }

    /// Adds an adapter. `config`: adapter_config.json; `weights`: adapter_model.safetensors. Errors have the `kind`
    /// "adapter" beside their code, because their messages differ from those for a model.
    #[wasm_bindgen(js_name = importAdapter, unchecked_return_type = "ModelSummary")]
    pub fn import_adapter(&mut self, config: &[u8], weights: &[u8]) -> Thrown<JsValue> {
        let summary = self.0.import_adapter(config, weights).map_err(|error| {
            let thrown = thrown(error);
            let _ = js_sys::Reflect::set(&thrown, &"kind".into(), &"adapter".into());
            thrown
        });
        answer(Ok(summary?))
    }

    /// Restores the weights of the best evaluation and resets the optimizer.
    #[wasm_bindgen(js_name = returnToBest, unchecked_return_type = "RunStatus")]
    pub fn return_to_best(&mut self) -> Thrown<JsValue> {
        answer(self.0.return_to_best())
    }

    /// Begins to measure what the adapter changes; returns the number of batches.
    #[wasm_bindgen(js_name = beginComparison)]
    pub fn begin_comparison(&mut self) -> Thrown<usize> {
        self.0.begin_comparison().map_err(thrown)
    }

    /// Computes the losses of the next batch.
    #[wasm_bindgen(js_name = compareBatch)]
    pub fn compare_batch(&mut self) -> Thrown<()> {
        self.0.compare_batch().map_err(thrown)
    }

    /// The validation losses without and with the adapter, or null if no text is held back or the model has changed.
    #[wasm_bindgen(js_name = finishComparison, unchecked_return_type = "AdapterLosses | null")]
    pub async fn finish_comparison(&mut self) -> Thrown<JsValue> {
        answer(self.0.finish_comparison().await)
    }
}
