//! Reads conversations in the record formats of data sets, one JSON object each:
//!
//! - `messages` or `conversation`, a list of `role` and `content` (OpenAI's form, Hugging Face's "conversational")
//! - `conversations`, a list of `from` and `value` (ShareGPT's); `dialog`, a list of strings, in turns
//! - `prompt` and `completion` or `response`; `question` and `answer`; `input` and `output`
//! - `instruction`, perhaps `input`, and `output` (Alpaca's)
//! - `chosen` of a preference pair, with its `prompt` or whole; `rejected` is not read
//! - exports of ChatGPT and Claude (`exports`)

use std::borrow::Cow;

use super::{Message, Role, exports};
use crate::json::{elements, members, read_string, text_of};

/// A conversation in a record.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The turns, in order.
    pub messages: Vec<Message>,
    /// Number of turns without text, or of other roles than user and assistant (a tool, say).
    pub left_out: u64,
    /// Indices of the answers that are not trained on (`weight` 0).
    pub only_read: Vec<usize>,
}

/// The form of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// No conversation.
    Other,
    /// An empty conversation: null, or an empty list.
    Empty,
    /// A conversation without an answer.
    Silent(Conversation),
    /// A conversation with an answer to train on.
    Spoken(Conversation),
}

/// Field names of lists of turns.
const TURNS: [&str; 8] =
    ["messages", "conversation", "conversations", "chat_messages", "dialog", "dialogue", "turns", "utterances"];
/// Field names of questions, and of answers.
const ASKED: [&str; 5] = ["prompt", "instruction", "question", "query", "input"];
const ANSWERED: [&str; 4] = ["completion", "response", "output", "answer"];
/// Field names of the better one of two answers.
const CHOSEN: [&str; 3] = ["chosen", "chosen_response", "response_chosen"];

/// The members of a record that these forms use.
#[derive(Debug, Default)]
struct Record<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Record<'a> {
    fn of(json: &'a str) -> Self {
        let mut known = Vec::new();
        for (name, value) in members(json) {
            if let Some(name) = known_name(&name) {
                known.retain(|(before, _)| *before != name);
                known.push((name, value));
            }
        }
        Self(known)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn first(&self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.get(name))
    }
}

/// The name in this module's spelling.
fn known_name(name: &str) -> Option<&'static str> {
    let others = ["system", "mapping", "current_node", "current_leaf_message_uuid"];
    let known = [&TURNS[..], &ASKED, &ANSWERED, &CHOSEN, &others];
    known.iter().copied().flatten().copied().find(|known| known.eq_ignore_ascii_case(name))
}

/// Whether the field of this name is text of a conversation.
pub fn is_known_name(name: &str) -> bool {
    known_name(name).is_some()
}

/// Reads the conversation in a record.
pub fn form(json: &str) -> Form {
    if !json.trim_start().starts_with('{') {
        return Form::Other;
    }
    let record = Record::of(json);
    let mut conversation = Conversation::default();
    if let Some(system) = record.get("system").and_then(read_string) {
        conversation.add(Some(Role::System), &system);
    }
    let list = record.first(&TURNS).filter(|list| list.starts_with('['));
    let form = if let Some(mapping) = record.get("mapping").filter(|it| it.starts_with('{')) {
        let current = record.get("current_node").and_then(read_string);
        exports::chatgpt(mapping, current.as_deref(), &mut conversation)
    } else if let Some(chat) = record.get("chat_messages").filter(|it| it.starts_with('[')) {
        let leaf = record.get("current_leaf_message_uuid").and_then(read_string);
        exports::claude(chat, leaf.as_deref(), &mut conversation)
    } else if let Some(list) = list {
        let known = conversation.add_list(list);
        if let Some(chosen) = record.first(&CHOSEN)
            && conversation.messages.last().is_none_or(|last| last.role != Role::Assistant)
        {
            conversation.add_answer(chosen);
        }
        known
    } else {
        None
    };
    let is_empty = |value: &str| value == "null" || value.starts_with(['[', '{']);
    let named = record.first(&TURNS).is_some_and(is_empty) || record.get("mapping").is_some_and(is_empty);
    match form {
        Some(true) => conversation.form(),
        Some(false) => Form::Other,
        None => match conversation.pair(&record) {
            Some(true) => conversation.form(),
            None if named => Form::Empty,
            Some(false) | None => Form::Other,
        },
    }
}

