//! Counts the text in a JSON file by path, over everything in the file, so that the text that is read can be compared
//! with all text. An export of a thousand talks has titles, too, and only the number of words tells titles from text.
//!
//! A place is a path of member names without list indices, as all elements of a list are in one place. Where an object
//! is used as a list (its names are numbers, or there are hundreds, or each has the same members), all its members are
//! one place, too.

use super::fields::{Amount, Measure, rejected};
use super::latin1::Watch;
use crate::json::{Event, Scanner, pieces, string};

/// Limits of distinct members per object, of places, and of their depth.
const MOST_MEMBERS: usize = 256;
const MOST_PLACES: usize = 16_384;
const DEEPEST: usize = 24;
/// More members of the same kind than a record has fields.
const MANY_MEMBERS: usize = 16;
/// Longest name in bytes that counts as a field name.
const LONGEST_NAME: usize = 256;

/// A member's name; `None` stands for any.
pub type Step = Option<String>;

/// The path of a place: the member names that lead to it.
pub type Path = Vec<Step>;

#[derive(Debug)]
struct Place {
    name: String,
    parent: usize,
    depth: usize,
    members: Vec<usize>,
    /// Index of the member that was looked up last: the next one is likely to follow it.
    cursor: usize,
    /// Its members are not distinguished: one place stands for all.
    any: bool,
    /// Whether it contained a list.
    list: bool,
    strings: u64,
    amount: Amount,
    /// Whether it is the rejected answer of a preference pair.
    rejected: bool,
}

#[derive(Debug)]
pub struct Census {
    /// The first place is that of the top-level values.
    places: Vec<Place>,
    /// Whether all letters beyond ASCII are UTF-8 that was decoded as Latin-1; `None` without such letters.
    latin1: Option<bool>,
}

impl Default for Census {
    fn default() -> Self {
        Self { places: vec![Place::new(String::new(), 0, 0)], latin1: None }
    }
}

impl Place {
    fn new(name: String, parent: usize, depth: usize) -> Self {
        Self {
            name,
            parent,
            depth,
            members: Vec::new(),
            cursor: 0,
            any: false,
            list: false,
            strings: 0,
            amount: Amount::default(),
            rejected: false,
        }
    }
}

impl Census {
    /// Counts the values of a valid text.
    pub fn of(text: &str) -> Self {
        let mut census = Self::default();
        census.add(text);
        census.finish();
        census
    }

    /// Adds the values of a valid text.
    pub fn add(&mut self, text: &str) {
        // The enclosing objects and lists, each with its place, and the place of the next value.
        let mut around: Vec<usize> = Vec::new();
        let mut place = 0;
        for event in Scanner::new(text) {
            match event {
                Event::Name(range) => {
                    let parent = around.last().copied().unwrap_or(0);
                    place = self.member(parent, &text[range]);
                    continue;
                }
                Event::String(range) => self.note(place, &text[range]),
                Event::Other(_) => {}
                Event::Object | Event::Array => {
                    self.places[place].list |= event == Event::Array;
                    around.push(place);
                    continue;
                }
                Event::End => {
                    around.pop();
                }
            }
            place = around.last().copied().unwrap_or(0);
        }
    }

    fn note(&mut self, place: usize, json: &str) {
        let (mut measure, mut watch) = (Measure::default(), Watch::default());
        let watched = self.latin1 != Some(false);
        pieces(json, |piece| {
            measure.push(piece);
            if watched {
                watch.push(piece);
            }
        });
        let place = &mut self.places[place];
        place.strings += 1;
        place.amount.add(measure.amount());
        if let Some(is_utf8) = watch.is_utf8() {
            self.latin1 = Some(is_utf8 && self.latin1 != Some(false));
        }
    }

