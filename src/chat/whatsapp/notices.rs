//! What WhatsApp writes itself, in English and Spanish, as nobody's words should be learned from it.
//!
//! An iPhone puts U+200E before such words; Android does not, so there they are known by their wording alone.

use super::{MARKS, without_marks};

/// Longer lines are a person's.
const LONGEST: usize = 400;

/// Stand in for a photo, a film, a voice message, a file or a place.
const OMITTED: [&str; 27] = [
    "media",
    "multimedia",
    "image",
    "imagen",
    "photo",
    "foto",
    "video",
    "vídeo",
    "video note",
    "nota de video",
    "nota de vídeo",
    "mensaje de video",
    "videomensaje",
    "audio",
    "voice message",
    "mensaje de voz",
    "gif",
    "sticker",
    "document",
    "documento",
    "file",
    "archivo",
    "contact card",
    "tarjeta de contacto",
    "ficha de contacto",
    "contact",
    "contacto",
];

const MEDIA_BEGINS: [&str; 8] = [
    "<attached:",
    "<adjunto:",
    "<archivo adjunto:",
    "location: http",
    "ubicación: http",
    "live location shared",
    "ubicación en tiempo real",
    "se compartió la ubicación en tiempo real",
];

const MEDIA_ENDS: [&str; 4] = ["(file attached)", "(archivo adjunto)", "(archivos adjuntos)", "(attached file)"];

const DELETED: [&str; 11] = [
    "this message was deleted",
    "you deleted this message",
    "you deleted this message as admin",
    "se eliminó este mensaje",
    "este mensaje fue eliminado",
    "este mensaje ha sido eliminado",
    "este mensaje se eliminó",
    "se ha eliminado este mensaje",
    "eliminaste este mensaje",
    "has eliminado este mensaje",
    "borraste este mensaje",
];

/// Whoever did it is named behind.
const DELETED_BEGINS: [&str; 3] =
    ["this message was deleted by admin", "este mensaje fue eliminado por", "se eliminó este mensaje por"];

/// Of those above, what only the phone's owner has before their name.
const DELETED_BY_OWNER: [&str; 5] = [
    "you deleted this message",
    "you deleted this message as admin",
    "eliminaste este mensaje",
    "has eliminado este mensaje",
    "borraste este mensaje",
];

const EDITED: [&str; 6] = [
    "<this message was edited>",
    "<se editó este mensaje.>",
    "<se editó este mensaje>",
    "<este mensaje fue editado>",
    "<este mensaje se editó>",
    "<mensaje editado>",
];

const ENCRYPTED: [&str; 5] = [
    "messages and calls are end-to-end encrypted",
    "messages to this chat and calls are now secured with end-to-end encryption",
    "los mensajes y las llamadas están cifrados",
    "los mensajes y llamadas están cifrados",
    "las llamadas y los mensajes enviados a este chat",
];

/// Said with a sender, and yet nobody's words.
const SYSTEM_BEGINS: [&str; 10] = [
    "missed voice call",
    "missed video call",
    "missed group",
    "llamada perdida",
    "llamada de voz perdida",
    "videollamada perdida",
    "waiting for this message",
    "esperando este mensaje",
    "esperando el mensaje",
    "your security code with",
];

/// What is before the colon of a group's notice, and would be taken for a name.
const WITHIN_NOTICES: [&str; 10] = [
    " changed the ",
    " changed this group",
    " changed to ",
    " created group ",
    " added ",
    " cambió ",
    " cambiaste ",
    " creó el grupo",
    " añadió a ",
    " agregó a ",
];

/// What a line of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    Words(&'a str),
    /// A stand-in for media; before it, perhaps, what was written to it.
    Media(&'a str),
    Deleted,
    System,
}

/// What a line is, without the mark that it was edited, and whether it had that. `first`: of its message.
pub fn line(written: &str, first: bool) -> (Line<'_>, bool) {
    let (words, edited) = without_edited(written);
    // U+200E is before WhatsApp's own words, at the line's start or within it.
    let own = words.rfind('\u{200E}').map(|at| words.split_at(at));
    let (before, last) = own.unwrap_or(("", words));
    let plain = plain(last);
    let kind = if is_media(&plain) {
        // A document's line begins with its name.
        let caption = if plain.starts_with("doc") { "" } else { before };
        Line::Media(caption.trim_end())
    } else if first && is_deleted(&plain) {
        Line::Deleted
    } else if first && is_system(&plain) || is_own(written, first) {
        Line::System
    } else {
        Line::Words(words)
    };
    (kind, edited)
}

/// Whether a name is no name, but the beginning of a notice in which there is a colon.
pub fn is_notice(name: &str) -> bool {
    WITHIN_NOTICES.iter().any(|part| name.contains(part))
}

/// Whether only the owner of the phone can have this before their name.
pub fn is_of_owner(body: &str) -> bool {
    DELETED_BY_OWNER.contains(&plain(body).trim_end_matches('.'))
}

