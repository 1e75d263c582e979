//! Detects system messages that WhatsApp writes itself, so that they are not learned.
//!
//! An iPhone puts U+200E before such phrases; Android does not. So they are detected by their form first: nothing but
//! `<…>`, a file name followed by brackets, the votes of a poll, a map address. Phrases without such a form are
//! detected by their wording (`wording.rs`), or by their repetition (`phrases.rs`).

use super::marks::{bare, digit, is_unseen};
use super::phrases::Phrases;
use super::wording::{self, About, LONGEST, fold, plain};

/// Largest number of words of a system message about a call or a pending message; and of one about a location.
const WORDS: usize = 14;
const PLACE_WORDS: usize = 6;

/// Phrases before a map address.
const PLACES: [&str; 20] = [
    "location",
    "ubicación",
    "localização",
    "position",
    "localisation",
    "standort",
    "posizione",
    "الموقع",
    "موقع",
    "लोकेशन",
    "स्थान",
    "lokasi",
    "konum",
    "местоположение",
    "locatie",
    "lokalizacja",
    "位置情報",
    "위치",
    "位置",
    "מיקום",
];

/// Beginning of a map address that stands for a location; a single word before it is a phrase in an unknown language.
const MAP: &str = "https://maps.google.com/?q=";

/// The kind of a line of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    Words(&'a str),
    /// A placeholder for media, with the caption before it, if any.
    Media(&'a str),
    Deleted,
    System,
}

/// Classifies a line, without its mark of editing, and returns whether it had one. `first`: the line is the message's
/// first.
pub fn line<'a>(written: &'a str, first: bool, phrases: &Phrases) -> (Line<'a>, bool) {
    let (words, edited) = without_edited(written, phrases);
    // The invisible mark precedes WhatsApp's own phrase, at the line's start or within it.
    let own = words.rfind('\u{200E}').map(|at| words.split_at(at));
    let (before, last) = own.unwrap_or(("", words));
    let is_alone = first && bare(before).is_empty();
    let plain = plain(last);
    let is_own_phrase = || !bare(before).is_empty() && phrases.is_own(bare(last));
    let is_document = own.is_some() && before.contains('•');
    let kind = if is_media(&plain, is_alone, phrases) || is_document || is_own_phrase() {
        // A document's line begins with its name.
        Line::Media(if is_document || plain.starts_with("doc") { "" } else { before.trim_end() })
    } else if first && (is_deleted(&plain) || phrases.is_about_deleted(bare(written))) {
        Line::Deleted
    } else if first && (is_system(&plain) || is_own(written) || phrases.is_repeated(bare(written))) {
        Line::System
    } else {
        Line::Words(words)
    };
    (kind, edited)
}

/// Whether only the phone's owner can be the sender of this.
pub fn is_of_owner(body: &str) -> bool {
    wording::about(&plain(body)) == Some(About::DeletedByYou)
}

/// Whether this is about the chat, whose name is then in the sender's place.
pub fn is_of_chat(body: &str) -> bool {
    wording::begins(&plain(body)) == Some(About::Encrypted)
}

/// Whether it has no more words than WhatsApp's phrases.
pub fn is_short(body: &str) -> bool {
    body.len() <= LONGEST
}

/// Whether this is a system message, as far as wording and form show without a mark.
pub fn is_known(body: &str) -> bool {
    let first = body.split('\n').next().unwrap_or_default();
    !matches!(line(first, true, &Phrases::default()).0, Line::Words(_))
}

/// Whether a message is a poll: a heading, a question, and the options, each with the same word before it and the votes
/// after it.
pub fn is_poll(body: &str) -> bool {
    let mut lines = body.lines().map(bare).filter(|line| !line.is_empty());
    let is_heading = |line: &str| line.len() <= 60 && line.ends_with([':', '：']) && line.to_uppercase() == line;
    if !lines.next().is_some_and(is_heading) {
        return false;
    }
    let word = |line: &'_ str| {
        let (word, rest) = line.split_once([':', '：'])?;
        let (_, votes) = rest.strip_suffix([')', '）'])?.rsplit_once(['(', '（'])?;
        votes.contains(|letter| digit(letter).is_some()).then(|| word.trim().to_owned())
    };
    let words: Vec<Option<String>> = lines.skip(1).map(word).collect();
    words.len() >= 2 && words[0].is_some() && words.iter().all(|word| *word == words[0])
}

