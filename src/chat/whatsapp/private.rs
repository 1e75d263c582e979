//! Replaces addresses and numbers in messages with [`STAND_IN`], so that the sentence around them stays whole.

use std::ops::Range;

use super::marks::digit;

/// The replacement for private text: no word of any language, and nothing that could be private.
pub const STAND_IN: &str = "…";

/// Least number of digits of a private number: of a phone, a card, an account, a passport.
const FEWEST_DIGITS: usize = 7;

/// One kind of private text.
#[derive(Clone, Copy)]
pub struct Find {
    /// Whether a text can contain any: most do not, and are not scanned.
    may_be_in: fn(&str) -> bool,
    /// Finds the next range in a text. It scans no further than it must, so that finding all takes linear time.
    next: fn(&str) -> Option<Range<usize>>,
}

/// Web addresses: with `://`, with `www.`, or a host name with a path.
pub const WEB_ADDRESS: Find = Find { may_be_in: |text| text.contains('.') || text.contains("://"), next: web_address };

pub const MAIL_ADDRESS: Find = Find { may_be_in: |text| text.contains('@'), next: mail_address };

/// Numbers that are long enough to be private, and neither a date, an amount, nor years; in the digits of any script.
pub const LONG_NUMBER: Find = Find {
    may_be_in: |text| {
        let is_digit = |letter: &char| digit(*letter).is_some();
        let ascii = text.bytes().filter(u8::is_ascii_digit).take(FEWEST_DIGITS).count();
        ascii == FEWEST_DIGITS
            || (!text.is_ascii() && text.chars().filter(is_digit).take(FEWEST_DIGITS).count() == FEWEST_DIGITS)
    },
    next: long_number,
};

/// Replaces all addresses and numbers; returns their number.
pub fn replace_private(text: &mut String) -> u64 {
    [WEB_ADDRESS, MAIL_ADDRESS, LONG_NUMBER].into_iter().map(|find| replace(text, find)).sum()
}

/// Replaces all matches of `find`; returns their number.
pub fn replace(text: &mut String, find: Find) -> u64 {
    if !(find.may_be_in)(text) {
        return 0;
    }
    let (mut replaced, mut from, mut count) = (String::new(), 0, 0);
    while let Some(found) = (find.next)(&text[from..]) {
        replaced.push_str(&text[from..from + found.start]);
        replaced.push_str(STAND_IN);
        from += found.end;
        count += 1;
    }
    if count > 0 {
        replaced.push_str(&text[from..]);
        *text = replaced;
    }
    count
}

fn web_address(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end();
        if let Some(start) = web_start(word) {
            let end = word
                .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '»', '>', '*', '_'])
                .len();
            return Some(at + start..at + end.max(start + 1));
        }
        at += part.len();
    }
    None
}

fn web_start(word: &str) -> Option<usize> {
    if let Some(colon) = word.find("://") {
        let scheme =
            word[..colon].bytes().rev().take_while(|&byte| byte.is_ascii_alphanumeric() || byte == b'+').count();
        return (scheme > 0).then_some(colon - scheme);
    }
    if !word.contains('.') {
        return None;
    }
    let bare = word.trim_start_matches(|first: char| !first.is_alphanumeric());
    let start = word.len() - bare.len();
    if bare.get(..4).is_some_and(|first| first.eq_ignore_ascii_case("www.")) {
        return (bare.len() > 4).then_some(start);
    }
    let (host, path) = bare.split_once('/')?;
    let (name, top) = host.rsplit_once('.')?;
    let is_host = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'-');
    let named = name.bytes().any(|letter| letter.is_ascii_alphabetic()) && name.bytes().all(is_host);
    let valid = named && top.len() >= 2 && top.bytes().all(|letter| letter.is_ascii_alphabetic()) && !path.is_empty();
    valid.then_some(start)
}

fn mail_address(text: &str) -> Option<Range<usize>> {
    let of_name = |letter: &char| letter.is_alphanumeric() || "._%+-".contains(*letter);
    let of_host = |letter: &char| letter.is_alphanumeric() || ".-".contains(*letter);
    text.match_indices('@').find_map(|(at, _)| {
        let name: usize = text[..at].chars().rev().take_while(of_name).map(char::len_utf8).sum();
        let host: usize = text[at + 1..].chars().take_while(of_host).map(char::len_utf8).sum();
        let host = text[at + 1..][..host].trim_end_matches(['.', '-']);
        let top = host.rsplit_once('.').map(|(_, top)| top)?;
        let valid = name > 0 && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
        valid.then(|| at - name..at + 1 + host.len())
    })
}