    fn member(&mut self, parent: usize, json: &str) -> usize {
        if self.places[parent].depth >= DEEPEST {
            return parent;
        }
        let full = self.places[parent].members.len() >= MOST_MEMBERS || self.places.len() >= MOST_PLACES;
        let name = string(json);
        if !self.places[parent].any {
            if let Some(found) = self.named(parent, &name) {
                return found;
            }
            if full || name.len() > LONGEST_NAME {
                self.join(parent);
            }
        }
        if let (true, Some(&one)) = (self.places[parent].any, self.places[parent].members.first()) {
            return one;
        }
        let depth = self.places[parent].depth + 1;
        let name = if self.places[parent].any { String::new() } else { name.into_owned() };
        self.places.push(Place::new(name, parent, depth));
        let member = self.places.len() - 1;
        self.places[parent].members.push(member);
        member
    }

    fn named(&mut self, parent: usize, name: &str) -> Option<usize> {
        let Place { members, cursor, .. } = &self.places[parent];
        let next = if cursor + 1 < members.len() { cursor + 1 } else { 0 };
        let found = match members.get(next) {
            Some(&member) if self.places[member].name == name => next,
            _ => members.iter().position(|&member| self.places[member].name == name)?,
        };
        self.places[parent].cursor = found;
        Some(self.places[parent].members[found])
    }

    /// Joins all members of a place into one place.
    fn join(&mut self, parent: usize) {
        if std::mem::replace(&mut self.places[parent].any, true) {
            return;
        }
        let members = std::mem::take(&mut self.places[parent].members);
        let Some((&one, others)) = members.split_first() else { return };
        self.places[one].name.clear();
        self.places[parent].members = vec![one];
        others.iter().for_each(|&other| self.merge(one, other));
    }

    fn merge(&mut self, into: usize, from: usize) {
        let Place { members, any, list, strings, amount, .. } =
            std::mem::replace(&mut self.places[from], Place::new(String::new(), into, 0));
        let place = &mut self.places[into];
        place.strings += strings;
        place.amount.add(amount);
        place.list |= list;
        if any {
            self.join(into);
        }
        for member in members {
            let name = self.places[member].name.clone();
            let known = match self.places[into].any {
                true => self.places[into].members.first().copied(),
                false => self.named(into, &name),
            };
            match known {
                Some(known) => self.merge(known, member),
                None => {
                    self.places[member].parent = into;
                    self.places[into].members.push(member);
                }
            }
        }
        if self.places[into].members.len() > MOST_MEMBERS {
            self.join(into);
        }
    }

    /// Joins the members of objects that are used as lists, once everything is counted.
    pub fn finish(&mut self) {
        self.finish_place(0);
    }

    fn finish_place(&mut self, place: usize) {
        for member in self.places[place].members.clone() {
            self.finish_place(member);
        }
        let members = &self.places[place].members;
        if members.is_empty() || self.places[place].any {
            return;
        }
        let numbers = members.iter().all(|&member| self.places[member].name.bytes().all(|byte| byte.is_ascii_digit()));
        let rejected = self.rejected_members(place);
        if rejected.is_empty() && (numbers || self.are_alike(place)) {
            self.join(place);
        }
        for member in rejected {
            self.reject(member);
        }
    }

    fn rejected_members(&self, place: usize) -> Vec<usize> {
        let members = &self.places[place].members;
        let is_rejected = rejected(|| members.iter().map(|&member| self.places[member].name.as_str()));
        members.iter().copied().filter(|&member| is_rejected(&self.places[member].name)).collect()
    }

    fn reject(&mut self, place: usize) {
        self.places[place].rejected = true;
        for member in self.places[place].members.clone() {
            self.reject(member);
        }
    }

    /// Whether all members of a place are of the same kind: lists of the same records, or objects whose keys look like
    /// ids and not like names.
    fn are_alike(&self, place: usize) -> bool {
        let members = &self.places[place].members;
        let all_lists = members.iter().all(|&member| self.places[member].list);
        let is_id = |&&member: &&usize| self.places[member].name.contains(|it: char| it.is_ascii_digit());
        let ids = 2 * members.iter().filter(is_id).count() >= members.len() || members.len() >= MANY_MEMBERS;
        if members.len() < 2 || !(all_lists || ids) {
            return false;
        }
        let names = |member: usize| self.places[member].members.iter().map(|&it| self.places[it].name.as_str());
        let first: Vec<&str> = names(members[0]).collect();
        members.iter().all(|&member| {
            let it = &self.places[member];
            let shared = names(member).filter(|name| first.contains(name)).count();
            let all = first.len() + it.members.len() - shared;
            it.strings == 0 && !it.any && shared >= 2 && 2 * shared > all
        })
    }

