//! Invalid and malicious tokenizer.json files: each ends in an error with a reason, and never in a panic.

use lorito::tokenizer::{Kind, Tokenizer};
use serde_json::{Value, json};

fn good(kind: Kind) -> Value {
    let tokenizer = Tokenizer::train(kind, Some(300), &["el loro y el loro"]).unwrap();
    serde_json::from_str(&tokenizer.to_json()).unwrap()
}

#[track_caller]
fn reason(json: &[u8]) -> String {
    reason_of("tokenizer-invalid", json)
}

#[track_caller]
fn reason_of(code: &str, json: &[u8]) -> String {
    let error = Tokenizer::from_json(json).expect_err(&String::from_utf8_lossy(json));
    assert_eq!(error.code(), code, "{error}");
    error.to_string()
}

/// The reason why a valid file is refused after a change.
#[track_caller]
fn refused(kind: Kind, change: impl Fn(&mut Value), expected: &str) {
    refused_as("tokenizer-invalid", kind, change, expected);
}

/// The reason why a file is refused.
#[track_caller]
fn unsupported(kind: Kind, change: impl Fn(&mut Value), expected: &str) {
    refused_as("tokenizer-unsupported", kind, change, expected);
}

#[track_caller]
fn refused_as(code: &str, kind: Kind, change: impl Fn(&mut Value), expected: &str) {
    let mut file = good(kind);
    change(&mut file);
    let reason = reason_of(code, file.to_string().as_bytes());
    assert!(reason.contains(expected), "{reason}");
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    for bytes in [&b""[..], b"{", b"null", b"[]", b"{}", b"\xff\xfe", b"\x00\x61\x73\x6d", b"{\"version\":\"1.0\"}"] {
        reason(bytes);
    }
    reason("[".repeat(100_000).as_bytes());
    reason(format!(r#"{{"normalizer":{}"#, r#"{"a":"#.repeat(100_000)).as_bytes());
    reason(&vec![b' '; (32 << 20) + 1]);
}

#[test]
fn files_cut_off_anywhere_are_refused() {
    let json = good(Kind::Bpe).to_string();
    for end in (0..json.len()).step_by(7) {
        reason(&json.as_bytes()[..end]);
    }
}

#[test]
fn vocabularies_with_impossible_ids_are_refused() {
    let vocabulary = |id: Value| move |file: &mut Value| file["model"]["vocab"]["!"] = id.clone();
    refused(Kind::Bpe, vocabulary(json!(4_294_967_295u32)), "too large");
    refused(Kind::Bpe, vocabulary(json!(262_144)), "too large");
    refused(Kind::Bpe, vocabulary(json!(1)), "have the id 1");
    refused(Kind::Bpe, vocabulary(json!(-1)), "invalid value");
    refused(Kind::Bpe, vocabulary(json!(1e300)), "invalid type");
    refused(Kind::Bpe, vocabulary(json!("0")), "invalid type");
    refused(Kind::Bpe, |file| file["model"]["vocab"] = json!([]), "a map from tokens to ids");
    refused(Kind::Bpe, |file| file["model"]["vocab"] = json!({}), ", not 0");
    let twice = good(Kind::Char).to_string().replacen(r#""e":1"#, r#"" ":1"#, 1);
    assert!(reason(twice.as_bytes()).contains("twice"));
    let many: Vec<_> = (0..262_145).map(|id| format!(r#""{id}":{id}"#)).collect();
    let many = format!(r#"{{"version":"1.0","model":{{"vocab":{{{}}},"merges":[]}}}}"#, many.join(","));
    assert!(reason(many.as_bytes()).contains("too large"));
}

#[test]
fn tokens_that_are_no_bytes_or_characters_are_refused() {
    let rename = |from: &'static str, to: &'static str| {
        move |file: &mut Value| {
            let id = file["model"]["vocab"].as_object_mut().unwrap().remove(from).unwrap();
            file["model"]["vocab"][to] = id;
        }
    };
    unsupported(Kind::Byte, rename("Ġ", " "), "byte 0x20 has no token");
    refused(Kind::Bpe, rename("!", ""), "empty");
    unsupported(Kind::Char, rename("l", "ll"), "no character");
    let add = |file: &mut Value| {
        file["model"]["vocab"]["日本"] = json!(257);
    };
    unsupported(Kind::Byte, add, "not spelled in bytes");
}

#[test]
fn invalid_merges_are_refused() {
    let merges = |merges: Value| move |file: &mut Value| file["model"]["merges"] = merges.clone();
    refused(Kind::Bpe, merges(json!([["l", "zz"]])), "no token \"zz\"");
    refused(Kind::Bpe, merges(json!([["z", "z"]])), "no token \"zz\"");
    refused(Kind::Bpe, merges(json!(["a b c"])), "no pair");
    refused(Kind::Bpe, merges(json!(["ab"])), "no pair");
    refused(Kind::Bpe, merges(json!([["l"]])), "did not match");
    refused(Kind::Bpe, merges(json!([[1, 2]])), "did not match");
    refused(Kind::Bpe, merges(json!(7)), "invalid type");
    unsupported(Kind::Byte, merges(json!([["e", "l"]])), "merges without");
    unsupported(Kind::Char, merges(json!([["e", "l"]])), "merges of characters");
}

#[test]
fn added_tokens_that_are_empty_or_have_conflicting_ids_are_refused() {
    let added =
        |field: &'static str, value: Value| move |file: &mut Value| file["added_tokens"][0][field] = value.clone();
    refused(Kind::Bpe, added("content", json!("")), "empty");
    refused(Kind::Bpe, added("content", json!("<eos>")), "has id");
    refused(Kind::Bpe, added("id", json!(3)), "has id 3, not");
    refused(Kind::Bpe, added("id", json!(4_294_967_295u32)), "has id 4294967295, not");
    refused(Kind::Bpe, added("special", json!(null)), "invalid type");
    let again = |file: &mut Value| {
        let token = file["added_tokens"][0].clone();
        file["added_tokens"].as_array_mut().unwrap().push(token);
    };
    refused(Kind::Bpe, again, "comes twice");
}

#[test]
fn tokenizers_with_unsupported_features_are_refused() {
    let set = |pointer: &'static str, value: Value| {
        move |file: &mut Value| *file.pointer_mut(pointer).expect(pointer) = value.clone()
    };
    unsupported(Kind::Bpe, set("/version", json!("2.0")), "version");
    unsupported(Kind::Bpe, set("/model/type", json!("Unigram")), "of the kind Unigram");
    let word_piece = json!({"unk_token": "[UNK]", "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0}});
    unsupported(Kind::Bpe, set("/model", word_piece), "of the kind WordPiece");
    unsupported(Kind::Bpe, set("/model", json!({"unk_id": 0, "vocab": [["a", -1.5]]})), "of the kind Unigram");
    unsupported(Kind::Bpe, set("/model", json!({"type": "WordLevel", "vocab": 3})), "of the kind WordLevel");
    unsupported(Kind::Bpe, set("/model/dropout", json!(0.1)), "dropout");
    unsupported(Kind::Bpe, set("/model/end_of_word_suffix", json!("</w>")), "end_of_word_suffix");
    unsupported(Kind::Char, set("/model/unk_token", json!("e")), "unknown characters");
    unsupported(Kind::Char, set("/model/byte_fallback", json!(true)), "decoder Fuse");
    unsupported(Kind::Bpe, set("/normalizer", json!({"type": "Lowercase"})), "normalizer Lowercase");
    let several = json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "StripAccents"}]});
    unsupported(Kind::Bpe, set("/normalizer", several), "normalizer StripAccents");
    unsupported(Kind::Bpe, set("/pre_tokenizer", json!({"type": "Whitespace"})), "pre-tokenizer Whitespace");
    refused(Kind::Bpe, set("/pre_tokenizer", json!({"pattern": 1})), "missing field `type`");
    refused(Kind::Bpe, set("/pre_tokenizer", json!({"type": "ByteLevel"})), "add_prefix_space");
    let split = json!({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Isolated", "invert": false});
    let cut = |steps: Value| set("/pre_tokenizer", json!({"type": "Sequence", "pretokenizers": steps}));
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": false});
    unsupported(Kind::Bpe, cut(json!([split, byte_level])), "pre-tokenizer Split");
    unsupported(Kind::Bpe, cut(json!([byte_level, {"type": "Digits"}])), "pre-tokenizer Digits");
    unsupported(Kind::Bpe, set("/pre_tokenizer/use_regex", json!(false)), "merges without");
    unsupported(Kind::Bpe, set("/decoder", json!(null)), "decoder");
    unsupported(Kind::Char, set("/decoder", json!({"type": "WordPiece"})), "decoder");
}

/// After random changes, opening and using the file terminates, and two readings of a valid result agree.
#[test]
fn files_with_random_changes_never_cause_a_panic() {
    let mut state = 7u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % end as u64) as usize
    };
    let text = "el loro <|endoftext|> y el ñandú 🦜";
    let mut opened = 0;
    for kind in [Kind::Char, Kind::Byte, Kind::Bpe] {
        let json = good(kind).to_string().into_bytes();
        for _ in 0..2000 {
            let mut changed = json.clone();
            for _ in 0..=below(3) {
                let at = below(changed.len());
                match below(3) {
                    0 => changed[at] = b"\"{}[],:0129eElo \\u\xc4\xa0"[below(20)],
                    1 => drop(changed.remove(at)),
                    _ => changed.insert(at, json[below(json.len())]),
                }
            }
            if let Ok(tokenizer) = Tokenizer::from_json(&changed) {
                opened += 1;
                let ids = tokenizer.encode(text);
                tokenizer.decode(&ids).unwrap();
                tokenizer.pieces(text);
                let again = Tokenizer::from_json(tokenizer.to_json().as_bytes()).unwrap();
                assert_eq!(again.encode(text), ids);
            }
        }
    }
    assert!(opened > 0);
}