fn long_number(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(first) = text[from..].find(|letter| digit(letter).is_some()).map(|at| from + at) {
        let number = Number::at(text, first);
        if number.is_private() {
            return Some(number.whole);
        }
        from = number.whole.end;
    }
    None
}

/// Consecutive digits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Group {
    count: usize,
    /// Their length in bytes.
    bytes: usize,
    /// Their value, unless it is large.
    value: u32,
}

impl Group {
    /// The digits at the beginning of a text, possibly none.
    fn at(text: &str) -> Self {
        let (mut count, mut bytes, mut value) = (0, 0, 0u32);
        for letter in text.chars() {
            let Some(next) = digit(letter) else { break };
            count += 1;
            bytes += letter.len_utf8();
            value = value.saturating_mul(10).saturating_add(next);
        }
        Self { count, bytes, value }
    }
}

/// Groups of digits with short separators.
struct Number<'a> {
    whole: Range<usize>,
    groups: Vec<Group>,
    /// The separator before each group but the first.
    between: Vec<&'a str>,
    international: bool,
    within_word: bool,
}

impl<'a> Number<'a> {
    fn at(text: &'a str, first: usize) -> Self {
        let before = text[..first].trim_end_matches('(');
        let international = before.ends_with('+');
        let start = if international { before.len() - 1 } else { first };
        let within_word = text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
        let (mut groups, mut between, mut at) = (Vec::new(), Vec::new(), first);
        let end = loop {
            let group = Group::at(&text[at..]);
            let end = at + group.bytes;
            groups.push(group);
            let gap: usize = text[end..].chars().take(3).take_while(separates).map(char::len_utf8).sum();
            let next = end + gap;
            if gap == 0 || Group::at(&text[next..]).count == 0 {
                break end;
            }
            between.push(&text[end..next]);
            at = next;
            if let ([first, second], [one, other]) = (&groups[..], &between[..])
                && one == other
                && begins_as_date(*first, *second, one, &text[at..])
            {
                groups.clear();
                break at + Group::at(&text[at..]).bytes;
            }
        };
        let closed = text[..start].ends_with('(') && text[start..end].contains(')');
        let start = if closed { start - 1 } else { start };
        Self { whole: start..end, groups, between, international, within_word }
    }

    fn is_private(&self) -> bool {
        let digits: usize = self.groups.iter().map(|group| group.count).sum();
        // Single digits are somebody counting.
        if digits < FEWEST_DIGITS.max(2 * self.groups.len()) || self.within_word {
            return false;
        }
        if self.international {
            return true;
        }
        let is_year = |group: &Group| group.count == 4 && (1900..2100).contains(&group.value);
        let years = self.groups.iter().all(is_year) && self.groups.len() <= 2;
        let dotted = |mark: &str| self.between.iter().all(|it| *it == mark);
        let thousands = self.groups.iter().skip(1).all(|group| group.count == 3) && self.groups.len() > 1;
        let amount = thousands && digits <= 8 && self.groups[0].count <= 2 && (dotted(".") || dotted(" "));
        let decimal = self.groups.len() == 2 && dotted(".");
        !years && !amount && !decimal
    }
}

/// Whether a character may separate the digits of one number.
fn separates(letter: &char) -> bool {
    " \u{A0}\u{202F}-\u{2010}\u{2011}.()/".contains(*letter)
}

