//! A chat exported from WhatsApp, from its bytes to training data.

use futures_lite::future::block_on;
use lorito::{
    chat::{CHATML_TOKENS, whatsapp::ChatOptions},
    config::{ModelConfig, TrainConfig, Variant},
    corpus::{FileReader, Notice, ReadOptions, Source},
    device::{CPU_LIMITS, Engine},
    error::Result,
    ops::Device,
    session::Session,
    tokenizer::Kind,
};

/// A chat of two people on many days, where the second answers the first, in the format of `line`.
fn export(days: usize, line: impl Fn(usize, usize, &str, &str) -> String) -> String {
    let things = ["pan", "sal", "té", "miel", "queso"];
    let day = |day: usize| {
        let thing = things[day % 5];
        let asked = line(day, 0, "Ana", &format!("¿qué llevo el día {day}? 🥖 https://pan.example/{day}"));
        asked + &line(day, 1, "Leo", thing) + &line(day, 2, "Ana", "<Multimedia omitido>")
    };
    (0..days).map(day).collect()
}

fn android(day: usize, minute: usize, name: &str, words: &str) -> String {
    format!("{}/{}/2024, 21:{minute:02} - {name}: {words}\n", 1 + day % 28, 1 + day / 28)
}

fn iphone(day: usize, minute: usize, name: &str, words: &str) -> String {
    format!("[{}/{}/24, 9:{minute:02}:07\u{202F}p.\u{A0}m.] {name}: {words}\r\n", 1 + day % 28, 1 + day / 28)
}

fn read(name: &str, bytes: &[u8], chunk: usize, chat: ChatOptions) -> Result<Source> {
    let mut reader = FileReader::new(name, ReadOptions { chat, ..ReadOptions::default() });
    for chunk in bytes.chunks(chunk) {
        reader.push(chunk)?;
    }
    reader.finish()
}

fn leo() -> ChatOptions {
    serde_json::from_str(r#"{"you": "Leo"}"#).unwrap()
}

fn session(text: &str) -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.open_file_with("chat.txt", ReadOptions { chat: leo(), ..ReadOptions::default() });
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
    session
}

#[test]
fn each_day_is_a_conversation_on_every_phone() {
    for text in [export(60, android), export(60, iphone)] {
        let whole = read("chat.txt", text.as_bytes(), text.len(), leo()).unwrap();
        let documents: Vec<&str> = whole.documents().collect();
        assert_eq!((documents.len(), whole.turns), (60, 120));
        assert_eq!(documents[7], "<|user|>¿qué llevo el día 7? 🥖 …<|end|><|assistant|>té<|end|>");
        let report = whole.chat.as_ref().unwrap();
        assert_eq!((report.lines, report.removed, report.found.links, report.found.media), (180, 60, 60, 60));
        for chunk in [1, 7, 4096] {
            assert_eq!(read("chat.txt", text.as_bytes(), chunk, leo()).unwrap(), whole, "chunks of {chunk}");
        }
        assert_eq!(read("_chat", text.as_bytes(), 4096, leo()).unwrap().turns, 120);
    }
}

#[test]
fn a_chat_can_be_read_as_plain_text() {
    let text = export(3, android);
    let plain = ChatOptions { plain: true, ..leo() };
    let source = read("chat.txt", text.as_bytes(), 64, plain).unwrap();
    assert_eq!((source.documents().collect::<Vec<_>>(), source.turns), (vec![&*text], 0));
    assert!(source.chat.unwrap().plain);
    // Neither a table nor a diary is mistaken for a chat.
    for (name, text) in [("a.csv", "1/2/24, 9:05 - Ana: a\n1,2\n"), ("a.txt", "Hoy\n1/2/24, 9:05 - Ana: a\n")] {
        assert!(read(name, text.as_bytes(), 64, leo()).unwrap().chat.is_none());
    }
}

#[test]
fn copied_lines_begin_no_message_if_messages_end_in_crlf() {
    let text = "[3/2/26, 9:00:00] Nela: look:\n[2/2/26, 21:10:00] Hugo: not tomorrow\n[2/2/26, 21:11:00] Hugo: sorry\r\n\
        [3/2/26, 9:01:00] Óscar: well\r\n[3/2/26, 9:02:00] Nela: you see\r\n[3/2/26, 9:03:00] Óscar: again\r\n";
    let people = |text: &str, chunk: usize| {
        let source = read("chat.txt", text.as_bytes(), chunk, ChatOptions::default()).unwrap();
        let people = source.chat.as_ref().unwrap().people.iter().map(|it| (it.name.clone(), it.messages));
        (people.collect::<Vec<_>>(), source.documents.len())
    };
    let person = |name: &str, messages| (name.to_owned(), messages);
    for chunk in [1, 2, 3, 4096] {
        assert_eq!(people(text, chunk), (vec![person("Nela", 2), person("Óscar", 2)], 1), "chunks of {chunk}");
    }
    // If all line ends are the same, this cannot be detected; but a message from an earlier time begins no
    // conversation.
    let alike = people(&text.replace("\r\n", "\n"), 4096);
    assert_eq!(alike, (vec![person("Nela", 2), person("Hugo", 2), person("Óscar", 2)], 1));
    // A copied CRLF within an Android message does not end it, nor do joined files with different line ends.
    let pasted = "1/2/24, 9:05 - Ana: a\r\nb\n1/2/24, 9:06 - Leo: c\r\nd\n1/2/24, 9:07 - Ana: e\n";
    assert_eq!(people(pasted, 4096), (vec![person("Ana", 2), person("Leo", 1)], 1));
    let joined = export(60, android)
        + &export(3, |day, minute, name, words| android(day, minute, name, words).replace('\n', "\r\n"));
    assert_eq!(people(&joined, 4096).0, [person("Ana", 63), person("Leo", 63)]);
}

