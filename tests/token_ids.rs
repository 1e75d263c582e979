//! Vocabularies beyond 16 bits, and runs that were saved with token ids of 16 bits.

use std::{fs, path::PathBuf};

use crate::{
    hugging_face::{open, unzip},
    memory::peak,
};
use futures_lite::future::block_on;
use lorito::{
    config::{LARGEST_VOCABULARY, ModelConfig, TrainConfig, Variant},
    corpus::Budget,
    device::{CPU_LIMITS, Engine},
    error::Error,
    formats::{ModelFile, hugging_face},
    generate::Sampling,
    model::Gpt,
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::Tokenizer,
    train::{History, Progress, TextFacts},
};
use serde_json::{Map, json};

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

fn add(session: &mut Session, text: &str) {
    session.open_file("a.txt", text.len() as u64, None);
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
}

fn losses(session: &mut Session, steps: usize) -> Vec<f32> {
    (0..steps).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap().iter().map(|record| record.loss).collect()
}

/// The losses of a run's last 5 steps, from the version that saved it after 3.
#[test]
fn runs_saved_with_ids_of_16_bits_continue_exactly() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs");
    let runs = [
        ("plain", [2.442_701_3, 2.430_524_6, 2.417_929_6, 2.418_266_8, 2.405_814_4]),
        ("conversations", [3.028_485_8, 3.036_592, 3.018_368_5, 2.980_375_4, 2.975_231_2]),
    ];
    for (name, expected) in runs {
        let read = |ending: &str| fs::read(folder.join(format!("{name}.{ending}"))).unwrap();
        let ids = read("ids");
        let mut session = session();
        session.restore_run(&read("safetensors"), &ids).unwrap();
        for (got, expected) in losses(&mut session, 5).into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{name}: {got} instead of {expected}");
        }
        // What is learned of conversations is stored in another form since.
        let is_same = session.corpus_tokens().unwrap() == ids;
        assert_eq!(is_same, name == "plain", "an older page can still read what is stored of plain text");
    }
}

/// Tokens of the vocabulary below: bytes, pairs of a lower-case and a capital letter, pairs of pairs, and an end of
/// text.
const TOKENS: usize = 70_000;

