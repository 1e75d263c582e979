//! Chats from phones in many languages: people's messages are learned, and none of WhatsApp's own texts around them.
//! All messages here are invented, and the same in each language.

use lorito::chat::whatsapp::{ChatFound, ChatReport};
use lorito::corpus::{FileReader, ReadOptions, Source};

/// A phone's texts and formats in one language.
struct Phone {
    language: &'static str,
    /// Date and time, with `{d}` for the day, `{h}` for the hour of twelve and `{H}` for that of 24, `{m}` for the minute.
    android: &'static str,
    iphone: &'static str,
    encrypted: &'static str,
    media: &'static str,
    /// An iPhone's placeholder for a picture.
    image: &'static str,
    attached: &'static str,
    deleted: &'static str,
    deleted_by_you: &'static str,
    edited: &'static str,
    call: &'static str,
    poll: &'static str,
    option: &'static str,
    /// Messages about a new member: with the group as sender, and `Nela` in the text; and with Nela as sender.
    added: &'static str,
    created: &'static str,
}

const PHONES: &[Phone] = &[
    Phone {
        language: "English",
        android: "9/{d}/25, {h}:{m}\u{202F}PM - ",
        iphone: "[9/{d}/25, {h}:{m}:07\u{202F}PM] ",
        encrypted: "Messages and calls are end-to-end encrypted. Only people in this chat can read them.",
        media: "<Media omitted>",
        image: "image omitted",
        attached: "file attached",
        deleted: "This message was deleted",
        deleted_by_you: "You deleted this message",
        edited: "<This message was edited>",
        call: "Missed voice call",
        poll: "POLL:",
        option: "OPTION: zim (2 votes)",
        added: "Nela added you",
        created: "created group “Alfar”",
    },
    Phone {
        language: "Spanish",
        android: "{d}/9/2025, {h}:{m}\u{202F}p.\u{A0}m. - ",
        iphone: "[{d}/9/25, {h}:{m}:07\u{202F}p.\u{A0}m.] ",
        encrypted: "Los mensajes y las llamadas están cifrados de extremo a extremo.",
        media: "<Multimedia omitido>",
        image: "imagen omitida",
        attached: "archivo adjunto",
        deleted: "Se eliminó este mensaje",
        deleted_by_you: "Eliminaste este mensaje",
        edited: "<Se editó este mensaje.>",
        call: "Llamada perdida",
        poll: "ENCUESTA:",
        option: "OPCIÓN: zim (2 votos)",
        added: "Nela te añadió",
        created: "creó el grupo “Alfar”",
    },
    Phone {
        language: "Portuguese",
        android: "{d}/09/2025 {H}:{m} - ",
        iphone: "[{d}/09/2025, {H}:{m}:07] ",
        encrypted: "As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.",
        media: "<Mídia oculta>",
        image: "imagem ocultada",
        attached: "arquivo anexado",
        deleted: "Mensagem apagada",
        deleted_by_you: "Você apagou esta mensagem",
        edited: "<Mensagem editada>",
        call: "Ligação de voz perdida",
        poll: "ENQUETE:",
        option: "OPÇÃO: zim (2 votos)",
        added: "Nela adicionou você",
        created: "criou o grupo “Alfar”",
    },
    Phone {
        language: "French",
        android: "{d}/09/2025 à {H}:{m} - ",
        iphone: "[{d}/09/2025 à {H}:{m}:07] ",
        encrypted: "Les messages et les appels sont chiffrés de bout en bout.",
        media: "<Médias omis>",
        image: "image absente",
        attached: "fichier joint",
        deleted: "Ce message a été supprimé",
        deleted_by_you: "Vous avez supprimé ce message",
        edited: "<Ce message a été modifié>",
        call: "Appel vocal manqué",
        poll: "SONDAGE :",
        option: "OPTION : zim (2 votes)",
        added: "Nela vous a ajouté",
        created: "a créé le groupe « Alfar »",
    },
    Phone {
        language: "German",
        android: "{d}.09.25, {H}:{m} - ",
        iphone: "[{d}.09.25 um {H}:{m}:07] ",
        encrypted: "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.",
        media: "<Medien ausgeschlossen>",
        image: "Bild weggelassen",
        attached: "Datei angehängt",
        deleted: "Diese Nachricht wurde gelöscht.",
        deleted_by_you: "Du hast diese Nachricht gelöscht.",
        edited: "<Diese Nachricht wurde bearbeitet.>",
        call: "Verpasster Sprachanruf",
        poll: "UMFRAGE:",
        option: "OPTION: zim (2 Stimmen)",
        added: "Nela hat dich hinzugefügt",
        created: "hat die Gruppe „Alfar“ erstellt",
    },
    Phone {
        language: "Italian",
        android: "{d}/09/25, {H}:{m} - ",
        iphone: "[{d}/09/25, {H}:{m}:07] ",
        encrypted: "I messaggi e le chiamate sono crittografati end-to-end.",
        media: "<Media omessi>",
        image: "immagine omessa",
        attached: "file allegato",
        deleted: "Questo messaggio è stato eliminato",
        deleted_by_you: "Hai eliminato questo messaggio",
        edited: "<Questo messaggio è stato modificato>",
        call: "Chiamata vocale persa",
        poll: "SONDAGGIO:",
        option: "OPZIONE: zim (2 voti)",
        added: "Nela ti ha aggiunto",
        created: "ha creato il gruppo “Alfar”",
    },
    Phone {
        language: "Arabic",
        android: "{d}\u{200F}/٩\u{200F}/٢٠٢٥، {h}:{m} م - ",
        iphone: "[{d}\u{200F}/٩\u{200F}/٢٠٢٥، {h}:{m}:٠٧ م] ",
        encrypted: "الرسائل والمكالمات مشفرة تمامًا بين الطرفين.",
        media: "<تم استبعاد الوسائط>",
        image: "تم استبعاد الصورة",
        attached: "الملف مرفق",
        deleted: "تم حذف هذه الرسالة",
        deleted_by_you: "لقد حذفت هذه الرسالة",
        edited: "<تم تعديل هذه الرسالة>",
        call: "مكالمة صوتية فائتة",
        poll: "استطلاع:",
        option: "خيار: zim (٢ صوت)",
        added: "أضاف Nela رقمك",
        created: "أنشأ المجموعة “Alfar”",
    },
    Phone {
        language: "Hindi",
        android: "{d}/9/२५, {h}:{m} अपराह्न - ",
        iphone: "[{d}/9/25, {h}:{m}:07 PM] ",
        encrypted: "मैसेज और कॉल एंड-टू-एंड एन्क्रिप्टेड हैं।",
        media: "<मीडिया के बिना>",
        image: "इमेज छोड़ी गई",
        attached: "फ़ाइल संलग्न",
        deleted: "यह मैसेज मिटा दिया गया",
        deleted_by_you: "आपने यह मैसेज मिटा दिया",
        edited: "<यह मैसेज एडिट किया गया>",
        call: "मिस्ड वॉइस कॉल",
        poll: "पोल:",
        option: "विकल्प: zim (2 वोट)",
        added: "Nela ने आपको जोड़ा",
        created: "ने ग्रुप “Alfar” बनाया",
    },
    Phone {
        language: "Indonesian",
        android: "{d}/09/25 {H}.{m} - ",
        iphone: "[{d}/09/25 {H}.{m}.07] ",
        encrypted: "Pesan dan panggilan terenkripsi secara end-to-end.",
        media: "<Media tidak disertakan>",
        image: "gambar tidak disertakan",
        attached: "file terlampir",
        deleted: "Pesan ini telah dihapus",
        deleted_by_you: "Anda telah menghapus pesan ini",
        edited: "<Pesan ini diedit>",
        call: "Panggilan suara tak terjawab",
        poll: "POLLING:",
        option: "OPSI: zim (2 suara)",
        added: "Nela menambahkan Anda",
        created: "membuat grup “Alfar”",
    },
    Phone {
        language: "Turkish",
        android: "{d}.09.2025 {H}:{m} - ",
        iphone: "[{d}.09.2025 {H}:{m}:07] ",
        encrypted: "Mesajlar ve aramalar uçtan uca şifrelidir.",
        media: "<Medya dahil edilmedi>",
        image: "görüntü dahil edilmedi",
        attached: "dosya ekli",
        deleted: "Bu mesaj silindi",
        deleted_by_you: "Bu mesajı sildiniz",
        edited: "<Bu mesaj düzenlendi>",
        call: "Cevapsız sesli arama",
        poll: "ANKET:",
        option: "SEÇENEK: zim (2 oy)",
        added: "Nela sizi ekledi",
        created: "“Alfar” grubunu oluşturdu",
    },
    Phone {
        language: "Russian",
        android: "{d}.09.2025, {H}:{m} - ",
        iphone: "[{d}.09.2025, {H}:{m}:07] ",
        encrypted: "Сообщения и звонки защищены сквозным шифрованием.",
        media: "<Без медиафайлов>",
        image: "изображение пропущено",
        attached: "файл добавлен",
        deleted: "Данное сообщение удалено",
        deleted_by_you: "Вы удалили данное сообщение",
        edited: "<Сообщение изменено>",
        call: "Пропущенный аудиозвонок",
        poll: "ОПРОС:",
        option: "ВАРИАНТ: zim (2 голоса)",
        added: "Nela добавил(а) вас",
        created: "создал(а) группу “Alfar”",
    },
    Phone {
        language: "Dutch",
        android: "{d}-09-2025 {H}:{m} - ",
        iphone: "[{d}-09-2025 {H}:{m}:07] ",
        encrypted: "Berichten en oproepen worden end-to-end versleuteld.",
        media: "<Media weggelaten>",
        image: "afbeelding weggelaten",
        attached: "bestand bijgevoegd",
        deleted: "Dit bericht is verwijderd",
        deleted_by_you: "U hebt dit bericht verwijderd",
        edited: "<Dit bericht is bewerkt>",
        call: "Gemiste spraakoproep",
        poll: "PEILING:",
        option: "OPTIE: zim (2 stemmen)",
        added: "Nela heeft u toegevoegd",
        created: "heeft de groep “Alfar” gemaakt",
    },
    Phone {
        language: "Polish",
        android: "{d}.09.2025, {H}:{m} - ",
        iphone: "[{d}.09.2025, {H}:{m}:07] ",
        encrypted: "Wiadomości i połączenia są w pełni szyfrowane.",
        media: "<pominięto multimedia>",
        image: "obraz pominięty",
        attached: "plik załączony",
        deleted: "Ta wiadomość została usunięta",
        deleted_by_you: "Usunięto tę wiadomość",
        edited: "<Ta wiadomość została edytowana>",
        call: "Nieodebrane połączenie głosowe",
        poll: "ANKIETA:",
        option: "OPCJA: zim (2 głosy)",
        added: "Nela dodał(a) Ciebie",
        created: "utworzył(a) grupę “Alfar”",
    },
    Phone {
        language: "Japanese",
        android: "2025/09/{d} {H}:{m} - ",
        iphone: "[2025/09/{d} 午後{h}:{m}:07] ",
        encrypted: "メッセージと通話はエンドツーエンドで暗号化されています。",
        media: "<メディアは含まれていません>",
        image: "画像は含まれていません",
        attached: "ファイル添付",
        deleted: "このメッセージは削除されました",
        deleted_by_you: "あなたはこのメッセージを削除しました",
        edited: "<このメッセージは編集されました>",
        call: "音声通話不在着信",
        poll: "アンケート:",
        option: "選択肢: zim (2票)",
        added: "Nelaがあなたを追加しました",
        created: "がグループ「Alfar」を作成しました",
    },
    Phone {
        language: "Korean",
        android: "2025. 9. {d}. 오후 {h}:{m} - ",
        iphone: "[2025. 9. {d}. 오후 {h}:{m}:07] ",
        encrypted: "메시지와 통화는 종단간 암호화됩니다.",
        media: "<미디어 파일을 제외한 대화내용>",
        image: "사진 생략",
        attached: "파일 첨부됨",
        deleted: "삭제된 메시지입니다",
        deleted_by_you: "이 메시지를 삭제했습니다",
        edited: "<수정된 메시지입니다>",
        call: "부재중 음성 통화",
        poll: "설문조사:",
        option: "옵션: zim (2표)",
        added: "Nela님이 회원님을 추가했습니다",
        created: "님이 그룹 “Alfar”을 만들었습니다",
    },
    Phone {
        language: "Chinese",
        android: "2025/9/{d} 下午{h}:{m} - ",
        iphone: "[2025/9/{d} 下午{h}:{m}:07] ",
        encrypted: "消息和通话已进行端到端加密。",
        media: "<媒体文件已省略>",
        image: "图片已省略",
        attached: "文件附件",
        deleted: "此消息已删除",
        deleted_by_you: "您删除了此消息",
        edited: "<消息已编辑>",
        call: "未接语音通话",
        poll: "投票：",
        option: "选项: zim (2票)",
        added: "Nela添加了您",
        created: "创建了群组“Alfar”",
    },
    // An invented language: only the formats are known. Deleted messages cannot be recognized from two occurrences.
    Phone {
        language: "invented",
        android: "le {d}.9.2025 osk {H}:{m} - ",
        iphone: "[{d}.9.2025 osk {H}:{m}:07] ",
        encrypted: "",
        media: "<Wozja blen dorvata>",
        image: "wozja blendor",
        attached: "",
        deleted: "<Zwala blen osk>",
        deleted_by_you: "<Zwala blenkas osk>",
        edited: "<Zwala dorko mup>",
        call: "null",
        poll: "",
        option: "ORP: zim (2 mup)",
        added: "Nela wozjakas di",
        created: "wozja “Alfar” dorkas",
    },
];