    /// Places with text, in file order.
    fn with_text(&self) -> Vec<usize> {
        let (mut found, mut open) = (Vec::new(), vec![0]);
        while let Some(place) = open.pop() {
            if self.places[place].strings > 0 {
                found.push(place);
            }
            open.extend(self.places[place].members.iter().rev());
        }
        found
    }

    fn path(&self, mut place: usize) -> Path {
        let mut path = Vec::new();
        while place != 0 {
            let parent = self.places[place].parent;
            path.push((!self.places[parent].any).then(|| self.places[place].name.clone()));
            place = parent;
        }
        path.reverse();
        path
    }

    /// The name of a place; `None` where the values themselves are the texts.
    fn name(&self, place: usize) -> Option<String> {
        (place != 0).then(|| called(&self.path(place)))
    }

    /// The names to choose from.
    pub fn names(&self) -> Vec<String> {
        self.with_text().into_iter().filter_map(|place| self.name(place)).collect()
    }

    /// The place with this name, or else the one with the most text whose last name it is.
    pub fn named_place(&self, name: &str) -> Option<usize> {
        let places = self.with_text();
        let whole = places.iter().copied().find(|&place| self.name(place).as_deref() == Some(name));
        let last = |&place: &usize| self.places[place].name == name && place != 0;
        whole.or_else(|| places.iter().copied().filter(last).rev().max_by_key(|&place| self.places[place].amount))
    }

    /// The place with the most text; a sibling with a usual name for text is preferred.
    pub fn likely(&self) -> Option<usize> {
        let able = || self.with_text().into_iter().filter(|&place| !self.places[place].rejected);
        let fullest = able().rev().max_by_key(|&place| self.places[place].amount)?;
        let parent = self.places[fullest].parent;
        let beside = |wanted: &&str| {
            able().find(|&place| {
                let it = &self.places[place];
                let enough = 20 * it.amount.several >= self.total();
                place != 0 && it.parent == parent && it.name.eq_ignore_ascii_case(wanted) && enough
            })
        };
        ["text", "content", "body"].iter().find_map(beside).or(Some(fullest))
    }

    pub fn read(&self, place: usize) -> Read {
        let Place { strings, mut amount, .. } = self.places[place];
        if place != 0 {
            // Strings among records are texts, too.
            amount.add(self.places[0].amount);
        }
        Read { path: self.path(place), name: self.name(place), strings: strings + self.places[0].strings, amount }
    }

    /// Upper limit in bytes of all texts as turns of conversations.
    pub fn room_for_turns(&self) -> usize {
        const AROUND_A_TURN: u64 = 24;
        self.places.iter().map(|place| place.amount.bytes + AROUND_A_TURN * place.strings).sum::<u64>() as usize
    }

    /// Letters of all texts of several words, without rejected answers.
    pub fn total(&self) -> u64 {
        self.places.iter().filter(|place| !place.rejected).map(|place| place.amount.several).sum()
    }

    /// The place with the most text that is not read: neither this place nor one below a name that is used.
    pub fn elsewhere(&self, read: Option<&Path>, is_used: impl Fn(&str) -> bool) -> Option<String> {
        let places = self.with_text();
        let others = places.iter().copied().filter(|&place| {
            let path = self.path(place);
            let used = path.iter().flatten().any(|name| is_used(name));
            let Place { amount, rejected, .. } = self.places[place];
            amount.several > 0 && !rejected && !used && place != 0 && Some(&path) != read
        });
        let fullest = others.rev().max_by_key(|&place| self.places[place].amount);
        fullest.or(self.likely()).and_then(|place| self.name(place))
    }

    /// Whether the letters of all strings are UTF-8 that was decoded as Latin-1, as in Meta's exports.
    pub fn is_latin1(&self) -> bool {
        self.latin1 == Some(true)
    }
}

/// A path for display.
fn called(path: &Path) -> String {
    let names: Vec<&str> = path.iter().flatten().map(String::as_str).collect();
    if names.is_empty() { "*".to_owned() } else { names.join(".") }
}

