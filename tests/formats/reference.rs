//! Lorito's files, read by Hugging Face's libraries. `tests/fixtures/models` has the scripts that make its files.

use std::{fs, path::PathBuf};

use futures_lite::future::block_on;
use lorito::{
    formats::{ModelFile, hugging_face, read, write},
    model::Gpt,
    ops::{self, Device},
    tokenizer::Tokenizer,
    train::History,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::sample;
use crate::hugging_face::unzip;

const DATE: &str = "2026-11-23";

/// The output of `make_logits.py`.
#[derive(Deserialize)]
struct Expected {
    texts: Vec<Text>,
    ids: Vec<u32>,
    /// One row per position.
    logits: Vec<Vec<f32>>,
    tensors: Vec<String>,
    metadata: Vec<String>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name)
}

fn expected() -> Expected {
    serde_json::from_slice(&fs::read(fixture("logits.json")).unwrap()).unwrap()
}

#[test]
#[ignore = "writes the fixture"]
fn write_the_fixture() {
    fs::write(fixture("small.safetensors"), write(&sample::model()).unwrap()).unwrap();
    fs::write(fixture("small.zip"), hugging_face(&sample::model(), DATE).unwrap()).unwrap();
}

#[test]
fn the_fixture_equals_what_the_current_code_writes() {
    assert!(fs::read(fixture("small.safetensors")).unwrap() == write(&sample::model()).unwrap());
    assert!(fs::read(fixture("small.zip")).unwrap() == hugging_face(&sample::model(), DATE).unwrap());
}

#[test]
fn logits_equal_those_of_transformers() {
    let model = read(&fs::read(fixture("small.safetensors")).unwrap()).unwrap();
    let Expected { ids, logits, .. } = expected();
    let device = Device::cpu();
    let gpt = Gpt::from_flat(model.config, model.weights, &device);
    let ours = block_on(ops::read(gpt.logits(&gpt.ids(ids.clone()).unwrap()))).unwrap();
    let theirs = logits.concat();
    assert_eq!(theirs.len(), ids.len() * model.config.vocabulary);
    let differences = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs());
    let largest = differences.fold(0.0, f32::max);
    let spread = theirs.iter().fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
    assert!(largest < 1e-4 && spread > 1.0, "differ by {largest}, of at most {spread}");
}

#[test]
fn token_ids_equal_those_of_transformers() {
    let model = sample::model();
    let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap();
    for Text { text, ids, decoded } in expected().texts {
        assert_eq!(tokenizer.encode(&text), ids, "{text}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), decoded);
    }
}

#[test]
fn the_model_file_opens_in_safetensors() {
    let Expected { tensors, metadata, .. } = expected();
    let layout = lorito::model::Layout::new(&sample::model().config);
    let mut names: Vec<_> = layout.parameters.into_iter().map(|parameter| parameter.name).collect();
    names.push("lorito.steps".into());
    names.sort();
    assert_eq!(tensors, names);
    assert_eq!(metadata, ["format", "lorito.hash", "lorito.manifest", "lorito.tokenizer"]);
}

#[test]
fn the_folder_describes_the_model_without_revealing_its_text() {
    let model = sample::model();
    let files = unzip(&hugging_face(&model, DATE).unwrap());
    let mut names: Vec<_> = files.keys().map(String::as_str).collect();
    names.sort_unstable();
    let all = [
        "README.md",
        "config.json",
        "continue_training.ipynb",
        "continue_training.py",
        "generation_config.json",
        "lorito_training.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "training_text.py",
    ];
    assert_eq!(names, all);
    assert_eq!(files["tokenizer.json"], model.tokenizer.as_bytes());
    let card = String::from_utf8(files["README.md"].clone()).unwrap();
    assert!(card.starts_with("---\nlibrary_name: transformers\n"));
    for line in [
        "\n# Small: a model \\| for \\*tests\\*\n",
        "exported on 2026-11-23.",
        "| Validation loss | 4.1000 |",
        "| Learning rate | 0.003, after 5 steps of warm-up |",
        "| Batch size | 4 |",
        "python continue_training.py --text my-text.txt ",
    ] {
        assert!(card.contains(line), "{line} is not in\n{card}");
    }
    assert!(!card.contains('🦜'), "a sample is in the card");
}

#[test]
fn the_folder_describes_the_last_run() {
    let model = sample::model();
    let read = |model: &ModelFile| -> Value {
        serde_json::from_slice(&unzip(&hugging_face(model, DATE).unwrap())["lorito_training.json"]).unwrap()
    };
    let run = read(&model);
    assert_eq!(run["step"], 3);
    let windows = lorito::train::most_validation_windows(&model.progress.config);
    let evaluation = json!({ "step": 3, "validation_loss": 4.1f32, "most_windows": windows });
    assert_eq!(run["evaluation"], evaluation);
    assert_eq!(
        run["text"],
        json!({
            "documents": 1, "characters": model.facts.characters, "held_back": "documents",
            "train_tokens": 160, "validation_tokens": 18
        })
    );
    let training = run["training"].as_object().unwrap();
    for (name, value) in [("steps", json!(20)), ("batch_size", json!(4)), ("learning_rate", json!(3e-3))] {
        assert_eq!(training[name], value, "{name}");
    }
    // The script knows exactly these settings.
    let script =
        String::from_utf8(unzip(&hugging_face(&model, DATE).unwrap())["continue_training.py"].clone()).unwrap();
    for name in training.keys() {
        assert!(script.contains(&format!("\"{name}\": ")), "{name} is no setting of the script");
    }

    let untrained = ModelFile { history: History::default(), ..model };
    assert_eq!(read(&untrained)["evaluation"], Value::Null);
}

#[test]
fn an_unreadable_tokenizer_is_an_error() {
    for tokenizer in ["", "{}", "{\"added_tokens\": 3}", "[\"<|endoftext|>\"]"] {
        let model = ModelFile { tokenizer: tokenizer.into(), ..sample::model() };
        assert_eq!(hugging_face(&model, DATE).unwrap_err().code(), "tokenizer-invalid");
    }
}
