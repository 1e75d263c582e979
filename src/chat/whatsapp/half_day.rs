//! Words for AM and PM in many languages.

use super::marks::is_unseen;

/// Words for the morning, in which twelve o'clock is midnight.
const MORNING: &str = "am ص صباحا فجرا قظ قبلازظهر غم 오전 午前 上午 凌晨 早上 清晨 dop dopoledne dopoludnia rano ap fh vm vorm \
    vormittags morgens πμ öö sa pg pagi दोपहरसेपहले पूर्वाह्न पूर्व सुबह পূর্বাহ্ণ পূর্বাহ্ন সকাল \
    முற்பகல் ಪೂರ್ವಾಹ್ನ ఉదయం രാവിലെ ก่อนเที่ยง ព្រឹក နံနက် ጥዋት дп προμεσημβρίας לפנהצ yb rn hommikul \
    eparadites";

/// Words for the time from noon on.
const AFTERNOON: &str = "pm م مساء ظهرا عصرا بعدالظهر بظ بعدازظهر غو شام 오후 午後 下午 晚上 中午 傍晚 du odp odpoledne odpoludnia \
    popoludni popołudniu pop popoldne popodne поподне ip eh nm nachm nachmittags abends mittags μμ ös ch \
    ptg petang malam siang sore अपराह्न अपराह्ण दोपहर शाम रात অপরাহ্ণ অপরাহ্ন বিকাল பிற்பகல் ಅಪರಾಹ್ನ \
    సాయంత్రం ഉച്ചയ്ക്ക് വൈകുന്നേരം หลังเที่ยง ល្ងាច ညနေ ከሰዓት пп слоб אחהצ yh õhtul galabnimo epasdites";

/// The hours that a word adds to a clock of twelve: 0 or 12. `None` if it is no such word.
pub fn hours(written: &str) -> Option<u32> {
    // The most frequent ones first.
    if let Some(half) = [("am", 0), ("pm", 12)].into_iter().find(|(word, _)| written.trim().eq_ignore_ascii_case(word))
    {
        return Some(half.1);
    }
    // "p. m." equals "pm", and so do other abbreviations with marks.
    let bare = |letter: &char| match letter {
        '״' | '׳' | '’' => false,
        _ if letter.is_ascii() => letter.is_ascii_alphanumeric(),
        _ => !is_unseen(*letter) && !is_tashkil(*letter),
    };
    let word: String = written.to_lowercase().chars().filter(bare).collect();
    let is = |words: &str| words.split(' ').any(|it| it == word);
    if is(AFTERNOON) { Some(12) } else { is(MORNING).then_some(0) }
}

/// The vowel signs of Arabic, which are rarely written.
pub fn is_tashkil(letter: char) -> bool {
    matches!(letter, '\u{64B}'..='\u{652}' | '\u{670}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn am_and_pm_are_read_in_many_languages() {
        for (morning, afternoon) in [
            ("AM", "PM"),
            ("a.\u{A0}m.", "p. m."),
            ("ص", "م"),
            ("صباحًا", "مساءً"),
            ("ق.ظ.", "ب.ظ."),
            ("午前", "午後"),
            ("오전", "오후"),
            ("上午", "下午"),
            ("π.μ.", "μ.μ."),
            ("ÖÖ", "ÖS"),
            ("SA", "CH"),
            ("dop.", "odp."),
            ("PG", "PTG"),
            ("முற்பகல்", "பிற்பகல்"),
            ("ព្រឹក", "ល្ងាច"),
            ("पूर्वाह्न", "अपराह्न"),
            ("לפנה״צ", "אחה״צ"),
        ] {
            assert_eq!((hours(morning), hours(afternoon)), (Some(0), Some(12)), "{morning} {afternoon}");
        }
        for word in ["", "um", "à", "Uhr", "kl.", "às", "em", "de", "г."] {
            assert_eq!(hours(word), None, "{word}");
        }
    }
}
