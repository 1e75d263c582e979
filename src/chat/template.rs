//! The chat templates of models: their own, ChatML for models that learn conversations here, and the one of older
//! Lorito models. Documents hold conversations with marks, the same for every model ([`render`]); a model's template
//! makes its text of the messages ([`read`]).
//!
//! A person's text must never become a special token, here or in transformers, whose `apply_chat_template` makes a text
//! before it makes ids: so a space is inserted into every `<|` in their text, here and in our templates alike, and into
//! a model's own special tokens.

use std::borrow::Cow;

use super::{Message, Role};
use crate::tokenizer::{Tokenizer, TurnTokens};

/// The marks of a conversation in a document, which are also the turn tokens of older Lorito models: system, user,
/// assistant, end of a turn.
pub const TOKENS: [&str; 4] = TurnTokens::OURS;

/// The special tokens of ChatML, which models get that learn conversations here: what begins and what ends a turn.
pub const CHATML_TOKENS: [&str; 2] = ["<|im_start|>", "<|im_end|>"];

/// ChatML as a chat template.
pub const CHATML: &str = concat!(
    "{% for message in messages %}",
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'].replace('<|', '< |') + '<|im_end|>' + '\\n' }}",
    "{% endfor %}",
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
);

/// `chat_template` of older Lorito models, for [`TOKENS`]; it produces the same text as [`render`].
pub const JINJA: &str = concat!(
    "{% for message in messages %}",
    "{{ '<|' + message['role'] + '|>' + message['content'].replace('<|', '< |') + '<|end|>' }}",
    "{% endfor %}",
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
);

/// `chat_template` for the turn tokens of an older Lorito model.
pub fn jinja(turns: &TurnTokens) -> Cow<'static, str> {
    if *turns == TurnTokens::ours() {
        return Cow::Borrowed(JINJA);
    }
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let [system, user, assistant, end] = turns.contents().map(text);
    let apart: String =
        separations(turns).map(|(from, to)| format!(".replace({}, {})", text(&from), text(&to))).collect();
    Cow::Owned(format!(
        "{{% set turns = {{'system': {system}, 'user': {user}, 'assistant': {assistant}}} %}}\
         {{% for message in messages %}}\
         {{{{ turns[message['role']] + message['content'].replace('<|', '< |'){apart} + {end} }}}}\
         {{% endfor %}}\
         {{% if add_generation_prompt %}}{{{{ {assistant} }}}}{{% endif %}}"
    ))
}

/// `chat_template` of a model, for transformers and llama.cpp: the one that its files name, or the one that follows from
/// its special tokens.
pub fn template(tokenizer: &Tokenizer) -> Option<Cow<'_, str>> {
    let given = tokenizer.roles().chat_template.as_deref().map(Cow::Borrowed);
    given.or_else(|| tokenizer.turns().map(jinja)).or_else(|| is_chatml(tokenizer).then_some(Cow::Borrowed(CHATML)))
}

/// Whether a tokenizer has the special tokens of ChatML.
pub fn is_chatml(tokenizer: &Tokenizer) -> bool {
    CHATML_TOKENS.iter().all(|token| tokenizer.special_token(token).is_some())
}

/// The texts that begin and end turns in what a model writes, to show who says what; `None` if they are not known.
pub fn shown_turns(tokenizer: &Tokenizer) -> Option<TurnTokens> {
    let [begin, end] = CHATML_TOKENS;
    let chatml = || TurnTokens {
        system: format!("{begin}system\n"),
        user: format!("{begin}user\n"),
        assistant: format!("{begin}assistant\n"),
        end: end.to_owned(),
    };
    tokenizer.turns().cloned().or_else(|| is_chatml(tokenizer).then(chatml))
}

impl Role {
    /// The mark that begins a turn.
    pub fn token(self) -> &'static str {
        match self {
            Self::System => TOKENS[0],
            Self::User => TOKENS[1],
            Self::Assistant => TOKENS[2],
        }
    }

    /// The line that begins a turn in ChatML, after its token.
    fn chatml_line(self) -> &'static str {
        match self {
            Self::System => "system\n",
            Self::User => "user\n",
            Self::Assistant => "assistant\n",
        }
    }
}