/// A date in the phone's format, at eight in the evening.
fn head(form: &str, day: usize, minute: usize) -> String {
    let own = |text: String| {
        let arabic = |letter: char| letter.to_digit(10).and_then(|digit| char::from_u32(0x660 + digit));
        let digit = |letter: char| arabic(letter).unwrap_or(letter);
        if form.contains('٩') { text.chars().map(digit).collect() } else { text }
    };
    form.replace("{d}", &own(format!("{day}")))
        .replace("{h}", &own("8".to_owned()))
        .replace("{H}", "20")
        .replace("{m}", &own(format!("{minute:02}")))
}

fn read(name: &str, text: &str) -> (Vec<String>, ChatReport, Source) {
    let mut reader = FileReader::new(name, ReadOptions::default());
    reader.push(text.as_bytes()).unwrap();
    let source = reader.finish().unwrap();
    let documents = source.documents().map(str::to_owned).collect();
    let Some(report) = source.chat.clone() else { panic!("{text} is read as plain text") };
    (documents, report, source)
}

fn people(report: &ChatReport) -> Vec<(&str, u64)> {
    report.people.iter().map(|person| (person.name.as_str(), person.messages)).collect()
}

#[test]
fn chats_of_android_phones_in_any_language_are_read() {
    for phone in PHONES {
        let mut text = String::new();
        let mut say = |day: usize, minute: usize, line: &str| text += &(head(phone.android, day, minute) + line + "\n");
        if !phone.encrypted.is_empty() {
            say(5, 0, phone.encrypted);
        }
        for day in [5, 6, 14] {
            say(day, 1, "Ilse: dorba lin zu");
            say(day, 2, &format!("Maro: {}", phone.media));
            say(day, 3, "Maro: zwal, +34 600 11 22 33");
            say(
                day,
                4,
                &format!(
                    "Ilse: IMG-20250905-WA000{day}.jpg ({})\nmup lin",
                    if phone.attached.is_empty() { "osk" } else { phone.attached }
                ),
            );
            say(day, 5, &format!("Ilse: {}", phone.deleted));
            say(day, 6, &format!("Maro: {}", phone.deleted_by_you));
            say(day, 7, &format!("Maro: zim {}", phone.edited));
            say(day, 8, &format!("Ilse: {}", phone.call));
            say(
                day,
                9,
                &format!(
                    "Ilse: {}\norba?\n{}\n{}",
                    if phone.poll.is_empty() { "ORBA:" } else { phone.poll },
                    phone.option,
                    phone.option.replace("zim", "lin")
                ),
            );
            say(day, 10, "Maro: ok");
            say(day, 11, "Ilse: \u{200F}jaja");
            say(day, 12, "Maro: jaja");
        }
        let (documents, report, source) = read("WhatsApp Chat with Ilse.txt", &text);
        let language = phone.language;
        let expected = "<|user|>dorba lin zu<|end|><|assistant|>zwal, …<|end|><|user|>mup lin<|end|>\
            <|assistant|>zim\nok<|end|><|user|>jaja<|end|><|assistant|>jaja<|end|>";
        assert_eq!(documents, [expected; 3], "{language}: {text}");
        assert_eq!((report.you.as_str(), people(&report)), ("Maro", vec![("Maro", 12), ("Ilse", 9)]), "{language}");
        assert_eq!(source.notices, [], "{language}");
        let ChatFound { edited, numbers, media, deleted, system, .. } = report.found;
        assert_eq!((edited, numbers), (3, 3), "{language}");
        if language != "invented" {
            assert_eq!((media, deleted, system), (6, 6, 1 + 3 + 12), "{language}");
        }
    }
}

