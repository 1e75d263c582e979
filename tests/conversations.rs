//! Conversations from their files to training data: the ids are those of transformers, and the loss mask covers the
//! answers. `tests/fixtures/chat` has the script that makes its files.

use std::{collections::HashMap, fs, path::PathBuf};

use crate::hugging_face::{files, open, unzip};
use futures_lite::future::block_on;
use lorito::{
    chat::{self, Message, Role},
    config::{ModelConfig, TrainConfig, Variant},
    corpus::Notice,
    device::{CPU_LIMITS, Engine},
    formats::{self, ModelFile, hugging_face},
    model::Layout,
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::{Kind, TokenRoles, Tokenizer, TurnTokens},
    train::{History, Progress, TextFacts},
};
use serde::Deserialize;

const KINDS: [(Kind, &str); 3] = [(Kind::Char, "char"), (Kind::Byte, "byte"), (Kind::Bpe, "bpe")];

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn conversations() -> Vec<Vec<Message>> {
    serde_json::from_slice(&fs::read(fixtures().join("chat/conversations.json")).unwrap()).unwrap()
}

/// A tokenizer trained on these conversations, as on the page.
fn tokenizer(kind: Kind) -> Tokenizer {
    let documents: Vec<String> = conversations().iter().map(|messages| chat::render(messages)).collect();
    let words: Vec<&str> = documents.iter().flat_map(|document| chat::words(document)).collect();
    Tokenizer::train(kind, Some(320), &words).unwrap().with_special_tokens(&chat::TOKENS).unwrap()
}

/// The Hugging Face folder of a model with this tokenizer.
fn folder(kind: Kind) -> HashMap<String, Vec<u8>> {
    let tokenizer = tokenizer(kind);
    let vocabulary = tokenizer.vocabulary();
    let config =
        ModelConfig { vocabulary, context: 512, layers: 1, heads: 1, width: 4, dropout: 0.0, variant: Variant::GPT2 };
    let file = ModelFile {
        name: "chat".into(),
        config,
        tokenizer: tokenizer.to_json(),
        roles: None,
        weights: vec![0.0; Layout::new(&config).len],
        frozen: None,
        facts: TextFacts::default(),
        history: History::default(),
        progress: Progress { config: TrainConfig::default(), start_step: 0, step: 0, updates: 0 },
        adapter: None,
        optimizer: None,
        best: None,
    };
    unzip(&hugging_face(&file, "2026-11-23").unwrap())
}

#[test]
#[ignore = "writes the fixture"]
fn write_the_fixture() {
    for (kind, name) in KINDS {
        let at = fixtures().join("chat").join(name);
        fs::create_dir_all(&at).unwrap();
        let files = folder(kind);
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            fs::write(at.join(file), &files[file]).unwrap();
        }
    }
}

#[test]
fn the_fixture_equals_what_the_current_code_writes() {
    for (kind, name) in KINDS {
        let files = folder(kind);
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            assert!(fs::read(fixtures().join("chat").join(name).join(file)).unwrap() == files[file], "{name}/{file}");
        }
    }
}

#[test]
fn ids_are_those_of_apply_chat_template() {
    #[derive(Deserialize)]
    struct Made {
        ids: Vec<u32>,
        asking: Vec<u32>,
    }

    let expected: HashMap<String, Vec<Made>> =
        serde_json::from_slice(&fs::read(fixtures().join("chat/expected.json")).unwrap()).unwrap();
    for (kind, name) in KINDS {
        let tokenizer = tokenizer(kind);
        assert_eq!(expected[name].len(), 20);
        for (messages, made) in conversations().iter().zip(&expected[name]) {
            let text = chat::render(messages);
            assert_eq!(tokenizer.encode(&text), made.ids, "{name}: {text}");
            assert_eq!(tokenizer.encode(&(text + Role::Assistant.token())), made.asking, "{name}");
        }
    }
}

#[test]
fn each_turn_token_has_one_id_and_no_text_encodes_to_it() {
    for (kind, name) in KINDS {
        let tokenizer = tokenizer(kind);
        let special: Vec<u32> = chat::TOKENS.iter().map(|token| tokenizer.special_token(token).unwrap()).collect();
        for messages in conversations() {
            let ids = tokenizer.encode(&chat::render(&messages));
            let among = ids.iter().filter(|id| special.contains(id)).count();
            assert_eq!(among, 2 * messages.len(), "{name}");
            assert!(!ids.contains(&tokenizer.end_of_text().unwrap()), "{name}");
        }
    }
}