/// The name of a file, and the text in brackets after it.
pub fn attached(line: &str) -> Option<(&str, &str)> {
    let (name, behind) = bare(line).strip_suffix(')')?.rsplit_once(" (")?;
    let (stem, extension) = bare(name).rsplit_once('.')?;
    let is_extension = (1..=5).contains(&extension.len()) && extension.bytes().all(|it| it.is_ascii_alphanumeric());
    let named = !stem.is_empty() && is_extension && extension.bytes().any(|it| it.is_ascii_alphabetic());
    (named && behind.contains(char::is_alphabetic)).then_some((name, behind))
}

/// The text in angle brackets at the end of a line, and the line before it.
pub fn bracketed_end(line: &str) -> Option<(&str, &str)> {
    let end = line.trim_end_matches(is_unseen);
    let inner = end.strip_suffix(['>', '＞'])?;
    let at = inner.rfind(['<', '＜'])?;
    let bracket = inner[at..].chars().next().map_or(0, char::len_utf8);
    Some((&line[..at], &inner[at + bracket..]))
}

/// Whether text in angle brackets can be a phrase, and not markup or code.
pub fn is_phrase(inner: &str) -> bool {
    let inner = bare(inner);
    let apart = inner.contains(char::is_whitespace) || (!inner.is_ascii() && inner.chars().count() > 3);
    let plain = !inner.contains(['<', '>', '=', '/', '|', '"', '{', '}', ';', '\\']);
    apart && plain && inner.len() <= LONGEST && inner.starts_with(char::is_alphabetic)
}

/// Whether it is a word, a colon, and a file name: `attached: 00000012-PHOTO.jpg`.
fn is_named_file(inner: &str) -> bool {
    let Some((word, name)) = inner.split_once(':') else { return false };
    let extension = name.trim().rsplit_once('.').map_or("", |(_, extension)| extension);
    let valid = (1..=5).contains(&extension.len()) && extension.bytes().all(|it| it.is_ascii_alphanumeric());
    valid && word.chars().count() <= 30 && word.contains(char::is_alphabetic)
}

fn is_media(plain: &str, alone: bool, phrases: &Phrases) -> bool {
    let is_place =
        || alone && wording::begins(plain) == Some(About::Media) && plain.split_whitespace().count() <= PLACE_WORDS;
    if plain == "null" || wording::about(plain) == Some(About::Media) || is_place() {
        return true;
    }
    if let Some((before, inner)) = bracketed_end(plain).filter(|(before, _)| before.is_empty()) {
        let omitted = inner.rsplit_once(' ').is_some_and(|(_, how)| wording::is_omitted(how));
        let known = omitted || is_named_file(inner) || wording::about(inner) == Some(About::Media);
        return known || (alone && before.is_empty() && is_phrase(inner));
    }
    if let Some((_, behind)) = plain.strip_suffix(')').and_then(|rest| rest.rsplit_once('('))
        && is_attached(plain, behind, alone, phrases)
    {
        return true;
    }
    let Some((word, address)) = plain.split_once(':') else { return false };
    let (word, address) = (word.trim(), address.trim_start());
    let is_word = !word.is_empty() && word.chars().all(char::is_alphabetic);
    alone
        && address.starts_with("http")
        && !address.contains(' ')
        && (PLACES.contains(&word) || (is_word && address.starts_with(MAP)))
}

