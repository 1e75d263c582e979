//! The Python export continues training. What needs no Python is tested here; `prove.py` does the rest, with the files
//! that the ignored tests write. `cargo xtask test --only carry-on` runs both.

use std::{fs, path::PathBuf, time::Instant};

use futures_lite::future::block_on;
use lorito::{
    chat,
    config::{ModelConfig, TrainConfig, Variant},
    corpus::HeldBack,
    device::{CPU_LIMITS, Engine},
    formats::{ModelFile, hugging_face},
    model::Gpt,
    ops::Device,
    session::Session,
    tokenizer::{Kind, Tokenizer},
    train::{History, Progress, RunEvent, TextFacts},
};
use serde_json::{Value, json};

/// Texts to train on, by file name.
fn texts() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let sample = include_str!("../../web/public/samples/harbour.txt").to_owned();
    // Documents of all lengths: some duplicates, a long one, and one longer than the script encodes at a time.
    let mut rows: Vec<String> = (0..60)
        .map(|index| {
            let text = sample.chars().cycle().skip(index * 397).take(1 + index * 7919 % 400).collect::<String>();
            json!({ "id": index, "text": text }).to_string()
        })
        .collect();
    rows.push(rows[7].clone());
    rows.push(json!({ "text": sample.repeat(6) }).to_string());
    rows.push(r#"{"text": "half a pair \ud83e, a whole one 🦜\r\nand <|endoftext|> within"}"#.into());
    rows.push("no JSON".into());
    vec![
        ("harbour", vec![("harbour.txt", sample.clone())]),
        ("rows", vec![("rows.jsonl", rows.join("\n")), ("plain.md", sample.replace('\n', "\r\n"))]),
        ("llama", vec![("harbour.txt", sample.clone())]),
        ("no-lines", vec![("short.txt", "añ漢🦜 ".repeat(41))]),
        // Two books, either of which is far more than a tenth: here the ends are held back.
        ("ends", vec![("one.txt", sample.clone()), ("other.txt", sample[..sample.len() / 2].to_uppercase())]),
    ]
}

fn session_with(files: &[(&str, String)]) -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    for (name, text) in files {
        session.open_file(name, text.len() as u64, None);
        session.push_bytes(text.as_bytes()).unwrap();
        session.close_file().unwrap();
    }
    session
}

/// Trains like the page.
fn train(session: &mut Session, config: TrainConfig) {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    session.begin_training(config).unwrap();
    block_on(session.start_run(clock)).unwrap();
    let is_finished = |event: &RunEvent| matches!(event, RunEvent::Finished { .. });
    while !block_on(session.tick(clock)).unwrap().iter().any(is_finished) {}
}

const MODEL: ModelConfig =
    ModelConfig { vocabulary: 0, context: 48, layers: 2, heads: 4, width: 64, dropout: 0.0, variant: Variant::GPT2 };

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("carry-on").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[ignore = "run by the check carry-on: writes what prove.py reads"]
fn write_trained_models() {
    for (name, files) in texts() {
        let folder = folder(name);
        let mut session = session_with(&files);
        if name == "ends" {
            session.hold_back(HeldBack::Ends);
        }
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        // The first two models have to learn something; the others test how their texts are split and encoded.
        let (kind, steps) = match name {
            "harbour" => (Kind::Char, 400),
            "llama" => (Kind::Bpe, 100),
            _ => (Kind::Bpe, 2),
        };
        session.train_tokenizer(kind, Some(400)).unwrap();
        session.create_model(if name == "llama" { MODEL.as_llama() } else { MODEL }, 1337).unwrap();
        let eval_every = steps / 2;
        train(
            &mut session,
            TrainConfig { steps, eval_every, batch_size: 8, learning_rate: 2e-3, ..Default::default() },
        );
        // The page's own ids of both splits: two counts and the bytes of validation text, then 16 bits per id.
        fs::write(folder.join("ids.bin"), session.corpus_tokens().unwrap()).unwrap();
        let zip = block_on(session.export_hugging_face("Harbour", "2026-11-23")).unwrap();
        fs::write(folder.join("model.zip"), zip).unwrap();
    }
}