/// Whether two groups, their separator, and the rest of the text begin with a date.
fn begins_as_date(first: Group, second: Group, between: &str, rest: &str) -> bool {
    let third = Group::at(rest);
    let goes_on = rest[third.bytes..].strip_prefix(between).is_some_and(|rest| Group::at(rest).count > 0);
    let shaped = matches!((first.count, second.count, third.count), (1 | 2, 1 | 2, 2 | 4) | (4, 1 | 2, 1 | 2));
    let valid = second.value <= 31 && (first.count == 4 || first.value <= 31);
    matches!(between, "/" | "-" | ".") && shaped && valid && !goes_on
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cpu_time::ThreadTime;

    use super::*;

    fn without(text: &str, find: Find) -> String {
        let mut text = text.to_owned();
        replace(&mut text, find);
        text
    }

    #[test]
    fn web_addresses_are_replaced() {
        for (text, left) in [
            ("mira https://a.example/x?y=1#z, ya", "mira …, ya"),
            ("(http://a.example)", "(…)"),
            ("HTTPS://A.EXAMPLE y ftp://b.example/c.", "… y …."),
            ("www.a.example y WWW.B.EXAMPLE!", "… y …!"),
            ("youtu.be/abc «a.example/b»", "… «…»"),
            ("1: https://[", "1: …"),
        ] {
            assert_eq!(without(text, WEB_ADDRESS), left);
        }
        for text in ["vale.es que no", "y/o", "1.5/2", "://", "www.", "etc.../etc", "a.b/", "fin."] {
            assert_eq!(without(text, WEB_ADDRESS), text);
        }
    }

    #[test]
    fn mail_addresses_are_replaced() {
        assert_eq!(without("a ana.paz+x@b.example.es, vale", MAIL_ADDRESS), "a …, vale");
        assert_eq!(without("josé@niño.example. Y b@c.dd", MAIL_ADDRESS), "…. Y …");
        for text in ["@ana", "a@b", "a @ b.example", "a@b.c", "a@b.12", "@", "a@.", "🦜@🦜.🦜🦜"] {
            assert_eq!(without(text, MAIL_ADDRESS), text);
        }
    }

    #[test]
    fn long_numbers_are_replaced() {
        for (text, left) in [
            ("llama al 600 11 22 33.", "llama al …."),
            ("+34 600-112-233 o (555) 123-4567", "… o …"),
            ("(600112233) (+34) 600112233", "(…) …"),
            ("+1 (555) 123-4567, sí", "…, sí"),
            ("06.12.34.56.78", "…"),
            ("600.123.456", "…"),
            ("6123-4567 y 4111 1111 1111 1111", "… y …"),
            ("el 31/12/2023 llama al 600112233", "el 31/12/2023 llama al …"),
            ("@34600112233 hola", "@… hola"),
            ("1 800 555 1234", "…"),
            // Digits of other scripts are as private.
            ("اتصل على ٠٦ ١٢ ٣٤ ٥٦ ٧٨", "اتصل على …"),
            ("٣٤٦٠٠١١٢٢ و +۹۸۹۱۲۳۴۵۶۷۸", "… و …"),
            ("९८७६५४३२१०", "…"),
        ] {
            assert_eq!(without(text, LONG_NUMBER), left);
        }
        for text in [
            "123456",
            "31/12/2023 23:59",
            "2023-12-31",
            "31.12.23 20",
            "1.000.000",
            "1 000 000 de años",
            "2019-2023",
            "3.14159265",
            "20:30:40 y 10:20:30",
            "1, 2, 3, 4, 5, 6, 7, 8",
            "B0123456789",
            "",
            "٣١/١٢/٢٠٢٣",
            "١٢٣٤٥٦",
        ] {
            assert_eq!(without(text, LONG_NUMBER), text);
        }
    }
    /// The time of replacing everything in a text.
    fn time(text: &str) -> Duration {
        let start = ThreadTime::now();
        for find in [WEB_ADDRESS, MAIL_ADDRESS, LONG_NUMBER] {
            replace(&mut text.to_owned(), find);
        }
        start.elapsed()
    }

    #[test]
    fn replacing_many_matches_takes_linear_time() {
        for part in ["a://b ", "www.a ", "a@b.cc ", "600112233, ", "@.:/+(<", "1 22 ", "+1 ", "a.b/", "((1"] {
            // Texts so short that the thread is mostly not interrupted; and the shortest of many times.
            let [text, more] = [1 << 15, 1 << 17].map(|bytes| part.repeat(bytes / part.len()));
            let (mut one, mut four) = (Duration::MAX, Duration::MAX);
            // Four times the text takes four times as long; sixteen times, if each match scanned all the rest.
            let is_linear = (0..100).any(|round| {
                (one, four) = (one.min(time(&text)), four.min(time(&more)));
                round >= 2 && four < 8 * one
            });
            assert!(is_linear, "{part:?}: {one:?}, then {four:?}");
            let megabyte = part.repeat((1 << 20) / part.len());
            let whole = (0..5).map(|_| time(&megabyte)).min();
            assert!(whole < Some(Duration::from_secs(1)), "1 MB of {part:?}: {whole:?}");
        }
    }
}
