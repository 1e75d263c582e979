//! Reads chat exports of messengers other than WhatsApp, all in JSON: an object with a list of `messages`.
//!
//! - Telegram Desktop ("result.json", 2019 to 2026): `from`, `text` as a string or in pieces, `date`; `type` "service"
//! - Messenger and Instagram (Meta's "message_1.json", 2018 to 2026): `sender_name`, `content`, `timestamp_ms`, newest
//!   first
//! - Discord (DiscordChatExporter 2): `author` with `name`, `content`, `timestamp`; `type` "Default" and "Reply" are
//!   text
//!
//! They become conversations as WhatsApp's chats do, with the same filters and the same choice of "you".

use std::borrow::Cow;

use super::whatsapp::{Chat, ChatFilters, ChatFound, ChatOptions, ChatReport, Kept, People, SILENCE, Turns, days};
use crate::error::{Error, Result};
use crate::json::{elements, members, read_string, text_of};

/// Number of messages that are sampled to detect a chat.
const LOOKED_AT: usize = 50;
/// Largest number of people that an error names.
const NAMED: usize = 20;
const MILLISECONDS_A_MINUTE: i64 = 60_000;

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Words,
    /// A picture, a file, a call: no text.
    Media,
    /// A message of the program itself.
    Service,
}

#[derive(Debug)]
struct Said<'a> {
    kind: Kind,
    who: Cow<'a, str>,
    words: String,
    /// Milliseconds since 1970.
    at: Option<i64>,
}

/// One chat of an export.
#[derive(Debug)]
pub struct Talk<'a> {
    /// The chat's name in the export: with two people the other's name.
    name: Cow<'a, str>,
    said: Vec<Said<'a>>,
}

impl<'a> Said<'a> {
    /// Parses a message; `None` if it is neither a person's nor the program's.
    fn of(json: &'a str) -> Option<Self> {
        let (mut who, mut id, mut author, mut words, mut kind) = (None, None, None, None, None);
        let mut at = None;
        for (name, value) in members(json) {
            match name.as_ref() {
                "sender_name" | "from" => who = Some(value),
                "from_id" | "actor" => id = read_string(value),
                "author" if value.starts_with('{') => author = Some(value),
                "text" | "content" => words = Some(value),
                "type" => kind = read_string(value),
                "timestamp_ms" | "date_unixtime" | "date" | "timestamp" => {
                    at = moment(&name, value.trim_matches('"')).or(at);
                }
                _ => {}
            }
        }
        let named = |author: &'a str| {
            let names: Vec<_> = members(author).collect();
            let by = |wanted: &str| names.iter().find(|(name, _)| name == wanted).and_then(|(_, it)| read_string(it));
            by("nickname").filter(|name| !name.trim().is_empty()).or_else(|| by("name"))
        };
        let speaks = who.is_some() || author.is_some();
        let service = match kind.as_deref() {
            Some("service") => true,
            Some(kind) if author.is_some() => !matches!(kind, "Default" | "Reply" | "0" | "19"),
            _ => false,
        };
        if !(service || (speaks && at.is_some())) {
            return None;
        }
        let words = words.and_then(text_of).map(|words| words.replace("\r\n", "\n")).unwrap_or_default();
        let who = who.and_then(read_string).or_else(|| author.and_then(named)).or(id).unwrap_or(Cow::Borrowed("?"));
        let kind = match () {
            () if service => Kind::Service,
            () if words.trim().is_empty() => Kind::Media,
            () => Kind::Words,
        };
        Some(Self { kind, who, words, at })
    }
}

/// The time of a message in milliseconds since 1970: a number, or an ISO 8601 date. Time zones are ignored, because
/// only the time between two messages is used.
fn moment(name: &str, value: &str) -> Option<i64> {
    match name {
        "timestamp_ms" => return value.parse().ok(),
        "date_unixtime" => return value.parse::<i64>().ok()?.checked_mul(1000),
        _ => {}
    }
    let number = |from: usize, to: usize| value.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13).unwrap_or(0), number(14, 16).unwrap_or(0));
    let second = number(17, 19).unwrap_or(0);
    let minutes = days(year, month.clamp(1, 12), day.clamp(1, 31)) * 24 * 60 + hour * 60 + minute;
    Some(minutes * MILLISECONDS_A_MINUTE + second * 1000)
}

/// The list of messages in a chat between people; `None` for anything else.
fn messages(chat: &str) -> Option<&str> {
    let (_, list) = members(chat).find(|(name, value)| name == "messages" && value.starts_with('['))?;
    let (mut seen, mut known, mut speak) = (0, 0, false);
    for element in elements(list).take(LOOKED_AT) {
        let said = Said::of(element);
        seen += 1;
        known += usize::from(said.is_some());
        speak |= said.is_some_and(|said| said.kind != Kind::Service);
    }
    (speak && 2 * known >= seen).then_some(list)
}

/// Whether a JSON object is a chat of a supported export.
pub fn looks_like(chat: &str) -> bool {
    messages(chat).is_some()
}