/// Finds question and answer columns of a table by their names.
pub fn pair_columns<'a>(names: impl Iterator<Item = &'a str>) -> Option<Columns> {
    let known: Vec<Option<&str>> = names.map(|name| known_name(name.trim())).collect();
    let find = |wanted: &[&str]| wanted.iter().find_map(|name| known.iter().position(|it| *it == Some(name)));
    let (asked, answered) = (find(&ASKED)?, find(&ANSWERED).or_else(|| find(&CHOSEN))?);
    let input = find(&["input"]).filter(|input| *input != asked);
    Some(Columns { system: find(&["system"]), asked, input, answered })
}

/// Column indices of the parts of a conversation of two turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    /// Column of the system message.
    pub system: Option<usize>,
    /// Column of the question or instruction.
    pub asked: usize,
    /// Column of the input to the instruction.
    pub input: Option<usize>,
    /// Column of the answer.
    pub answered: usize,
}

impl Columns {
    /// Reads the conversation in a row.
    pub fn form(&self, cell: impl Fn(usize) -> String) -> Form {
        let mut conversation = Conversation::default();
        let system = self.system.map(&cell).filter(|system| !system.trim().is_empty());
        if let Some(system) = system {
            conversation.add(Some(Role::System), &system);
        }
        let input = self.input.map(&cell);
        conversation.add_pair(&cell(self.asked), input.as_deref(), &cell(self.answered));
        conversation.form()
    }
}

impl Conversation {
    /// Adds a turn; one without a role or text is counted as left out.
    pub fn add(&mut self, role: Option<Role>, words: &str) {
        let words = words.replace("\r\n", "\n");
        match role {
            Some(role) if !words.trim().is_empty() => self.messages.push(Message { role, content: words }),
            _ => self.left_out += 1,
        }
    }

    fn form(self) -> Form {
        let answers = self.messages.iter().filter(|message| message.role == Role::Assistant).count();
        let spoken = answers > self.only_read.len();
        if spoken { Form::Spoken(self) } else { Form::Silent(self) }
    }

    /// Adds the turns of a list: true if they are a conversation's, false if they are something else, `None` if the
    /// list is empty.
    fn add_list(&mut self, list: &str) -> Option<bool> {
        let strings = elements(list).all(|element| element.starts_with('"'));
        if strings {
            let mut turns = elements(list).zip([Role::User, Role::Assistant].into_iter().cycle()).peekable();
            turns.peek()?;
            turns.for_each(|(words, role)| self.add(Some(role), &read_string(words).unwrap_or_default()));
            return Some(true);
        }
        let mut known = None;
        for element in elements(list) {
            let turn = Turn::of(element);
            *known.get_or_insert(false) |= turn.speaker.as_deref().is_some_and(|name| role(name).is_some());
            self.add_turn(turn);
        }
        known
    }

    /// Adds a turn, and whether it is trained on.
    pub fn add_turn(&mut self, turn: Turn<'_>) {
        let role = turn.speaker.as_deref().and_then(role);
        let place = self.messages.len();
        self.add(role, &turn.words.unwrap_or_default());
        if turn.weightless && role == Some(Role::Assistant) && self.messages.len() > place {
            self.only_read.push(place);
        }
    }

    /// Adds the chosen answer: a string, a turn, or a list of turns.
    fn add_answer(&mut self, chosen: &str) {
        match chosen.as_bytes().first() {
            Some(b'{') => self.add_turn(Turn::of(chosen)),
            Some(b'[') => elements(chosen).for_each(|turn| self.add_turn(Turn::of(turn))),
            _ => self.add(Some(Role::Assistant), &read_string(chosen).unwrap_or_default()),
        }
    }

    /// Adds a question and its answer: true if the record has both, false if these are something else.
    fn pair(&mut self, record: &Record<'_>) -> Option<bool> {
        let is_text = |value: &&str| value.starts_with(['"', '[', '{', 'n']);
        let asked = record.first(&ASKED);
        if let Some(chosen) = record.first(&CHOSEN).filter(|chosen| chosen.starts_with(['{', '['])) {
            let begins = elements(chosen).next().and_then(|turn| Turn::of(turn).speaker).and_then(|name| role(&name));
            match asked {
                // A whole conversation.
                _ if matches!(begins, Some(Role::User | Role::System)) => {}
                Some(list) if list.starts_with('[') => {
                    self.add_list(list);
                }
                Some(asked) => self.add(Some(Role::User), &read_string(asked).unwrap_or_default()),
                None => {}
            }
            self.add_answer(chosen);
            return Some(true);
        }
        let answered = record.first(&ANSWERED).or_else(|| record.first(&CHOSEN))?;
        let asked = asked?;
        if !(is_text(&asked) && is_text(&answered)) {
            return Some(false);
        }
        let (asked, answered) = (words(asked), words(answered));
        let input = record.get("input").filter(|_| record.first(&ASKED[..4]).is_some()).and_then(read_string);
        if asked.is_some() && answered.is_some() {
            self.add_pair(&asked.unwrap_or_default(), input.as_deref(), &answered.unwrap_or_default());
        }
        Some(true)
    }