#[test]
fn appending_to_a_conversation_never_changes_earlier_ids() {
    for (kind, name) in KINDS {
        let tokenizer = tokenizer(kind);
        for messages in conversations() {
            let whole = tokenizer.encode(&chat::render(&messages));
            for turns in 0..messages.len() {
                let part = tokenizer.encode(&chat::render(&messages[..turns]));
                assert!(whole.starts_with(&part), "{name}: {turns} turns of {messages:?}");
            }
        }
    }
}

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

fn add(session: &mut Session, name: &str, text: &str) {
    session.open_file(name, 0, None);
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
}

fn lines(messages: &[Vec<Message>]) -> String {
    let line = |messages: &Vec<Message>| serde_json::json!({ "messages": messages }).to_string() + "\n";
    messages.iter().map(line).collect()
}

#[test]
fn the_loss_mask_covers_exactly_the_answers_and_their_ends() {
    let mut session = session();
    add(&mut session, "chat.jsonl", &lines(&conversations()));
    for (kind, name) in KINDS {
        session.train_tokenizer(kind, Some(320)).unwrap();
        for messages in conversations() {
            // The expected mask, turn by turn: an answer, its end and the line end behind it count.
            let mut right = Vec::new();
            for Message { role, content } in &messages {
                let length = |text: &str| session.encode(text).unwrap().len();
                let line = ["system\n", "user\n", "assistant\n"][*role as usize];
                right.extend(vec![false; 1 + length(line)]);
                let words = length(&content.replace("<|", "< |"));
                right.extend(vec![*role == Role::Assistant; words + 1 + length("\n")]);
            }
            let text = chat::render(&messages);
            assert_eq!(session.loss_mask_of(&text).unwrap(), right, "{name}: {text}");
        }
    }
}

#[test]
fn an_answer_with_weight_zero_is_context_but_not_learned() {
    let mut session = session();
    let line = r#"{"messages": [{"role": "user", "content": "Name a tree."}, {"role": "assistant", "content": "A stone.", "weight": 0},
        {"role": "user", "content": "A tree, please."}, {"role": "assistant", "content": "An alder.", "weight": 1}]}"#;
    add(&mut session, "a.jsonl", &(line.replace('\n', "") + "\n").repeat(3));
    assert_eq!(session.text_summary().sources[0].turns, 12);
    for (kind, name) in KINDS {
        session.train_tokenizer(kind, Some(300)).unwrap();
        let preview = session.text_summary().preview;
        let document = preview.lines().next().unwrap();
        let (pieces, learned) = (session.preview_tokens(document).unwrap(), session.loss_mask_of(document).unwrap());
        let flags = pieces.iter().flat_map(|piece| piece.ids.iter().map(|_| piece.text.clone())).zip(learned);
        let said: String = flags.filter(|(_, learned)| *learned).map(|(text, _)| text).collect();
        assert_eq!(said, "An alder.<|im_end|>\n", "{name}");
        let text: String = pieces.into_iter().map(|piece| piece.text).collect();
        assert!(text.contains("<|im_start|>assistant\nA stone.<|im_end|>\n"), "{name}: {text}");
    }
}

