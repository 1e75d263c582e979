//! Tokenizers of today's small models: SmolLM, Llama 3, Qwen, SentencePiece's BPE. Their ids are those of Python's
//! `tokenizers`; `tests/fixtures/tokenizer/make_families.py` makes the files.

use std::{collections::HashMap, fs, path::PathBuf};

use lorito::{
    error::Error,
    tokenizer::{ByteLevel, GgufTokenizer, Kind, SentencePiece, TokenClass, Tokenizer},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Expected {
    ids: Vec<Vec<u32>>,
    begins: Vec<u32>,
    decoded: Vec<String>,
}

const FAMILIES: [&str; 6] = ["smollm", "llama3", "qwen", "llama2", "llama2_metaspace", "gemma"];

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer/families")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

/// Requires the same ids, and the same text of them where that is not broken within a character.
#[track_caller]
fn assert_as_expected(name: &str, json: &[u8], texts: &[String], expected: &Expected) {
    let tokenizer = Tokenizer::from_json(json).unwrap();
    let again = Tokenizer::from_json(tokenizer.to_json().as_bytes()).unwrap();
    assert_eq!(tokenizer.kind(), Kind::Bpe);
    assert_eq!(tokenizer.begins(), expected.begins, "{name}");
    assert_eq!(again.begins(), expected.begins, "{name}");
    for ((text, ids), decoded) in texts.iter().zip(&expected.ids).zip(&expected.decoded) {
        assert_eq!(tokenizer.encode(text), *ids, "{name}: {text:?}");
        assert_eq!(again.encode(text), *ids, "{name}: {text:?}");
        assert_eq!(tokenizer.decode(ids).unwrap(), *decoded, "{name}: {text:?}");
        let pieces: Vec<u32> = tokenizer.pieces(text).into_iter().flat_map(|piece| piece.ids).collect();
        assert_eq!(pieces, *ids, "{name}: {text:?}");
    }
}

#[test]
fn ids_of_every_family_are_those_of_tokenizers() {
    let texts: Vec<String> = serde_json::from_slice(&file("texts.json")).unwrap();
    let expected: HashMap<String, Expected> = serde_json::from_slice(&file("expected.json")).unwrap();
    assert!(texts.len() >= 300);
    for name in FAMILIES {
        assert_eq!(expected[name].ids.len(), texts.len());
        assert_as_expected(name, &file(&format!("{name}.json")), &texts, &expected[name]);
    }
}

/// SmolLM2's own vocabulary: `make_smollm2.py` makes a file with it, and the ids of 200 texts, of a package with the
/// model as GGUF.
#[test]
#[ignore = "run by the check pretrained, with the folder that make_smollm2.py writes"]
fn ids_of_smollm2_are_those_of_tokenizers() {
    #[derive(Deserialize)]
    struct Made {
        texts: Vec<String>,
        #[serde(flatten)]
        expected: Expected,
    }

    let folder = PathBuf::from(std::env::var("LORITO_SMOLLM2").unwrap());
    let made: Made = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    assert!(made.texts.len() >= 200);
    let json = fs::read(folder.join("tokenizer.json")).unwrap();
    assert_as_expected("SmolLM2", &json, &made.texts, &made.expected);
}

#[test]
fn documents_begin_with_the_token_that_the_post_processor_adds() {
    let llama = Tokenizer::from_json(&file("llama3.json")).unwrap();
    let begin = llama.special_token("<|begin_of_text|>").unwrap();
    let ids: Vec<u32> = llama.encode_documents(&["Hola", "Allin"]).iter().collect();
    let end = llama.end_of_text().unwrap();
    assert_eq!(ids, [&[begin][..], &llama.encode("Hola"), &[end, begin], &llama.encode("Allin"), &[end]].concat());
    assert_eq!(llama.encode_from_start("Hola")[..1], [begin]);
    let qwen = Tokenizer::from_json(&file("qwen.json")).unwrap();
    assert_eq!(qwen.encode_from_start("Hola"), qwen.encode("Hola"));
}

#[test]
fn a_text_that_goes_on_has_no_second_space() {
    for name in FAMILIES {
        let tokenizer = Tokenizer::from_json(&file(&format!("{name}.json"))).unwrap();
        for (before, after) in [("El faro", " alumbra"), ("Hola", "s"), ("a\n", "b"), ("", "")] {
            let ids = [tokenizer.encode(before), tokenizer.encode_on(after)].concat();
            assert_eq!(tokenizer.decode(&ids).unwrap(), format!("{before}{after}"), "{name}");
        }
    }
}

#[test]
fn bytes_without_a_token_are_left_out_and_named() {
    let smollm = Tokenizer::from_json(&file("smollm.json")).unwrap();
    assert_eq!(smollm.unknown_characters("año \u{4}\u{40000}"), ['\u{4}', '\u{40000}']);
    assert_eq!(smollm.decode(&smollm.encode("a\u{4}b")).unwrap(), "ab");
    let llama = Tokenizer::from_json(&file("llama2.json")).unwrap();
    assert!(llama.unknown_characters("\u{4}\u{40000}漢").is_empty());
}

#[test]
fn a_tokenizer_that_would_encode_differently_is_refused_with_the_reason() {
    let reason = |name: &str, change: fn(&mut Value)| {
        let mut file: Value = serde_json::from_slice(&file(&format!("{name}.json"))).unwrap();
        change(&mut file);
        match Tokenizer::from_json(file.to_string().as_bytes()) {
            Err(Error::TokenizerUnsupported { reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 9] = [
        ("qwen", |file| file["normalizer"] = json!({"type": "NFKC"}), "normalizer NFKC"),
        (
            "llama3",
            |file| file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!(r"\p{L}+|."),
            r#"pre-tokenizer Split {"Regex":"\\p{L}+|."}"#,
        ),
        (
            "llama3",
            |file| file["pre_tokenizer"]["pretokenizers"][0]["behavior"] = json!("MergedWithNext"),
            "pre-tokenizer Split",
        ),
        ("smollm", |file| file["pre_tokenizer"]["pretokenizers"][0]["type"] = json!("Punctuation"), "Punctuation"),
        ("smollm", |file| file["model"]["unk_token"] = json!("<|endoftext|>"), "byte 0x04 has no token"),
        (
            "llama2",
            |file| file["decoder"]["decoders"][3]["start"] = json!(2),
            "decoder Replace, ByteFallback, Fuse, Strip",
        ),
        ("llama2", |file| file["pre_tokenizer"] = json!({"type": "Whitespace"}), "pre-tokenizer Whitespace"),
        (
            "llama2_metaspace",
            |file| file["pre_tokenizer"]["prepend_scheme"] = json!("maybe"),
            "prepend_scheme \"maybe\"",
        ),
        (
            "llama2",
            |file| {
                file["model"]["vocab"].as_object_mut().unwrap().remove("<0x41>");
            },
            "byte_fallback without a token <0x41>",
        ),
    ];
    for (name, change, part) in cases {
        let reason = reason(name, change);
        assert!(reason.contains(part), "{name}: {reason}");
    }
}

#[test]
fn llama_cpp_is_told_the_pre_tokenisation_of_each_family() {
    let pre = |name: &str| {
        let tokenizer = Tokenizer::from_json(&file(&format!("{name}.json"))).unwrap();
        tokenizer.byte_level().map(|byte_level| byte_level.pre).map_err(|error| error.code())
    };
    assert_eq!(pre("smollm"), Ok("smollm"));
    assert_eq!(pre("llama3"), Ok("llama-bpe"));
    assert_eq!(pre("qwen"), Ok("qwen2"));
    assert_eq!(pre("llama2").unwrap_err(), "tokenizer-not-in-llama-cpp");
}

/// From what GGUF files of the families hold.
#[test]
fn a_gguf_file_gives_the_same_ids() {
    let texts: Vec<String> = serde_json::from_slice(&file("texts.json")).unwrap();
    let expected: HashMap<String, Expected> = serde_json::from_slice(&file("expected.json")).unwrap();
    for name in ["smollm", "qwen", "llama3", "llama2", "gemma"] {
        let own = Tokenizer::from_json(&file(&format!("{name}.json"))).unwrap();
        let (tokens, merges, scores, pre, adds_space) = match own.is_sentence_piece() {
            true => {
                let SentencePiece { tokens, scores, adds_space } = own.sentence_piece().unwrap();
                (tokens, Vec::new(), scores, "default", Some(adds_space))
            }
            false => {
                let ByteLevel { tokens, merges, pre } = own.byte_level().unwrap();
                (tokens, merges, Vec::new(), pre, None)
            }
        };
        let merges: Vec<String> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
        let class = |class: &TokenClass| match class {
            TokenClass::Ordinary => 1,
            TokenClass::Special => 3,
            TokenClass::Added => 4,
            TokenClass::Unused => 5,
            TokenClass::Byte => 6,
        };
        let given = GgufTokenizer {
            model: if own.is_sentence_piece() { "llama".into() } else { "gpt2".into() },
            pre: Some(pre.into()),
            tokens: tokens.iter().map(|(text, _)| &text[..]).collect(),
            types: tokens.iter().map(|(_, kind)| class(kind)).collect(),
            merges: merges.iter().map(String::as_str).collect(),
            scores,
            begin: expected[name].begins.first().copied(),
            add_begin: Some(!expected[name].begins.is_empty()),
            add_space_prefix: adds_space,
            ..GgufTokenizer::default()
        };
        // Where a file says nothing, Llama's texts begin with a token, and after a space.
        let silent = GgufTokenizer { add_begin: None, add_space_prefix: None, ..given.clone() };
        let is_llama = ["llama2", "llama3"].contains(&name);
        for given in [given].into_iter().chain(is_llama.then_some(silent)) {
            let opened = Tokenizer::from_gguf(given, tokens.len()).unwrap().tokenizer;
            assert_eq!(opened.begins(), expected[name].begins, "{name}");
            for ((text, ids), decoded) in texts.iter().zip(&expected[name].ids).zip(&expected[name].decoded) {
                assert_eq!(opened.encode(text), *ids, "{name}: {text:?}");
                assert_eq!(opened.decode(ids).unwrap(), *decoded, "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn scores_that_do_not_say_what_is_merged_are_refused() {
    let own = Tokenizer::from_json(&file("llama2.json")).unwrap();
    let SentencePiece { tokens, scores, .. } = own.sentence_piece().unwrap();
    let types: Vec<i32> = tokens.iter().map(|(_, class)| if *class == TokenClass::Byte { 6 } else { 1 }).collect();
    let given = || GgufTokenizer {
        model: "llama".into(),
        tokens: tokens.iter().map(|(text, _)| &text[..]).collect(),
        types: types.clone(),
        scores: scores.clone(),
        ..GgufTokenizer::default()
    };
    let reason = |given: GgufTokenizer| match Tokenizer::from_gguf(given, tokens.len()) {
        Err(Error::TokenizerUnsupported { reason } | Error::TokenizerInvalid { reason }) => reason,
        other => panic!("{other:?}"),
    };
    for (changed, part) in [
        // As converters write them that have no scores.
        (GgufTokenizer { scores: vec![-1000.0; tokens.len()], ..given() }, "equal scores of"),
        (GgufTokenizer { scores: vec![f32::NAN; tokens.len()], ..given() }, "a score is not finite"),
        (GgufTokenizer { scores: vec![0.0; 3], ..given() }, "tokens have 3 scores"),
        (GgufTokenizer { types: Vec::new(), ..given() }, "tokens have 0 types"),
        (GgufTokenizer { begin: Some(1 << 30), ..given() }, "no token begins texts: 1073741824"),
        (
            GgufTokenizer { tokens: Vec::new(), types: Vec::new(), scores: Vec::new(), ..given() },
            "no token begins texts: 1",
        ),
        (GgufTokenizer { types: vec![5; tokens.len()], ..given() }, "no token begins texts: 1"),
        (
            GgufTokenizer { types: vec![5; tokens.len()], add_begin: Some(false), ..given() },
            "byte_fallback without a token <0x00>",
        ),
        (GgufTokenizer { tokens: vec!["a"; tokens.len()], ..given() }, "comes twice"),
        (GgufTokenizer { tokens: vec![""; tokens.len()], ..given() }, "token 0 is empty"),
        (GgufTokenizer { scores: vec![f32::INFINITY; tokens.len()], ..given() }, "a score is not finite"),
        (GgufTokenizer { types: vec![1; tokens.len() + 1], ..given() }, "types"),
    ] {
        let reason = reason(changed);
        assert!(reason.contains(part), "{reason}");
    }
    let long = "a".repeat(200);
    let mut given = given();
    given.tokens[300] = &long;
    assert_eq!(reason(given), "a token of 200 characters");
}

#[test]
fn merges_that_scores_cannot_say_do_not_leave() {
    let code = |name: &str, change: fn(&mut Value)| {
        let mut file: Value = serde_json::from_slice(&file(&format!("{name}.json"))).unwrap();
        change(&mut file);
        let tokenizer = Tokenizer::from_json(file.to_string().as_bytes()).unwrap();
        tokenizer.sentence_piece().map(drop).map_err(|error| match error {
            Error::TokenizerNotInLlamaCpp { feature } => feature,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(code("llama2", |_| {}), Ok(()));
    assert_eq!(code("llama2_metaspace", |_| {}), Err("pre-tokenizer Metaspace".into()));
    let removed = |file: &mut Value| drop(file["model"]["merges"].as_array_mut().unwrap().remove(5));
    assert_eq!(code("llama2", removed), Err("merges".into()));
}