/// Parses a chat between people, if this object is one.
pub fn talk(chat: &str) -> Option<Talk<'_>> {
    let list = messages(chat)?;
    let named = |wanted: &str| members(chat).find(|(name, _)| name == wanted).and_then(|(_, value)| read_string(value));
    let name = named("title").or_else(|| named("name")).unwrap_or_default();
    let mut said: Vec<Said> = elements(list).filter_map(Said::of).collect();
    if said.first().and_then(|it| it.at) > said.last().and_then(|it| it.at) {
        said.reverse();
    }
    if said.iter().all(|it| it.at.is_some()) {
        said.sort_by_key(|it| it.at);
    }
    Some(Talk { name, said })
}

impl Talk<'_> {
    /// Repairs every text with a function that returns the repaired text; returns their number.
    pub fn mend(&mut self, mended: impl Fn(&str) -> Option<String>) -> u64 {
        let mut count = 0;
        if let Some(name) = mended(&self.name) {
            self.name = Cow::Owned(name);
        }
        for said in &mut self.said {
            if let Some(who) = mended(&said.who) {
                said.who = Cow::Owned(who);
            }
            if let Some(words) = mended(&said.words) {
                said.words = words;
                count += 1;
            }
        }
        count
    }

    /// All texts of people in it, in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.said.iter().filter(|it| it.kind != Kind::Service).map(|it| it.words.as_str())
    }

    /// Renders the chat as plain text: a line for each message, with its name.
    fn plain(&self) -> String {
        let lines = self.said.iter().filter(|it| it.kind == Kind::Words);
        lines.map(|it| format!("{}: {}\n", it.who, it.words.trim())).collect()
    }
}