/// A `tokenizer.json` of a byte-level BPE with `tokens` tokens. A word such as `aBcD` becomes one token at best.
fn large_tokenizer(tokens: usize) -> String {
    let bytes = (0..=255u8).map(|byte| match byte {
        // GPT-2's alphabet: printable characters stand for themselves, the other bytes for characters from 256 on, in
        // order.
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=b' ' => char::from_u32(256 + u32::from(byte)).unwrap(),
        0x7f..=0xa0 => char::from_u32(256 + 33 + u32::from(byte) - 0x7f).unwrap(),
        0xad => char::from_u32(256 + 67).unwrap(),
    });
    let mut vocabulary: Vec<String> = bytes.map(String::from).collect();
    let mut merges = Vec::new();
    let pairs: Vec<String> = ('a'..='z').flat_map(|a| ('A'..='Z').map(move |b| format!("{a}{b}"))).collect();
    for pair in &pairs {
        merges.push(json!([pair[..1], pair[1..]]));
        vocabulary.push(pair.clone());
    }
    'all: for first in &pairs {
        for second in &pairs {
            if vocabulary.len() + 1 == tokens {
                break 'all;
            }
            merges.push(json!([first, second]));
            vocabulary.push(format!("{first}{second}"));
        }
    }
    let end = json!({
        "id": vocabulary.len(), "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    });
    let ids: Map<_, _> = vocabulary.into_iter().zip(0..).map(|(token, id)| (token, json!(id))).collect();
    let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    json!({
        "version": "1.0", "added_tokens": [end], "pre_tokenizer": byte_level, "decoder": byte_level,
        "model": { "type": "BPE", "vocab": ids, "merges": merges },
    })
    .to_string()
}

fn model_file(tokenizer: &str) -> ModelFile {
    let config = ModelConfig {
        vocabulary: TOKENS,
        context: 16,
        layers: 1,
        heads: 1,
        width: 4,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    let weights = block_on(Gpt::new(config, 1337, &Device::cpu()).flat.read()).unwrap();
    ModelFile {
        name: "Large".into(),
        config,
        tokenizer: tokenizer.to_owned(),
        roles: None,
        weights,
        frozen: None,
        facts: TextFacts::default(),
        history: History::default(),
        progress: Progress { config: TrainConfig::default(), start_step: 0, step: 0, updates: 0 },
        adapter: None,
        optimizer: None,
        best: None,
    }
}

#[test]
fn a_model_with_70_000_tokens_opens_encodes_trains_and_resumes() {
    let json = large_tokenizer(TOKENS);
    let files = unzip(&hugging_face(&model_file(&json), "2026-11-29").unwrap());
    let mut session = session();
    open(&mut session, &files).unwrap();
    // The last pairs of pairs that fit into the vocabulary.
    let words = Tokenizer::from_json(json.as_bytes()).unwrap();
    let last: Vec<String> = (TOKENS as u32 - 7..TOKENS as u32 - 1).map(|id| words.token_text(id)).collect();
    let ids = session.encode(&last.join("")).unwrap();
    assert_eq!(ids, (TOKENS as u32 - 7..TOKENS as u32 - 1).collect::<Vec<_>>());
    assert_eq!(session.decode(&ids).unwrap(), last.join(""));

    add(&mut session, &format!("{}\n", last.join("")).repeat(60));
    let summary = session.tokenizer_summary().unwrap().unwrap();
    assert_eq!((summary.vocabulary, summary.train_tokens + summary.validation_tokens), (TOKENS, 7 * 60 + 2));
    let run = TrainConfig { steps: 6, batch_size: 4, learning_rate: 3e-2, warmup_steps: 1, ..TrainConfig::default() };
    session.begin_training(run).unwrap();
    let first = losses(&mut session, 3);
    assert!(first[2] < first[0], "{first:?}");
    let (checkpoint, tokens) = (block_on(session.checkpoint()).unwrap(), session.corpus_tokens().unwrap());
    let mut again = self::session();
    again.restore_run(&checkpoint, &tokens).unwrap();
    assert_eq!(losses(&mut again, 3), losses(&mut session, 3));

    let (sampling, cache) = (Sampling { temperature: 0.0, ..Sampling::default() }, true);
    again
        .begin_generation(&last[0], GenerateOptions { max_tokens: 3, sampling, cache, ..GenerateOptions::default() })
        .unwrap();
    let mut text = String::new();
    while let Some(piece) = block_on(again.next_token()).unwrap() {
        text += &piece;
    }
    assert!(!text.is_empty() && again.encode(&text).unwrap().iter().all(|&id| (id as usize) < TOKENS));
}

/// Words of lower-case letters only: as many tokens as bytes.
fn letters(bytes: usize) -> String {
    "small letters\n".repeat(bytes / 14)
}

#[test]
fn memory_is_counted_in_the_width_of_the_ids() {
    let mut session = session();
    let text = letters(4000);
    add(&mut session, &text);
    let run = TrainConfig { batch_size: 1, ..TrainConfig::default() };
    let narrow = model_file("").config;
    let before = session.plan(&narrow, &run).unwrap();
    assert_eq!(before.text_bytes, 3 * text.len() as u64);
    let files = unzip(&hugging_face(&model_file(&large_tokenizer(TOKENS)), "2026-11-29").unwrap());
    open(&mut session, &files).unwrap();
    let tokens = session.tokenizer_summary().unwrap().unwrap();
    let tokens = (tokens.train_tokens + tokens.validation_tokens) as u64;
    let plan = session.plan(&session.model_summary().unwrap().config, &run).unwrap();
    assert_eq!(plan.text_bytes, text.len() as u64 + 4 * tokens);
}

#[test]
fn a_text_whose_wide_ids_do_not_fit_is_refused() {
    let files = unzip(&hugging_face(&model_file(&large_tokenizer(TOKENS)), "2026-11-29").unwrap());
    let budget = Budget { memory: 1 << 30, texts: 20_000 };
    // Without a tokenizer, ids are expected to take 2 bytes; then the model is opened.
    let mut session = session();
    session.set_budget(budget);
    add(&mut session, &letters(5000));
    open(&mut session, &files).unwrap();
    let refused = session.tokenizer_summary().unwrap_err();
    assert!(matches!(refused, Error::TokensTooLarge { bytes: 20_000.., limit: 15_000..16_000 }), "{refused:?}");
    // With the model open, the text is refused before it is read.
    session.clear_text();
    session.open_file("a.txt", 5000, None);
    let refused = session.push_bytes(letters(5000).as_bytes()).unwrap_err();
    assert!(matches!(refused, Error::FileTooLarge { limit: 4000, .. }), "{refused:?}");
    add(&mut session, &letters(3500));
    session.tokenizer_summary().unwrap().unwrap();
}

#[test]
fn encoding_takes_little_memory_besides_the_ids() {
    let text = letters(2 << 20);
    let large = large_tokenizer(TOKENS);
    let small = large_tokenizer(60_000);
    for (json, width) in [(small, 2), (large, 4)] {
        let tokenizer = Tokenizer::from_json(json.as_bytes()).unwrap();
        let (ids, held) = peak(|| tokenizer.encode_documents(&[&text]));
        assert_eq!((ids.len(), ids.bytes_per_id()), (text.len() + 1, width));
        // 3 MB for the sampled text and the cache of words.
        assert!(held < ids.len() * width * 11 / 10 + (3 << 20), "{held} for {} ids", ids.len());
    }
}

#[test]
fn more_tokens_than_a_model_may_have_are_refused() {
    let refused = Tokenizer::from_json(large_tokenizer(LARGEST_VOCABULARY + 1).as_bytes()).unwrap_err();
    assert!(matches!(&refused, Error::TokenizerInvalid { reason } if reason.contains("too many")), "{refused:?}");
    assert_eq!(
        Tokenizer::from_json(large_tokenizer(LARGEST_VOCABULARY).as_bytes()).unwrap().vocabulary(),
        LARGEST_VOCABULARY
    );
}