    fn add_pair(&mut self, asked: &str, input: Option<&str>, answered: &str) {
        match input.filter(|input| !input.trim().is_empty()) {
            Some(input) => self.add(Some(Role::User), &format!("{asked}\n\n{input}")),
            None => self.add(Some(Role::User), asked),
        }
        self.add(Some(Role::Assistant), answered);
    }
}

/// The text of a question or answer. A list of strings is a set of alternative answers, none of which is marked as
/// correct.
fn words(value: &str) -> Option<Cow<'_, str>> {
    let bare = value.starts_with('[') && elements(value).all(|element| element.starts_with('"'));
    if bare { None } else { text_of(value) }
}

/// One turn, parsed from its members.
#[derive(Debug, Default)]
pub struct Turn<'a> {
    /// The speaker's name in the file.
    pub speaker: Option<Cow<'a, str>>,
    /// The text.
    pub words: Option<Cow<'a, str>>,
    /// Whether the turn is not trained on.
    pub weightless: bool,
}

impl<'a> Turn<'a> {
    /// Reads a turn from a JSON object.
    pub fn of(json: &'a str) -> Self {
        let mut turn = Self::default();
        // If there are several names for a member, the first in this order counts.
        let (mut speakers, mut words) = ([None; 4], [None; 3]);
        for (name, value) in members(json) {
            match name.as_ref() {
                "role" => speakers[0] = Some(value),
                "from" => speakers[1] = Some(value),
                "sender" => speakers[2] = Some(value),
                "author" => speakers[3] = Some(value),
                "content" => words[0] = Some(value),
                "value" => words[1] = Some(value),
                "text" => words[2] = Some(value),
                "weight" => turn.weightless = value.parse() == Ok(0.0),
                _ => {}
            }
        }
        let role = |value: &'a str| members(value).find(|(name, _)| name == "role").and_then(|(_, it)| read_string(it));
        turn.speaker = speakers.into_iter().flatten().find_map(|value| read_string(value).or_else(|| role(value)));
        turn.words =
            words.into_iter().flatten().find_map(|value| text_of(value).filter(|text| !text.trim().is_empty()));
        turn
    }
}