/// Converts these chats to conversations.
///
/// # Errors
/// If the filters leave nothing, or the chosen person has no messages.
pub fn read(name: &str, talks: &[Talk<'_>], options: &ChatOptions) -> Result<Chat> {
    let all = || talks.iter().flat_map(|talk| &talk.said);
    let lines = all().count() as u64;
    if options.plain {
        return Ok(plain(talks, lines, options));
    }
    let filters = options.filters;
    let mut people = People::default();
    for said in all() {
        if keep(&filters, said, &mut ChatFound::default()).is_some_and(|kept| kept.speaker.is_some()) {
            people.add_message(&said.who);
        }
    }
    let you = match &options.you {
        Some(you) => people.named(you),
        None => likely(&people, talks).and_then(|you| people.named(&you)),
    };
    let Some(you) = you else {
        let name = name.to_owned();
        let people: Vec<String> = people.list("").into_iter().take(NAMED).map(|person| person.name).collect();
        return Err(match &options.you {
            Some(you) if !people.is_empty() => Error::ChatPersonMissing { name, you: you.clone(), people },
            _ => Error::ChatEmpty { name },
        });
    };

    let mut turns = Turns::new(you, filters, false);
    let (mut found, mut left) = (ChatFound::default(), 0);
    for talk in talks {
        let mut speakers: Vec<&str> = talk.said.iter().filter(|it| it.kind == Kind::Words).map(|it| &*it.who).collect();
        speakers.sort_unstable();
        speakers.dedup();
        turns.group = speakers.len() > 2;
        let mut before = None;
        for said in &talk.said {
            let Some(kept) = keep(&filters, said, &mut found) else { continue };
            let silence = said.at.zip(before).map(|(now, before): (i64, i64)| now.saturating_sub(before));
            if silence.is_some_and(|silence| silence > SILENCE * MILLISECONDS_A_MINUTE) {
                turns.end_conversation();
            }
            before = said.at.or(before);
            left += 1;
            turns.add(&kept);
        }
        turns.end_conversation();
    }
    turns.text.shrink_to_fit();
    let report = ChatReport {
        plain: false,
        lines,
        removed: lines.saturating_sub(left),
        found,
        filters,
        people: people.list(you),
        you: you.to_owned(),
        silent: turns.silent,
        preview: turns.preview,
    };
    Ok(Chat { text: turns.text, documents: turns.documents, turns: turns.count, report })
}

fn plain(talks: &[Talk<'_>], lines: u64, options: &ChatOptions) -> Chat {
    let (mut text, mut documents) = (String::new(), Vec::new());
    for words in talks.iter().map(Talk::plain).filter(|words| !words.is_empty()) {
        let start = text.len();
        text.push_str(&words);
        documents.push(start..text.len());
    }
    let report = ChatReport { lines, ..ChatReport::plain("", options) };
    Chat { text, documents, turns: 0, report }
}

/// The rest of a message after the filters.
fn keep<'a>(filters: &ChatFilters, said: &'a Said<'_>, found: &mut ChatFound) -> Option<Kept<'a>> {
    match said.kind {
        Kind::Service => found.system += 1,
        Kind::Media => found.media += 1,
        Kind::Words => {
            let words = filters.keep_words(said.words.clone(), found)?;
            return Some(Kept { speaker: Some(&said.who), words });
        }
    }
    None
}

/// Guesses who is "you": whoever has most messages, except people after whom chats are named.
fn likely(people: &People<'_>, talks: &[Talk<'_>]) -> Option<String> {
    let all = people.list("");
    let is_other = |name: &str| talks.iter().any(|talk| talk.name == name);
    all.iter().find(|person| !is_other(&person.name)).or(all.first()).map(|person| person.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(chats: &[&str], options: &ChatOptions) -> Chat {
        let talks: Vec<Talk> = chats.iter().map(|chat| talk(chat).unwrap()).collect();
        read("a.json", &talks, options).unwrap()
    }

    const TELEGRAM: &str = r#"{"name": "Ferry", "type": "private_group", "messages": [
        {"id": 1, "type": "service", "date": "2026-01-05T08:00:00", "actor": "Nela", "action": "create_group", "text": ""},
        {"id": 2, "type": "message", "date": "2026-01-05T08:01:00", "from": "Nela", "text": "it leaves at nine"},
        {"id": 3, "type": "message", "date": "2026-01-05T08:02:00", "from": "Óscar",
            "text": ["look ", {"type": "bold", "text": "here"}, "!"]},
        {"id": 4, "type": "message", "date": "2026-01-05T08:03:00", "from": "Nela", "photo": "p.jpg", "text": ""},
        {"id": 5, "type": "message", "date": "2026-01-05T08:04:00", "from": null, "from_id": "user3", "text": "wait"},
        {"id": 6, "type": "message", "date": "2026-01-06T08:04:00", "from": "Nela", "text": "gone"}]}"#;

    #[test]
    fn messages_of_telegram_become_conversations() {
        let chat = read_all(&[TELEGRAM], &ChatOptions::default());
        let right = "<|assistant|>it leaves at nine<|end|><|user|>Óscar: look here!\nuser3: wait<|end|>\
                     <|assistant|>gone<|end|>";
        assert_eq!((chat.text.as_str(), chat.documents.len(), chat.turns), (right, 2, 3));
        let ChatReport { found, lines, removed, you, .. } = &chat.report;
        assert_eq!((found.system, found.media, *lines, *removed, you.as_str()), (1, 1, 6, 2, "Nela"));
        let options = ChatOptions { you: Some("Óscar".into()), ..ChatOptions::default() };
        let other = read_all(&[TELEGRAM], &options);
        assert_eq!((other.report.silent, other.documents.len()), (1, 1));
        let options = ChatOptions { plain: true, ..ChatOptions::default() };
        let plain = read_all(&[TELEGRAM], &options);
        assert_eq!(plain.text, "Nela: it leaves at nine\nÓscar: look here!\nuser3: wait\nNela: gone\n");
        let nobody = ChatOptions { you: Some("Bo".into()), ..ChatOptions::default() };
        let refused = read("a.json", &[talk(TELEGRAM).unwrap()], &nobody);
        assert!(matches!(refused, Err(Error::ChatPersonMissing { .. })));
    }

    #[test]
    fn messages_of_meta_are_reversed_and_repaired() {
        let json = r#"{"participants": [{"name": "A"}], "title": "Zo\u00c3\u00ab", "messages": [
            {"sender_name": "Zo\u00c3\u00ab", "timestamp_ms": 1767600240000, "content": "ma\u00c3\u00b1ana"},
            {"sender_name": "Zo\u00c3\u00ab", "timestamp_ms": 1767600230000, "content": "yes"},
            {"sender_name": "Iris", "timestamp_ms": 1767600180000, "content": "when?"},
            {"sender_name": "Iris", "timestamp_ms": 1767600060000, "photos": []}]}"#;
        let mut chat = talk(json).unwrap();
        assert_eq!(chat.mend(|text| text.contains('Ã').then(|| text.replace("Ã±", "ñ").replace("Ã«", "ë"))), 1);
        let chat = read("a.json", &[chat], &ChatOptions::default()).unwrap();
        assert_eq!(chat.text, "<|assistant|>when?<|end|><|user|>yes\nmañana<|end|>");
        assert_eq!(chat.report.you, "Iris");
    }

    #[test]
    fn only_messages_of_people_are_read_from_discord() {
        let json = r#"{"guild": {"name": "Harbour"}, "messages": [
            {"type": "Default", "timestamp": "2026-01-05T08:01:00+00:00", "content": "low tide", "author": {"name": "nela"}},
            {"type": "Reply", "timestamp": "2026-01-05T08:02:00+00:00", "content": "we walk", "author": {"name": "o", "nickname": "Óscar"}},
            {"type": "GuildMemberJoin", "timestamp": "2026-01-05T08:03:00+00:00", "content": "joined", "author": {"name": "bo"}}]}"#;
        let chat = read_all(&[json], &ChatOptions::default());
        assert_eq!(chat.text, "<|assistant|>low tide<|end|><|user|>we walk<|end|>");
        assert_eq!(chat.report.found.system, 1);
    }

    #[test]
    fn other_lists_of_messages_are_not_chats() {
        for json in [
            r#"{"messages": []}"#,
            r#"{"messages": [{"role": "user", "content": "a"}]}"#,
            r#"{"messages": ["a", "b"]}"#,
            r#"{"messages": [{"from": "human", "value": "a"}]}"#,
            r#"{"messages": {"a": 1}}"#,
            "[]",
            "7",
        ] {
            assert!(talk(json).is_none(), "{json}");
        }
    }
}
