//! Models of the Llama families: opened, trained and exported, they are what transformers makes of them.
//! `tests/fixtures/families/make.py` makes the files.

use std::{fs, path::PathBuf};

use futures_lite::future::block_on;
use lorito::{
    config::Limits,
    device::{CPU_LIMITS, Engine},
    formats,
    model::{Cache, Gpt},
    ops::{self, Device},
    session::Session,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    hugging_face::{Files, files, files_of, open, tensors, unzip},
    training_reference::compare,
};

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
    greedy: Vec<u32>,
}

fn expected(name: &str) -> Expected {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/expected.json");
    let mut all: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    serde_json::from_value(all[name].take()).unwrap()
}

/// The folder of a family, with the tokenizer of another fixture.
fn folder(name: &str) -> Files {
    let mut folder = files_of(&format!("families/{name}"));
    folder.insert("tokenizer.json".into(), files("prefixed").remove("tokenizer.json").unwrap());
    folder
}

fn sessions() -> [Session; 2] {
    let limits = Limits { largest_buffer: 1 << 27, total: 1 << 30 };
    [Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS), Session::new(Device::driver_gpu(), Engine::WebGpu, limits)]
}

fn assert_logits(session: &Session, name: &str) {
    let expected = expected(name);
    let middle = expected.ids.len() / 2 + 1;
    for (end, right) in [middle, expected.ids.len()].into_iter().zip(&expected.logits) {
        let got = block_on(session.logits(&expected.ids[..end])).unwrap();
        assert_near(&got, right, name);
    }
}

fn assert_near(got: &[f32], right: &[f32], name: &str) {
    let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    assert_eq!(got.len(), right.len());
    for (got, right) in got.iter().zip(right) {
        assert!((got - right).abs() < 1e-4 * largest, "{name}: {got} instead of {right}");
    }
}

/// The opened model in Lorito's own file.
fn own_file(name: &str) -> formats::ModelFile {
    let [mut session, _] = sessions();
    open(&mut session, &folder(name)).unwrap();
    formats::read(&block_on(session.export_safetensors("own")).unwrap()).unwrap()
}

#[test]
fn logits_equal_those_of_transformers() {
    for name in FAMILIES {
        for mut session in sessions() {
            open(&mut session, &folder(name)).unwrap();
            assert_logits(&session, name);
        }
    }
}

#[test]
fn twenty_steps_have_the_same_losses_as_in_pytorch() {
    for name in FAMILIES {
        let file = own_file(name);
        for device in [Device::cpu(), Device::driver_gpu()] {
            let gpt = Gpt::from_flat(file.config, file.weights.clone(), &device);
            compare(&format!("families/losses_{name}.json"), gpt, 0.5);
        }
    }
}

/// An adapter of PEFT with separate matrices for the parts of joint layers.
#[test]
fn an_adapter_of_peft_opens_trains_and_leaves_the_same() {
    for name in FAMILIES {
        let folder_of_adapter = files_of(&format!("families/{name}-adapter"));
        let [config, weights] =
            ["adapter_config.json", "adapter_model.safetensors"].map(|file| &folder_of_adapter[file][..]);
        for mut session in sessions() {
            open(&mut session, &folder(name)).unwrap();
            session.import_adapter(config, weights).unwrap();
            let expected = expected(&format!("{name}-adapter"));
            assert_near(&block_on(session.logits(&expected.ids)).unwrap(), &expected.logits[0], name);
            let back = unzip(&block_on(session.export_adapter("base")).unwrap());
            assert!(tensors(&back["adapter_model.safetensors"]) == tensors(weights), "{name}");
            let merged = unzip(&block_on(session.export_hugging_face("merged", "2026-11-30")).unwrap());
            open(&mut session, &merged).unwrap();
            assert_near(&block_on(session.logits(&expected.ids)).unwrap(), &expected.logits[0], name);
        }
        let file = own_file(name);
        let adapter = formats::read_peft(config, weights, &file.config).unwrap();
        for device in [Device::cpu(), Device::driver_gpu()] {
            let mut gpt = Gpt::from_flat(file.config, file.weights.clone(), &device);
            gpt.put_adapter(adapter.config, adapter.weights.clone());
            compare(&format!("families/losses_{name}-adapter.json"), gpt, 0.1);
        }
    }
}

/// Token by token with the KV cache, which holds rotated keys.
#[test]
fn greedy_text_equals_that_of_transformers() {
    for name in FAMILIES {
        let file = own_file(name);
        let right = expected(name).greedy;
        for device in [Device::cpu(), Device::driver_gpu()] {
            let gpt = Gpt::from_flat(file.config, file.weights.clone(), &device);
            let (weights, mut cache) = (gpt.weights(), Cache::new(&gpt));
            let mut ids = right[..8].to_vec();
            let mut logits = gpt.read(&weights, &gpt.ids(ids.clone()).unwrap(), &mut cache);
            while ids.len() < right.len() {
                let scores = block_on(ops::read(logits)).unwrap();
                let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u32;
                ids.push(best);
                logits = gpt.read_one(&weights, best, &mut cache).unwrap();
            }
            assert_eq!(ids, right, "{name}");
        }
    }
}

#[test]
fn a_model_is_exported_with_the_same_bytes() {
    for name in FAMILIES {
        let [mut session, _] = sessions();
        let given = folder(name);
        open(&mut session, &given).unwrap();
        let back = unzip(&block_on(session.export_hugging_face("back", "2026-11-29")).unwrap());
        assert!(tensors(&back["model.safetensors"]) == tensors(&given["model.safetensors"]), "{name}");
        open(&mut session, &back).unwrap();
        assert_logits(&session, name);
    }
}

/// The plain pass of the look inside computes the same as the kernels.
#[test]
fn the_look_inside_computes_the_same_logits() {
    for name in FAMILIES {
        let file = own_file(name);
        let gpt = Gpt::from_flat(file.config, file.weights, &Device::cpu());
        let ids = gpt.ids(expected(name).ids).unwrap();
        let trace = block_on(gpt.trace(&ids)).unwrap();
        assert_near(&trace.logits(), &block_on(ops::read(gpt.logits(&ids))).unwrap(), name);
    }
}
