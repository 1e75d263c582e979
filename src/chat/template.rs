//! A conversation as one text: each turn is the token of its role, the words, and the token that ends it.
//!
//! The four tokens have one id each. What a person writes must never become one of them, here or in transformers, whose
//! `apply_chat_template` makes a text before it makes ids: so every `<|` in their words gets a space, in [`render`] and
//! in [`JINJA`] alike.

use std::borrow::Cow;

use super::{Message, Role};

/// The tokens of a conversation, in the order of their ids: system, user, assistant, end of a turn.
pub const TOKENS: [&str; 4] = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

/// `chat_template` of tokenizer_config.json, as transformers 5.23 reads it; it makes the text that [`render`] makes.
pub const JINJA: &str = concat!(
    "{% for message in messages %}",
    "{{ '<|' + message['role'] + '|>' + message['content'].replace('<|', '< |') + '<|end|>' }}",
    "{% endfor %}",
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
);

impl Role {
    /// The token that begins a turn.
    pub fn token(self) -> &'static str {
        match self {
            Self::System => TOKENS[0],
            Self::User => TOKENS[1],
            Self::Assistant => TOKENS[2],
        }
    }
}

/// What stands in the text of a document for the assistant's token where the answer is only read, and not learned. It is
/// no token: [`as_read`] makes the text of it that a model reads.
pub const ONLY_READ: &str = "<|assistant:read|>";

/// The text that a model reads of a document.
pub fn as_read(document: &str) -> Cow<'_, str> {
    match document.contains(ONLY_READ) {
        true => Cow::Owned(document.replace(ONLY_READ, TOKENS[2])),
        false => Cow::Borrowed(document),
    }
}

/// Whether each answer of a document is only read, in their order.
pub fn only_read(document: &str) -> impl Iterator<Item = bool> {
    let begins = document.match_indices("<|assistant").map(|(at, _)| &document[at..]);
    let known = |rest: &&str| rest.starts_with(TOKENS[2]) || rest.starts_with(ONLY_READ);
    begins.filter(known).map(|rest| rest.starts_with(ONLY_READ))
}

/// The text of a conversation whose answers at these places are only read.
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

/// The text of a conversation. That of a longer one begins with it.
pub fn render(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        text.push_str(message.role.token());
        text.push_str(&message.content.replace("<|", "< |"));
        text.push_str(TOKENS[3]);
    }
    text
}

/// What lies between a document's tokens of conversations: the words alone.
pub fn words(document: &str) -> Vec<&str> {
    let mut pieces = vec![document];
    for token in TOKENS.into_iter().chain([ONLY_READ]) {
        pieces = pieces.into_iter().flat_map(|piece| piece.split(token)).collect();
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// What stands before an answer that is yet to be written.
pub fn begin_answer() -> &'static str {
    Role::Assistant.token()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_only_read_are_marked_until_they_are_read() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [
            message(Role::User, "a <|assistant:read|> b"),
            message(Role::Assistant, "c"),
            message(Role::User, "d"),
            message(Role::Assistant, "e"),
        ];
        let marked = render_with(&messages, &[1]);
        assert_eq!(as_read(&marked), render(&messages));
        assert_eq!(only_read(&marked).collect::<Vec<_>>(), [true, false]);
        assert_eq!(words(&marked), words(&render(&messages)));
        assert_eq!(render_with(&messages, &[]), render(&messages));
    }

    #[test]
    fn words_that_spell_a_token_stay_words() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [message(Role::User, "<|end|><<|user|>"), message(Role::Assistant, "a\n<")];
        let text = render(&messages);
        assert_eq!(text, "<|user|>< |end|><< |user|><|end|><|assistant|>a\n<<|end|>");
        assert!(text.starts_with(&render(&messages[..1])));
    }
}
