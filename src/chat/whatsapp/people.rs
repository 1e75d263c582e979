//! Lists the participants of a chat and guesses which of them is "you", the one whose messages the model learns.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::names::{self, Entry};
use super::notices;
use super::phrases::Phrases;
use super::wording::is_of_group;

/// More are not listed; nobody could choose among them.
const MOST: usize = 200;

/// Somebody who takes part in a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Person {
    /// The name, as the file has it.
    pub name: String,
    /// Messages of theirs that the filters leave.
    pub messages: u64,
}

/// How WhatsApp is called in the names of its files.
const WHATSAPP: [&str; 6] = ["whatsapp", "واتساب", "واتسآب", "व्हाट्सऐप", "वॉट्सऐप", "וואטסאפ"];

/// More quotations are not looked at.
const QUOTATIONS: usize = 100;

/// Lines under a group's name that WhatsApp's marks were lost from, and that no form gives away.
const FEW: u64 = 3;

/// Those who say something, in the order of their first words.
#[derive(Debug, Default)]
pub struct People<'a> {
    known: Vec<(&'a str, u64)>,
    places: HashMap<&'a str, usize>,
    /// The phone's owner, where something they have deleted gives them away.
    owner: Option<&'a str>,
    /// The chat's name: of two people the other's.
    chat: Option<&'a str>,
    /// What notices quote, among it the group's name.
    quoted: Vec<&'a str>,
    /// Notices about a group under the chat's name, and those of them that seem to be somebody's words.
    of_group: [u64; 2],
}

impl<'a> People<'a> {
    /// Notes what an entry tells of the phone's owner and of the chat, whatever becomes of it.
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

    /// Once all are noted: a group's name is nobody's, and whatever stands under it is WhatsApp's. Of two people the chat
    /// bears the other's name; of three or more, nobody's.
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

    /// Somebody by their name.
    pub fn named(&self, name: &str) -> Option<&'a str> {
        let wanted = names::looks(name);
        self.known.iter().map(|&(known, _)| known).find(|known| names::looks(known) == wanted)
    }

    /// Who is likely "you": the phone's owner. Otherwise whoever writes most, if the chat does not bear their name.
    pub fn likely(&self, file: &str) -> Option<&'a str> {
        let file = words(file);
        let of_whatsapp = file.iter().any(|word| WHATSAPP.iter().any(|it| word.contains(it)));
        // Before or behind what says that it is a chat, as the language wants; signs that no file can bear are left out.
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

    /// Those who say most, and `you` among them.
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

/// The words of a name, without the signs between them.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let is_sign = |letter: char| letter.is_whitespace() || (letter.is_ascii() && !letter.is_ascii_alphanumeric());
    names::shown(&lower).split(is_sign).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
