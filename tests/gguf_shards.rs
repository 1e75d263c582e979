//! GGUF files that are one model together, with SentencePiece's scores: the ids are those of `sentencepiece` itself, the
//! logits those of transformers. `tests/fixtures/gguf/make_shards.py` makes the files with the `gguf` package.

use std::{fs, path::PathBuf};

use futures_lite::future::block_on;
use lorito::{
    chat::{ChatEncoder, Message, Role},
    device::{CPU_LIMITS, Engine},
    error::Error,
    formats,
    ops::Device,
    session::{ModelSummary, Session},
};
use serde::Deserialize;

use crate::hugging_face::{Files, open};

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    template: String,
    read: Vec<u32>,
    logits: Vec<f32>,
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf").join(name)).unwrap()
}

fn expected() -> Expected {
    serde_json::from_slice(&fixture("pieces.json")).unwrap()
}

fn name(number: usize) -> String {
    format!("pieces-0000{number}-of-00003.gguf")
}

fn shards() -> Files {
    (1..=3).map(|number| (name(number), fixture(&name(number)))).collect()
}

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

fn opened() -> (Session, ModelSummary) {
    let mut session = session();
    let summary = open(&mut session, &shards()).unwrap();
    (session, summary)
}

#[test]
fn a_model_in_three_files_has_the_logits_of_transformers() {
    let Expected { read, logits, .. } = expected();
    let got = block_on(opened().0.logits(&read)).unwrap();
    assert_eq!(got.len(), logits.len());
    let largest = logits.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (got, right) in got.iter().zip(&logits) {
        assert!((got - right).abs() < 1e-4 * largest, "{got} instead of {right}");
    }
}

#[test]
fn the_order_and_the_names_of_the_files_do_not_matter() {
    let Expected { read, .. } = expected();
    let right = block_on(opened().0.logits(&read)).unwrap();
    let renamed: Files = [3, 1, 2]
        .into_iter()
        .zip(["a.gguf", "b.gguf", "c.gguf"])
        .map(|(number, renamed)| (renamed.to_owned(), fixture(&name(number))))
        .collect();
    let mut session = session();
    open(&mut session, &renamed).unwrap();
    assert_eq!(block_on(session.logits(&read)).unwrap(), right);
}

#[test]
fn ids_by_scores_are_those_of_sentencepiece() {
    let Expected { texts, ids, .. } = expected();
    let (session, _) = opened();
    assert!(texts.len() > 200);
    for (text, ids) in texts.iter().zip(&ids) {
        assert_eq!(session.encode(text).unwrap(), *ids, "{text:?}");
    }
}

#[test]
fn what_leaves_opens_with_the_same_ids() {
    let Expected { texts, ids, .. } = expected();
    let (session, _) = opened();
    let left = block_on(session.export_gguf("pieces", formats::GgufPrecision::F16)).unwrap();
    let mut back = self::session();
    open(&mut back, &Files::from([("model.gguf".to_owned(), left)])).unwrap();
    for (text, ids) in texts.iter().zip(&ids) {
        assert_eq!(back.encode(text).unwrap(), *ids, "{text:?}");
    }
    assert_eq!(block_on(back.logits(&ids[100])).unwrap(), block_on(session.logits(&ids[100])).unwrap());
}

#[test]
fn conversations_get_the_default_template_and_the_other_one_is_named() {
    let (session, summary) = opened();
    assert!(summary.chat);
    assert_eq!(summary.templates_left_out, ["tool_use"]);
    let own = formats::read(&block_on(session.export_safetensors("pieces")).unwrap()).unwrap();
    let tokenizer = own.tokenizer().unwrap();
    assert_eq!(tokenizer.roles().chat_template, Some(expected().template));
    let question = Message { role: Role::User, content: "Hola".to_owned() };
    let encoder = ChatEncoder::new(&tokenizer).unwrap().unwrap();
    assert_eq!(encoder.text(&[question], false).unwrap(), "[user] Hola</s>");
    // Only the summary of opening tells it.
    assert!(session.model_summary().unwrap().templates_left_out.is_empty());
}

fn find(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

/// The place of the value of a key with so many bytes.
fn value<'f>(file: &'f mut [u8], key: &str, bytes: usize) -> &'f mut [u8] {
    let at = find(file, key) + key.len() + 4;
    &mut file[at..at + bytes]
}

fn replace(file: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let at = find(file, from);
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
}

