//! Methods for a training run, tick by tick.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, bytes, from_js, seconds, thrown};

#[wasm_bindgen]
impl Session {
    /// Prepares a run on the text as it is now; `startRun` then begins it.
    #[wasm_bindgen(js_name = beginTraining, unchecked_return_type = "RunStatus")]
    pub fn begin_training(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.begin_training(from_js(train)?))
    }

    /// Begins or resumes the training loop of the run that was prepared or restored, and returns its status.
    #[wasm_bindgen(js_name = startRun, unchecked_return_type = "RunStatus")]
    pub async fn start_run(&mut self) -> Thrown<JsValue> {
        answer(self.0.start_run(seconds).await)
    }

    /// Does the next piece of work of the run, such as a step or a batch of an evaluation, and returns its events.
    #[wasm_bindgen(unchecked_return_type = "RunEvent[]")]
    pub async fn tick(&mut self) -> Thrown<JsValue> {
        answer(self.0.tick(seconds).await)
    }

    /// Waits for the queued steps and returns their events: before a pause, a checkpoint that was not requested, or a
    /// generation for the user.
    #[wasm_bindgen(js_name = flushRun, unchecked_return_type = "RunEvent[]")]
    pub async fn flush_run(&mut self) -> Thrown<JsValue> {
        answer(self.0.flush_run(seconds).await)
    }

    /// Reports that a checkpoint was made, which took `took` seconds.
    #[wasm_bindgen(js_name = runSaved)]
    pub fn run_saved(&mut self, took: f64) -> Thrown<()> {
        self.0.run_saved(took, seconds).map_err(thrown)
    }

    /// Lets the run end with the next ticks; `finished` is its last event.
    #[wasm_bindgen(js_name = stopRun)]
    pub fn stop_run(&mut self) -> Thrown<()> {
        self.0.stop_run().map_err(thrown)
    }

    /// Returns the settings and the position of the run.
    #[wasm_bindgen(unchecked_return_type = "RunStatus")]
    pub fn status(&self) -> Thrown<JsValue> {
        answer(self.0.status())
    }

    /// Returns the settings of the model's last run.
    #[wasm_bindgen(js_name = runSettings, unchecked_return_type = "TrainConfig")]
    pub fn run_settings(&self) -> Thrown<JsValue> {
        answer(self.0.run_settings())
    }

    /// Returns what the curves of the model's last run and its text suggest.
    #[wasm_bindgen(unchecked_return_type = "Advice[]")]
    pub fn advice(&self) -> Thrown<JsValue> {
        answer(self.0.advice())
    }

    /// Returns the losses, evaluations and samples of all runs of the model.
    #[wasm_bindgen(unchecked_return_type = "History")]
    pub fn history(&self) -> Thrown<JsValue> {
        answer(self.0.history())
    }

    /// Computes the bits per byte of the whole held-back text.
    #[wasm_bindgen(js_name = heldBackBitsPerByte, unchecked_return_type = "number | undefined")]
    pub async fn held_back_bits_per_byte(&self) -> Thrown<JsValue> {
        answer(self.0.held_back_bits_per_byte().await)
    }

    /// Returns weights, optimizer state, step and history as one file.
    pub async fn checkpoint(&self) -> Thrown<Uint8Array> {
        bytes(self.0.checkpoint().await)
    }

    /// Restores a run from its checkpoint and its token ids, which are both checked before anything is replaced.
    #[wasm_bindgen(js_name = restoreRun, unchecked_return_type = "RunStatus")]
    pub fn restore_run(&mut self, checkpoint: Vec<u8>, tokens: Vec<u8>) -> Thrown<JsValue> {
        answer(self.0.restore_run(&checkpoint, &tokens))
    }

    /// Returns the token ids of the run as bytes, for `restoreRun`.
    #[wasm_bindgen(js_name = corpusTokens)]
    pub fn corpus_tokens(&self) -> Thrown<Uint8Array> {
        bytes(self.0.corpus_tokens())
    }
}
