//! Large files, and files made to be expensive: the memory and time to read a file grow linearly with its size.

use std::time::Duration;

use cpu_time::ThreadTime;
use lorito::corpus::{FileReader, ReadOptions, Source};
use lorito::error::{Error, Result};

use crate::memory::peak;

fn read(name: &str, text: &str) -> Result<Source> {
    let options = ReadOptions { expected_bytes: text.len() as u64, ..ReadOptions::default() };
    let mut reader = FileReader::new(name, options);
    for chunk in text.as_bytes().chunks(4 << 20) {
        reader.push(chunk)?;
    }
    reader.finish()
}

/// A text of about this many bytes that repeats one piece.
fn filled(begin: &str, piece: &str, end: &str, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + piece.len() + end.len());
    text.push_str(begin);
    while text.len() < bytes {
        text.push_str(piece);
    }
    text.push_str(end);
    text
}

const SIZE: usize = 16 << 20;

/// Files with many parts that are not text, or with a single large text.
fn large() -> Vec<(&'static str, &'static str, String)> {
    let words = "some words of a story, and then some more of them, until it is long enough to be told. ";
    vec![
        ("numbers", "a.json", filled(r#"{"text": "hello there", "data": ["#, "0,", "0]}", SIZE)),
        ("one text", "a.json", filled(r#"{"text": ""#, words, r#""}"#, SIZE)),
        ("one text with escapes", "a.json", filled(r#"{"text": ""#, r"ma\u00f1ana\n", r#""}"#, SIZE)),
        (
            "records in an object",
            "a.json",
            filled(
                r#"{"version": "1.1", "data": ["#,
                &format!(r#"{{"id": 12345, "title": "a", "text": "{words}"}},"#),
                r#"{"text": "x"}]}"#,
                SIZE,
            ),
        ),
        (
            "conversations",
            "a.json",
            filled("[", &format!(r#"{{"prompt": "{words}", "completion": "{words}"}},"#), r#"{"prompt": "a"}]"#, SIZE),
        ),
        ("lines", "a.jsonl", filled("", &format!("{{\"id\": 1, \"text\": \"{words}\"}}\n"), "", SIZE)),
        ("a number of each kind", "a.jsonl", filled(r#"{"text": "a b", "n": ["#, "[1,{\"a\":2}],", "0]}", SIZE)),
        ("a table", "a.csv", filled("id,text\n", &format!("1,\"{words}\"\n"), "", SIZE)),
        ("nearly JSON", "a.json", filled("[", &format!(r#"{{"n": NaN, "text": "{words}"}},"#), "]", SIZE)),
    ]
}

#[test]
fn reading_a_file_takes_less_than_three_times_its_size_in_memory() {
    for (what, name, text) in large() {
        let (source, peak) = peak(|| read(name, &text));
        let source = source.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!source.documents.is_empty(), "{what}");
        assert!(peak < 3 * text.len(), "{what}: {peak} bytes for {}", text.len());
    }
}

/// Texts for which a naive reader would need quadratic time.
fn costly(size: usize) -> Vec<(&'static str, &'static str, String)> {
    let nested =
        |open: &str, close: &str, count: usize| format!("{}\"a b\"{}", open.repeat(count), close.repeat(count));
    let names = |count: usize| (0..count).map(|name| format!("\"n{name}\":\"a b\",")).collect::<String>();
    let keyed =
        |count: usize| (0..count).map(|key| format!("\"u{key}\":{{\"say\":\"a b\",\"n\":\"c\"}},")).collect::<String>();
    vec![
        ("lists in lists", "a.json", nested("[", "]", size / 2)),
        ("objects in objects", "a.json", nested("{\"a\":", "}", size / 6)),
        ("members", "a.json", format!("{{{}\"end\":0}}", names(size / 14))),
        ("members that are records", "a.json", format!("{{{}\"end\":{{}}}}", keyed(size / 32))),
        ("commas", "a.json", format!("[{}\"a b\"]", ",".repeat(size))),
        ("comments", "a.json", format!("{}[\"a b\"]", "/**/".repeat(size / 4))),
        ("open strings", "a.jsonl", "{\"a\": \"b\n".repeat(size / 8)),
        ("open lists", "a.json", "[".repeat(size)),
        ("values", "a.json", "{\"text\":\"a b\"}".repeat(size / 14)),
        (
            "turns",
            "a.json",
            format!("{{\"messages\":[{}{{}}]}}", "{\"role\":\"user\",\"content\":\"a\"},".repeat(size / 32)),
        ),
        (
            "a chain of messages",
            "a.json",
            format!(
                "{{\"mapping\":{{{}\"x\":{{}}}}}}",
                (0..size / 64)
                    .map(|id| format!("\"m{}\":{{\"parent\":\"m{id}\",\"children\":[1],\"message\":null}},", id + 1))
                    .collect::<String>()
            ),
        ),
        ("columns", "a.csv", format!("{}end\n{}a b\n", "a,".repeat(size / 4), "x,".repeat(size / 4))),
        ("columns of one name that has a number", "a.csv", format!("{}end\n1\n", "a,a.2,".repeat(size / 6))),
        ("open quotation marks", "a.csv", "a,b\n\"a,b\n".repeat(size / 10)),
    ]
}

#[test]
fn reading_time_grows_linearly_with_the_size_of_the_file() {
    let time = |name: &str, text: &str| {
        let once = || {
            let started = ThreadTime::now();
            let _ = read(name, text);
            started.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap_or_default()
    };
    const SIZE: usize = 200_000;
    for ((what, name, small), (.., large)) in costly(SIZE).into_iter().zip(costly(8 * SIZE)) {
        let (one, eight) = (time(name, &small), time(name, &large));
        // Quadratic time would be 64 times as long.
        assert!(eight < 30 * one + Duration::from_millis(50), "{what}: {one:?}, and {eight:?} for eight times as much");
    }
}

#[test]
fn a_table_of_a_million_columns_is_read_and_few_of_them_are_listed() {
    let names: Vec<String> = (0..1_000_000).map(|column| format!("c{column}")).collect();
    let text = format!("{}\n{}some words\n", names.join(","), "x,".repeat(999_999));
    let started = ThreadTime::now();
    let source = read("wide.csv", &text).unwrap();
    // It takes two seconds; comparing each column with all others would take hours.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(source.field.as_deref(), Some("c999999"));
    assert_eq!((source.fields.len(), source.more_fields), (256, 999_744));
    assert!(source.fields.contains(&"c999999".to_owned()));
    let options = ReadOptions { field: Some("nothing".into()), ..ReadOptions::default() };
    let mut reader = FileReader::new("wide.csv", options);
    reader.push(text.as_bytes()).unwrap();
    let Err(Error::FieldMissing { fields, .. }) = reader.finish() else { panic!() };
    assert_eq!(fields.len(), 256);
}
