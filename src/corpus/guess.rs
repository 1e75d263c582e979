//! Guesses the legacy encoding of a text: decodes it with each candidate and takes the result that looks most like
//! words.
//!
//! Not the `chardetng` crate: it contains the tables of Chinese, Japanese and Korean, which the browser has anyway (see
//! `legacy`). It would be better for short texts, for which the user can choose the encoding.

use super::encoding::Encoding;
use super::legacy;

/// The expected characters of a text in an encoding.
struct Reading {
    encoding: Encoding,
    /// For each language its frequent letters beyond ASCII; their capitals score less.
    languages: &'static [&'static str],
    /// Tests for other characters of its script.
    known: fn(char) -> bool,
}

const WESTERN: &[&str] = &["áéíóúñü", "àâçéèêëîïôùûüœæ", "äöüß", "áâãàçéêíóôõú", "åäöæøé", "àèéìòù", "áéíóúýþæöð"];
const CENTRAL: &[&str] = &["ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž"];
const RUSSIAN: &str = "оеаинтсрвлкмдпуя";
const UKRAINIAN: &str = "оаинівтерсклудмпяїє";
const GREEK: &str = "αειοτνσςρκπμλάέίόύήώηυω";
const ARABIC: &str = "المنيوترهبدكفعسحةق";
const HEBREW: &str = "יוהלאתמרשבנדכפעםקגחס";
const BALTIC: &[&str] = &["ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"];
const VIETNAMESE: &str = "đơưăâêôáàéèíóòúù\u{300}\u{301}\u{303}\u{309}\u{323}";
const THAI: &str = "านรอกเงมยลวดทสตปบคหแจพข่้ีิัุู";
// The two or three hundred most frequent of each; the scripts have thousands.
const SIMPLIFIED: &str = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔";
const TRADITIONAL: &str = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運筆";
const HANGUL: &str = "이다는을의에가고하지로은한를도기사나리서자시인어있아대라일해그수보들정으전것주여부게과상스면마우만제들오비안장신아원성동무없거조경말위국더니구공바소까모두연물세었습와때내일생야했던당려장화음선";

/// The candidates, the likeliest first: the first of equals is taken.
const READINGS: &[Reading] = &[
    Reading { encoding: Encoding::Windows1252, languages: WESTERN, known: no_other },
    Reading { encoding: Encoding::Windows1250, languages: CENTRAL, known: no_other },
    Reading { encoding: Encoding::Windows1251, languages: &[RUSSIAN, UKRAINIAN], known: is_cyrillic },
    Reading { encoding: Encoding::Gb18030, languages: &[SIMPLIFIED], known: is_chinese },
    Reading { encoding: Encoding::ShiftJis, languages: &[""], known: is_japanese },
    Reading { encoding: Encoding::EucKr, languages: &[HANGUL], known: |it| matches!(it, '가'..='힣') },
    Reading { encoding: Encoding::Big5, languages: &[TRADITIONAL], known: is_chinese },
    Reading { encoding: Encoding::Koi8R, languages: &[RUSSIAN], known: is_cyrillic },
    Reading { encoding: Encoding::Macintosh, languages: WESTERN, known: no_other },
    Reading { encoding: Encoding::Windows1254, languages: &["çğıöşüâîû"], known: no_other },
    Reading { encoding: Encoding::Windows1253, languages: &[GREEK], known: |it| matches!(it, 'ΐ'..='ώ' | '·') },
    Reading { encoding: Encoding::Windows1256, languages: &[ARABIC], known: is_arabic },
    Reading { encoding: Encoding::Windows1255, languages: &[HEBREW], known: |it| matches!(it, '\u{5B0}'..='\u{5EA}') },
    Reading { encoding: Encoding::Windows1257, languages: BALTIC, known: no_other },
    Reading { encoding: Encoding::Windows1258, languages: &[VIETNAMESE], known: no_other },
    Reading { encoding: Encoding::Windows874, languages: &[THAI], known: no_other },
    Reading { encoding: Encoding::EucJp, languages: &[""], known: is_japanese },
    Reading { encoding: Encoding::Iso8859_2, languages: CENTRAL, known: no_other },
    Reading { encoding: Encoding::Koi8U, languages: &[UKRAINIAN], known: is_cyrillic },
    Reading { encoding: Encoding::Ibm866, languages: &[RUSSIAN], known: is_cyrillic },
];

