//! Methods that open models of other programs: small files whole, large ones by their headers and then piece by piece.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, thrown, to_js};
use crate::{
    formats::{self, Folder, INDICES, Parts},
    tokenizer::TOKENIZER_FILES,
};

#[wasm_bindgen]
impl Session {
    /// The parts of a weight file of `total` bytes that have to be read before its model can be opened, each from a byte
    /// to the one after its last; none if those that begin at `offsets` are enough.
    #[wasm_bindgen(js_name = wantedParts, unchecked_return_type = "[from: number, to: number][]")]
    pub fn wanted_parts(
        &self,
        name: String,
        total: f64,
        offsets: Vec<f64>,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array[]")] contents: &Array,
    ) -> Thrown<JsValue> {
        let mut file = Parts::new(name, total as u64);
        for (from, content) in offsets.into_iter().zip(contents.iter()) {
            file.put(from as u64, content.unchecked_into::<Uint8Array>().to_vec());
        }
        let wanted = formats::wanted_parts(&file).map_err(thrown)?;
        to_js(&wanted.into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>())
    }

    /// Begins to open a model. `names`, `offsets`, `contents` and `totals` correspond by index: a weight file comes once
    /// for each part of it that `wantedParts` has asked for, with the part's first byte and the size of the whole file.
    /// Returns the pieces that `pushPretrained` expects, in order.
    #[wasm_bindgen(js_name = beginPretrained, unchecked_return_type = "Piece[]")]
    pub fn begin_pretrained(
        &mut self,
        names: Vec<String>,
        offsets: Vec<f64>,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array[]")] contents: &Array,
        totals: Vec<f64>,
    ) -> Thrown<JsValue> {
        let mut folder = Folder::default();
        for (((name, from), content), total) in names.into_iter().zip(offsets).zip(contents.iter()).zip(totals) {
            let bytes = content.unchecked_into::<Uint8Array>().to_vec();
            match &name[..] {
                "config.json" => folder.config = bytes,
                _ if INDICES.contains(&&name[..]) => folder.index = Some((name, bytes)),
                _ if TOKENIZER_FILES.contains(&&name[..]) => drop(folder.tokenizer.insert(name, bytes)),
                _ => folder.weight_file(name, total as u64).put(from as u64, bytes),
            }
        }
        answer(self.0.begin_pretrained(&folder))
    }

    /// Checks a model by its config.json, before its weights are fetched.
    #[wasm_bindgen(js_name = checkPretrained)]
    pub fn check_pretrained(&self, config: &[u8]) -> Thrown<()> {
        self.0.check_pretrained(config).map_err(thrown)
    }

    /// Estimates what a model takes to be opened, by its config.json.
    #[wasm_bindgen(js_name = costOfOpening, unchecked_return_type = "OpeningCost")]
    pub fn cost_of_opening(&self, config: &[u8]) -> Thrown<JsValue> {
        answer(self.0.cost_of_opening(config))
    }

    /// Checks a weight file of `total` bytes by its beginning: the length of the header, and the header.
    #[wasm_bindgen(js_name = checkWeights)]
    pub fn check_weights(&self, start: &[u8], total: f64) -> Thrown<()> {
        formats::check_weights(start, total as u64).map_err(thrown)
    }

    /// Takes the bytes of the next tensor, in the order of `beginPretrained`.
    #[wasm_bindgen(js_name = pushPretrained)]
    pub async fn push_pretrained(&mut self, bytes: Vec<u8>) -> Thrown<()> {
        self.0.push_pretrained(&bytes).await.map_err(thrown)
    }

    /// Makes the model that is being opened the current one.
    #[wasm_bindgen(js_name = finishPretrained, unchecked_return_type = "ModelSummary")]
    pub fn finish_pretrained(&mut self) -> Thrown<JsValue> {
        answer(self.0.finish_pretrained())
    }

    /// Cancels the opening of a model; the current one stays.
    #[wasm_bindgen(js_name = dropPretrained)]
    pub fn drop_pretrained(&mut self) {
        self.0.drop_pretrained();
    }
}
