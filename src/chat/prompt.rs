//! Encodes a conversation as token ids: with the special tokens of the [template](super::template) if the tokenizer has
//! them, else as the lines of a [transcript].

use std::borrow::Cow;

use super::{
    Message, Role,
    template::{jinja, spoken},
    transcript,
};
use crate::{
    error::{Error, Result},
    generate::{Exchange, Prompt, Question},
    tokenizer::{Tokenizer, TurnTokens},
};

/// The id that ends a turn, if the model has turn tokens.
pub fn end_of_turn(tokenizer: &Tokenizer) -> Option<u32> {
    tokenizer.turn_ids().map(|[.., end]| end)
}

/// `chat_template` for transformers and llama.cpp: the model's own, or else the one of its turn tokens.
pub fn template(tokenizer: &Tokenizer) -> Option<Cow<'_, str>> {
    let given = tokenizer.roles().chat_template.as_deref().map(Cow::Borrowed);
    given.or_else(|| tokenizer.turns().map(jinja))
}

/// The ids that end an answer: those that end a text, and the tokens that end this turn or begin another.
pub fn ends(tokenizer: &Tokenizer) -> Vec<u32> {
    [&tokenizer.roles().ends[..], tokenizer.turn_ids().as_ref().map_or(&[], |ids| &ids[..])].concat()
}

/// Encodes a conversation that ends with a question, and the beginning of its answer. Turns are encoded one by one,
/// which gives the ids of the whole: no token crosses the end of a turn.
///
/// # Errors
/// If the last message is not the user's, or a system message is not the first.
pub fn prompt(messages: &[Message], tokenizer: &Tokenizer) -> Result<Prompt> {
    let Some((last, before)) = messages.split_last().filter(|(last, _)| last.role == Role::User) else {
        return Err(Error::NoQuestion);
    };
    let has_system = messages[0].role == Role::System;
    let misplaced = messages.iter().skip(1).position(|message| message.role == Role::System);
    if let Some(place) = misplaced {
        return Err(Error::SystemNotFirst { turn: place + 2 });
    }
    let turns = tokenizer.turns();
    let parts = |message: &Message| turn(message, turns).map(|part| tokenizer.encode(&part));
    let (system, later) = before.split_at(usize::from(has_system));
    let mut exchanges: Vec<Exchange> = Vec::new();
    for message in later {
        if message.role == Role::User || exchanges.is_empty() {
            exchanges.push(Exchange::default());
        }
        if let Some(exchange) = exchanges.last_mut() {
            exchange.turns += 1;
            exchange.ids.extend(parts(message).concat());
        }
    }
    let [begin, words, end] = parts(last);
    Ok(Prompt {
        system: system.iter().flat_map(|message| parts(message).concat()).collect(),
        exchanges,
        question: Question { begin, words, end },
        answer: tokenizer.encode(turns.map_or(Role::Assistant.line(), |turns| &turns.assistant)),
    })
}

/// A turn as text: the beginning that marks its role, the text, and the end.
fn turn(message: &Message, turns: Option<&TurnTokens>) -> [String; 3] {
    let Message { role, content } = message;
    match turns {
        Some(turns) => [role.token_of(turns).to_owned(), spoken(content, turns), turns.end.clone()],
        None => [role.line().to_owned(), transcript::words(message), transcript::END.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::{TOKENS, render},
        tokenizer::Kind,
    };

    const TEXT: &str = "User: the ship sails, (and) sails again\nAssistant: the ship sails home \nSystem: again!  ";

    fn messages(turns: &[(Role, &str)]) -> Vec<Message> {
        turns.iter().map(|&(role, content)| Message { role, content: content.into() }).collect()
    }

    fn conversation() -> Vec<Message> {
        messages(&[
            (Role::System, "sails"),
            (Role::Assistant, "(the ship) "),
            (Role::User, "\n again"),
            (Role::Assistant, "home!\n\n  home"),
            (Role::User, "<|end|> ship  "),
        ])
    }

    fn whole(prompt: &Prompt) -> Vec<u32> {
        let Prompt { system, exchanges, question: Question { begin, words, end }, answer } = prompt;
        let exchanges = exchanges.iter().flat_map(|exchange| exchange.ids.clone()).collect();
        [system.clone(), exchanges, begin.clone(), words.clone(), end.clone(), answer.clone()].concat()
    }

    #[test]
    fn prompt_ids_equal_those_of_the_rendered_text() {
        for kind in [Kind::Char, Kind::Byte, Kind::Bpe] {
            let plain = Tokenizer::train(kind, None, &[&TEXT.repeat(20)]).unwrap();
            let with_tokens = plain.with_special_tokens(&TOKENS).unwrap();
            let prompt = |tokenizer| super::prompt(&conversation(), tokenizer).unwrap();
            let rendered = render(&conversation()) + Role::Assistant.token();
            assert_eq!(whole(&prompt(&with_tokens)), with_tokens.encode(&rendered), "{kind:?}");
            let lines = "System: sails\nAssistant: (the ship)\nUser: again\nAssistant: home!\n\n  home\n\
                         User: <|end|> ship\nAssistant:";
            assert_eq!(whole(&prompt(&plain)), plain.encode(lines), "{kind:?}");
            assert_eq!(ends(&with_tokens).len(), 5);
            assert_eq!(ends(&plain), [plain.end_of_text().unwrap()]);
        }
    }

    #[test]
    fn answers_are_in_one_exchange_with_their_question() {
        let tokenizer = Tokenizer::train(Kind::Byte, None, &["a"]).unwrap();
        let prompt = prompt(&conversation(), &tokenizer).unwrap();
        assert_eq!(prompt.exchanges.iter().map(|exchange| exchange.turns).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(tokenizer.decode(&prompt.system).unwrap(), "System: sails\n");
    }

    #[test]
    fn a_prompt_must_end_with_a_question_and_begin_with_the_system_message() {
        let tokenizer = Tokenizer::train(Kind::Byte, None, &["a"]).unwrap();
        let refused = |turns: &[(Role, &str)]| prompt(&messages(turns), &tokenizer).err();
        assert_eq!(refused(&[]), Some(Error::NoQuestion));
        assert_eq!(refused(&[(Role::User, "a"), (Role::Assistant, "b")]), Some(Error::NoQuestion));
        assert_eq!(refused(&[(Role::System, "a")]), Some(Error::NoQuestion));
        let late = [(Role::User, "a"), (Role::System, "b"), (Role::User, "c")];
        assert_eq!(refused(&late), Some(Error::SystemNotFirst { turn: 2 }));
    }
}
