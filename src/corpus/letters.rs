//! Reads letters: what is written in them, as the page extracts it, a document each.

use super::parsed::Parsed;
use super::source::Notice;
use crate::chat::whatsapp;
use crate::error::Result;

/// Addresses and numbers are somebody's, so they are replaced, as in chats.
pub fn parse(name: &str, mut text: String) -> Result<Parsed> {
    let count = whatsapp::replace_private(&mut text);
    let notice = (count > 0).then(|| Notice::AddressesReplaced { name: name.to_owned(), count });
    Ok(Parsed { notices: notice.into_iter().collect(), ..Parsed::plain(name, text)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_documents_without_addresses() {
        let text = "Write to ana@a.example or call +34 612 345 678.\n<|endoftext|>\nSee www.a.example/boats.\n";
        let letters = parse("a.mbox", text.to_owned()).unwrap();
        let found: Vec<_> = letters.documents.iter().map(|range| &letters.text[range.clone()]).collect();
        assert_eq!(found, ["Write to … or call ….", "See …."]);
        assert_eq!(letters.notices, [Notice::AddressesReplaced { name: "a.mbox".into(), count: 3 }]);
        assert_eq!(parse("a.eml", "All boats are home.".to_owned()).unwrap().notices, []);
    }
}