#[test]
fn chats_of_iphones_in_any_language_are_read() {
    for phone in PHONES {
        let mut text = String::new();
        let mut say = |mark: &str, day: usize, minute: usize, line: &str| {
            text += &(mark.to_owned() + &head(phone.iphone, day, minute) + line + "\r\n");
        };
        say(
            "",
            5,
            0,
            &format!("Ilse: \u{200E}{}", if phone.encrypted.is_empty() { "Zwala osk" } else { phone.encrypted }),
        );
        for day in [5, 6, 14] {
            say("", day, 1, "Ilse: dorba lin zu");
            say("\u{200E}", day, 2, &format!("Maro: \u{200E}{}", phone.image));
            say("", day, 3, "Maro: zwal");
            say("\u{200E}", day, 4, &format!("Ilse: mup lin \u{200E}{}", phone.image));
            say("\u{200E}", day, 5, "Ilse: \u{200E}<osk: 00000012-PHOTO-2025-09-05-20-04-07.jpg>");
            say("", day, 6, &format!("Ilse: \u{200E}{}", phone.deleted));
            say("", day, 7, &format!("Maro: zim \u{200E}{}", phone.edited));
            say("\u{200E}", day, 8, &format!("Ilse: \u{200E}{}", phone.call));
            say("\u{200E}", day, 9, &format!("Ilse: osk.pdf • \u{200E}3 mup \u{200E}{}", phone.image));
            say("", day, 10, "Maro: \u{200E}@\u{2068}Ilse\u{2069} ok");
        }
        let (documents, report, _) = read("_chat.txt", &text);
        let language = phone.language;
        let expected = "<|user|>dorba lin zu<|end|><|assistant|>zwal<|end|><|user|>mup lin<|end|><|assistant|>zim\n@Ilse ok<|end|>";
        assert_eq!(documents, [expected; 3], "{language}: {text}");
        assert_eq!((report.you.as_str(), people(&report)), ("Maro", vec![("Maro", 9), ("Ilse", 6)]), "{language}");
    }
}