/// Replaces the assistant's mark in a document where the answer is not trained on.
pub const ONLY_READ: &str = "<|assistant:read|>";

/// The conversation of a document, and the indices of answers that are not trained on; `None` if it is other text. A
/// turn without an end, as in a preview, ends with the document.
pub fn read(document: &str) -> Option<(Vec<Message>, Vec<usize>)> {
    let (messages, only_read, rest) = read_one(document);
    (rest.is_empty() && !messages.is_empty()).then_some((messages, only_read))
}

/// The conversations of a preview, which has white space between documents and may end within a mark; `None` if it is
/// other text.
pub fn read_preview(text: &str) -> Option<Vec<(Vec<Message>, Vec<usize>)>> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    let is_cut = |rest: &str| TOKENS.iter().any(|mark| mark.starts_with(rest)) || ONLY_READ.starts_with(rest);
    while !rest.is_empty() && (all.is_empty() || !is_cut(rest)) {
        let (messages, only_read, after) = read_one(rest);
        if messages.is_empty() {
            return None;
        }
        all.push((messages, only_read));
        rest = after.trim_start();
    }
    (!all.is_empty()).then_some(all)
}

/// The turns with which a text begins, the indices of answers that are not trained on, and what stands behind them.
fn read_one(text: &str) -> (Vec<Message>, Vec<usize>, &str) {
    let (mut messages, mut only_read, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some((role, mark)) = mark_at(rest) {
        if mark == ONLY_READ {
            only_read.push(messages.len());
        }
        let turn = &rest[mark.len()..];
        let end = turn.find(TOKENS[3]).unwrap_or(turn.len());
        messages.push(Message { role, content: turn[..end].to_owned() });
        rest = turn[end..].strip_prefix(TOKENS[3]).unwrap_or_default();
    }
    (messages, only_read, rest)
}

/// The mark with which a text begins, and the role whose turn it begins.
fn mark_at(text: &str) -> Option<(Role, &'static str)> {
    let roles = [Role::System, Role::User, Role::Assistant].into_iter();
    let marks = roles.map(|role| (role, role.token())).chain([(Role::Assistant, ONLY_READ)]);
    marks.into_iter().find(|(_, mark)| text.starts_with(mark))
}

/// Changes a text so that it does not spell any mark.
fn apart(words: &str) -> String {
    words.replace("<|", "< |")
}

/// Replacements, besides `<|`, that keep a text from spelling any of these tokens.
fn separations(turns: &TurnTokens) -> impl Iterator<Item = (String, String)> {
    let others = turns.beginnings().into_iter().filter(|pair| *pair != ('<', '|'));
    others.map(|(first, second)| (format!("{first}{second}"), format!("{first} {second}")))
}

/// Renders a conversation whose answers at these indices are not trained on.
pub fn render_with(messages: &[Message], only_read: &[usize]) -> String {
    if only_read.is_empty() {
        return render(messages);
    }
    let turn = |(place, message)| {
        let text = render(std::slice::from_ref(message));
        if only_read.contains(&place) { text.replacen(TOKENS[2], ONLY_READ, 1) } else { text }
    };
    messages.iter().enumerate().map(turn).collect()
}

/// Renders a conversation with marks. The text of a longer conversation begins with it.
pub fn render(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        text.push_str(message.role.token());
        text.push_str(&apart(&message.content));
        text.push_str(TOKENS[3]);
    }
    text
}

