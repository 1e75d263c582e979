//! Hugging Face models open unchanged: their logits, the bytes of their export, and which models are refused.
//! `tests/fixtures/pretrained` has the script that makes the files.

use std::{fs, path::PathBuf};

use crate::hugging_face::{Files, files, folder, open, tensors, unzip};
use futures_lite::future::block_on;
use lorito::{
    config::{Limits, TrainConfig},
    device::{CPU_LIMITS, Engine},
    error::Error,
    ops::Device,
    session::Session,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pretrained")
}

fn expected(name: &str) -> (Expected, String) {
    let mut all: Value = serde_json::from_slice(&fs::read(fixtures().join("expected.json")).unwrap()).unwrap();
    (serde_json::from_value(all[name].take()).unwrap(), all["text"].as_str().unwrap().to_owned())
}

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

fn gpu_session() -> Session {
    let limits = Limits { largest_buffer: 1 << 27, total: 1 << 30 };
    Session::new(Device::driver_gpu(), Engine::WebGpu, limits)
}

/// Requires that the logits after the text of expected.json equal those of transformers.
pub fn assert_logits(session: &Session, name: &str) {
    let (expected, text) = expected(name);
    let ids = session.encode(&text).unwrap();
    assert_eq!(ids[..expected.ids.len()], expected.ids, "{name}");
    let middle = expected.ids.len() / 2 + 1;
    for (end, right) in [middle, expected.ids.len()].into_iter().zip(&expected.logits) {
        let got = block_on(session.logits(&expected.ids[..end])).unwrap();
        let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert_eq!(got.len(), right.len());
        for (got, right) in got.iter().zip(right) {
            assert!((got - right).abs() < 1e-4 * largest, "{name}: {got} instead of {right}");
        }
    }
}

#[test]
fn logits_equal_those_of_transformers() {
    for name in ["prefixed", "plain", "sharded"] {
        for mut session in [session(), gpu_session()] {
            open(&mut session, &files(name)).unwrap();
            assert_logits(&session, name);
        }
    }
}

#[test]
fn a_model_is_exported_with_the_same_bytes() {
    let mut session = session();
    let given = files("prefixed");
    open(&mut session, &given).unwrap();
    let back = unzip(&block_on(session.export_hugging_face("back", "2026-11-23")).unwrap());
    assert!(tensors(&back["model.safetensors"]) == tensors(&given["model.safetensors"]));
    open(&mut session, &back).unwrap();
    assert_logits(&session, "prefixed");
    // A variant of GPT-2 keeps its properties, in the folder and in Lorito's own file.
    open(&mut session, &files("sharded")).unwrap();
    let own = block_on(session.export_safetensors("own")).unwrap();
    let back = unzip(&block_on(session.export_hugging_face("back", "2026-11-23")).unwrap());
    for file in [None, Some(back)] {
        let mut session = self::session();
        match file {
            None => session.import_model(&own).unwrap(),
            Some(files) => open(&mut session, &files).unwrap(),
        };
        assert_logits(&session, "sharded");
    }
}

#[test]
fn a_pretrained_model_learns_the_users_text() {
    let mut session = session();
    open(&mut session, &files("sharded")).unwrap();
    session.open_file("a.txt", 0, None);
    session.push_bytes("El gato y la lluvia. The cat and the rain. ".repeat(40).as_bytes()).unwrap();
    session.close_file().unwrap();
    let run = TrainConfig { steps: 20, batch_size: 4, warmup_steps: 2, learning_rate: 3e-3, ..TrainConfig::default() };
    session.begin_training(run).unwrap();
    (0..20).for_each(|_| session.step().unwrap());
    let losses = block_on(session.read_losses()).unwrap();
    assert!(losses[19].loss < losses[0].loss - 1.0, "{} to {}", losses[0].loss, losses[19].loss);
}

