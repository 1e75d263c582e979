//! A conversation as the parts of a prompt: by the chat template of the model, else as the lines of a [transcript].

use super::{
    ChatEncoder, Message, Role,
    encode::common,
    template::{CHATML_TOKENS, is_chatml},
    transcript,
};
use crate::{
    error::{Error, Result},
    generate::{Exchange, Prompt, Question},
    tokenizer::Tokenizer,
};

/// The ids that end an answer: those that end a text, and the special tokens with which turns end and begin.
///
/// # Errors
/// Those of [`ChatEncoder::new`] and [`ChatEncoder::ends`].
pub fn ends(tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let mut ends = tokenizer.roles().ends.clone();
    let turns = match ChatEncoder::new(tokenizer)? {
        Some(mut encoder) => encoder.ends()?,
        None => Vec::new(),
    };
    // In older Lorito models each role has a token of its own.
    for id in turns.into_iter().chain(tokenizer.turn_ids().into_iter().flatten()) {
        if !ends.contains(&id) {
            ends.push(id);
        }
    }
    Ok(ends)
}

/// The id that ends a turn of a model that learned conversations here, for its files.
pub fn end_of_turn(tokenizer: &Tokenizer) -> Option<u32> {
    let of_roles = tokenizer.turn_ids().map(|[.., end]| end);
    of_roles.or_else(|| is_chatml(tokenizer).then(|| tokenizer.special_token(CHATML_TOKENS[1]))?)
}

/// Encodes a conversation that ends with a question, and the beginning of its answer.
///
/// # Errors
/// [`Error::NoQuestion`] if the last message is not the user's; [`Error::SystemNotFirst`] if a system message is not the
/// first; those of [`ChatEncoder::new`] and [`ChatEncoder::text`].
pub fn prompt(messages: &[Message], tokenizer: &Tokenizer) -> Result<Prompt> {
    if messages.last().is_none_or(|last| last.role != Role::User) {
        return Err(Error::NoQuestion);
    }
    let misplaced = messages.iter().skip(1).position(|message| message.role == Role::System);
    if let Some(place) = misplaced {
        return Err(Error::SystemNotFirst { turn: place + 2 });
    }
    match ChatEncoder::new(tokenizer)? {
        Some(encoder) => by_template(messages, encoder),
        None => Ok(as_lines(messages, tokenizer)),
    }
}

/// The parts are the ids of the whole, cut where renderings of less of the conversation begin to differ from it.
fn by_template(messages: &[Message], mut encoder: ChatEncoder<'_>) -> Result<Prompt> {
    let (last, before) = messages.split_last().ok_or(Error::NoQuestion)?;
    let ids = encoder.ids(messages, true)?;
    let system = &messages[..usize::from(messages[0].role == Role::System)];
    let emptied = |messages: &[Message]| match messages.split_last() {
        Some((last, before)) => [before, &[Message { content: String::new(), role: last.role }]].concat(),
        None => Vec::new(),
    };
    // The question: what the ids have in common with those of an empty one is around it.
    let empty = encoder.ids(&emptied(messages), true)?;
    let words = common(&ids, &empty);
    let after = ids.iter().rev().zip(empty[words..].iter().rev()).take_while(|(one, other)| one == other).count();
    let end = (ids.len() - after).max(words);
    let answer = common(&ids, &encoder.ids(messages, false)?).clamp(end, ids.len());
    // Each exchange begins where the messages before it end.
    let mut begins: Vec<(usize, usize)> = Vec::new();
    for (place, message) in messages.iter().enumerate().skip(system.len()) {
        if message.role == Role::User && place > system.len() {
            let history = encoder.ids(&messages[..place], false)?;
            begins.push((place, common(&ids, &history).min(words)));
        }
    }
    let question = begins.last().map_or(0, |(_, at)| *at);
    // What stands before the first turn: the system message, or one that the template has by itself.
    let alone = [system, std::slice::from_ref(last)].concat();
    let without = encoder.ids(&emptied(&alone), true)?;
    let upto_words = common(&without, &encoder.ids(&alone, true)?);
    let system_end = match begins.is_empty() {
        false => upto_words.saturating_sub(words - question).min(common(&ids, &without)),
        // There is no other question whose beginning tells how long this one's is.
        true => system_alone(system, &ids, &mut encoder).min(words),
    };
    let first = before.len().min(system.len());
    let starts = || [(first, system_end)].into_iter().chain(begins.iter().copied());
    let exchanges = starts()
        .zip(starts().skip(1))
        .map(|((from, start), (to, end))| Exchange { turns: to - from, ids: ids[start.min(end)..end].to_vec() });
    let exchanges = exchanges.collect();
    let begin = question.max(system_end).min(words);
    Ok(Prompt {
        system: ids[..system_end].to_vec(),
        exchanges,
        question: Question {
            begin: ids[begin..words].to_vec(),
            words: ids[words..end].to_vec(),
            end: ids[end..answer].to_vec(),
        },
        answer: ids[answer..].to_vec(),
    })
}

