//! JavaScript bindings of the searches in the training text: copied runs of a text, and the passages most similar to
//! it. A search runs in pieces, as it takes time.

use wasm_bindgen::prelude::*;

use super::{Session, Thrown, thrown, to_js};
use crate::copied;

#[wasm_bindgen]
impl Session {
    /// Begins to search for copied runs of `written`; undefined if no training text is known.
    #[wasm_bindgen(js_name = findCopied)]
    pub fn find_copied(&mut self, written: &str) -> Thrown<Option<CopiedSearch>> {
        Ok(self.0.find_copied(written).map_err(thrown)?.map(CopiedSearch))
    }

    /// Begins to search for the passages most similar to `text`; undefined if no training text is known.
    #[wasm_bindgen(js_name = findNearest)]
    pub fn find_nearest(&mut self, text: &str) -> Thrown<Option<NearestSearch>> {
        Ok(self.0.find_nearest(text).map_err(thrown)?.map(NearestSearch))
    }
}

/// The search for copied runs of a text. See `copied::CopiedSearch`.
#[wasm_bindgen]
pub struct CopiedSearch(copied::CopiedSearch);

#[wasm_bindgen]
impl CopiedSearch {
    /// Reads the next piece of the training text, for a few milliseconds. Returns whether there is more.
    pub fn read(&mut self) -> bool {
        self.0.read()
    }

    /// The text, divided into copied and other pieces.
    #[wasm_bindgen(unchecked_return_type = "Copied")]
    pub fn result(&self) -> Thrown<JsValue> {
        to_js(&self.0.result())
    }
}

/// The search for the passages most similar to a text. See `copied::NearestSearch`.
#[wasm_bindgen]
pub struct NearestSearch(copied::NearestSearch);

#[wasm_bindgen]
impl NearestSearch {
    /// Reads the next piece of the training text, for a few milliseconds. Returns whether there is more.
    pub fn read(&mut self) -> bool {
        self.0.read()
    }

    /// The passages, the most similar first.
    #[wasm_bindgen(unchecked_return_type = "Passage[]")]
    pub fn result(&self) -> Thrown<JsValue> {
        to_js(&self.0.result())
    }
}