/// The error of a changed folder; the model that was open before stays.
fn refused(change: impl FnOnce(&mut Files), from: &str) -> Error {
    let mut session = session();
    open(&mut session, &files("plain")).unwrap();
    let mut changed = files(from);
    change(&mut changed);
    let error = open(&mut session, &changed).unwrap_err();
    assert_logits(&session, "plain");
    error
}

/// Replaces the header of a safetensors file.
fn with_header(file: &mut Vec<u8>, change: impl FnOnce(&mut Value)) {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    change(&mut header);
    let header = serde_json::to_vec(&header).unwrap();
    *file = [&(header.len() as u64).to_le_bytes()[..], &header, &file[8 + length..]].concat();
}

const WEIGHTS: &str = "model.safetensors";
const FIRST_SHARD: &str = "model-00001-of-00002.safetensors";

#[test]
fn incomplete_and_inconsistent_folders_are_refused() {
    fn weights(files: &mut Files) -> &mut Vec<u8> {
        files.get_mut(WEIGHTS).unwrap()
    }
    let bias = "transformer.h.0.attn.c_attn.bias";
    type Change<'a> = Box<dyn FnOnce(&mut Files) + 'a>;
    let cases: Vec<(&str, &str, &str, Change)> = vec![
        ("no config", "file-missing", "prefixed", Box::new(|it| drop(it.remove("config.json")))),
        ("no tokenizer", "file-missing", "prefixed", Box::new(|it| drop(it.remove("tokenizer.json")))),
        ("no merges", "file-missing", "plain", Box::new(|it| drop(it.remove("merges.txt")))),
        ("no weights", "file-missing", "prefixed", Box::new(|it| drop(it.remove(WEIGHTS)))),
        ("a shard less", "file-missing", "sharded", Box::new(|it| drop(it.remove(FIRST_SHARD)))),
        (
            "an index that is none",
            "configuration-invalid",
            "sharded",
            Box::new(|it| {
                it.insert("model.safetensors.index.json".into(), b"{\"weight_map\": 3}".to_vec());
            }),
        ),
        (
            "an index that leads elsewhere",
            "configuration-invalid",
            "sharded",
            Box::new(|it| {
                let index = json!({"weight_map": {"transformer.wte.weight": "../../etc/passwd"}});
                it.insert("model.safetensors.index.json".into(), index.to_string().into_bytes());
            }),
        ),
        (
            "the same tensors twice",
            "safetensors-invalid",
            "sharded",
            Box::new(|it| {
                it.insert("again.safetensors".into(), it[FIRST_SHARD].clone());
            }),
        ),
        (
            "a cut file",
            "file-truncated",
            "prefixed",
            Box::new(|it| {
                let len = weights(it).len();
                weights(it).truncate(len - 1);
            }),
        ),
        ("a file of three bytes", "file-truncated", "prefixed", Box::new(|it| weights(it).truncate(3))),
        (
            "a header longer than can be",
            "header-too-large",
            "prefixed",
            Box::new(|it| {
                weights(it)[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            }),
        ),
        ("a header that is no JSON", "safetensors-invalid", "prefixed", Box::new(|it| weights(it)[9] = 0)),
        (
            "a tensor less",
            "tensor-missing",
            "prefixed",
            Box::new(|it| {
                with_header(weights(it), |header| {
                    let value = header.as_object_mut().unwrap().remove(bias).unwrap();
                    header["unheard.of"] = value;
                });
            }),
        ),
        (
            "a tensor that GPT-2 has not",
            "tensor-unknown",
            "prefixed",
            Box::new(|it| {
                with_header(weights(it), |header| {
                    let end =
                        header.as_object().unwrap().values().filter_map(|it| it["data_offsets"][1].as_u64()).max();
                    header["transformer.h.0.crossattention.q_attn.weight"] =
                        json!({"dtype": "F32", "shape": [0], "data_offsets": [end, end]});
                });
            }),
        ),
        (
            "another shape",
            "tensor-shape",
            "prefixed",
            Box::new(|it| {
                with_header(weights(it), |header| header[bias]["shape"] = json!([12, 4]));
            }),
        ),
        (
            "whole numbers",
            "tensor-type",
            "prefixed",
            Box::new(|it| {
                with_header(weights(it), |header| header[bias]["dtype"] = json!("I32"));
            }),
        ),
        (
            "a size that lies",
            "safetensors-invalid",
            "prefixed",
            Box::new(|it| {
                with_header(weights(it), |header| header[bias]["shape"] = json!([u64::MAX, u64::MAX]));
            }),
        ),
        (
            "tensors that overlap",
            "safetensors-invalid",
            "prefixed",
            Box::new(|it| {
                with_header(weights(it), |header| {
                    let wte = header["transformer.wte.weight"]["data_offsets"].clone();
                    header["transformer.wpe.weight"]["data_offsets"] = wte;
                });
            }),
        ),
        (
            "another vocabulary",
            "vocabulary-mismatch",
            "prefixed",
            Box::new(|it| {
                let mut config: Value = serde_json::from_slice(&it["config.json"]).unwrap();
                config["vocab_size"] = json!(100);
                it.insert("config.json".into(), config.to_string().into_bytes());
            }),
        ),
        (
            "another family",
            "architecture-unsupported",
            "prefixed",
            Box::new(|it| {
                it.insert("config.json".into(), br#"{"model_type": "mistral"}"#.to_vec());
            }),
        ),
        (
            "a model of terabytes",
            "tensor-shape",
            "prefixed",
            Box::new(|it| {
                let config =
                    json!({"model_type": "gpt2", "vocab_size": 280, "n_embd": 4096, "n_layer": 96, "n_head": 32});
                it.insert("config.json".into(), config.to_string().into_bytes());
                with_header(weights(it), |_| {});
            }),
        ),
        (
            "numbers that are none",
            "weights-not-finite",
            "prefixed",
            Box::new(|it| {
                let end = weights(it).len();
                weights(it)[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
            }),
        ),
        (
            "a vocabulary with holes",
            "tokenizer-invalid",
            "plain",
            Box::new(|it| {
                it.insert("vocab.json".into(), br#"{"a": 0, "b": 4000000000}"#.to_vec());
            }),
        ),
        (
            "merges of three",
            "tokenizer-invalid",
            "plain",
            Box::new(|it| {
                it.insert("merges.txt".into(), b"#version: 0.2\na b c\n".to_vec());
            }),
        ),
    ];
    for (what, code, from, change) in cases {
        let error = refused(change, from);
        assert_eq!(error.code(), code, "{what}: {error:?}");
    }
}

#[test]
fn all_pieces_must_arrive_complete() {
    let mut session = session();
    assert_eq!(block_on(session.push_pretrained(&[])).unwrap_err().code(), "no-model-opening");
    assert_eq!(session.finish_pretrained().unwrap_err().code(), "no-model-opening");
    let files = files("prefixed");
    let pieces = session.begin_pretrained(&folder(&files).unwrap()).unwrap();
    block_on(session.push_pretrained(&files[&pieces[0].file][pieces[0].from as usize..pieces[0].to as usize])).unwrap();
    assert_eq!(session.finish_pretrained().unwrap_err().code(), "file-truncated");
    session.begin_pretrained(&folder(&files).unwrap()).unwrap();
    assert_eq!(block_on(session.push_pretrained(&[0; 3])).unwrap_err().code(), "file-truncated");
    assert_eq!(session.finish_pretrained().unwrap_err().code(), "no-model-opening");
}

#[test]
fn a_model_that_does_not_fit_is_refused_before_its_weights_are_read() {
    let limits = Limits { largest_buffer: 1 << 20, total: 20_000 };
    let mut session = Session::new(Device::cpu(), Engine::Cpu, limits);
    assert_eq!(session.begin_pretrained(&folder(&files("prefixed")).unwrap()).unwrap_err().code(), "model-too-large");
}