fn no_other(_: char) -> bool {
    false
}

fn is_cyrillic(character: char) -> bool {
    matches!(character, 'а'..='я' | 'А'..='Я' | 'ё' | 'Ё' | 'і' | 'ї' | 'є' | 'ґ' | 'І' | 'Ї' | 'Є' | 'ў' | 'ј' | 'љ' | 'њ' | 'ћ' | 'ђ' | 'џ')
}

fn is_chinese(character: char) -> bool {
    matches!(
        character,
        '一'..='\u{9FFF}' | '，' | '。' | '、' | '：' | '；' | '？' | '！' | '「' | '」' | '《' | '》' | '（' | '）'
    )
}

fn is_japanese(character: char) -> bool {
    matches!(character, 'ぁ'..='ん' | 'ァ'..='ー' | '一'..='\u{9FFF}' | '、' | '。' | '「' | '」' | '！' | '？')
}

fn is_arabic(character: char) -> bool {
    matches!(character, '\u{621}'..='\u{652}' | 'پ' | 'چ' | 'ژ' | 'گ' | 'ک' | 'ی' | 'ہ' | 'ے' | '،' | '؟')
}

/// Guesses the encoding of a text that is not UTF-8.
pub fn encoding(sample: &[u8]) -> Encoding {
    let mut best = (f64::NEG_INFINITY, Encoding::Windows1252);
    for reading in READINGS {
        // If there is no memory for a sample, there is none for the text either.
        let Ok(text) = legacy::decode(reading.encoding, sample) else { continue };
        let score = reading.score(&text);
        if score > best.0 + 1e-9 {
            best = (score, reading.encoding);
        }
    }
    best.1
}

impl Reading {
    /// Scores how much a text looks like one of the languages by its characters beyond ASCII, from about -3 to 1.
    fn score(&self, text: &str) -> f64 {
        let scores = self.languages.iter().map(|frequent| self.score_in(frequent, text));
        scores.fold(f64::NEG_INFINITY, f64::max)
    }