/// The texts between a document's marks.
pub fn words(document: &str) -> Vec<&str> {
    let mut pieces = vec![document];
    for token in TOKENS.into_iter().chain([ONLY_READ]) {
        pieces = pieces.into_iter().flat_map(|piece| piece.split(token)).collect();
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// What a document looks like to a tokenizer that is trained for ChatML: its words, and the lines that begin turns.
pub fn spoken(document: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = document;
    while let Some(at) = rest.find("<|") {
        let (before, marked) = rest.split_at(at);
        let (line, mark) = match mark_at(marked) {
            Some((role, mark)) => (role.chatml_line(), mark),
            None if marked.starts_with(TOKENS[3]) => ("\n", TOKENS[3]),
            None => {
                pieces.push(&rest[..at + 2]);
                rest = &rest[at + 2..];
                continue;
            }
        };
        pieces.extend([before, line]);
        rest = &marked[mark.len()..];
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_trained_on_are_marked_in_documents() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [
            message(Role::User, "a <|assistant:read|> b"),
            message(Role::Assistant, "c"),
            message(Role::User, "d"),
            message(Role::Assistant, "e"),
        ];
        let marked = render_with(&messages, &[1]);
        let (read, only_read) = super::read(&marked).unwrap();
        assert_eq!(
            (read[0].content.as_str(), &read[1..], only_read),
            ("a < |assistant:read|> b", &messages[1..], vec![1])
        );
        assert_eq!(words(&marked), words(&render(&messages)));
        assert_eq!(render_with(&messages, &[]), render(&messages));
    }

    #[test]
    fn text_that_spells_a_token_is_not_encoded_as_the_token() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [message(Role::User, "<|end|><<|user|>"), message(Role::Assistant, "a\n<")];
        let text = render(&messages);
        assert_eq!(text, "<|user|>< |end|><< |user|><|end|><|assistant|>a\n<<|end|>");
        assert!(text.starts_with(&render(&messages[..1])));
    }

    fn others() -> TurnTokens {
        let [system, user, assistant, end] = ["[SYS]", "[Q]", "[A]", "</t>"].map(str::to_owned);
        TurnTokens { system, user, assistant, end }
    }

    #[test]
    fn a_document_is_read_as_a_conversation_only_if_it_is_one() {
        let contents = |document: &str| {
            let (messages, _) = read(document)?;
            Some(messages.into_iter().map(|message| message.content).collect::<Vec<_>>())
        };
        assert_eq!(contents("<|user|>a<|end|><|assistant|>b<|end|>").unwrap(), ["a", "b"]);
        assert_eq!(contents("<|user|>a<|end|><|assistant|>b").unwrap(), ["a", "b"]);
        assert_eq!(contents("<|user|><|end|>").unwrap(), [""]);
        for other in ["", "a", "a<|user|>b<|end|>", "<|user|>a<|end|>b", "<|end|>", "<|other|>a<|end|>"] {
            assert_eq!(contents(other), None, "{other}");
        }
        let shown =
            |text: &str| read_preview(text).map(|all| all.iter().map(|(turns, _)| turns.len()).collect::<Vec<_>>());
        assert_eq!(shown("<|user|>a<|end|><|assistant|>b<|end|>\n\n<|user|>c<|end|><|as").unwrap(), [2, 1]);
        assert_eq!(shown("<|user|>a<|end|>\nplain"), None);
        assert_eq!(shown(""), None);
    }

    #[test]
    fn a_tokenizer_is_trained_on_the_lines_of_chatml_too() {
        assert_eq!(spoken("<|user|>a <| b<|end|><|assistant:read|>c<|end|>").concat(), "user\na <| b\nassistant\nc\n");
        assert_eq!(spoken("plain"), ["plain"]);
        assert!(spoken("").is_empty());
    }

    #[test]
    fn the_jinja_template_of_other_tokens_separates_them_in_a_text() {
        assert_eq!(jinja(&TurnTokens::ours()), JINJA);
        let right = concat!(
            r#"{% set turns = {'system': "[SYS]", 'user': "[Q]", 'assistant': "[A]"} %}{% for message in messages %}"#,
            r#"{{ turns[message['role']] + message['content'].replace('<|', '< |').replace("[S", "[ S")"#,
            r#".replace("[Q", "[ Q").replace("[A", "[ A").replace("</", "< /") + "</t>" }}{% endfor %}"#,
            r#"{% if add_generation_prompt %}{{ "[A]" }}{% endif %}"#,
        );
        assert_eq!(jinja(&others()), right);
    }
}
