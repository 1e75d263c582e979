//! What an answer from documents needs: the documents as a person reads them, and the room for passages in a prompt.

use super::{Model, Session};
use crate::{
    chat::{self, Message, Role},
    corpus::Source,
    error::{Error, Result},
    generate::Window,
};

impl Session {
    /// Returns the documents of the source at `index` as text, a conversation as lines with the speakers' names; none if
    /// there is no such source. `limit`: the most bytes in all; what follows is cut off.
    pub fn documents_of(&self, index: usize, limit: usize) -> Vec<String> {
        self.corpus.sources().get(index).map_or_else(Vec::new, |source| readable(source, limit))
    }

    /// Ends the file that is being read and returns its documents as [`documents_of`](Self::documents_of) does, without
    /// adding them to the text.
    ///
    /// # Errors
    /// Those of [`close_file`](Self::close_file), but [`Error::TooManyDocuments`].
    pub fn take_file(&mut self, limit: usize) -> Result<Vec<String>> {
        let source = self.reader.take().ok_or(Error::NoFileOpen)?.finish()?;
        Ok(readable(&source, limit))
    }

    /// Returns how many token ids the context has left beside the system message, the last message and the room that is
    /// reserved for an answer of `max_tokens` ids; negative if they do not fit. The turns between do not count: they are
    /// dropped where there is no room for them.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; those of [`chat::prompt`].
    pub fn room_beside(&self, messages: &[Message], max_tokens: usize) -> Result<i64> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let (last, before) = messages.split_last().ok_or(Error::NoQuestion)?;
        let system = before.first().filter(|message| message.role == Role::System);
        let asked: Vec<_> = system.into_iter().chain([last]).cloned().collect();
        let needed = chat::prompt(&asked, tokenizer)?.length();
        Ok(Window::room_for_prompt(gpt.config.context, max_tokens) as i64 - needed as i64)
    }
}

fn readable(source: &Source, limit: usize) -> Vec<String> {
    let mut room = limit;
    let mut documents = Vec::new();
    for document in source.documents() {
        let mut text = as_lines(document).unwrap_or_else(|| document.to_owned());
        let cut = text.len() > room;
        text.truncate(text.floor_char_boundary(room));
        room -= text.len();
        if !text.is_empty() {
            documents.push(text);
        }
        if cut {
            break;
        }
    }
    documents
}

/// A conversation as the lines of a transcript; `None` for other text.
fn as_lines(document: &str) -> Option<String> {
    let (messages, _) = chat::read(document)?;
    let line = |message: &Message| format!("{} {}", message.role.line(), message.content.trim());
    Some(messages.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{ModelConfig, Variant},
        device::{CPU_LIMITS, Engine},
        ops::Device,
        tokenizer::Kind,
    };

    fn session() -> Session {
        Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
    }

    fn read(session: &mut Session, name: &str, text: &str) {
        session.open_file(name, 0, None);
        session.push_bytes(text.as_bytes()).unwrap();
    }

    #[test]
    fn texts_and_given_files_are_read_as_documents_up_to_a_limit() {
        let mut session = session();
        read(&mut session, "a.jsonl", "{\"text\": \"one ñandú\"}\n{\"text\": \"two\"}\n");
        session.close_file().unwrap();
        assert_eq!(session.documents_of(0, 100), ["one ñandú", "two"]);
        assert_eq!(session.documents_of(0, 12), ["one ñandú", "t"]);
        assert_eq!(session.documents_of(0, 5), ["one "], "no letter is cut in two");
        assert!(session.documents_of(1, 100).is_empty());
        read(&mut session, "b.txt", "given for this alone");
        assert_eq!(session.take_file(100).unwrap(), ["given for this alone"]);
        assert_eq!(session.text_summary().sources.len(), 1);
        assert_eq!(session.take_file(100), Err(Error::NoFileOpen));
    }

    #[test]
    fn conversations_are_lines_with_the_speakers() {
        let mut session = session();
        let talk = r#"{"messages": [{"role": "user", "content": "who mends it?"}, {"role": "assistant", "content": "Nell."}]}"#;
        read(&mut session, "talk.jsonl", talk);
        session.close_file().unwrap();
        assert_eq!(session.documents_of(0, 100), ["User: who mends it?\nAssistant: Nell."]);
    }

    #[test]
    fn the_room_for_passages_is_what_the_window_leaves_beside_question_and_answer() {
        let mut session = session();
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        let asked = [message(Role::System, "sail"), message(Role::User, "before"), message(Role::User, "who?")];
        assert_eq!(session.room_beside(&asked, 8), Err(Error::NoModel));
        read(&mut session, "a.txt", "abcdefgh ".repeat(40).as_str());
        session.close_file().unwrap();
        session.train_tokenizer(Kind::Byte, None).unwrap();
        let (context, variant) = (128, Variant::GPT2);
        let config = ModelConfig { vocabulary: 0, context, layers: 1, heads: 2, width: 16, dropout: 0.0, variant };
        session.create_model(config, 7).unwrap();
        let lines = "System: sail\nUser: who?\nAssistant:".len() as i64;
        assert_eq!(session.room_beside(&asked, 8), Ok(128 - 8 - lines));
        assert_eq!(session.room_beside(&asked, 1000), Ok(128 - 32 - lines), "an answer has a quarter reserved");
        let long = [message(Role::User, &"o".repeat(200))];
        assert!(session.room_beside(&long, 8).unwrap() < 0);
        assert_eq!(session.room_beside(&[], 8), Err(Error::NoQuestion));
    }
}
