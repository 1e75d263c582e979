//! Conversations as token ids, by the chat template of a model, and what of them is learned.
//!
//! The ids are those of the whole rendered text, as `apply_chat_template(..., tokenize=True)` of transformers makes them.
//! What an answer adds follows from renderings of the conversation up to it: no template says where its answers are.

use std::ops::Range;

use super::clock::{moment, present};
use super::jinja::Jinja;
use super::template::{CHATML, template};
use super::{Message, Role};
use crate::error::{Error, Result};
use crate::tokenizer::{TextEncoder, Tokenizer};

/// The chat template of a model with its tokenizer.
pub struct ChatEncoder<'t> {
    tokenizer: &'t Tokenizer,
    encoder: TextEncoder<'t>,
    jinja: Jinja,
    /// Whether the template is [`CHATML`], whose turns have ids of their own: no token crosses their special tokens.
    is_ours: bool,
}

/// A conversation as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The ids of the whole conversation.
    pub ids: Vec<u32>,
    /// The places in `ids` that are trained on, in order: what each answer adds, with the token that ends it.
    pub learned: Vec<Range<usize>>,
}

impl<'t> ChatEncoder<'t> {
    /// Compiles the template of a model; `None` if it has none.
    ///
    /// # Errors
    /// [`Error::ChatTemplateInvalid`] if it cannot be compiled.
    pub fn new(tokenizer: &'t Tokenizer) -> Result<Option<Self>> {
        Self::at(tokenizer, present())
    }