/// The place that is read.
#[derive(Debug, Clone)]
pub struct Read {
    pub path: Path,
    pub name: Option<String>,
    pub strings: u64,
    pub amount: Amount,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likely(json: &str) -> Option<String> {
        let census = Census::of(json);
        census.likely().and_then(|place| census.name(place))
    }

    #[test]
    fn every_place_with_text_has_a_name() {
        let census = Census::of(r#"{"a": "x", "b": [{"c": "y"}, {"c": "z", "d": {"e": ["w"]}}], "n": 1}"#);
        assert_eq!(census.names(), ["a", "b.c", "b.d.e"]);
        assert_eq!(Census::of(r#"["a", {"b": "c"}]"#).names(), ["b"]);
    }

    #[test]
    fn the_likely_place_has_the_most_text_or_a_usual_name_beside_it() {
        assert_eq!(
            likely(r#"[{"summary": "a long summary of the thing", "Text": "short one"}]"#).as_deref(),
            Some("Text")
        );
        let titles =
            r#"{"title": "On sailing", "threads": [{"entry": {"words": "a long entry about the sea and more"}}]}"#;
        assert_eq!(likely(titles).as_deref(), Some("threads.entry.words"));
        assert_eq!(likely(r#"["one", "two"]"#), None);
        assert_eq!(
            likely(r#"[{"chosen": "it is", "rejected": "a reply that is much longer"}]"#).as_deref(),
            Some("chosen")
        );
        // A usual name with very little text is not preferred.
        let article = format!(r#"[{{"text": "a b", "article": "{}"}}]"#, "many words ".repeat(20));
        assert_eq!(likely(&article).as_deref(), Some("article"));
    }

    #[test]
    fn objects_used_as_lists_are_one_place() {
        let numbers = Census::of(r#"{"id": {"0": 1, "1": 2}, "text": {"0": "the first", "1": "the second"}}"#);
        assert_eq!(numbers.names(), ["text"]);
        let keyed = r#"{"u1": {"name": "Ana", "say": "one thing"}, "u2": {"name": "Bo", "say": "b c"},
            "u3": {"name": "Cy", "say": "d e"}}"#;
        assert_eq!(Census::of(keyed).names(), ["name", "say"]);
        let splits = r#"{"train": [{"text": "a b", "label": "x"}], "test": [{"text": "c d", "label": "y"}]}"#;
        assert_eq!(Census::of(splits).names(), ["text", "label"]);
        let many: Vec<String> = (0..1000).map(|key| format!(r#""key-{key}": "a word""#)).collect();
        let census = Census::of(&format!("{{{}}}", many.join(",")));
        assert_eq!(census.names(), ["*"]);
        assert_eq!(census.total(), 5000);
    }

    #[test]
    fn text_is_counted_completely_at_any_depth_and_width() {
        let deep = format!("{}\"some words\"{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        assert_eq!(Census::of(&deep).total(), 9);
        let wide: Vec<String> = (0..300)
            .map(|a| {
                format!(
                    "\"a{a}\":{{{}}}",
                    (0..300).map(|b| format!("\"b{a}-{b}\":\"x y\"")).collect::<Vec<_>>().join(",")
                )
            })
            .collect();
        let census = Census::of(&format!("{{{}}}", wide.join(",")));
        assert_eq!(census.total(), 2 * 300 * 300);
        assert!(census.places.len() < 2 * MOST_PLACES);
    }

    #[test]
    fn rejected_answers_are_not_counted() {
        let census =
            Census::of(r#"[{"prompt": "Is it?", "chosen": "It is.", "rejected": [{"content": "no no no no"}]}]"#);
        assert_eq!(census.total(), 8);
        let alike = r#"[{"talk": [{"from": "a", "value": "b c"}], "chosen": {"from": "a", "value": "d e"},
            "rejected": {"from": "a", "value": "f g"}}]"#;
        assert_eq!(Census::of(alike).total(), 4);
        assert_eq!(census.elsewhere(None, |name| name == "prompt").as_deref(), Some("chosen"));
    }
}
