//! Methods that export and open model files.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, bytes, from_js, thrown};
use crate::formats::Words;

#[wasm_bindgen]
impl Session {
    /// Exports the model as one file, without the optimizer's state. `name`: for its metadata.
    #[wasm_bindgen(js_name = exportSafetensors)]
    pub async fn export_safetensors(&self, name: String) -> Thrown<Uint8Array> {
        bytes(self.0.export_safetensors(&name).await)
    }

    /// The same with 8 bits for each number of a matrix.
    #[wasm_bindgen(js_name = exportSafetensorsIn8Bits)]
    pub async fn export_safetensors_in_8_bits(&self, name: String) -> Thrown<Uint8Array> {
        bytes(self.0.export_safetensors_in_8_bits(&name).await)
    }

    /// The model as a Hugging Face folder, in a ZIP archive. `name` and `date`: for the model card. `words`: the
    /// translations of model card, scripts and notebook, by the English phrases.
    #[wasm_bindgen(js_name = exportHuggingFace)]
    pub async fn export_hugging_face(
        &self,
        name: String,
        date: String,
        #[wasm_bindgen(unchecked_param_type = "Record<string, string>")] words: JsValue,
    ) -> Thrown<Uint8Array> {
        bytes(self.0.export_hugging_face_in(&name, &date, &Words::new(from_js(words)?)).await)
    }

    /// Exports the model as a GGUF file for llama.cpp. `precision`: that of its weights.
    #[wasm_bindgen(js_name = exportGguf)]
    pub async fn export_gguf(
        &self,
        name: String,
        #[wasm_bindgen(unchecked_param_type = "GgufPrecision")] precision: JsValue,
    ) -> Thrown<Uint8Array> {
        bytes(self.0.export_gguf(&name, from_js(precision)?).await)
    }

    /// Exports a Modelfile for Ollama. `gguf`: the name of the model's GGUF file. `words`: the translations of its comments.
    #[wasm_bindgen(js_name = exportModelfile)]
    pub fn export_modelfile(
        &self,
        gguf: &str,
        #[wasm_bindgen(unchecked_param_type = "Record<string, string>")] words: JsValue,
    ) -> Thrown<String> {
        self.0.export_modelfile(gguf, &Words::new(from_js(words)?)).map_err(thrown)
    }

    /// Checks the first bytes of a download, of `totalBytes` in all if known; returns the length of the file that they
    /// announce.
    #[wasm_bindgen(js_name = checkModelHeader)]
    pub fn check_model_header(
        &self,
        start: &[u8],
        #[wasm_bindgen(js_name = totalBytes)] total: Option<f64>,
    ) -> Thrown<f64> {
        let promised = crate::formats::check_header(start, total.map(|total| total as u64));
        promised.map(|bytes| bytes as f64).map_err(thrown)
    }

    /// Opens a model file.
    #[wasm_bindgen(js_name = importModel, unchecked_return_type = "ModelSummary")]
    pub fn import_model(&mut self, file: Vec<u8>) -> Thrown<JsValue> {
        answer(self.0.import_model(&file))
    }
}