/// The role of a speaker's name in common data sets.
pub fn role(name: &str) -> Option<Role> {
    match name.to_lowercase().as_str() {
        "system" | "developer" => Some(Role::System),
        "user" | "human" | "prompter" | "customer" => Some(Role::User),
        "assistant" | "gpt" | "model" | "bot" | "chatgpt" | "ai" => Some(Role::Assistant),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(json: &str) -> Option<Conversation> {
        match form(json) {
            Form::Spoken(conversation) => Some(conversation),
            _ => None,
        }
    }

    fn said(json: &str) -> Vec<(Role, String)> {
        let messages = conversation(json).map(|it| it.messages).unwrap_or_default();
        messages.into_iter().map(|message| (message.role, message.content)).collect()
    }

    #[test]
    fn every_record_format_is_read() {
        use Role::{Assistant, System, User};
        let pair = || vec![(User, "¿Qué tal?".to_owned()), (Assistant, "Bien.".to_owned())];
        for json in [
            r#"{"messages": [{"role": "user", "content": "¿Qué tal?"}, {"role": "assistant", "content": "Bien."}]}"#,
            r#"{"id": 3, "conversation": [{"role": "human", "content": "¿Qué tal?"}, {"role": "AI", "content": "Bien."}]}"#,
            r#"{"conversations": [{"from": "human", "value": "¿Qué tal?"}, {"from": "gpt", "value": "Bien."}]}"#,
            r#"{"messages": [{"sender": "user", "text": "¿Qué tal?"}, {"sender": "bot", "text": "Bien."}]}"#,
            r#"{"messages": [{"author": {"role": "user"}, "content": "¿Qué tal?"}, {"author": {"role": "assistant"}, "content": "Bien."}]}"#,
            r#"{"dialog": ["¿Qué tal?", "Bien."], "act": [1, 2]}"#,
            r#"{"prompt": "¿Qué tal?", "completion": "Bien."}"#,
            r#"{"Prompt": "¿Qué tal?", "Response": "Bien."}"#,
            r#"{"instruction": "¿Qué tal?", "input": " ", "output": "Bien."}"#,
            r#"{"input": "¿Qué tal?", "output": "Bien."}"#,
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
    fn the_chosen_answer_of_a_preference_pair_is_read_in_any_form() {
        use Role::{Assistant, User};
        let right = vec![(User, "Deep?".to_owned()), (Assistant, "Twelve metres.".to_owned())];
        let worse = "I like turtles, and turtles like me, and so on. ".repeat(5);
        for json in [
            r#"{"prompt": "Deep?", "chosen": "Twelve metres.", "rejected": "WORSE"}"#,
            r#"{"rejected": "WORSE", "chosen": "Twelve metres.", "question": "Deep?"}"#,
            r#"{"chosen": [{"role": "user", "content": "Deep?"}, {"role": "assistant", "content": "Twelve metres."}],
                "rejected": [{"role": "user", "content": "Deep?"}, {"role": "assistant", "content": "WORSE"}]}"#,
            r#"{"prompt": "Deep?", "chosen": [{"role": "user", "content": "Deep?"}, {"role": "assistant", "content": "Twelve metres."}],
                "rejected": []}"#,
            r#"{"prompt": [{"role": "user", "content": "Deep?"}], "chosen": [{"role": "assistant", "content": "Twelve metres."}],
                "rejected": [{"role": "assistant", "content": "WORSE"}]}"#,
            r#"{"conversations": [{"from": "human", "value": "Deep?"}], "rejected": {"from": "gpt", "value": "WORSE"},
                "chosen": {"from": "gpt", "value": "Twelve metres."}}"#,
        ] {
            assert_eq!(said(&json.replace("WORSE", &worse)), right, "{json}");
        }
    }

    #[test]
    fn invalid_turns_are_counted_as_left_out() {
        let json = r#"{"messages": [{"role": "tool", "content": "x"}, {"role": "user", "content": " "}, {"role": "user"}, 7,
            {"role": "assistant", "content": "a\r\nb"}]}"#;
        let found = conversation(json).unwrap();
        assert_eq!(found.left_out, 4);
        assert_eq!(found.messages, [Message { role: Role::Assistant, content: "a\nb".into() }]);
    }

    #[test]
    fn answers_with_weight_0_are_not_trained_on() {
        let json = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
            {"role": "user", "content": "c", "weight": 0}, {"role": "assistant", "content": "d", "weight": 1}]}"#;
        let found = conversation(json).unwrap();
        assert_eq!((found.messages.len(), found.only_read.as_slice()), (4, &[1][..]));
        let json =
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}"#;
        assert!(matches!(form(json), Form::Silent(_)));
    }

    #[test]
    fn other_records_are_not_conversations() {
        for (json, right) in [
            ("", Form::Other),
            ("[]", Form::Other),
            ("7", Form::Other),
            ("{", Form::Other),
            (r#"{"text": "a"}"#, Form::Other),
            (r#"{"messages": []}"#, Form::Empty),
            (r#"{"messages": null}"#, Form::Empty),
            (r#"{"messages": "hello"}"#, Form::Other),
            (r#"{"messages": [{"role": "user", "content": "alone"}]}"#, Form::Silent(Conversation::default())),
            (r#"{"messages": [{"from": "Nela", "text": "hello there"}]}"#, Form::Other),
            (r#"{"prompt": "a"}"#, Form::Other),
            (r#"{"prompt": "a", "completion": null}"#, Form::Silent(Conversation::default())),
            (r#"{"prompt": "a", "completion": ["b", "c"]}"#, Form::Silent(Conversation::default())),
            (r#"{"prompt": 3, "completion": 4}"#, Form::Other),
        ] {
            let found = match form(json) {
                Form::Silent(_) => Form::Silent(Conversation::default()),
                found => found,
            };
            assert_eq!(found, right, "{json}");
        }
    }

    #[test]
    fn columns_of_a_table_are_found_as_questions_and_answers() {
        let columns = pair_columns(["id", " Prompt", "COMPLETION "].into_iter()).unwrap();
        assert_eq!(columns, Columns { system: None, asked: 1, input: None, answered: 2 });
        let cells = ["7", "Where is the oar?", "By the door."];
        assert!(matches!(columns.form(|column| cells[column].to_owned()), Form::Spoken(it) if it.messages.len() == 2));
        assert!(matches!(columns.form(|column| ["7", "Where?", " "][column].to_owned()), Form::Silent(_)));
        let alpaca = pair_columns(["instruction", "input", "output"].into_iter()).unwrap();
        assert_eq!(alpaca.input, Some(1));
        assert_eq!(pair_columns(["rejected", "chosen", "prompt"].into_iter()).unwrap().answered, 1);
        assert_eq!(pair_columns(["prompt", "notes"].into_iter()), None);
    }
}
