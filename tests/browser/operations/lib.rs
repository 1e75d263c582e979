//! The browser tests' own module, for checks in WebAssembly: the operations on the browser's GPU (operations.spec.ts),
//! and the readers on broken files, where sizes have 32 bits (fuzz.spec.ts).

#[cfg(target_arch = "wasm32")]
#[path = "../../fuzz/mod.rs"]
mod fuzz;

#[cfg(target_arch = "wasm32")]
mod exports {
    use lorito::{checks, ops::Device};
    use wasm_bindgen::prelude::*;

    use crate::fuzz::{
        random::{Random, broken},
        targets::{Target, targets},
    };

    /// The name of each check, and the difference between the engines or null.
    #[wasm_bindgen(js_name = checkOperations)]
    pub async fn check_operations() -> Result<js_sys::Array, JsValue> {
        let gpu = Device::start_gpu().await.map_err(|reason| JsValue::from_str(&reason))?;
        let found = js_sys::Array::new();
        for name in checks::NAMES {
            let differs =
                checks::compare(name, &gpu).await.map_err(|failed| JsValue::from_str(&format!("{failed:?}")))?;
            found.push(&js_sys::Array::of2(&name.into(), &differs.map_or(JsValue::NULL, JsValue::from)));
        }
        Ok(found)
    }

    /// The names of the fuzz targets.
    #[wasm_bindgen(js_name = fuzzTargets)]
    pub fn fuzz_targets() -> Vec<String> {
        targets().iter().map(|target| target.name.to_owned()).collect()
    }

    /// Lets one target read `cases` broken files. A panic traps.
    #[wasm_bindgen]
    pub fn fuzz(target: usize, seed: u64, cases: u64) {
        let Target { whole, read, .. } = &targets()[target];
        for case in 1..=cases {
            let mut random = Random::of_case(seed, case);
            let bytes = broken(&mut random, whole);
            read(&bytes, &mut random);
        }
    }
}
