//! A module beside the page's, for operations.spec.ts: the operations' checks, on the GPU that the browser has.

#[cfg(target_arch = "wasm32")]
mod exports {
    use burn::tensor::Device;
    use lorito::checks;
    use wasm_bindgen::prelude::*;

    /// For each check its name, and what differs between the engines or null.
    #[wasm_bindgen(js_name = checkOperations)]
    pub async fn check_operations() -> Result<js_sys::Array, JsValue> {
        let gpu = Device::wgpu_options().init_async().await.map_err(|error| JsValue::from_str(&error.to_string()))?;
        let found = js_sys::Array::new();
        for name in checks::NAMES {
            let differs = checks::compare(name, &gpu).await.map_err(|failed| JsValue::from_str(&failed.0))?;
            found.push(&js_sys::Array::of2(&name.into(), &differs.map_or(JsValue::NULL, JsValue::from)));
        }
        Ok(found)
    }
}