#[test]
fn an_iphones_group_chat_is_read_with_and_without_direction_marks() {
    for phone in PHONES.iter().filter(|phone| !phone.encrypted.is_empty()) {
        let mut text = String::new();
        let mut say = |mark: &str, minute: usize, line: &str| {
            text += &(mark.to_owned() + &head(phone.iphone, 5, minute) + line + "\r\n")
        };
        say("", 0, &format!("Alfar: \u{200E}{}", phone.encrypted));
        say("\u{200E}", 1, &format!("Nela: \u{200E}Nela {}", phone.created));
        say("\u{200E}", 2, &format!("Alfar: \u{200E}{}", phone.added));
        say("\u{200E}", 3, "Alfar: \u{200E}Óscar zwala.");
        say("", 4, "Nela: dorba zu");
        say("", 5, "Óscar: lin lin zwal");
        say("", 6, "Nela: zim");
        for (name, text) in [("marks", text.clone()), ("marks lost", text.replace('\u{200E}', ""))] {
            let (documents, report, _) = read("_chat.txt", &text);
            let language = phone.language;
            assert_eq!(people(&report), [("Nela", 2), ("Óscar", 1)], "{language}, {name}: {text}");
            assert_eq!(
                documents,
                ["<|assistant|>dorba zu<|end|><|user|>lin lin zwal<|end|><|assistant|>zim<|end|>"],
                "{language}, {name}"
            );
        }
    }
}

