//! Conversations with a model: it answers in turns, and turns that no longer fit are left out whole.

use futures_lite::future::block_on;
use lorito::{
    chat::{Message, Role, TOKENS},
    config::{ModelConfig, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    error::Error,
    formats::{self, ModelFile},
    generate::{LeftOut, Sampling},
    model::Gpt,
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::{Kind, Tokenizer},
    train::{History, Progress, TextFacts},
};

fn with_text(text: &str) -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.open_file("talk.txt", 0, None);
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
    session
}

fn config(vocabulary: usize) -> ModelConfig {
    ModelConfig { vocabulary, context: 64, layers: 1, heads: 2, width: 32, dropout: 0.0, variant: Variant::GPT2 }
}

fn train(session: &mut Session) {
    let run = TrainConfig { steps: 400, batch_size: 8, warmup_steps: 5, learning_rate: 1e-2, ..TrainConfig::default() };
    session.begin_training(run).unwrap();
    (0..400).for_each(|_| session.step().unwrap());
}

/// A model of conversations whose turns are marked by tokens.
fn with_tokens() -> Session {
    let text = "<|system|>be brief<|end|><|user|>ping<|end|><|assistant|>pong<|end|>\
                <|user|>tick<|end|><|assistant|>tock<|end|>\n";
    let mut session = with_text(&text.repeat(60));
    let tokenizer = Tokenizer::train(Kind::Char, None, &["abcdefghijklmnopqrstuvwxyz \n"]).unwrap();
    let tokenizer = tokenizer.with_special_tokens(&TOKENS).unwrap();
    let config = config(tokenizer.vocabulary());
    let file = ModelFile {
        name: "talk".into(),
        config,
        tokenizer: tokenizer.to_json(),
        roles: None,
        weights: block_on(Gpt::new(config, 3, &Device::cpu()).flat.read()).unwrap(),
        frozen: None,
        facts: TextFacts::default(),
        history: History::default(),
        progress: Progress { config: TrainConfig::default(), start_step: 0, step: 0, updates: 0 },
        adapter: None,
        optimizer: None,
        best: None,
    };
    assert!(session.import_model(&formats::write(&file).unwrap()).unwrap().chat);
    train(&mut session);
    session
}

fn messages(turns: &[(Role, &str)]) -> Vec<Message> {
    turns.iter().map(|&(role, content)| Message { role, content: content.into() }).collect()
}

fn options(max_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_tokens,
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        cache: true,
        ..GenerateOptions::default()
    }
}

/// The answer, its number of tokens, and what was left out when it began and when it ended.
fn ask(session: &mut Session, turns: &[(Role, &str)], max_tokens: usize) -> (String, usize, LeftOut, LeftOut) {
    let begun = session.begin_chat(&messages(turns), options(max_tokens)).unwrap();
    let (mut text, mut tokens) = (String::new(), 0);
    while let Some(piece) = block_on(session.next_token()).unwrap() {
        text += &piece;
        tokens += 1;
    }
    let ended = session.left_out();
    (text + &session.end_generation(), tokens, begun, ended)
}

#[test]
fn an_answer_ends_with_the_token_that_ends_its_turn() {
    let mut session = with_tokens();
    let system = (Role::System, "be brief");
    let (answer, tokens, left_out, _) = ask(&mut session, &[system, (Role::User, "ping")], 40);
    assert_eq!((answer.as_str(), tokens, left_out), ("pong", 4, LeftOut::default()));
    let more = [system, (Role::User, "ping"), (Role::Assistant, "pong"), (Role::User, "tick")];
    assert_eq!(ask(&mut session, &more, 40).0, "tock");
    // As a continuation instead of an answer, the same model generates past the end of a turn.
    session.begin_generation("<|user|>ping<|end|><|assistant|>", options(12)).unwrap();
    let mut text = String::new();
    while let Some(piece) = block_on(session.next_token()).unwrap() {
        text += &piece;
    }
    assert!(text.starts_with("pong<|end|>"), "{text:?}");
}

#[test]
fn turns_that_no_longer_fit_are_left_out_whole() {
    let mut session = with_tokens();
    let exchange = [(Role::User, "ping"), (Role::Assistant, "pong")];
    let talk = |exchanges: usize| {
        let mut turns = vec![(Role::System, "be brief")];
        turns.extend(exchange.repeat(exchanges));
        turns.push((Role::User, "tick"));
        turns
    };
    // 10 tokens of the system message, 12 of each exchange, 7 for the question and the beginning of the answer; 16 are
    // left.
    let (answer, _, left_out, _) = ask(&mut session, &talk(2), 40);
    assert_eq!((answer.as_str(), left_out.dropped), ("tock", 0));
    let (answer, _, left_out, _) = ask(&mut session, &talk(9), 40);
    assert_eq!(answer, "tock");
    assert_eq!(left_out, LeftOut { dropped: 14, ..LeftOut::default() });

    let long = "tick ".repeat(30);
    let (_, _, left_out, _) = ask(&mut session, &[(Role::System, "be brief"), exchange[0], (Role::User, &long)], 40);
    assert_eq!(left_out, LeftOut { dropped: 1, system_dropped: true, question_cut: true });
}

#[test]
fn an_answer_longer_than_the_context_continues_and_reports_what_was_left_out() {
    let mut session = with_text(&"abc ".repeat(400));
    session.train_tokenizer(Kind::Char, None).unwrap();
    session.create_model(config(0), 7).unwrap();
    let turns = [(Role::User, "abc"), (Role::Assistant, "abc"), (Role::User, "abc")];
    let (_, tokens, begun, ended) = ask(&mut session, &turns, 150);
    assert_eq!((tokens, begun), (150, LeftOut::default()));
    assert_eq!(ended, LeftOut { dropped: 2, system_dropped: false, question_cut: true });
    assert_eq!(session.left_out(), LeftOut::default(), "nothing is under way any more");
}

#[test]
fn a_conversation_consists_of_lines_if_the_tokenizer_has_no_turn_tokens() {
    let mut session = with_text(&"User: ping\nAssistant: pong\nUser: tick\nAssistant: tock\n".repeat(60));
    session.train_tokenizer(Kind::Char, None).unwrap();
    assert!(!session.create_model(config(0), 7).unwrap().chat);
    train(&mut session);
    let (answer, tokens, ..) = ask(&mut session, &[(Role::User, "ping")], 60);
    assert_eq!(answer, "pong");
    assert_eq!(tokens, " pong\nUser:".len(), "it writes no further than the next name");
    let more = [(Role::User, "ping"), (Role::Assistant, "pong"), (Role::User, " tick\n")];
    assert_eq!(ask(&mut session, &more, 60).0, "tock");
}

#[test]
fn impossible_chats_end_in_an_error_and_change_nothing() {
    let mut session = with_text("abc");
    let question = messages(&[(Role::User, "abc")]);
    assert_eq!(session.begin_chat(&question, options(3)), Err(Error::NoModel));
    session.train_tokenizer(Kind::Char, None).unwrap();
    session.create_model(config(0), 7).unwrap();
    assert_eq!(session.begin_chat(&messages(&[(Role::Assistant, "abc")]), options(3)), Err(Error::NoQuestion));
    let mut hot = options(3);
    hot.sampling.temperature = -1.0;
    assert_eq!(session.begin_chat(&question, hot).unwrap_err().code(), "setting-out-of-range");
    // An empty question, and one of which the model knows no character.
    assert_eq!(ask(&mut session, &[(Role::User, "")], 3).1, 3);
    assert_eq!(ask(&mut session, &[(Role::User, "ñ")], 3).1, 3);
}
