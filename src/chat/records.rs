//! Conversations as data sets keep them: one JSON object each, in one of the forms that are in use.
//!
//! - `messages` or `conversation`, a list of `role` and `content` (OpenAI's form, Hugging Face's "conversational")
//! - `conversations`, a list of `from` and `value` (ShareGPT's)
//! - `prompt` and `completion` or `response`; `question` and `answer`
//! - `instruction`, perhaps `input`, and `output` (Alpaca's)

use serde_json::{Map, Value};

use super::{Message, Role};

/// What a record holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub messages: Vec<Message>,
    /// Turns without words, or of somebody who is neither person nor model (a tool, say).
    pub left_out: u64,
}

/// Names of what was asked, and of what was answered.
const PAIRS: [(&str, &str); 5] = [
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
];

/// The conversation in a record; `None` where it has no such form, or nothing that the model could learn to say.
pub fn conversation(json: &str) -> Option<Conversation> {
    if !json.trim_start().starts_with('{') {
        return None;
    }
    let record: Map<String, Value> = serde_json::from_str(json).ok()?;
    let mut conversation = Conversation::default();
    if let Some(system) = record.get("system").and_then(Value::as_str) {
        conversation.add(Some(Role::System), system);
    }
    let list = ["messages", "conversation", "conversations"].iter().find_map(|name| record.get(*name)?.as_array());
    if let Some(turns) = list {
        for turn in turns {
            let speaker = turn["role"].as_str().or(turn["from"].as_str());
            let words = text(&turn["content"]).or_else(|| text(&turn["value"]));
            conversation.add(speaker.and_then(role), &words.unwrap_or_default());
        }
    } else {
        let pair = PAIRS
            .iter()
            .find_map(|(asked, answered)| Some((record.get(*asked)?.as_str()?, record.get(*answered)?.as_str()?)));
        let (asked, answered) = pair?;
        let more = record.get("input").and_then(Value::as_str).filter(|input| !input.trim().is_empty());
        match more {
            Some(input) => conversation.add(Some(Role::User), &format!("{asked}\n\n{input}")),
            None => conversation.add(Some(Role::User), asked),
        }
        conversation.add(Some(Role::Assistant), answered);
    }
    let answers = conversation.messages.iter().any(|message| message.role == Role::Assistant);
    answers.then_some(conversation)
}

impl Conversation {
    fn add(&mut self, role: Option<Role>, words: &str) {
        let words = words.replace("\r\n", "\n");
        match role {
            Some(role) if !words.trim().is_empty() => self.messages.push(Message { role, content: words }),
            _ => self.left_out += 1,
        }
    }
}

fn role(name: &str) -> Option<Role> {
    match name.to_lowercase().as_str() {
        "system" | "developer" => Some(Role::System),
        "user" | "human" | "prompter" | "customer" => Some(Role::User),
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" | "ai" => Some(Role::Assistant),
        _ => None,
    }
}

/// A string, or the text among parts such as `{"type": "text", "text": "…"}`.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str().or(part.as_str())).collect();
            (!texts.is_empty()).then(|| texts.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Vec<(Role, String)> {
        let messages = conversation(json).map(|it| it.messages).unwrap_or_default();
        messages.into_iter().map(|message| (message.role, message.content)).collect()
    }

    #[test]
    fn every_form_is_read() {
        use Role::{Assistant, System, User};
        let pair = || vec![(User, "¿Qué tal?".to_owned()), (Assistant, "Bien.".to_owned())];
        for json in [
            r#"{"messages": [{"role": "user", "content": "¿Qué tal?"}, {"role": "assistant", "content": "Bien."}]}"#,
            r#"{"id": 3, "conversation": [{"role": "human", "content": "¿Qué tal?"}, {"role": "AI", "content": "Bien."}]}"#,
            r#"{"conversations": [{"from": "human", "value": "¿Qué tal?"}, {"from": "gpt", "value": "Bien."}]}"#,
            r#"{"prompt": "¿Qué tal?", "completion": "Bien."}"#,
            r#"{"prompt": "¿Qué tal?", "response": "Bien."}"#,
            r#"{"instruction": "¿Qué tal?", "input": " ", "output": "Bien."}"#,
            r#"{"question": "¿Qué tal?", "answer": "Bien."}"#,
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "¿Qué "}, {"type": "text", "text": "tal?"}]},
                {"role": "assistant", "content": "Bien."}]}"#,
        ] {
            assert_eq!(said(json), pair(), "{json}");
        }
        let more = said(r#"{"system": "Be brief.", "instruction": "Add.", "input": "1 1", "output": "2"}"#);
        assert_eq!(more, [(System, "Be brief.".into()), (User, "Add.\n\n1 1".into()), (Assistant, "2".into())]);
    }

    #[test]
    fn what_is_no_turn_is_counted() {
        let json = r#"{"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": " "}, {"role": "user"}, 7,
            {"role": "assistant", "content": "a\r\nb"}]}"#;
        let found = conversation(json).unwrap();
        assert_eq!(found.left_out, 4);
        assert_eq!(found.messages, [Message { role: Role::Assistant, content: "a\nb".into() }]);
    }

    #[test]
    fn what_is_no_conversation() {
        for json in [
            "",
            "[]",
            "7",
            "{",
            r#"{"text": "a"}"#,
            r#"{"messages": []}"#,
            r#"{"messages": "hello"}"#,
            r#"{"messages": [{"role": "user", "content": "alone"}]}"#,
            r#"{"prompt": "a"}"#,
            r#"{"prompt": 3, "completion": 4}"#,
        ] {
            assert_eq!(conversation(json), None, "{json}");
        }
    }
}
