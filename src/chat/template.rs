//! The chat template: renders each turn as the token of its role, its text, and the token that ends it.
//!
//! In a document the four tokens are marks, the same for every model. The model's tokenizer encodes its own turn tokens
//! in their place ([`as_read`]), which are the marks themselves unless its files name others.
//!
//! Each token has one id. A user's text must never become one of them, here or in transformers, whose
//! `apply_chat_template` makes a text before it makes ids: so a space is inserted into every `<|` in their text, and
//! into the first two characters of a model's own tokens, here and in [`jinja`] alike.

use std::borrow::Cow;

use super::{Message, Role};
use crate::tokenizer::TurnTokens;

/// The marks of a conversation, which are also the turn tokens of models trained here: system, user, assistant, end of
/// a turn.
pub const TOKENS: [&str; 4] = TurnTokens::OURS;

/// `chat_template` of tokenizer_config.json for [`TOKENS`], as transformers 5.23 reads it; it produces the same text as
/// [`render`].
pub const JINJA: &str = concat!(
    "{% for message in messages %}",
    "{{ '<|' + message['role'] + '|>' + message['content'].replace('<|', '< |') + '<|end|>' }}",
    "{% endfor %}",
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
);

/// `chat_template` for a model's turn tokens: it produces the text of [`in_tokens`].
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

impl Role {
    /// The mark that begins a turn.
    pub fn token(self) -> &'static str {
        match self {
            Self::System => TOKENS[0],
            Self::User => TOKENS[1],
            Self::Assistant => TOKENS[2],
        }
    }

    /// The turn token of a model that begins a turn.
    pub fn token_of(self, turns: &TurnTokens) -> &str {
        match self {
            Self::System => &turns.system,
            Self::User => &turns.user,
            Self::Assistant => &turns.assistant,
        }
    }
}

/// Replaces the assistant's mark in a document where the answer is not trained on. It is no token: [`as_read`] converts
/// it for the model.
pub const ONLY_READ: &str = "<|assistant:read|>";

/// The text of a document for the model; `turns`: its tokenizer's turn tokens.
pub fn as_read<'d>(document: &'d str, turns: Option<&TurnTokens>) -> Cow<'d, str> {
    match turns {
        Some(turns) if *turns != TurnTokens::ours() => in_tokens(document, turns),
        _ if document.contains(ONLY_READ) => Cow::Owned(document.replace(ONLY_READ, TOKENS[2])),
        _ => Cow::Borrowed(document),
    }
}

/// A document with a model's turn tokens in place of marks. Text without marks is unchanged.
fn in_tokens<'d>(document: &'d str, turns: &TurnTokens) -> Cow<'d, str> {
    let [system, user, assistant, end] = TOKENS;
    let tokens = [(system, &turns.system), (user, &turns.user), (assistant, &turns.assistant), (end, &turns.end)];
    let marks = || tokens.into_iter().chain([(ONLY_READ, &turns.assistant)]);
    let (mut text, mut rest) = (String::new(), document);
    let next = |rest: &str| {
        rest.match_indices("<|").find_map(|(at, _)| Some((at, marks().find(|(mark, _)| rest[at..].starts_with(mark))?)))
    };
    while let Some((at, (mark, token))) = next(rest) {
        text += &spoken(&rest[..at], turns);
        text += token;
        rest = &rest[at + mark.len()..];
    }
    if text.is_empty() { Cow::Borrowed(document) } else { Cow::Owned(text + &spoken(rest, turns)) }
}

/// The text of a turn for a model, changed so that it does not spell any of its tokens.
pub fn spoken(words: &str, turns: &TurnTokens) -> String {
    separations(turns).fold(apart(words), |words, (from, to)| words.replace(&from, &to))
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

/// For each answer of a document in order, whether it is not trained on.
pub fn only_read(document: &str) -> impl Iterator<Item = bool> {
    let begins = document.match_indices("<|assistant").map(|(at, _)| &document[at..]);
    let known = |rest: &&str| rest.starts_with(TOKENS[2]) || rest.starts_with(ONLY_READ);
    begins.filter(known).map(|rest| rest.starts_with(ONLY_READ))
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
        assert_eq!(as_read(&marked, None), render(&messages));
        assert_eq!(only_read(&marked).collect::<Vec<_>>(), [true, false]);
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
    fn marks_are_replaced_by_the_tokens_of_the_model() {
        let message = |role, content: &str| Message { role, content: content.into() };
        let messages = [message(Role::User, "<|end|> [Q] </t>"), message(Role::Assistant, "a [")];
        for only_read in [&[][..], &[1]] {
            let text = as_read(&render_with(&messages, only_read), Some(&others())).into_owned();
            assert_eq!(text, "[Q]< |end|> [ Q] < /t></t>[A]a [</t>");
        }
        assert_eq!(as_read(&render(&messages), Some(&TurnTokens::ours())), render(&messages));
        assert_eq!(as_read("no turns: [Q]", Some(&others())), "no turns: [Q]");
    }

    /// Jinja 3.1.6 renders the text above from it.
    #[test]
    fn the_jinja_template_of_other_tokens_renders_the_same_text() {
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
