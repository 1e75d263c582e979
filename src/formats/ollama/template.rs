//! The chat template of a model in the syntax of Go's `text/template`, as Ollama evaluates it (its `docs/template.mdx` and
//! `template/template.go`, release v0.13.0).
//!
//! Templates are programs in Jinja, so their text is not translated. What they write around messages is found by rendering
//! conversations, and used only if the conversations rendered from it are equal to the template's own.

use crate::{
    chat::{ChatEncoder, Message, Role},
    tokenizer::Tokenizer,
};

/// Messages that are looked for in what a template writes.
const SYSTEM: &str = "Lorito-1";
const QUESTIONS: [&str; 3] = ["Lorito-2", "Lorito-4", "Lorito-6"];
const ANSWERS: [&str; 2] = ["Lorito-3", "Lorito-5"];

/// What a template writes around the messages of a conversation in which questions and answers alternate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Before the first question of a conversation without a system message.
    begin: String,
    /// Before and after a system message; `None` if the template refuses or ignores one.
    system: Option<[String; 2]>,
    /// Before each question, after what precedes the first one.
    before_question: String,
    /// After a question, up to where an answer is generated.
    after_question: String,
    /// Before an answer that has been given, after `after_question`.
    before_answer: String,
    after_answer: String,
}

impl Template {
    /// Reads the template of a model, as it is at a moment in seconds since 1970. `None` if there is none, or if it writes
    /// conversations in a way that does not fit here.
    pub fn read(tokenizer: &Tokenizer, seconds: i64) -> Option<Self> {
        let encoder = ChatEncoder::at(tokenizer, seconds).ok()??;
        // What llama.cpp puts before every text.
        let first: String = tokenizer.begins().iter().map(|&id| tokenizer.token_text(id)).collect();
        let rendered = |messages: &[Message], asks| {
            let text = encoder.text(messages, asks).ok()?;
            Some(text.strip_prefix(&first).map(str::to_owned).unwrap_or(text))
        };
        let [question, answer, next_question, ..] = &conversation(false)[..] else { return None };
        let asked = rendered(std::slice::from_ref(question), true)?;
        let [begin, after_question] = &pieces(&asked, &[question])?[..] else { return None };
        let answered = rendered(&conversation(false)[..2], false)?;
        let [_, _, after_answer] = &pieces(&answered, &[question, answer])?[..] else { return None };
        let asked_again = rendered(&conversation(false)[..3], true)?;
        let found = pieces(&asked_again, &[question, answer, next_question])?;
        let [_, between, after, _] = &found[..] else { return None };
        let system = system_around(rendered(&conversation(true)[..2], true));
        let heads = [Some(*begin), system.as_ref().map(|[_, after]| &after[..])];
        // Questions are written alike where the first one begins like the others.
        let question = after
            .strip_prefix(after_answer)
            .filter(|question| heads.into_iter().flatten().all(|head| head.ends_with(question)));
        let before_question = question.unwrap_or_default();
        let without = |head: &str| head[..head.len() - before_question.len()].to_owned();
        let template = Self {
            begin: without(begin),
            system: system.as_ref().map(|[before, after]| [before.clone(), without(after)]),
            before_question: before_question.to_owned(),
            after_question: (*after_question).to_owned(),
            before_answer: between.strip_prefix(after_question)?.to_owned(),
            after_answer: after[..after.len() - before_question.len()].to_owned(),
        };
        let is_right = |messages: &[Message]| rendered(messages, true) == Some(template.write(messages));
        let all = |with_system| {
            let messages = conversation(with_system);
            (1..=messages.len())
                .filter(|&length| messages[length - 1].role == Role::User)
                .all(|length| is_right(&messages[..length]))
        };
        (all(false) && (template.system.is_none() || all(true))).then_some(template)
    }

    /// What Ollama makes of [`in_go`](Self::in_go) for a conversation.
    fn write(&self, messages: &[Message]) -> String {
        let mut text = match (&self.system, messages.first()) {
            (Some([before, after]), Some(Message { role: Role::System, content })) => {
                [before, &content[..], after].concat()
            }
            _ => self.begin.clone(),
        };
        for Message { role, content } in messages {
            let (before, after) = match role {
                Role::System => continue,
                Role::User => (&self.before_question, &self.after_question),
                Role::Assistant => (&self.before_answer, &self.after_answer),
            };
            text += &[before, &content[..], after].concat();
        }
        text
    }

    /// The template in Go's syntax.
    pub fn in_go(&self) -> String {
        let Self { begin, system, before_question, after_question, before_answer, after_answer } = self;
        let begin = literal(begin);
        let head = match system {
            None => begin,
            Some([before, after]) => {
                let otherwise = if begin.is_empty() { begin } else { format!("{{{{ else }}}}{begin}") };
                format!(
                    "{{{{ if .System }}}}{}{{{{ .System }}}}{}{otherwise}{{{{ end }}}}",
                    literal(before),
                    literal(after)
                )
            }
        };
        let [before_question, after_question, before_answer, after_answer] =
            [before_question, after_question, before_answer, after_answer].map(|text| literal(text));
        format!(
            "{head}{{{{ range .Messages }}}}{{{{ if eq .Role \"user\" }}}}{before_question}{{{{ .Content }}}}{after_question}\
             {{{{ else if eq .Role \"assistant\" }}}}{before_answer}{{{{ .Content }}}}{after_answer}{{{{ end }}}}{{{{ end }}}}"
        )
    }
}

/// The messages of a conversation whose last one is a question.
fn conversation(with_system: bool) -> Vec<Message> {
    let message = |role, content: &str| Message { role, content: content.to_owned() };
    let mut messages = Vec::new();
    if with_system {
        messages.push(message(Role::System, SYSTEM));
    }
    for (place, question) in QUESTIONS.into_iter().enumerate() {
        messages.push(message(Role::User, question));
        messages.extend(ANSWERS.get(place).map(|answer| message(Role::Assistant, answer)));
    }
    messages
}

/// What stands around the system message of a conversation that was rendered with one, up to the first question.
fn system_around(rendered: Option<String>) -> Option<[String; 2]> {
    let rendered = rendered?;
    let messages = conversation(true);
    let found = pieces(&rendered, &[&messages[0], &messages[1]])?;
    Some([found[0].to_owned(), found[1].to_owned()])
}

/// What stands around messages, one more than there are messages; `None` if they are not there once each, in this order.
fn pieces<'a>(text: &'a str, messages: &[&Message]) -> Option<Vec<&'a str>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    for message in messages {
        let (before, after) = rest.split_once(&message.content[..])?;
        pieces.push(before);
        rest = after;
    }
    pieces.push(rest);
    let repeats = |piece: &&str| messages.iter().any(|message| piece.contains(&message.content[..]));
    (!pieces.iter().any(repeats)).then_some(pieces)
}

/// A text that Go's templates write as it is.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}