#[test]
#[ignore = "run by the check carry-on: writes what prove.py reads"]
fn write_a_model_for_conversations() {
    let folder = folder("chat");
    let tokenizer = Tokenizer::train(Kind::Byte, None, &["any"]).unwrap().with_special_tokens(&chat::TOKENS).unwrap();
    let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..MODEL };
    let gpt = Gpt::new(config, 1337, &Device::cpu());
    let run = TrainConfig { steps: 0, batch_size: 8, learning_rate: 2e-3, ..TrainConfig::default() };
    let file = ModelFile {
        name: "Chat".into(),
        config,
        tokenizer: tokenizer.to_json(),
        roles: None,
        weights: block_on(gpt.flat.read()).unwrap(),
        frozen: None,
        facts: TextFacts::default(),
        history: History::default(),
        progress: Progress { config: run, start_step: 0, step: 0, updates: 0 },
        adapter: None,
        optimizer: None,
        best: None,
    };
    fs::write(folder.join("model.zip"), hugging_face(&file, "2026-11-23").unwrap()).unwrap();
    fs::write(folder.join("chat_template.jinja"), chat::JINJA).unwrap();
}

/// nanoGPT's `bias=False`, which becomes a GPT-2 with biases of zero in transformers.
#[test]
#[ignore = "writes what prove.py reads"]
fn write_a_model_without_biases() {
    let folder = folder("without-biases");
    let mut session = session_with(&[("harbour.txt", include_str!("../../web/public/samples/harbour.txt").into())]);
    session.train_tokenizer(Kind::Char, None).unwrap();
    session.create_model(ModelConfig { variant: Variant { bias: false, ..Variant::GPT2 }, ..MODEL }, 1337).unwrap();
    train(
        &mut session,
        TrainConfig { steps: 200, eval_every: 200, batch_size: 8, learning_rate: 2e-3, ..Default::default() },
    );
    let prompt = session.encode("The harbour").unwrap();
    let mut ids: Vec<u32> = prompt.clone();
    let mut logits = Vec::new();
    for _ in 0..16 {
        let scores = block_on(session.logits(&ids)).unwrap();
        ids.push((0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u32);
        logits.push(scores);
    }
    let zip = block_on(session.export_hugging_face("Without biases", "2026-11-29")).unwrap();
    fs::write(folder.join("model.zip"), zip).unwrap();
    fs::write(folder.join("page.json"), json!({ "prompt": prompt, "ids": ids, "logits": logits }).to_string()).unwrap();
}

#[test]
fn the_notebook_has_a_valid_format() {
    let notebook: Value =
        serde_json::from_str(include_str!("../../src/formats/carry_on/continue_training.ipynb")).unwrap();
    assert_eq!((&notebook["nbformat"], &notebook["nbformat_minor"]), (&json!(4), &json!(5)));
    assert!(notebook["metadata"]["kernelspec"]["name"].is_string());
    let cells = notebook["cells"].as_array().unwrap();
    let mut ids: Vec<_> = cells.iter().map(|cell| cell["id"].as_str().expect("nbformat 4.5 wants ids")).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let mut code = String::new();
    for cell in cells {
        let lines = cell["source"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        match cell["cell_type"].as_str() {
            Some("markdown") => {}
            Some("code") => {
                // No outputs, which could contain somebody's text.
                assert_eq!((&cell["outputs"], &cell["execution_count"]), (&json!([]), &Value::Null));
                code.extend(lines);
                code.push('\n');
            }
            other => panic!("a cell of type {other:?}"),
        }
    }
    for part in ["accelerate launch", "continue_training.py", "--text", "from_pretrained", "make_archive"] {
        assert!(code.contains(part), "no cell has {part}");
    }
}