#[test]
fn names_of_people_and_groups_may_contain_colons() {
    let group = "[5.9.25, 20:00:00] Taller: tardes: \u{200E}Los mensajes y las llamadas están cifrados.\r\n\
        \u{200E}[5.9.25, 20:00:01] Taller: tardes: \u{200E}Nela te añadió\r\n\
        [5.9.25, 20:01:00] Nela: zim\r\n[5.9.25, 20:02:00] Óscar: lin: dos\r\n[5.9.25, 20:03:00] Nela: zu\r\n";
    for text in [group.to_owned(), group.replace('\u{200E}', "")] {
        let (documents, report, _) = read("_chat.txt", &text);
        assert_eq!(people(&report), [("Nela", 2), ("Óscar", 1)], "{text}");
        assert_eq!(documents, ["<|assistant|>zim<|end|><|user|>lin: dos<|end|><|assistant|>zu<|end|>"]);
    }
    let contact = "5/9/25, 20:00 - Taller: Bruno: zim\n5/9/25, 20:01 - Maro: lin: dos\n5/9/25, 20:02 - Taller: Bruno: zu: osk\n\
        5/9/25, 20:03 - Taller: Bruno: mup\n5/9/25, 20:04 - Maro: orba\n";
    let (_, report, _) = read("chat.txt", contact);
    assert_eq!(people(&report), [("Taller: Bruno", 3), ("Maro", 2)]);
}

