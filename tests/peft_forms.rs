//! PEFT adapters that differ by matrix: their logits equal PEFT's, and they keep their form when they are trained,
//! saved and exported. `tests/fixtures/peft` has the script that makes the files.

use std::collections::HashSet;

use crate::{
    adapters::{assert_near, expected_ids, fixture, session_with_base},
    hugging_face::{files, tensors, unzip},
};
use futures_lite::future::block_on;
use lorito::{
    config::TrainConfig,
    device::{CPU_LIMITS, Engine},
    ops::Device,
    session::Session,
};
use serde_json::Value;

const FOLDERS: [&str; 3] = ["one-layer", "all-linear", "patterns"];

/// The two files of an adapter, and PEFT's logits with it.
fn adapter(name: &str) -> (Vec<u8>, Vec<u8>, Vec<f32>) {
    let file = |which: &str| fixture(&format!("peft/{name}/{which}"));
    let mut expected: Value = serde_json::from_slice(&file("expected.json")).unwrap();
    let logits = serde_json::from_value(expected["logits"].take()).unwrap();
    (file("adapter_config.json"), file("adapter_model.safetensors"), logits)
}

fn logits(session: &Session) -> Vec<f32> {
    block_on(session.logits(&expected_ids())).unwrap()
}

/// The adapter's files as exported by the session.
fn exported(session: &Session) -> (Value, Vec<u8>) {
    let mut files = unzip(&block_on(session.export_adapter("prefixed")).unwrap());
    let config = serde_json::from_slice(&files["adapter_config.json"]).unwrap();
    (config, files.remove("adapter_model.safetensors").unwrap())
}

fn names(weights: &[u8]) -> HashSet<String> {
    tensors(weights).into_keys().collect()
}

#[test]
fn adapters_that_differ_by_matrix_have_the_same_logits_as_in_peft() {
    for name in FOLDERS {
        let mut session = session_with_base();
        let (config, weights, right) = adapter(name);
        session.import_adapter(&config, &weights).unwrap();
        let got = logits(&session);
        assert_near(&got, &right, 1e-4);
        // Exported as PEFT files, they have the same matrices and the same logits.
        let (described, back) = exported(&session);
        assert_eq!(names(&back), names(&weights), "{name}");
        if let Ok(folder) = std::env::var("LORITO_WRITE_ADAPTERS") {
            let zip = block_on(session.export_adapter("prefixed")).unwrap();
            std::fs::write(format!("{folder}/{name}.zip"), zip).unwrap();
        }
        let mut again = session_with_base();
        again.import_adapter(described.to_string().as_bytes(), &back).unwrap();
        assert_eq!(logits(&again), got, "{name}");
        // Likewise Lorito's own file, and the merged model.
        let own = block_on(session.export_safetensors("own")).unwrap();
        let mut own_session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        own_session.import_model(&own).unwrap();
        assert_eq!(logits(&own_session), got, "{name}");
        own_session.merge_adapter().unwrap();
        assert_near(&logits(&own_session), &right, 1e-4);
    }
}

#[test]
fn an_adapter_of_one_layer_trains_only_that_layer() {
    let mut session = session_with_base();
    let (config, weights, _) = adapter("one-layer");
    let summary = session.import_adapter(&config, &weights).unwrap();
    session.open_file("a.txt", 0, None);
    session.push_bytes("El gato y la lluvia. The cat and the rain. ".repeat(60).as_bytes()).unwrap();
    session.close_file().unwrap();
    let run = TrainConfig {
        steps: 10,
        batch_size: 2,
        warmup_steps: 2,
        learning_rate: 3e-2,
        lora: summary.adapter,
        ..TrainConfig::default()
    };
    session.begin_training(run).unwrap();
    (0..10).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap();
    let learned = logits(&session);
    let (described, back) = exported(&session);
    assert_eq!(described["target_modules"], serde_json::json!(["transformer.h.1.attn.c_attn"]));
    assert_eq!(names(&back), names(&weights));
    assert!(tensors(&back).iter().all(|(name, (_, bytes))| *bytes != tensors(&weights)[name].1), "nothing was learned");
    let mut again = session_with_base();
    again.import_adapter(described.to_string().as_bytes(), &back).unwrap();
    assert_eq!(logits(&again), learned);
    // The merged model differs from the base only in that matrix.
    session.merge_adapter().unwrap();
    let merged = unzip(&block_on(session.export_hugging_face("merged", "2026-11-28")).unwrap());
    let (merged, base) = (tensors(&merged["model.safetensors"]), tensors(&files("prefixed")["model.safetensors"]));
    let changed: Vec<_> =
        base.iter().filter(|(name, tensor)| merged[*name] != **tensor).map(|(name, _)| name).collect();
    assert_eq!(changed, ["transformer.h.1.attn.c_attn.weight"]);
}
