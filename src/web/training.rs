//! A run, tick by tick.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, bytes, from_js, seconds, thrown};

#[wasm_bindgen]
impl Session {
    #[wasm_bindgen(js_name = beginTraining, unchecked_return_type = "RunStatus")]
    pub fn begin_training(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TrainConfig")] train: JsValue,
    ) -> Thrown<JsValue> {
        answer(self.0.begin_training(from_js(train)?))
    }

    /// Takes up the run that has begun or was restored.
    #[wasm_bindgen(js_name = startRun, unchecked_return_type = "RunStatus")]
    pub async fn start_run(&mut self) -> Thrown<JsValue> {
        answer(self.0.start_run(seconds).await)
    }

    /// Does the run's next piece of work, as a step or a batch of an evaluation.
    #[wasm_bindgen(unchecked_return_type = "RunEvent[]")]
    pub async fn tick(&mut self) -> Thrown<JsValue> {
        answer(self.0.tick(seconds).await)
    }

    /// Waits for the steps queued so far: before a pause, a checkpoint that was not asked for, or a text for a person.
    #[wasm_bindgen(js_name = flushRun, unchecked_return_type = "RunEvent[]")]
    pub async fn flush_run(&mut self) -> Thrown<JsValue> {
        answer(self.0.flush_run(seconds).await)
    }

    /// A checkpoint was made, which took so many seconds.
    #[wasm_bindgen(js_name = runSaved)]
    pub fn run_saved(&mut self, took: f64) -> Thrown<()> {
        self.0.run_saved(took, seconds).map_err(thrown)
    }

    /// Has the run end with the next ticks.
    #[wasm_bindgen(js_name = stopRun)]
    pub fn stop_run(&mut self) -> Thrown<()> {
        self.0.stop_run().map_err(thrown)
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
