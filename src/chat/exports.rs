//! Reads the data exports of ChatGPT and Claude. Both keep every version of a question and of an answer, as a tree; the
//! visible conversation is the path from the last message up to the first.
//!
//! - ChatGPT's conversations.json (2023 to 2026): `mapping` from ids to `message`, `parent`, and `current_node`
//! - Claude's conversations.json (2024 to 2026): `chat_messages` with `sender`, `text` or `content`, and in newer ones
//!   `uuid` and `parent_message_uuid`

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Role;
use super::records::{Conversation, Turn, role};
use crate::json::{elements, members, read_string, text_of};

/// A message in its tree.
struct Node<'a> {
    parent: Option<Cow<'a, str>>,
    message: &'a str,
}

/// The messages from the first to the one with this id; a cycle of ids ends the path.
fn way_to<'a>(nodes: &HashMap<Cow<'a, str>, Node<'a>>, last: &str) -> Vec<&'a str> {
    let (mut way, mut seen) = (Vec::new(), HashSet::new());
    let mut next = Some(last);
    while let Some(id) = next.filter(|id| seen.insert(*id)) {
        let Some(node) = nodes.get(id) else { break };
        way.push(node.message);
        next = node.parent.as_deref();
    }
    way.reverse();
    way
}

/// Adds the visible turns of a conversation of ChatGPT: as `Conversation::add_list`.
pub fn chatgpt(mapping: &str, current: Option<&str>, conversation: &mut Conversation) -> Option<bool> {
    let mut nodes = HashMap::new();
    let mut last = None;
    for (id, node) in members(mapping) {
        let (mut message, mut parent, mut leaf) = ("null", None, true);
        for (name, value) in members(node) {
            match name.as_ref() {
                "message" => message = value,
                "parent" => parent = read_string(value),
                "children" => leaf = elements(value).next().is_none(),
                _ => {}
            }
        }
        if leaf {
            last = Some(id.clone());
        }
        nodes.insert(id, Node { parent, message });
    }
    let last = current.filter(|id| nodes.contains_key(*id)).map(str::to_owned).or(last.map(Cow::into_owned))?;
    for (number, message) in way_to(&nodes, &last).into_iter().enumerate() {
        // The tree's root is not a message.
        if number > 0 || message != "null" {
            let turn = chatgpt_turn(message);
            conversation.add(turn.as_ref().map(|(role, _)| *role), &turn.map(|(_, words)| words).unwrap_or_default());
        }
    }
    Some(true)
}

/// Role and text of a visible message; `None` for tool calls, tool results, and hidden messages.
fn chatgpt_turn(message: &str) -> Option<(Role, String)> {
    let (mut speaker, mut content) = (None, None);
    let mut seen = true;
    for (name, value) in members(message) {
        match name.as_ref() {
            "author" => {
                let named = members(value).find(|(name, _)| name == "role");
                speaker = named.and_then(|(_, value)| read_string(value)).and_then(|name| role(&name));
            }
            "content" => content = Some(value),
            "weight" => seen &= value.parse() != Ok(0.0),
            "recipient" => seen &= matches!(read_string(value).as_deref(), None | Some("all")),
            "metadata" => {
                let hidden =
                    |(name, value): (Cow<str>, &str)| name == "is_visually_hidden_from_conversation" && value == "true";
                seen &= !members(value).any(hidden);
            }
            _ => {}
        }
    }
    let role = speaker.filter(|role| seen && *role != Role::System)?;
    let (mut kind, mut parts) = (None, None);
    for (name, value) in members(content?) {
        match name.as_ref() {
            "content_type" => kind = read_string(value),
            "parts" => parts = Some(value),
            _ => {}
        }
    }
    let words = kind.is_none_or(|kind| kind == "text" || kind == "multimodal_text");
    Some((role, text_of(parts.filter(|_| words)?)?.into_owned()))
}