#[test]
fn a_notice_reports_text_that_resembles_a_chat_but_is_read_as_plain_text() {
    let notices = |name: &str, text: &str| read(name, text.as_bytes(), 64, ChatOptions::default()).unwrap().notices;
    let lines = "26 Sep 2025 22:02 Ana: hola\n26 Sep 2025 22:03 Leo: hola\n27 Sep 2025 9:02 Ana: ya\n";
    assert_eq!(notices("a.txt", lines), [Notice::ChatReadAsPlain { name: "a.txt".into(), count: 3 }]);
    assert_eq!(notices("a.txt", "Hoy: llueve\n26 Sep 2025 22:02 Ana: hola\n"), []);
    // There is no notice for a chat, or for one that the user wants as plain text.
    let chat = export(3, android);
    assert_eq!(notices("a.txt", &chat), []);
    let plain = ChatOptions { plain: true, ..leo() };
    assert_eq!(read("a.txt", chat.as_bytes(), 64, plain).unwrap().notices, []);
}

#[test]
fn no_conversation_is_in_both_splits_and_only_your_messages_are_learned() {
    let mut session = session(&export(60, android));
    let summary = session.text_summary();
    assert_eq!((summary.documents, summary.train_documents + summary.validation_documents), (60, 60));
    assert!(summary.validation_documents > 0);
    for kind in [Kind::Char, Kind::Byte, Kind::Bpe] {
        session.train_tokenizer(kind, Some(300)).unwrap();
        let text = "<|user|>¿qué llevo el día 7? 🥖 …<|end|><|assistant|>té<|end|>";
        let learned = session.loss_mask_of(text).unwrap();
        let ids: Vec<u32> = session.preview_tokens(text).unwrap().into_iter().flat_map(|piece| piece.ids).collect();
        let answer = session.encode("té<|im_end|>\n").unwrap();
        assert!(ids.ends_with(&answer));
        assert_eq!(learned.iter().filter(|it| **it).count(), answer.len());
        assert!(learned[ids.len() - answer.len()..].iter().all(|it| *it));
    }
}

#[test]
fn another_choice_replaces_the_first_and_an_invalid_one_changes_nothing() {
    let mut session = session(&export(3, android));
    session.open_file("notes.txt", 0, None);
    session.push_bytes(b"Some notes").unwrap();
    session.close_file().unwrap();
    let mut choose = |you: &str| {
        let chat = ChatOptions { you: Some(you.to_owned()), ..ChatOptions::default() };
        session.open_file_with("chat.txt", ReadOptions { chat, ..ReadOptions::default() });
        session.push_bytes(export(3, android).as_bytes()).unwrap();
        let closed = session.close_file_at(0);
        (closed.map_err(|error| error.code()), session.text_summary())
    };
    let (changed, summary) = choose("Ana");
    assert_eq!(changed.unwrap(), summary);
    let names: Vec<&str> = summary.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["chat.txt", "notes.txt"]);
    assert_eq!(summary.sources[0].chat.as_ref().unwrap().you, "Ana");
    let (refused, same) = choose("Eva");
    assert_eq!((refused.unwrap_err().as_str(), same), ("chat-person-missing", summary));
}

#[test]
fn special_tokens_spelled_in_messages_are_not_encoded_as_such() {
    let text = "1/2/24, 9:05 - Ana: <|assistant|>x<|endoftext|>\n1/2/24, 9:06 - Leo: <|end|> no <|user|>\n";
    let mut session = session(text);
    session.train_tokenizer(Kind::Byte, None).unwrap();
    let preview = session.text_summary().preview;
    let ids = session.preview_tokens(&preview).unwrap().into_iter().flat_map(|piece| piece.ids);
    let [begin, end] = CHATML_TOKENS.map(|token| session.encode(token).unwrap()[0]);
    let found: Vec<u32> = ids.filter(|id| *id > 255).collect();
    assert_eq!(found, [begin, end, begin, end]);
}

#[test]
fn a_model_learns_to_answer_as_you_do() {
    let mut session = session(&export(200, android));
    session.train_tokenizer(Kind::Char, None).unwrap();
    let config = ModelConfig {
        vocabulary: 0,
        context: 96,
        layers: 1,
        heads: 2,
        width: 16,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    session.create_model(config, 3).unwrap();
    let run = TrainConfig { steps: 60, batch_size: 8, warmup_steps: 5, learning_rate: 1e-2, ..TrainConfig::default() };
    session.begin_training(run).unwrap();
    (0..60).for_each(|_| session.step().unwrap());
    let losses = block_on(session.read_losses()).unwrap();
    assert!(losses[59].loss < 0.7 * losses[0].loss, "{} to {}", losses[0].loss, losses[59].loss);
}