/// How many ids the system message has; 0 if the template refuses one alone.
fn system_alone(system: &[Message], ids: &[u32], encoder: &mut ChatEncoder<'_>) -> usize {
    if system.is_empty() {
        return 0;
    }
    encoder.ids(system, false).map_or(0, |alone| common(ids, &alone))
}

/// For a model without a template: lines with the speakers' names.
fn as_lines(messages: &[Message], tokenizer: &Tokenizer) -> Prompt {
    let (last, before) = messages.split_last().expect("a question");
    let parts = |message: &Message| turn(message).map(|part| tokenizer.encode(&part));
    let (system, later) = before.split_at(usize::from(messages[0].role == Role::System));
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
    Prompt {
        system: system.iter().flat_map(|message| parts(message).concat()).collect(),
        exchanges,
        question: Question { begin, words, end },
        answer: tokenizer.encode(Role::Assistant.line()),
    }
}

/// A turn as text: the beginning that marks its role, the text, and the end.
fn turn(message: &Message) -> [String; 3] {
    [message.role.line().to_owned(), transcript::words(message), transcript::END.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::{CHATML_TOKENS, TOKENS, render},
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
            assert_eq!(ends(&with_tokens).unwrap().len(), 5);
            assert_eq!(ends(&plain).unwrap(), [plain.end_of_text().unwrap()]);
            let chatml = plain.with_special_tokens(&CHATML_TOKENS).unwrap();
            let [begin, end] = CHATML_TOKENS.map(|token| chatml.special_token(token).unwrap());
            assert_eq!(ends(&chatml).unwrap(), [chatml.end_of_text().unwrap(), begin, end]);
        }
    }

    #[test]
    fn the_parts_of_chatml_are_its_turns() {
        let plain = Tokenizer::train(Kind::Byte, None, &["any"]).unwrap();
        let chatml = plain.with_special_tokens(&CHATML_TOKENS).unwrap();
        let text = |ids: &[u32]| chatml.decode(ids).unwrap();
        let turn = |role: &str, words: &str| format!("<|im_start|>{role}\n{words}<|im_end|>\n");
        let conversation = conversation();
        let prompt = super::prompt(&conversation, &chatml).unwrap();
        assert_eq!(text(&prompt.system), turn("system", "sails"));
        let exchanges: Vec<_> = prompt.exchanges.iter().map(|exchange| (exchange.turns, text(&exchange.ids))).collect();
        let second = turn("user", "\n again") + &turn("assistant", "home!\n\n  home");
        assert_eq!(exchanges, [(1, turn("assistant", "(the ship) ")), (2, second)]);
        let Question { begin, words, end } = &prompt.question;
        assert_eq!([begin, words, end].map(|ids| text(ids)), ["<|im_start|>user\n", "< |end|> ship  ", "<|im_end|>\n"]);
        assert_eq!(text(&prompt.answer), "<|im_start|>assistant\n");
        let alone = super::prompt(&[conversation[0].clone(), conversation[4].clone()], &chatml).unwrap();
        assert_eq!(text(&alone.system), turn("system", "sails"));
        assert_eq!(text(&alone.question.begin), "<|im_start|>user\n");
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