/// Adds the visible turns of a conversation of Claude: as `Conversation::add_list`.
pub fn claude(list: &str, leaf: Option<&str>, conversation: &mut Conversation) -> Option<bool> {
    elements(list).next()?;
    let (mut nodes, mut last) = (HashMap::new(), None);
    for message in elements(list) {
        let (mut id, mut parent) = (None, None);
        for (name, value) in members(message) {
            match name.as_ref() {
                "uuid" => id = read_string(value),
                "parent_message_uuid" => parent = read_string(value),
                _ => {}
            }
        }
        if let (Some(id), Some(parent)) = (id, parent) {
            last = Some(id.clone());
            nodes.insert(id, Node { parent: Some(parent), message });
        }
    }
    // Without parents the messages are a sequence.
    let last = leaf.filter(|id| nodes.contains_key(*id)).map(str::to_owned).or(last.map(Cow::into_owned));
    let way = match last.filter(|_| nodes.len() == elements(list).count()) {
        Some(last) => way_to(&nodes, &last),
        None => elements(list).collect(),
    };
    way.into_iter().for_each(|message| conversation.add_turn(Turn::of(message)));
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::records::{Form, form};

    fn said(json: &str) -> (Vec<(Role, String)>, u64) {
        let Form::Spoken(found) = form(json) else { panic!("{json}") };
        (found.messages.into_iter().map(|it| (it.role, it.content)).collect(), found.left_out)
    }

    fn node(id: &str, parent: &str, children: &str, message: &str) -> String {
        format!(r#""{id}": {{"id": "{id}", "parent": {parent}, "children": [{children}], "message": {message}}}"#)
    }

    fn message(role: &str, kind: &str, parts: &str, more: &str) -> String {
        format!(
            r#"{{"author": {{"role": "{role}"}}, "content": {{"content_type": "{kind}", "parts": [{parts}]}}{more}}}"#
        )
    }

    fn chat(current: &str) -> String {
        let hidden = r#", "metadata": {"is_visually_hidden_from_conversation": true}"#;
        let nodes = [
            node("root", "null", "\"s\"", "null"),
            node("s", "\"root\"", "\"u\"", &message("system", "text", "\"Be kind.\"", hidden)),
            node("u", "\"s\"", "\"a\", \"b\"", &message("user", "multimodal_text", "{\"asset\": 1}, \"How?\"", "")),
            node("a", "\"u\"", "", &message("assistant", "text", "\"The discarded way.\"", "")),
            node("b", "\"u\"", "\"t\"", &message("assistant", "code", "\"run()\"", ", \"recipient\": \"python\"")),
            node("t", "\"b\"", "\"c\"", &message("tool", "text", "\"14\"", "")),
            node(
                "c",
                "\"t\"",
                "",
                &message("assistant", "text", "\"Fourteen.\"", ", \"weight\": 1.0, \"recipient\": \"all\""),
            ),
        ];
        format!(r#"{{"title": "How", "mapping": {{{}}}, "current_node": {current}}}"#, nodes.join(", "))
    }

    #[test]
    fn the_path_to_the_current_message_is_read_from_the_tree_of_chatgpt() {
        let right = vec![(Role::User, "How?".to_owned()), (Role::Assistant, "Fourteen.".to_owned())];
        assert_eq!(said(&chat("\"c\"")), (right.clone(), 3));
        // Without the current message, the path to the last one is read.
        assert_eq!(said(&chat("null")), (right, 3));
        assert_eq!(said(&chat("\"a\"")).0[1].1, "The discarded way.");
        assert_eq!(form(r#"{"title": "Empty", "mapping": {}, "current_node": null}"#), Form::Empty);
        let circle = node("a", "\"a\"", "", &message("assistant", "text", "\"Round.\"", ""));
        assert_eq!(said(&format!(r#"{{"mapping": {{{circle}}}, "current_node": "a"}}"#)).0.len(), 1);
    }

    #[test]
    fn visible_messages_of_claude_are_read() {
        let json = r#"{"uuid": "1", "name": "Bread", "chat_messages": [
            {"sender": "human", "text": "It does not rise.", "content": [{"type": "text", "text": "It does not rise."}]},
            {"sender": "assistant", "text": "", "content": [{"type": "thinking", "thinking": "cold"},
                {"type": "tool_use", "input": {"text": "x"}}, {"type": "text", "text": "Keep it warm."}]},
            {"sender": "human", "text": "And the salt?", "content": []},
            {"sender": "assistant", "text": ""}]}"#;
        let (turns, left_out) = said(json);
        let words: Vec<&str> = turns.iter().map(|(_, words)| words.as_str()).collect();
        assert_eq!((words, left_out), (vec!["It does not rise.", "Keep it warm.", "And the salt?"], 1));
    }

    #[test]
    fn the_current_branch_of_claude_is_read() {
        let json = r#"{"chat_messages": [
            {"uuid": "a", "parent_message_uuid": "0", "sender": "human", "text": "One?"},
            {"uuid": "b", "parent_message_uuid": "a", "sender": "assistant", "text": "No."},
            {"uuid": "c", "parent_message_uuid": "a", "sender": "assistant", "text": "Yes."}], "current_leaf_message_uuid": LEAF}"#;
        for (leaf, answer) in [("\"b\"", "No."), ("\"c\"", "Yes."), ("null", "Yes.")] {
            assert_eq!(said(&json.replace("LEAF", leaf)).0[1].1, answer, "{leaf}");
        }
    }
}
