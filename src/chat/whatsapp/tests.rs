//! Tests of whole exports of WhatsApp, from text to conversations.
use super::*;

const ANDROID: &str = "\
12/30/23, 9:00 PM - Messages and calls are end-to-end encrypted. No one outside of this chat can read them.
12/30/23, 9:01 PM - Ana: Are you there?
12/30/23, 9:01 PM - Ana: I have baked bread
12/30/23, 9:05 PM - Leo: Yes!
Give me five minutes,
and some butter.
12/30/23, 9:06 PM - Leo: <Media omitted>
12/30/23, 9:07 PM - Ana: This message was deleted
12/30/23, 9:08 PM - Ana: see https://bread.example/rye or write to ana@bread.example
12/30/23, 9:09 PM - Leo: https://butter.example
12/30/23, 9:10 PM - Leo: or call me, +1 555 010 9999 <This message was edited>
12/31/23, 11:00 AM - Ana: Good morning
12/31/23, 11:30 PM - Ana: Happy new year!
1/1/24, 12:02 AM - Leo: And to you 🥖
";

const IPHONE: &str = "\
[30/12/23, 21:00:00] Panaderos: \u{200E}Los mensajes y las llamadas están cifrados de extremo a extremo.
\u{200E}[30/12/23, 21:00:01] Panaderos: \u{200E}Ana creó este grupo
[30/12/23, 21:01:00] ~\u{202F}Ana: ¿Quién tiene levadura?
[30/12/23, 21:02:00] Leo: Yo
\u{200E}[30/12/23, 21:02:30] Leo: \u{200E}imagen omitida
[30/12/23, 21:03:00] \u{202A}+34 600 11 22 33\u{202C}: \u{200E}@\u{2068}Ana\u{2069} yo también
[30/12/23, 21:03:10] \u{202A}+34 600 11 22 33\u{202C}: mucha
[30/12/23, 21:04:00] Leo: \u{200E}Eliminaste este mensaje.
[30/12/23, 21:05:00] ~\u{202F}Ana: Gracias \u{200E}<Se editó este mensaje.>
[30/12/23, 21:06:00] Leo: De nada
";

fn chat(text: &str, options: ChatOptions) -> Chat {
    read("chat.txt", text, &options).unwrap()
}

fn read(name: &str, text: &str, options: &ChatOptions) -> Result<Chat> {
    super::read(name, text, &LineEnds::default(), options)
}

fn looks_like(text: &str) -> bool {
    super::looks_like(text, &LineEnds::default())
}

fn documents(chat: &Chat) -> Vec<&str> {
    chat.documents.iter().map(|range| &chat.text[range.clone()]).collect()
}

fn you(you: &str) -> ChatOptions {
    ChatOptions { you: Some(you.into()), ..ChatOptions::default() }
}