#[test]
fn old_formats_other_calendars_and_lines_before_the_first_message_are_read() {
    for (name, text) in [
        (
            "old Android",
            "09/12/2012 17:02:48: Maro: zim\n09/12/2012 17:03:48: Ilse: lin\n09/12/2012 17:07:48: Maro: zu\n",
        ),
        (
            "old iPhone",
            "12.07.2017, 22:02:22: Maro: zim\n12.07.2017, 22:03:22: Ilse: lin\n12.07.2017, 22:07:22: Maro: zu\n",
        ),
        ("Thai", "26/9/2568 20:00 - Maro: zim\n26/9/2568 20:01 - Ilse: lin\n26/9/2568 20:02 - Maro: zu\n"),
        (
            "Thai digits",
            "[๒๖/๙/๒๕๖๘ ๒๐:๐๐:๐๐] Maro: zim\n[๒๖/๙/๒๕๖๘ ๒๐:๐๑:๐๐] Ilse: lin\n[๒๖/๙/๒๕๖๘ ๒๐:๐๒:๐๐] Maro: zu\n",
        ),
        (
            "Persian",
            "۱۴۰۴/۷/۴،\u{200F} ۲۰:۰۰ - Maro: zim\n۱۴۰۴/۷/۴،\u{200F} ۲۰:۰۱ - Ilse: lin\n۱۴۰۴/۷/۴،\u{200F} ۲۰:۰۲ - Maro: zu\n",
        ),
        ("Bengali", "২৬/৯/২৫, ৮:০০ PM - Maro: zim\n২৬/৯/২৫, ৮:০১ PM - Ilse: lin\n২৬/৯/২৫, ৮:০২ PM - Maro: zu\n"),
        ("Taiwan", "114/9/26 下午8:00 - Maro: zim\n114/9/26 下午8:01 - Ilse: lin\n114/9/26 下午8:02 - Maro: zu\n"),
        ("Vietnamese", "20:00, 26/9/25 - Maro: zim\n20:01, 26/9/25 - Ilse: lin\n20:02, 26/9/25 - Maro: zu\n"),
        (
            "marks in names",
            "5/9/25, 20:00 - \u{200F}Maro\u{200F}: zim\n5/9/25, 20:01 - \u{2068}Ilse\u{2069}: lin\n5/9/25, 20:02 - Ma\u{200B}ro: zu\n",
        ),
    ] {
        for before in ["", "\u{FEFF}", "Chat history with Ilse\n\n", "\nIlse: all of it\n"] {
            let text = format!("{before}{text}");
            let (documents, report, _) = read("chat.txt", &text);
            assert_eq!(people(&report), [("Maro", 2), ("Ilse", 1)], "{name}: {text}");
            assert_eq!(
                documents,
                ["<|assistant|>zim<|end|><|user|>lin<|end|><|assistant|>zu<|end|>"],
                "{name}: {text}"
            );
        }
    }
}

#[test]
fn the_other_persons_name_is_found_in_the_file_name_in_any_language() {
    let text = "5/9/25, 20:00 - Ilse Paz: zim\n5/9/25, 20:01 - Ilse Paz: lin\n5/9/25, 20:02 - Maro: zu\n";
    for name in [
        "WhatsApp Chat with Ilse Paz.txt",
        "Conversa do WhatsApp com Ilse Paz.txt",
        "WhatsApp-Chat mit Ilse Paz.txt",
        "Discussion WhatsApp avec Ilse Paz.zip",
        "Chat WhatsApp con Ilse Paz.txt",
        "محادثة واتساب مع Ilse Paz.txt",
        "Ilse Paz के साथ WhatsApp चैट.txt",
        "Chat WhatsApp dengan Ilse Paz (1).txt",
        "Ilse Paz ile WhatsApp Sohbeti.txt",
        "Чат WhatsApp с контактом Ilse Paz.txt",
    ] {
        assert_eq!(read(name, text).1.you, "Maro", "{name}");
    }
    assert_eq!(read("chat.txt", text).1.you, "Ilse Paz", "who writes most");
}