    fn score_in(&self, frequent: &str, text: &str) -> f64 {
        let (mut sum, mut count, mut run) = (0.0, 0.0, 0);
        let mut before = ' ';
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            run = if !character.is_ascii() && character.is_alphabetic() { run + 1 } else { 0 };
            if !character.is_ascii() {
                let after = characters.peek().copied().unwrap_or(' ');
                sum += self.value(frequent, [before, character, after], run);
                count += 1.0;
            }
            before = character;
        }
        if count == 0.0 { 0.0 } else { sum / count }
    }

    /// Scores one character. `run`: number of consecutive letters beyond ASCII, this one included.
    fn value(&self, frequent: &str, [before, character, after]: [char; 3], run: usize) -> f64 {
        let within_word = before.is_alphabetic() && after.is_alphabetic();
        let beside_ascii = before.is_ascii_alphabetic() || after.is_ascii_alphabetic();
        match character {
            '\u{FFFD}' | '\u{80}'..='\u{9F}' | '\u{E000}'..='\u{F8FF}' => -3.0,
            // Single bytes decoded as Shift-JIS look like half-width Katakana.
            '\u{FF61}'..='\u{FF9F}' => -1.0,
            // No word mixes two alphabets, and none has accented letters alone.
            '\u{370}'..'\u{E80}' if beside_ascii => -1.0,
            '\0'..'\u{370}' if run >= 4 => -1.0,
            _ if frequent.contains(character) => 1.0,
            // A capital after a small letter is typical of the wrong Cyrillic encoding, and of text decoded as Mac
            // Roman.
            _ if character.is_uppercase() && before.is_lowercase() => -1.0,
            _ if character.is_uppercase() && character.to_lowercase().any(|small| frequent.contains(small)) => 0.8,
            'ぁ'..='ん' | 'ァ'..='ー' if (self.known)(character) => 1.0,
            _ if (self.known)(character) => 0.4,
            '’' if before.is_alphabetic() => 1.0,
            '“' | '”' | '‘' | '’' | '«' | '»' | '„' | '–' | '—' | '…' | '€' | '¿' | '¡' | '\u{A0}' | '°' | '·'
                if !within_word =>
            {
                1.0
            }
            _ if character.is_alphabetic() => -0.5,
            _ if within_word => -1.0,
            _ => -0.3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_many_languages_are_guessed() {
        let texts = [
            ("windows-1252", "¿Qué pasó con la cigüeña? Voló hacia el faro, dijo la niña."),
            ("windows-1252", "L’été dernier, nous avons dîné près du château. — Déjà ? « Oui »"),
            ("windows-1252", "Die Bäume grünen schön, außer über der Straße."),
            ("windows-1252", "Não há pão amanhã, só à noite; a avó irá à praça."),
            ("windows-1252", "Señor Núñez: años, mañanas"),
            ("windows-1252", "Åse går på øya, og ærlig talt er det kjølig."),
            ("windows-1252", "ÜBER GRÖSSE"),
            ("windows-1250", "Árvíztűrő tükörfúrógép, kőműves szőlőt őrölt"),
            ("windows-1251", "Київ – столиця України, її люди є гостинні"),
            ("koi8-u", "Київ столиця України, її люди є гостинні"),
            ("macintosh", "“¿Quién?”, preguntó él. —Yo—, respondió ella; el añil…"),
            ("euc-jp", "ハルガキタ。ニワノハナ"),
            ("windows-1252", "“Quoted” words – with nothing else… it’s plain."),
            ("macintosh", "El niño bajó al río y pescó un salmón; ¿quién lo comió?"),
            ("macintosh", "L’été dernier, nous avons dîné près du château."),
            ("windows-1250", "Zażółć gęślą jaźń, powiedział żółw do świętego."),
            ("windows-1250", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
            ("iso-8859-2", "Zażółć gęślą jaźń, powiedział żółw; ścieżka i śnieg."),
            ("windows-1251", "Маяк стоит на скале, и лодки идут мимо него домой."),
            ("koi8-r", "Маяк стоит на скале, и лодки идут мимо него домой."),
            ("ibm866", "Маяк стоит на скале, и лодки идут мимо него домой."),
            ("windows-1251", "МАЯК СТОИТ НА СКАЛЕ"),
            ("windows-1253", "Ο φάρος στέκεται πάνω στον βράχο και φωτίζει τη θάλασσα."),
            ("windows-1254", "Işık kayanın üstünde; deniz sessiz, güneş doğuyor."),
            ("windows-1255", "המגדלור עומד על הסלע ומאיר את הים"),
            ("windows-1256", "المنارة تقف على الصخرة وتضيء البحر"),
            ("windows-1257", "Bāka stāv uz klints un apgaismo jūru, kuģis brauc mājās."),
            ("windows-874", "ประภาคารตั้งอยู่บนโขดหิน"),
            ("gb18030", "灯塔站在岩石上，照着大海，船都回家了。"),
            ("big5", "燈塔站在岩石上，照著大海，船都回家了。"),
            ("shift_jis", "灯台は岩の上に立って、海を照らしています。"),
            ("euc-jp", "灯台は岩の上に立って、海を照らしています。"),
            ("euc-kr", "등대는 바위 위에 서서 바다를 비추고 있습니다."),
        ];
        for (label, text) in texts {
            let known = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, _, unmappable) = known.encode(text);
            assert!(!unmappable, "{label} {text}");
            assert_eq!(encoding(&bytes).label(), label, "{text}");
        }
    }
}