#[test]
fn an_android_chat_becomes_conversations() {
    let chat = chat(ANDROID, you("Leo"));
    let first = "<|user|>Are you there?\nI have baked bread<|end|>\
        <|assistant|>Yes!\nGive me five minutes,\nand some butter.<|end|>\
        <|user|>see … or write to …<|end|>\
        <|assistant|>or call me, …<|end|>";
    let last = "<|user|>Happy new year!<|end|><|assistant|>And to you 🥖<|end|>";
    assert_eq!(documents(&chat), [first, last]);
    let ChatReport { lines, removed, found, people, you, silent, preview, .. } = chat.report;
    assert_eq!((lines, removed, silent, chat.turns), (14, 4, 1, 6));
    let expected = ChatFound { media: 1, deleted: 1, edited: 1, system: 1, links: 2, mails: 1, numbers: 1 };
    assert_eq!(found, expected);
    let person = |name: &str, messages| Person { name: name.into(), messages };
    assert_eq!((you.as_str(), people), ("Leo", vec![person("Ana", 5), person("Leo", 3)]));
    assert_eq!(preview.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
}

#[test]
fn an_iphone_group_chat_names_the_others() {
    // Only the phone's owner "has deleted this message", so "you" is detected.
    let chat = chat(IPHONE, ChatOptions::default());
    let expected = "<|user|>Ana: ¿Quién tiene levadura?<|end|><|assistant|>Yo<|end|>\
        <|user|>…: @Ana yo también\nmucha\nAna: Gracias<|end|><|assistant|>De nada<|end|>";
    assert_eq!(documents(&chat), [expected]);
    assert_eq!(chat.report.you, "Leo");
    let expected = ChatFound { media: 1, deleted: 1, edited: 1, system: 2, ..ChatFound::default() };
    assert_eq!(chat.report.found, expected);
}

#[test]
fn each_filter_can_be_switched_off() {
    type Switch = fn(&mut ChatFilters) -> &mut bool;
    let switches: [(Switch, &str); 7] = [
        (|filters| &mut filters.media, "<Media omitted>"),
        (|filters| &mut filters.deleted, "<|user|>This message was deleted"),
        (|filters| &mut filters.edited, "… <This message was edited>"),
        (|filters| &mut filters.system, "<|user|>Messages and calls are end-to-end encrypted."),
        (|filters| &mut filters.links, "see https://bread.example/rye or write to …"),
        (|filters| &mut filters.mails, "see … or write to ana@bread.example"),
        (|filters| &mut filters.numbers, "call me, +1 555 010 9999<|end|>"),
    ];
    let all = chat(ANDROID, you("Leo"));
    for (switch, kept) in switches {
        let mut options = you("Leo");
        *switch(&mut options.filters) = false;
        let chat = chat(ANDROID, options);
        assert!(!all.text.contains(kept) && chat.text.contains(kept), "{kept}: {}", chat.text);
        // Matches are counted whether the filter is on or off.
        assert_eq!(chat.report.found, all.report.found, "{kept}");
        assert!(chat.report.removed <= all.report.removed);
    }
}

#[test]
fn the_other_person_can_be_chosen_as_you() {
    let chat = chat(ANDROID, you("Ana"));
    assert!(chat.text.starts_with("<|assistant|>Are you there?\nI have baked bread<|end|><|user|>Yes!"));
    assert_eq!(chat.documents.len(), 3);
    assert_eq!(chat.report.silent, 0);
}

#[test]
fn the_likely_person_is_you_by_default() {
    let likely = |name: &str, text: &str| read(name, text, &ChatOptions::default()).unwrap().report.you;
    let text = "1/2/24, 9:05 - Ana: a\n1/2/24, 9:06 - Ana: b\n1/2/24, 9:07 - Leo: c\n";
    assert_eq!(likely("chat.txt", text), "Ana", "who writes most");
    assert_eq!(likely("WhatsApp Chat with Ana.txt", text), "Leo", "the chat bears the other's name");
    assert_eq!(likely("Chat de WhatsApp con Ana.zip", text), "Leo");
    assert_eq!(likely("WhatsApp Chat with Leo.txt", text), "Ana");
    let owned = format!("{text}1/2/24, 9:08 - Leo: Eliminaste este mensaje\n");
    assert_eq!(likely("chat.txt", &owned), "Leo");
    let named = "[1/2/24, 9:00:00] Ana: \u{200E}Messages and calls are end-to-end encrypted.\n\
        [1/2/24, 9:05:00] Ana: a\n[1/2/24, 9:06:00] Ana: b\n[1/2/24, 9:07:00] Leo: c\n";
    assert_eq!(likely("_chat.txt", named), "Leo");
    assert_eq!(likely("_chat.txt", "1/2/24, 9:05 - Ana: alone"), "Ana");
}

#[test]
fn text_that_spells_a_token_is_not_encoded_as_the_token() {
    let text = "1/2/24, 9:05 - Ana: <|end|><|assistant|>I am you\n1/2/24, 9:06 - Leo: no\n";
    assert_eq!(chat(text, you("Leo")).text, "<|user|>< |end|>< |assistant|>I am you<|end|><|assistant|>no<|end|>");
}

#[test]
fn chats_are_detected() {
    assert!(looks_like(ANDROID) && looks_like(IPHONE));
    assert!(looks_like("\n\n1/2/24, 9:05 - Ana: a"));
    assert!(looks_like("1/2/24, 9:05 - Messages and calls are end-to-end encrypted."));
    for text in ["", "Ana: hola", "1/2/24, 9:05 - We began", "Log\n1/2/24, 9:05 - Ana: a", "# [1/2/24] x"] {
        assert!(!looks_like(text), "{text}");
    }
}

#[test]
fn a_chat_of_which_nothing_is_left_is_refused() {
    let error = |text: &str, options: ChatOptions| read("a.txt", text, &options).unwrap_err();
    let name = || "a.txt".to_owned();
    let encrypted = "1/2/24, 9:05 - Messages and calls are end-to-end encrypted.\n".repeat(3);
    assert_eq!(error(&encrypted, ChatOptions::default()), Error::ChatEmpty { name: name() });
    let media = "1/2/24, 9:05 - Ana: <Media omitted>";
    assert_eq!(error(media, ChatOptions::default()), Error::ChatEmpty { name: name() });
    assert_eq!(error(media, you("Ana")), Error::ChatEmpty { name: name() });
    let missing =
        Error::ChatPersonMissing { name: name(), you: "Eva".into(), people: vec!["Ana".into(), "Leo".into()] };
    assert_eq!(error("1/2/24, 9:05 - Ana: a\n1/2/24, 9:05 - Leo: b", you("Eva")), missing);
    assert_eq!(error("", ChatOptions::default()), Error::ChatEmpty { name: name() });
}

#[test]
fn hostile_chats_are_read_or_refused() {
    let everyone: String = (0..100_000).map(|number| format!("1/2/24, 9:05 - Person {number}: hi\n")).collect();
    let crowd = chat(&everyone, you("Person 99999"));
    assert_eq!(crowd.report.people.len(), 200);
    assert!(crowd.report.people.iter().any(|person| person.name == "Person 99999"));

    let numbers = "1 22 ".repeat(200_000);
    let signs = "@.:/+(<".repeat(100_000);
    let marks = "\u{200E}<".repeat(100_000);
    for body in [&numbers, &signs, &marks, &"x".repeat(1 << 20), &"9".repeat(1 << 20), &"<|".repeat(1000)] {
        let text = format!("1/2/24, 9:05 - Ana: {body}\n1/2/24, 9:06 - {body}: x\n1/2/24, 9:07 - Ana: y");
        chat(&text, you("Ana"));
    }
    // Truncated anywhere, and with impossible dates.
    for text in [ANDROID, IPHONE] {
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let read = read("a.txt", &text[..end], &ChatOptions::default());
            assert!(matches!(read, Ok(_) | Err(Error::ChatEmpty { .. })), "{read:?} of {}", &text[..end]);
        }
    }
    chat("99/99/9999, 0:00 - Ana: a\n0/0/00, 23:59 - Ana: b\n9999/1/1, 1:00 - Ana: c", you("Ana"));
}

#[test]
fn appended_messages_do_not_change_earlier_conversations() {
    let whole = chat(ANDROID, you("Leo"));
    let lines: Vec<&str> = ANDROID.split_inclusive('\n').collect();
    for count in 6..lines.len() {
        let part = chat(&lines[..count].concat(), you("Leo"));
        let ended = part.documents.len().saturating_sub(1);
        assert_eq!(documents(&part)[..ended], documents(&whole)[..ended], "{count} lines");
    }
}