    /// The same at another moment, in seconds since 1970 began: some templates tell the model the date.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn at(tokenizer: &'t Tokenizer, seconds: i64) -> Result<Option<Self>> {
        let Some(template) = template(tokenizer) else { return Ok(None) };
        let named = tokenizer.roles().named.iter();
        let tokens = named.map(|(name, &id)| (name.clone(), tokenizer.token_text(id))).collect();
        let is_ours = template == CHATML;
        let jinja = Jinja::new(&template, tokens, moment(seconds))?;
        Ok(Some(Self { tokenizer, encoder: tokenizer.encoder(), jinja, is_ours }))
    }

    /// Renders a conversation; `asks`: with the beginning of an answer behind it. Words that spell a special token of
    /// the model are changed so that they do not.
    ///
    /// # Errors
    /// [`Error::ChatTemplateFailed`] if the template refuses the conversation; [`Error::ChatTemplateEndless`] if it
    /// computes too much.
    pub fn text(&self, messages: &[Message], asks: bool) -> Result<String> {
        let harmless = |message: &Message| {
            let content = self.tokenizer.without_special_tokens(&message.content).into_owned();
            Message { content, role: message.role }
        };
        self.jinja.render(&messages.iter().map(harmless).collect::<Vec<_>>(), asks)
    }

    /// The ids of [`text`](Self::text).
    ///
    /// # Errors
    /// Those of [`text`](Self::text).
    pub fn ids(&mut self, messages: &[Message], asks: bool) -> Result<Vec<u32>> {
        let text = self.text(messages, asks)?;
        Ok(self.encoder.encode(&text))
    }

    /// Encodes a conversation for training. Answers at the indices `only_read` are not trained on.
    ///
    /// # Errors
    /// Those of [`text`](Self::text); [`Error::ChatTemplateUnclear`] if the template writes earlier turns differently
    /// once later ones follow, so that it cannot be told what an answer adds.
    pub fn encode(&mut self, messages: &[Message], only_read: &[usize]) -> Result<Encoded> {
        if self.is_ours { self.encode_turns(messages, only_read) } else { self.encode_whole(messages, only_read) }
    }

    /// By turns, in time linear in the length of the conversation.
    fn encode_turns(&mut self, messages: &[Message], only_read: &[usize]) -> Result<Encoded> {
        let asked = self.ids(&[], true)?;
        let (mut ids, mut learned) = (Vec::new(), Vec::new());
        for (place, message) in messages.iter().enumerate() {
            let turn = self.ids(std::slice::from_ref(message), false)?;
            if message.role == Role::Assistant && !only_read.contains(&place) {
                learned.push(ids.len() + common(&turn, &asked)..ids.len() + turn.len());
            }
            ids.extend(turn);
        }
        Ok(Encoded { ids, learned })
    }

    /// By any template, from renderings of less and less of the conversation.
    fn encode_whole(&mut self, messages: &[Message], only_read: &[usize]) -> Result<Encoded> {
        let ids = self.ids(messages, false)?;
        let mut learned: Vec<Range<usize>> = Vec::new();
        for (place, _) in messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant) {
            let added = self.added(&ids, messages, place)?;
            if added.is_empty() || learned.last().is_some_and(|before| added.start < before.end) {
                return Err(Error::ChatTemplateUnclear { turn: place + 1 });
            }
            learned.push(added);
        }
        let mut answers = messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
        learned.retain(|_| answers.next().is_some_and(|(place, _)| !only_read.contains(&place)));
        Ok(Encoded { ids, learned })
    }

    /// The places in the ids of a whole conversation that the answer at index `place` adds.
    fn added(&mut self, whole: &[u32], messages: &[Message], place: usize) -> Result<Range<usize>> {
        let unclear = || Error::ChatTemplateUnclear { turn: place + 1 };
        if place == 0 {
            return self.added_first(whole, messages);
        }
        let asked = self.ids(&messages[..place], true)?;
        let start = common(whole, &asked);
        // The end of the question may merge with the beginning of the answer, or the template may begin an answer to
        // be written differently from one that was given. Before that all must be equal.
        if start < asked.len() && start < common(&asked, &self.ids(&messages[..place], false)?) {
            return Err(unclear());
        }
        let answered = self.ids(&messages[..=place], false)?;
        let from = common(&answered, &asked);
        self.until_end(whole, start, &answered, from).ok_or_else(unclear)
    }

    /// The same for a conversation that begins with an answer, as chats between people may: many templates refuse to
    /// render none of it, so the answer is held against an empty one.
    fn added_first(&mut self, whole: &[u32], messages: &[Message]) -> Result<Range<usize>> {
        let empty = [Message { content: String::new(), role: Role::Assistant }];
        let (empty, answered) = (self.ids(&empty, false)?, self.ids(&messages[..1], false)?);
        let start = common(&answered, &empty);
        let found = self.until_end(whole, start, &answered, start).filter(|_| common(whole, &answered) >= start);
        found.ok_or(Error::ChatTemplateUnclear { turn: 1 })
    }

    /// What an answer adds from `start` on: as much as it adds after `from` where it is the last turn (`answered`).
    fn until_end(&self, whole: &[u32], start: usize, answered: &[u32], from: usize) -> Option<Range<usize>> {
        let alone = &answered[from..];
        let Some(last) = alone.iter().rposition(|&id| self.tokenizer.is_special(id)) else {
            return Some(start..common(whole, answered).max(start));
        };
        // An answer may be written differently as long as it is the last one, such as with what the model thought.
        let end = start + whole[start..].iter().position(|&id| id == alone[last])? + 1;
        Some(start..end + common(&whole[end..], &alone[last + 1..]))
    }

    /// The special tokens with which a turn of the assistant begins and ends: the model has written its answer where it
    /// writes one of these.
    ///
    /// # Errors
    /// Those of [`text`](Self::text).
    pub fn ends(&mut self) -> Result<Vec<u32>> {
        let message = |role| Message { role, content: "a".to_owned() };
        let asked = self.ids(&[message(Role::User)], true)?;
        let heard = self.ids(&[message(Role::User)], false)?;
        let answered = self.ids(&[message(Role::User), message(Role::Assistant)], false)?;
        let begins = asked[common(&asked, &heard)..].iter();
        let ends = answered[common(&answered, &asked)..].iter();
        let mut ids = Vec::new();
        for &id in begins.chain(ends) {
            if self.tokenizer.is_special(id) && !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

/// How many ids two sequences have in common at their beginning.
pub fn common(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chat::CHATML_TOKENS, tokenizer::Kind};

    #[test]
    fn turns_of_chatml_have_the_ids_that_the_whole_has() {
        let text = "user\nassistant\nsystem\n the cat sat on the mat and the hat\n\n";
        for kind in [Kind::Char, Kind::Byte, Kind::Bpe] {
            let plain = Tokenizer::train(kind, None, &[&text.repeat(20)]).unwrap();
            let tokenizer = plain.with_special_tokens(&CHATML_TOKENS).unwrap();
            let mut encoder = ChatEncoder::new(&tokenizer).unwrap().unwrap();
            assert!(encoder.is_ours);
            let message = |role, content: &str| Message { role, content: content.to_owned() };
            let messages = [
                message(Role::System, "the hat"),
                message(Role::User, " the <|im_end|> cat"),
                message(Role::Assistant, "\n\nthe mat\n"),
                message(Role::User, ""),
                message(Role::Assistant, "\n"),
                message(Role::Assistant, "the cat  "),
            ];
            for only_read in [&[][..], &[2], &[2, 5]] {
                for turns in [&messages[..], &messages[2..], &messages[1..4]] {
                    let by_turns = encoder.encode_turns(turns, only_read).unwrap();
                    assert_eq!(by_turns, encoder.encode_whole(turns, only_read).unwrap(), "{kind:?}");
                }
            }
        }
    }
}