/// Whether this is said about the chat, whose name is then in the sender's place.
pub fn is_of_chat(body: &str) -> bool {
    let plain = plain(body);
    ENCRYPTED.iter().any(|begin| plain.starts_with(begin))
}

fn is_media(plain: &str) -> bool {
    let omitted = || {
        let marked = plain.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let (what, how) = marked.unwrap_or(plain).rsplit_once(' ')?;
        let is_how = matches!(how, "omitted" | "omitido" | "omitida" | "omitidos");
        (is_how && (marked.is_some() || OMITTED.contains(&what))).then_some(())
    };
    plain == "null"
        || omitted().is_some()
        || MEDIA_BEGINS.iter().any(|begin| plain.starts_with(begin))
        || MEDIA_ENDS.iter().any(|end| plain.ends_with(end))
}

fn is_deleted(plain: &str) -> bool {
    DELETED.contains(&plain.trim_end_matches('.')) || DELETED_BEGINS.iter().any(|begin| plain.starts_with(begin))
}

fn is_system(plain: &str) -> bool {
    if matches!(plain, "poll:" | "encuesta:") {
        return true;
    }
    SYSTEM_BEGINS.iter().chain(&ENCRYPTED).any(|begin| plain.starts_with(begin))
}

/// An iPhone's own words begin with U+200E. So does what somebody writes to mention another, but there a U+2068 follows.
fn is_own(written: &str, first: bool) -> bool {
    let own = written.strip_prefix('\u{200E}').filter(|_| first);
    own.is_some_and(|own| !own.trim_start().starts_with(['@', '\u{2068}']) && !own.trim().is_empty())
}

fn without_edited(written: &str) -> (&str, bool) {
    let end = written.trim_end();
    let begin = end.rfind('<').filter(|_| end.ends_with('>'));
    match begin.filter(|&at| EDITED.contains(&&*plain(&end[at..]))) {
        Some(at) => (end[..at].trim_end_matches(|it: char| it.is_whitespace() || MARKS.contains(&it)), true),
        None => (written, false),
    }
}

/// In lower case, without what cannot be seen; nothing, if it is too long to be WhatsApp's.
fn plain(words: &str) -> String {
    if words.len() > LONGEST {
        return String::new();
    }
    without_marks(words).trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_in_both_languages_and_on_both_phones() {
        for (written, caption) in [
            ("<Media omitted>", ""),
            ("<Multimedia omitido>", ""),
            ("\u{200E}image omitted", ""),
            ("\u{200E}imagen omitida", ""),
            ("\u{200E}Vídeo omitido", ""),
            ("\u{200E}GIF omitted", ""),
            ("\u{200E}Contact card omitted", ""),
            ("informe.pdf • \u{200E}3 páginas \u{200E}documento omitido", ""),
            ("IMG-20240102-WA0003.jpg (file attached)", ""),
            ("PTT-20240102-WA0003.opus (archivo adjunto)", ""),
            ("\u{200E}<attached: 00000012-PHOTO-2024-01-02-09-05-00.jpg>", ""),
            ("mira \u{200E}<adjunto: 00000012-PHOTO-2024-01-02.jpg>", "mira"),
            ("Location: https://maps.google.com/?q=1,2", ""),
            ("<View once voice message omitted>", ""),
            ("null", ""),
        ] {
            assert_eq!(line(written, true).0, Line::Media(caption), "{written}");
        }
    }

    #[test]
    fn deleted_and_system_lines() {
        for written in [
            "This message was deleted",
            "\u{200E}You deleted this message.",
            "Se eliminó este mensaje.",
            "This message was deleted by admin Ana.",
        ] {
            assert_eq!(line(written, true).0, Line::Deleted, "{written}");
        }
        for written in
            ["\u{200E}Ana created this group", "Missed voice call", "POLL:", "\u{200E}Llamada de voz, \u{200E}20 s"]
        {
            assert_eq!(line(written, true).0, Line::System, "{written}");
        }
        assert!(is_of_owner("\u{200E}You deleted this message.") && !is_of_owner("This message was deleted"));
        assert!(is_of_chat("\u{200E}Messages and calls are end-to-end encrypted. Only people…"));
        assert!(is_notice("Ana changed the subject to Plan") && !is_notice("Ana"));
    }

    #[test]
    fn the_mark_of_editing_goes_and_the_words_stay() {
        assert_eq!(line("vale \u{200E}<This message was edited>", true), (Line::Words("vale"), true));
        assert_eq!(line("vale <Se editó este mensaje.>", false), (Line::Words("vale"), true));
        assert_eq!(line("a <b>", true), (Line::Words("a <b>"), false));
    }

    #[test]
    fn what_people_write_stays() {
        for written in [
            "the image omitted nothing",
            "He omitido algo",
            "deleted",
            "did you see? This message was deleted",
            "\u{200E}@\u{2068}Ana\u{2069} hola",
            "",
            "x".repeat(1000).as_str(),
        ] {
            assert_eq!(line(written, true), (Line::Words(written), false), "{written}");
        }
        assert_eq!(line("This message was deleted", false).0, Line::Words("This message was deleted"));
    }
}
