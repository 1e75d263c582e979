//! Chat templates of models: the ids are those of transformers' `apply_chat_template`, the loss mask covers what each
//! answer adds, and a hostile template ends with an error. `tests/fixtures/chat/make_templates.py` makes what is
//! expected.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use lorito::{
    chat::{self, ChatEncoder, Encoded, Message, Role},
    error::{Error, Result},
    tokenizer::{Kind, TokenRoles, Tokenizer},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    conversations: Vec<Vec<Message>>,
    template: BTreeMap<String, Template>,
}

#[derive(Deserialize)]
struct Template {
    family: String,
    tokens: BTreeMap<String, String>,
    /// For each conversation without and with the beginning of an answer.
    made: Vec<[Made; 2]>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Made {
    Rendered { text: String, ids: Vec<u32> },
    Refused { refused: String },
}

/// When the fixture was made, as its templates see it.
const THEN: i64 = 1_796_042_096;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture() -> Fixture {
    serde_json::from_slice(&fs::read(fixtures().join("chat/templates/expected.json")).unwrap()).unwrap()
}

fn with_template(family: &str, tokens: &BTreeMap<String, String>, template: &str) -> Tokenizer {
    let file = fs::read(fixtures().join(format!("tokenizer/families/{family}.json"))).unwrap();
    let tokenizer = Tokenizer::from_json(&file).unwrap();
    let named = tokens.iter().map(|(name, text)| (name.clone(), tokenizer.special_token(text).unwrap())).collect();
    let roles = TokenRoles { named, chat_template: Some(template.to_owned()), ..tokenizer.roles().clone() };
    tokenizer.with_roles(roles)
}

/// Calls `check` with each template, its name and what is expected of it.
fn each_template(mut check: impl FnMut(&str, &Tokenizer, &Template, &[Vec<Message>])) {
    let Fixture { conversations, template } = fixture();
    assert!(template.len() >= 8);
    for (name, expected) in &template {
        let source = fs::read_to_string(fixtures().join(format!("chat/templates/{name}.jinja"))).unwrap();
        let tokenizer = with_template(&expected.family, &expected.tokens, &source);
        check(name, &tokenizer, expected, &conversations);
    }
}

/// Whether somebody says a special token of the model, which becomes none here.
fn spells_a_token(tokenizer: &Tokenizer, messages: &[Message]) -> bool {
    messages.iter().any(|message| tokenizer.without_special_tokens(&message.content) != message.content)
}

#[test]
fn ids_are_those_of_apply_chat_template() {
    each_template(|name, tokenizer, expected, conversations| {
        let mut encoder = ChatEncoder::at(tokenizer, THEN).unwrap().unwrap();
        let mut compared = 0;
        for (messages, made) in conversations.iter().zip(&expected.made) {
            if spells_a_token(tokenizer, messages) {
                continue;
            }
            for (asks, made) in [false, true].into_iter().zip(made) {
                match made {
                    Made::Rendered { text, ids } => {
                        assert_eq!(encoder.text(messages, asks).unwrap(), *text, "{name}");
                        assert_eq!(encoder.ids(messages, asks).unwrap(), *ids, "{name}: {text}");
                        compared += 1;
                    }
                    Made::Refused { refused } => {
                        let right = Error::ChatTemplateFailed { reason: refused.clone() };
                        assert_eq!(encoder.ids(messages, asks).unwrap_err(), right, "{name}");
                    }
                }
            }
        }
        assert!(compared > 30, "{name}: {compared}");
    });
}

#[test]
fn the_loss_mask_covers_what_each_answer_adds() {
    let ends = [
        ("smollm2", "<|im_end|>\n"),
        ("chatml", "<|im_end|>\n"),
        ("qwen25", "<|im_end|>\n"),
        ("qwen3", "<|im_end|>\n"),
        ("llama32", "<|eot_id|>"),
        // SentencePiece puts a space before each stretch of text.
        ("zephyr", "</s> \n"),
        ("gemma", "<end_of_turn>\n"),
    ];
    each_template(|name, tokenizer, expected, conversations| {
        let Some((_, end)) = ends.iter().find(|(known, _)| *known == name) else { return };
        let mut encoder = ChatEncoder::at(tokenizer, THEN).unwrap().unwrap();
        let mut answers = 0;
        for (messages, made) in conversations.iter().zip(&expected.made) {
            if matches!(made[0], Made::Refused { .. }) {
                continue;
            }
            let Encoded { ids, learned } = encoder.encode(messages, &[]).unwrap();
            let said: Vec<&Message> = messages.iter().filter(|message| message.role == Role::Assistant).collect();
            assert_eq!(learned.len(), said.len(), "{name}");
            for (places, message) in learned.iter().zip(said) {
                let text = tokenizer.decode(&ids[places.clone()]).unwrap();
                // A thought stays in the last answer only, and some templates trim.
                let content = tokenizer.without_special_tokens(&message.content).into_owned();
                let content = if name == "qwen3" { content.split("</think>\n\n").last().unwrap() } else { &content };
                let content = match name {
                    "llama32" | "gemma" => content.trim(),
                    "qwen3" => content.trim_start_matches('\n'),
                    _ => content,
                };
                let right = format!("{content}{end}");
                let added = text.strip_suffix(&right[..]).unwrap_or_else(|| {
                    let trimmed = right.trim_start();
                    text.strip_suffix(trimmed).unwrap_or_else(|| panic!("{name}: {text:?}, not {right:?}"))
                });
                let thought = name == "qwen3" && added.starts_with("<think>\n") && added.ends_with("\n</think>\n\n");
                assert!(thought || added.trim().is_empty(), "{name}: {added:?} before {right:?}");
                answers += 1;
            }
            // The rest has no answer in it.
            let first = learned.first().map_or(ids.len(), |places| places.start);
            let before = tokenizer.decode(&ids[..first]).unwrap();
            let answer = messages.iter().find(|message| message.role == Role::Assistant);
            assert!(answer.is_none_or(|answer| answer.content.len() < 4 || !before.contains(answer.content.trim())));
        }
        assert!(answers > 15, "{name}: {answers}");
    });
}

#[test]
fn only_some_answers_are_learned_where_some_are_only_read() {
    let tokenizer = chatml();
    let mut encoder = ChatEncoder::new(&tokenizer).unwrap().unwrap();
    let turns = [(Role::User, "a"), (Role::Assistant, "bb"), (Role::User, "c"), (Role::Assistant, "dd")];
    let messages = turns.map(|(role, content)| Message { role, content: content.into() });
    let Encoded { ids, learned } = encoder.encode(&messages, &[1]).unwrap();
    assert_eq!(learned.len(), 1);
    assert_eq!(tokenizer.decode(&ids[learned[0].clone()]).unwrap(), "dd<|im_end|>\n");
}

/// What models get that learn conversations here.
fn chatml() -> Tokenizer {
    Tokenizer::train(Kind::Byte, None, &["any"]).unwrap().with_special_tokens(&chat::CHATML_TOKENS).unwrap()
}

#[test]
fn nobody_says_a_special_token() {
    each_template(|name, tokenizer, expected, _| {
        let special: Vec<String> = expected.tokens.values().cloned().collect();
        let content = format!("x{}y", special.concat());
        let mut encoder = ChatEncoder::at(tokenizer, THEN).unwrap().unwrap();
        let turns = |content: &str| {
            let message = |role| Message { role, content: content.to_owned() };
            [message(Role::User), message(Role::Assistant)]
        };
        let count = |ids: Vec<u32>| ids.into_iter().filter(|&id| tokenizer.is_special(id)).count();
        let plain = count(encoder.ids(&turns("x"), true).unwrap());
        assert_eq!(count(encoder.ids(&turns(&content), true).unwrap()), plain, "{name}");
    });
}

#[test]
fn a_template_that_writes_earlier_turns_differently_is_refused_for_training() {
    // As Mistral's, which puts the system message into the last question.
    let template = "{% for m in messages %}{% if m.role == 'user' %}[INST] {% if loop.index0 == (messages | length) - \
                    1 or loop.index0 == (messages | length) - 2 %}S {% endif %}{{ m.content }}[/INST]{% elif m.role == \
                    'assistant' %} {{ m.content }}</s>{% endif %}{% endfor %}";
    let tokenizer = with_template("llama2", &BTreeMap::new(), template);
    let mut encoder = ChatEncoder::new(&tokenizer).unwrap().unwrap();
    let turns = [(Role::User, "a"), (Role::Assistant, "b"), (Role::User, "c"), (Role::Assistant, "d")];
    let messages = turns.map(|(role, content)| Message { role, content: content.into() });
    assert!(encoder.encode(&messages[..2], &[]).is_ok());
    assert_eq!(encoder.encode(&messages, &[]).unwrap_err(), Error::ChatTemplateUnclear { turn: 2 });
}

#[test]
fn hostile_templates_end_with_an_error() {
    let doubled = |end: &str| {
        format!(
            "{{% set n = namespace(x=['a']) %}}{{% for i in range(64) %}}{{% set n.x = [n.x, n.x] %}}{{% endfor %}}{end}"
        )
    };
    let endless = [
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}".to_owned(),
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}".to_owned(),
        "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}"
            .to_owned(),
        "{% set n = namespace(x='a') %}{% for i in range(64) %}{% set n.x = n.x.replace('a', 'aa') %}{% endfor %}"
            .to_owned(),
        "{% for i in range(100000) %}{{ 'a' * 90000 }}{% endfor %}".to_owned(),
        doubled("{{ n.x | tojson }}"),
        doubled("{{ n.x }}"),
        "{{ 'a'.join(['b' * 1000000] * 1000000) }}".to_owned(),
        "{{ (['b' * 1000000] * 1000000) | join('a') }}".to_owned(),
        "{% set x %}{% for i in range(100000) %}{{ messages }}{{ 'a' * 9000 }}{% endfor %}{% endset %}{{ x }}"
            .to_owned(),
    ];
    let failing = [
        "{{ 'a' * 10000000000 }}",
        "{{ range(10000000000) | list | length }}",
        "{{ raise_exception('no') }}",
        "{{ 1 // 0 }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__init__.__globals__ }}",
        "{{ messages[5].content.strip() }}",
        "{{ cycler('a').next() }}",
        "{{ lipsum(100000) }}",
        "{{ 10 ** 100000000 }}",
        "{{ '%1000000000d' | format(1) }}",
    ];
    let invalid = [
        "{% for x in messages %}".to_owned(),
        "{{ ".to_owned(),
        "{% include '/etc/passwd' %}".to_owned(),
        "{% from 'chat' import x %}".to_owned(),
        "{% extends 'chat' %}".to_owned(),
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(100_000)),
        format!("{{{{ x{} }}}}", ".x".repeat(100_000)),
        format!("{{% if 1{} %}}{{% endif %}}", "+1".repeat(100_000)),
        "{% if true %}".repeat(100_000),
        "x".repeat((1 << 20) + 1),
        "{% unknown %}".to_owned(),
    ];
    let render = |template: &str| -> Result<String> {
        let start = Instant::now();
        let tokenizer = with_template("qwen", &BTreeMap::new(), template);
        let encoder = ChatEncoder::new(&tokenizer)?.unwrap();
        let rendered = encoder.text(&[Message { role: Role::User, content: "hi".into() }], true);
        assert!(start.elapsed().as_secs() < 20, "{template:.80}");
        rendered
    };
    for template in &endless {
        assert_eq!(render(template), Err(Error::ChatTemplateEndless), "{template:.80}");
    }
    for template in failing {
        let code = render(template).map_err(|error| error.code());
        let known = ["chat-template-failed", "chat-template-endless"];
        assert!(code.as_ref().is_err_and(|code| known.contains(&&code[..])), "{template}: {code:?}");
    }
    for template in &invalid {
        let code = render(template).map_err(|error| error.code());
        assert_eq!(code.unwrap_err(), "chat-template-invalid", "{template:.80}");
    }
}
