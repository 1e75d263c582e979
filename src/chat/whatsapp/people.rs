//! Lists the participants of a chat and guesses which of them is "you", the one whose messages the model learns.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::names::{self, Entry};
use super::notices;
use super::phrases::Phrases;
use super::wording::is_of_group;

/// Largest number of people that are listed, because nobody could choose among more.
const MOST: usize = 200;

/// A participant of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Person {
    /// The name in the file.
    pub name: String,
    /// Number of messages after the filters.
    pub messages: u64,
}

/// The word for WhatsApp in the names of its files.
const WHATSAPP: [&str; 6] = ["whatsapp", "واتساب", "واتسآب", "व्हाट्सऐप", "वॉट्सऐप", "וואטסאפ"];

/// Largest number of quotations that are kept.
const QUOTATIONS: usize = 100;

/// Number of lines under a group's name that may be undetected system messages without WhatsApp's marks.
const FEW: u64 = 3;

/// The participants, in the order of their first messages.
#[derive(Debug, Default)]
pub struct People<'a> {
    known: Vec<(&'a str, u64)>,
    places: HashMap<&'a str, usize>,
    /// The phone's owner, if one of their deleted messages shows it.
    owner: Option<&'a str>,
    /// The chat's name: with two people the other's.
    chat: Option<&'a str>,
    /// Quotations in system messages, among them the group's name.
    quoted: Vec<&'a str>,
    /// Number of system messages about a group under the chat's name, and of those that the filters kept as messages.
    of_group: [u64; 2],
}

impl<'a> People<'a> {
    /// Adds what an entry shows of the phone's owner and of the chat, even if it is left out.
    pub fn note(&mut self, entry: &Entry<'a>, kept: bool) {
        if !kept && self.quoted.len() < QUOTATIONS {
            self.quoted.extend(names::quoted(entry.body));
        }
        let Some(sender) = entry.sender else { return };
        if notices::is_of_owner(entry.body) {
            self.owner = Some(sender);
        } else if self.chat.is_none() && notices::is_of_chat(entry.body) {
            self.chat = Some(sender);
        } else if self.chat == Some(sender) {
            let notice = is_of_group(entry.body);
            self.of_group[0] += u64::from(notice);
            self.of_group[1] += u64::from(notice && kept);
        }
    }

    /// Removes a group's name from the people, once all entries are added: everything under it is a system message.
    /// With two people the chat's name is the other's; with three or more it is nobody's.
    pub fn without_group(&mut self, phrases: &Phrases) -> Option<&'a str> {
        let quoted: HashSet<String> = self.quoted.iter().map(|quoted| names::looks(quoted)).collect();
        let is_group = |&(name, messages): &(&'a str, u64)| {
            let others = self.known.len() - 1;
            let lost = phrases.marks_are_lost && (self.of_group[0] > 0 || messages <= FEW);
            let notices = lost || self.of_group[1] == messages;
            others >= 1 && (quoted.contains(&names::looks(name)) || (self.chat == Some(name) && others >= 2 && notices))
        };
        let candidates =
            |it: &&(&'a str, u64)| self.chat == Some(it.0) || self.chat.is_none() && phrases.marks_are_lost;
        let place = self.known.iter().position(|it| candidates(&it) && is_group(it))?;
        let (group, _) = self.known.remove(place);
        self.places = self.known.iter().enumerate().map(|(place, &(name, _))| (name, place)).collect();
        Some(group)
    }

    pub fn add_message(&mut self, name: &'a str) {
        let place = *self.places.entry(name).or_insert_with(|| {
            self.known.push((name, 0));
            self.known.len() - 1
        });
        self.known[place].1 += 1;
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// A participant by name.
    pub fn named(&self, name: &str) -> Option<&'a str> {
        let wanted = names::looks(name);
        self.known.iter().map(|&(known, _)| known).find(|known| names::looks(known) == wanted)
    }

    /// Guesses who is "you": the phone's owner, or else whoever has most messages and is not the one the chat is named
    /// after.
    pub fn likely(&self, file: &str) -> Option<&'a str> {
        let file = words(file);
        let of_whatsapp = file.iter().any(|word| WHATSAPP.iter().any(|it| word.contains(it)));
        // Before or after the word for a chat, as the language wants; characters that file names cannot have are
        // ignored.
        let in_file = |name: &str| {
            let name = words(name);
            !name.is_empty() && of_whatsapp && file.windows(name.len()).any(|part| part == name)
        };
        let is_other = |name: &str| self.chat == Some(name) || in_file(name);
        let most = |but_other: bool| {
            let able = self.known.iter().filter(move |(name, _)| !(but_other && is_other(name)));
            able.rev().max_by_key(|(_, messages)| messages).map(|&(name, _)| name)
        };
        let owner = self.owner.filter(|owner| self.places.contains_key(owner));
        owner.or_else(|| most(true)).or_else(|| most(false))
    }

    /// The participants with most messages, always including `you`.
    pub fn list(&self, you: &str) -> Vec<Person> {
        let mut all = self.known.clone();
        all.sort_by_key(|&(name, messages)| (std::cmp::Reverse(messages), name != you));
        if let Some(place) = all.iter().position(|&(name, _)| name == you).filter(|&place| place >= MOST) {
            all.swap(MOST - 1, place);
        }
        let person = |(name, messages): (&str, u64)| Person { name: names::shown(name), messages };
        all.into_iter().take(MOST).map(person).collect()
    }
}

/// The words of a name, without punctuation.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let is_sign = |letter: char| letter.is_whitespace() || (letter.is_ascii() && !letter.is_ascii_alphanumeric());
    names::shown(&lower).split(is_sign).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