#[test]
fn files_that_contradict_one_another_are_refused_and_the_model_stays() {
    let Expected { read, .. } = expected();
    let (mut session, _) = opened();
    let right = block_on(session.logits(&read)).unwrap();
    let mut refused = |change: &dyn Fn(&mut Files)| {
        let mut files = shards();
        change(&mut files);
        let error = open(&mut session, &files).map(drop);
        assert_eq!(block_on(session.logits(&read)).unwrap(), right);
        error
    };
    type Change = fn(&mut Files);
    fn of(files: &mut Files, number: usize) -> &mut Vec<u8> {
        files.get_mut(&name(number)).unwrap()
    }
    fn set(files: &mut Files, number: usize, key: &str, bytes: &[u8]) {
        value(of(files, number), key, bytes.len()).copy_from_slice(bytes);
    }
    let cases: Vec<(&str, &str, Change)> = vec![
        ("the first one is not there", "pieces-00001-of-00003.gguf", |files| drop(files.remove(&name(1)))),
        ("the second one is not there", "pieces-00002-of-00003.gguf", |files| drop(files.remove(&name(2)))),
        ("only the last one", "pieces-00001-of-00003.gguf", |files| files.retain(|key, _| *key == name(3))),
        ("of no files", "one of 0 files", |files| set(files, 1, "split.count", &[0, 0])),
        ("of 65,535 files", "one of 65535 files", |files| set(files, 1, "split.count", &[0xff, 0xff])),
        ("they count differently", "is one of 4 files, and another one of 3", |files| {
            set(files, 2, "split.count", &[4, 0]);
        }),
        ("one is alone", "is one of 1 files", |files| set(files, 3, "split.count", &[1, 0])),
        ("the first one again as the third", "is file 1 of 3, which comes twice", |files| {
            let first = of(files, 1).clone();
            files.insert(name(3), first);
        }),
        ("a fourth one", "which comes twice", |files| {
            let last = of(files, 3).clone();
            files.insert("pieces-00004-of-00003.gguf".to_owned(), last);
        }),
        ("a place beyond the last", "does not say which of 3", |files| set(files, 2, "split.no", &[3, 0])),
        ("no place", "does not say which of 3", |files| replace(of(files, 2), "split.no", "split.on")),
        ("a place before the first", "split.no is no number of files", |files| {
            // -1 as a number with a sign.
            let file = of(files, 2);
            let at = find(file, "split.no") + "split.no".len();
            file[at] = 3;
            file[at + 4..at + 6].fill(0xff);
        }),
        ("more tensors than said", "the files have 21 tensors, and the first one says 20", |files| {
            set(files, 1, "split.tensors.count", &20u32.to_le_bytes());
        }),
        ("fewer tensors than none", "split.tensors.count is no number", |files| {
            set(files, 1, "split.tensors.count", &(-1i32).to_le_bytes());
        }),
        ("a tensor in two files", "blk.0.attn_norm.weight comes twice", |files| {
            replace(of(files, 3), "blk.1.attn_norm.weight", "blk.0.attn_norm.weight");
        }),
        ("a tensor of another block", "tensor-missing", |files| {
            replace(of(files, 3), "blk.1.ffn_norm.weight", "blk.7.ffn_norm.weight");
        }),
        ("a file that ends too early", "file-truncated", |files| {
            let file = of(files, 2);
            file.truncate(file.len() - 100);
        }),
        ("a file that is only a name", "file-truncated", |files| of(files, 2).clear()),
        ("a file of something else", "it does not begin with GGUF", |files| of(files, 2)[0] = b'g'),
        ("a file that is a pointer", "git-lfs-pointer", |files| {
            *of(files, 3) = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 48656\n".to_vec();
        }),
    ];
    for (what, says, change) in cases {
        let error = refused(&change).expect_err(what);
        let found = match &error {
            Error::FileMissing { name } => name.clone(),
            Error::GgufInvalid { reason } => reason.clone(),
            other => other.code(),
        };
        assert!(found.contains(says), "{what}: {error:?}");
    }
}

#[test]
fn a_model_by_itself_is_opened_beside_another_one() {
    let mut files = shards();
    files.insert("a.gguf".to_owned(), fixture("mixed.gguf"));
    let mut session = session();
    let summary = open(&mut session, &files).unwrap();
    assert!(summary.config.variant.llama.is_none());
}