/// Whether text in brackets says that a file is attached: the phrase is known, the file name is WhatsApp's, or the same
/// text follows other file names.
fn is_attached(plain: &str, behind: &str, alone: bool, phrases: &Phrases) -> bool {
    let name = attached(plain).map(|(name, _)| name);
    let known = wording::is_attached(behind);
    let numbered = |(at, mark): (usize, &str)| {
        let name = name.unwrap_or_default();
        name[at + mark.len()..].bytes().take_while(u8::is_ascii_digit).count() >= 4
    };
    match name {
        None => known && behind.contains(' '),
        Some(name) => known || (alone && (name.match_indices("-wa").any(numbered) || phrases.is_attached(behind))),
    }
}

fn is_deleted(plain: &str) -> bool {
    matches!(wording::about(plain), Some(About::Deleted | About::DeletedByYou))
        || wording::begins(plain) == Some(About::Deleted)
}

fn is_system(plain: &str) -> bool {
    if wording::about(plain) == Some(About::Said) {
        return true;
    }
    match wording::begins(plain) {
        Some(About::Encrypted) => true,
        Some(About::Said) => plain.split_whitespace().count() <= WORDS,
        _ => false,
    }
}

/// Whether text begins with U+200E, as an iPhone's own phrases do. So do mentions of others, but there a U+2068
/// follows.
fn is_own(written: &str) -> bool {
    let own = written.strip_prefix('\u{200E}');
    own.is_some_and(|own| !own.trim_start().starts_with(['@', '\u{2068}']) && !bare(own).is_empty())
}

