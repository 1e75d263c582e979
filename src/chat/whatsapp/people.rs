//! Who takes part in a chat, and who of them is "you": the one whose words the model learns.

use std::collections::HashMap;

use serde::Serialize;

use super::entry::Entry;
use super::notices;

/// More are not listed; nobody could choose among them.
const MOST: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Person {
    pub name: String,
    /// Messages of theirs that the filters leave.
    pub messages: u64,
}

/// Those who say something, in the order of their first words.
#[derive(Debug, Default)]
pub struct People<'a> {
    known: Vec<(&'a str, u64)>,
    places: HashMap<&'a str, usize>,
    /// The phone's owner, where something they have deleted gives them away.
    owner: Option<&'a str>,
    /// The chat's name: of two people the other's.
    chat: Option<&'a str>,
}

impl<'a> People<'a> {
    /// Notes what an entry tells of the phone's owner, whatever becomes of it.
    pub fn note(&mut self, entry: &Entry<'a>) {
        let Some(sender) = entry.sender else { return };
        if notices::is_of_owner(entry.body) {
            self.owner = Some(sender);
        } else if self.chat.is_none() && notices::is_of_chat(entry.body) {
            self.chat = Some(sender);
        }
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
        self.places.get(name).map(|&place| self.known[place].0)
    }

    /// Who is likely "you": the phone's owner. Otherwise whoever writes most, if the chat does not bear their name.
    pub fn likely(&self, file: &str) -> Option<&'a str> {
        let file = file.to_lowercase();
        let stem = file.strip_suffix(".txt").or(file.strip_suffix(".zip")).unwrap_or(&file);
        let is_other = |name: &str| {
            self.chat == Some(name)
                || (stem.contains("whatsapp") && stem.ends_with(&format!(" {}", name.to_lowercase())))
        };
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
        let person = |(name, messages): (&str, u64)| Person { name: name.to_owned(), messages };
        all.into_iter().take(MOST).map(person).collect()
    }
}