#[test]
fn records_of_every_format_become_conversations() {
    let pair = r#"{"prompt": "How many?", "completion": "Three."}"#;
    for (name, text, count) in [
        ("a.jsonl", format!("{pair}\n\n{pair}\nbroken\n"), 2),
        ("a.json", format!("[{pair}, {pair}, {pair}]"), 3),
        ("b.json", format!(r#"{{"version": "a long name of a version", "data": [{pair}]}}"#), 1),
        (
            "c.json",
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#.into(),
            1,
        ),
    ] {
        let mut session = session();
        add(&mut session, name, &text);
        let summary = session.text_summary();
        assert_eq!((summary.documents, summary.sources[0].turns), (count, 2 * count as u64), "{name}");
        assert!(summary.preview.starts_with("<|user|>"), "{}", summary.preview);
        assert_eq!(summary.turns.map(|turns| turns.user), Some("<|user|>".into()), "{name}");
    }
    // If the user chooses a field, it is plain text.
    let mut session = session();
    session.open_file("a.jsonl", 0, Some("completion".into()));
    session.push_bytes(pair.as_bytes()).unwrap();
    let summary = session.close_file().unwrap();
    assert_eq!((summary.preview.as_str(), summary.sources[0].turns), ("Three.", 0));
    assert_eq!(summary.turns, None);
}

#[test]
fn notices_report_the_records_and_turns_that_were_left_out() {
    let mut session = session();
    let text = [
        r#"{"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
        r#"{"messages": [{"role": "user", "content": "alone"}]}"#,
        "not json",
    ];
    add(&mut session, "a.jsonl", &text.join("\n"));
    let name = || "a.jsonl".to_owned();
    let notices = session.text_summary().sources[0].notices.clone();
    assert_eq!(notices.len(), 3);
    assert!(notices.contains(&Notice::JsonLinesBroken { name: name(), count: 1, first_line: 4 }));
    assert!(notices.contains(&Notice::TurnsLeftOut { name: name(), count: 1 }));
    assert!(notices.contains(&Notice::RecordsWithoutAnswer { name: name(), count: 1 }));
}

/// Questions with digits, answered in words.
fn digits() -> Vec<Vec<Message>> {
    let message = |role, content: &str| Message { role, content: content.into() };
    let words = ["zero", "one", "two", "three", "four"];
    let asked = |number: usize| format!("{}{}", ["", "what is ", "and "][number % 3], number % 5);
    let pair = |number| vec![message(Role::User, &asked(number)), message(Role::Assistant, words[number % 5])];
    (0..200).map(pair).collect()
}

#[test]
fn a_model_learns_to_answer_and_its_checkpoint_keeps_the_loss_mask() {
    let mut session = session();
    add(&mut session, "digits.jsonl", &lines(&digits()));
    session.train_tokenizer(Kind::Char, None).unwrap();
    let config = ModelConfig {
        vocabulary: 0,
        context: 48,
        layers: 2,
        heads: 2,
        width: 32,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    session.create_model(config, 3).unwrap();
    let run =
        TrainConfig { steps: 250, batch_size: 16, warmup_steps: 5, learning_rate: 1e-2, ..TrainConfig::default() };
    session.begin_training(run).unwrap();
    (0..250).for_each(|_| session.step().unwrap());
    let losses = block_on(session.read_losses()).unwrap();
    assert!(losses[249].loss < 0.2, "{} to {}", losses[0].loss, losses[249].loss);
    (0..session.status().unwrap().evaluation_batches).for_each(|index| session.evaluate_batch(index).unwrap());
    let evaluation = block_on(session.finish_evaluation()).unwrap();
    assert!(evaluation.validation_loss.unwrap() < 0.5 && evaluation.bits_per_byte.is_none(), "{evaluation:?}");
    // The run continues in another session with the same targets.
    let (checkpoint, tokens) = (block_on(session.checkpoint()).unwrap(), session.corpus_tokens().unwrap());
    let mut again = self::session();
    again.restore_run(&checkpoint, &tokens).unwrap();
    for session in [&mut session, &mut again] {
        session.begin_training(TrainConfig { steps: 3, batch_size: 4, ..TrainConfig::default() }).unwrap();
        (0..3).for_each(|_| session.step().unwrap());
    }
    assert_eq!(block_on(session.read_losses()).unwrap(), block_on(again.read_losses()).unwrap());
}

#[test]
fn a_model_with_its_own_turn_tokens_learns_and_answers_with_them() {
    let [system, user, assistant, end] = ["[SYS]", "[Q]", "[A]", "</turn>"].map(str::to_owned);
    let turns = TurnTokens { system, user, assistant, end };
    let plain = Tokenizer::train(Kind::Byte, None, &["any"]).unwrap();
    let tokenizer = plain.with_special_tokens(&turns.contents()).unwrap();
    let roles = TokenRoles { turns: Some(turns.clone()), ..tokenizer.roles().clone() };
    assert!(tokenizer.turns().is_none());
    let config = ModelConfig {
        vocabulary: tokenizer.vocabulary(),
        context: 32,
        layers: 1,
        heads: 2,
        width: 16,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    let file = ModelFile {
        name: "talk".into(),
        config,
        tokenizer: tokenizer.to_json(),
        roles: Some(roles),
        weights: Layout::new(&config).initial(3),
        frozen: None,
        facts: TextFacts::default(),
        history: History::default(),
        progress: Progress { config: TrainConfig::default(), start_step: 0, step: 0, updates: 0 },
        adapter: None,
        optimizer: None,
        best: None,
    };
    let mut session = session();
    add(&mut session, "digits.jsonl", &lines(&digits()));
    assert!(session.import_model(&formats::write(&file).unwrap()).unwrap().chat);
    assert!(!block_on(session.add_turn_tokens()).unwrap(), "it has its own");
    let config_of_folder = |session: &Session| -> (HashMap<String, Vec<u8>>, serde_json::Value) {
        let folder = unzip(&block_on(session.export_hugging_face("talk", "2026-11-29")).unwrap());
        let config = serde_json::from_slice(&folder["tokenizer_config.json"]).unwrap();
        (folder, config)
    };
    // The same from its exported folder.
    for again in [false, true] {
        if again {
            let (folder, config) = config_of_folder(&session);
            assert_eq!(config["additional_special_tokens"], serde_json::json!(turns.contents()));
            assert!(config["chat_template"].as_str().unwrap().contains("\"[Q]\""));
            assert!(open(&mut session, &folder).unwrap().chat);
        }
        let document = "<|user|>is it [A]<|end|><|assistant|>one<|end|>";
        let pieces: Vec<String> = session.preview_tokens(document).unwrap().into_iter().map(|it| it.text).collect();
        assert_eq!(pieces.concat(), "[Q]is it [ A]</turn>[A]one</turn>");
        let learned = session.loss_mask_of(document).unwrap();
        assert_eq!(learned.iter().filter(|learned| **learned).count(), "one".len() + 1);
        assert!(learned[learned.len() - 4..].iter().all(|learned| *learned));
        let run = TrainConfig { steps: 2, batch_size: 2, ..TrainConfig::default() };
        session.begin_training(run).unwrap();
        (0..2).for_each(|_| session.step().unwrap());
        let question = [Message { role: Role::User, content: "what is 1".into() }];
        session.begin_chat(&question, GenerateOptions { max_tokens: 2, ..GenerateOptions::default() }).unwrap();
    }
    let tokenizer = file.tokenizer().unwrap();
    let question = [Message { role: Role::User, content: "a <|user|> [Q]".into() }];
    let prompt = chat::prompt(&question, &tokenizer).unwrap();
    let ids = [prompt.question.begin, prompt.question.words, prompt.question.end, prompt.answer].concat();
    assert_eq!(ids, tokenizer.encode("[Q]a < |user|> [ Q]</turn>[A]"));
    assert_eq!(chat::ends(&tokenizer).unwrap().len(), 5);
    // Tokens that it lacks, or that text can spell, are no turn tokens.
    for wrong in ["[B]", "[A]", "[Q]"] {
        let turns = Some(TurnTokens { user: wrong.into(), system: "[Q]".into(), ..turns.clone() });
        let roles = TokenRoles { turns, ..tokenizer.roles().clone() };
        assert!(
            Tokenizer::from_json(file.tokenizer.as_bytes()).unwrap().with_roles(roles).turns().is_none(),
            "{wrong}"
        );
    }
}

#[test]
fn a_model_can_be_opened_after_the_conversations_were_added() {
    let mut session = session();
    add(&mut session, "digits.jsonl", &lines(&digits()));
    open(&mut session, &files("plain")).unwrap();
    // The page asks for this at once: the tokenizer has no turn tokens yet.
    let tokens = session.tokenizer_summary().unwrap().unwrap().train_tokens;
    let run = TrainConfig { steps: 2, batch_size: 2, window_length: 16, ..TrainConfig::default() };
    let config = session.model_summary().unwrap().config;
    session.plan(&config, &run).unwrap();
    assert!(session.loss_mask_of("<|user|>a").unwrap().iter().all(|learned| *learned));
    assert!(block_on(session.add_turn_tokens()).unwrap());
    assert!(session.tokenizer_summary().unwrap().unwrap().train_tokens < tokens);
    session.begin_training(run).unwrap();
    session.step().unwrap();
    assert!(block_on(session.read_losses()).unwrap()[0].loss.is_finite());
}

#[test]
fn a_pretrained_model_gets_turn_tokens() {
    let mut session = session();
    open(&mut session, &files("sharded")).unwrap();
    let ids = session.encode("El gato").unwrap();
    let before = block_on(session.logits(&ids)).unwrap();
    assert!(!block_on(session.add_turn_tokens()).unwrap(), "there are no conversations yet");
    add(&mut session, "digits.jsonl", &lines(&digits()));
    let run = TrainConfig { steps: 3, batch_size: 2, ..TrainConfig::default() };
    assert_eq!(session.begin_training(run.clone()).unwrap_err().code(), "tokenizer-without-turns");
    assert!(block_on(session.add_turn_tokens()).unwrap());
    assert!(!block_on(session.add_turn_tokens()).unwrap(), "once is enough");
    // The model generates the same as before, and has a row for each new token; spare rows are used first.
    assert_eq!(session.encode("El gato").unwrap(), ids);
    let after = block_on(session.logits(&ids)).unwrap();
    assert_eq!(after.len(), before.len());
    let kept = 280;
    assert_eq!(after[..kept], before[..kept]);
    session.begin_training(run).unwrap();
    session.step().unwrap();
    assert!(block_on(session.read_losses()).unwrap()[0].loss.is_finite());
}