fn without_edited<'a>(written: &'a str, phrases: &Phrases) -> (&'a str, bool) {
    let Some((before, inner)) = bracketed_end(written) else { return (written, false) };
    let marked = before.ends_with('\u{200E}') && !bare(before).is_empty() && is_phrase(inner) && !is_named_file(inner);
    if marked || wording::is_edited(&fold(inner)) || phrases.is_edited(bare(before), bare(inner)) {
        return (before.trim_end_matches(is_unseen), true);
    }
    (written, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(written: &str, first: bool) -> (Line<'_>, bool) {
        super::line(written, first, &Phrases::default())
    }

    #[test]
    fn media_placeholders_are_detected_on_android_and_iphone() {
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
    fn deleted_and_system_lines_are_detected() {
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
    }

    #[test]
    fn the_mark_of_editing_is_removed_and_the_text_is_kept() {
        assert_eq!(line("vale \u{200E}<This message was edited>", true), (Line::Words("vale"), true));
        assert_eq!(line("vale <Se editó este mensaje.>", false), (Line::Words("vale"), true));
        assert_eq!(line("a <b>", true), (Line::Words("a <b>"), false));
    }

    #[test]
    fn messages_of_people_are_kept() {
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

    #[test]
    fn media_placeholders_of_any_language_are_detected_by_their_form() {
        for (written, caption) in [
            ("<Mídia oculta>", ""),
            ("<Medien ausgeschlossen>", ""),
            ("<Médias omis>", ""),
            ("<Media omessi>", ""),
            ("<تم استبعاد الوسائط>", ""),
            ("<मीडिया के बिना>", ""),
            ("<メディアは含まれていません>", ""),
            ("<미디어 파일을 제외한 대화내용>", ""),
            ("<媒体文件已省略>", ""),
            ("<Ajou blen dorvata>", ""),
            ("IMG-20240102-WA0003.jpg (zwalko)", ""),
            ("\u{200E}PTT-20240102-WA0003.opus (Datei angehängt)", ""),
            ("Ana Paz.vcf (fichier joint)", ""),
            ("أغنية.mp3 (الملف مرفق)", ""),
            ("\u{200E}<Anhang: 00000012-PHOTO-2024-01-02-09-05-00.jpg>", ""),
            ("<pièce jointe\u{A0}: 00000012-PHOTO-2024-01-02-09-05-00.jpg>", ""),
            ("schau \u{200E}<Anhang: 00000012-PHOTO-2024-01-02.jpg>", "schau"),
            ("Bild weggelassen", ""),
            ("imagem ocultada", ""),
            ("rapport.pdf • \u{200E}3 pages \u{200E}xyz abc", ""),
            ("Wozja: https://maps.google.com/?q=1.5,2.5", ""),
            ("Konum: https://maps.google.com/?q=1.5,2.5", ""),
            ("Localisation : https://maps.google.com/?q=1.5,2.5", ""),
            ("Live-Standort wird geteilt", ""),
        ] {
            assert_eq!(line(written, true).0, Line::Media(caption), "{written}");
        }
    }

    #[test]
    fn deletions_are_detected_in_many_languages() {
        for written in [
            "Mensagem apagada",
            "Essa mensagem foi apagada",
            "Ce message a été supprimé",
            "Diese Nachricht wurde gelöscht.",
            "Questo messaggio è stato eliminato",
            "تم حذف هذه الرسالة",
            "यह मैसेज मिटा दिया गया है",
            "Pesan ini telah dihapus",
            "Bu mesaj silindi",
            "Данное сообщение удалено",
            "Dit bericht is verwijderd",
            "Ta wiadomość została usunięta",
            "このメッセージは削除されました",
            "삭제된 메시지입니다",
            "此消息已删除",
        ] {
            assert_eq!(line(written, true).0, Line::Deleted, "{written}");
            assert!(!is_of_owner(written), "{written}");
        }
        for written in [
            "Você apagou esta mensagem",
            "Vous avez supprimé ce message",
            "Du hast diese Nachricht gelöscht",
            "Hai eliminato questo messaggio",
            "لقد حذفتَ هذه الرسالة",
            "आपने यह मैसेज मिटा दिया",
            "Anda telah menghapus pesan ini",
            "Bu mesajı sildiniz",
            "Вы удалили данное сообщение",
            "U hebt dit bericht verwijderd",
        ] {
            assert_eq!(line(written, true).0, Line::Deleted, "{written}");
            assert!(is_of_owner(written), "{written}");
        }
    }

    #[test]
    fn encryption_notices_are_detected_in_many_languages() {
        for written in [
            "As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.",
            "Les messages et les appels sont chiffrés de bout en bout.",
            "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.",
            "I messaggi e le chiamate sono crittografati end-to-end.",
            "الرسائل والمكالمات مُشفَّرة تمامًا بين الطرفين.",
            "मैसेज और कॉल एंड-टू-एंड एन्क्रिप्टेड हैं।",
            "Pesan dan panggilan terenkripsi secara end-to-end.",
        ] {
            assert!(is_of_chat(written), "{written}");
        }
    }

    #[test]
    fn polls_are_detected_by_their_form() {
        assert!(is_poll("UMFRAGE:\nWann?\nOPTION: Freitag (1 Stimme)\nOPTION: Samstag (3 Stimmen)\n"));
        assert!(is_poll("SONDAGE :\nQuand ?\nOPTION : vendredi (1 vote)\nOPTION : samedi (0 vote)"));
        assert!(is_poll("مدتلس:\nمتى؟\nخيار: الجمعة (١ صوت)\nخيار: السبت (٢ صوت)"));
        assert!(!is_poll("LISTA:\npara hoy\npan (2)\nsal (1)"));
        assert!(!is_poll("LISTA:\npara hoy\npan: dos\nsal: uno"));
        assert!(!is_poll("vale"));
    }

    #[test]
    fn text_in_brackets_by_people_is_kept() {
        let place = "olha só: https://maps.google.com/?q=1.5,2.5";
        assert_eq!(line(place, true), (Line::Words(place), false));
        for written in [
            "<3",
            "<div>",
            "<a href=\"x\">",
            "a < b",
            "(risas)",
            "mira foto.jpg (es buena)",
            "1.5 (x)",
            ":)",
            "<b>hola</b>",
        ] {
            assert_eq!(line(written, true), (Line::Words(written), false), "{written}");
        }
        // Only the first line of a message can be a placeholder and nothing else, unless the phrase is known.
        assert_eq!(line("<uno dos>", false).0, Line::Words("<uno dos>"));
        assert_eq!(line("nein \u{200E}<Diese Nachricht wurde bearbeitet.>", true), (Line::Words("nein"), true));
        assert_eq!(line("zum \u{200E}<Wozja blen dor>", true), (Line::Words("zum"), true));
    }
}
