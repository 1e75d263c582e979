//! Random numbers, and random damage to files.

/// Marsaglia's xorshift64* ("Xorshift RNGs", 2003): the same numbers on every machine.
pub struct Random(u64);

impl Random {
    /// The generator of one case, which can be repeated without the earlier ones.
    pub fn of_case(seed: u64, case: u64) -> Self {
        Self(lorito::train::mix(seed, case) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to `end` - 1; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.number() >> 33) as usize % end }
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// Byte sequences with a meaning to some reader.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b";",
    b"|",
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b" ",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"\\u0000",
    b"\\ud83e",
    b"\\udfff",
    b"//",
    b"/*",
    b"sep=;",
    b"0",
    b"-1",
    b"1e308",
    b"2147483648",
    b"4294967295",
    b"9007199254740993",
    b"18446744073709551615",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\xFE\xFF",
    b"\xED\xA0\xBD\xED\xB8\x80",
    b"\xF0\x9F\xA6\x9C",
    b"\xC3",
    b"\x92",
    b"\xE2\x80\x8E",
    b"\xE2\x80\x8F",
    b"\xCC\x81",
    b"\xD9\xA1",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"<|endoftext|>",
    b"<|user|>",
    b"<|",
    b"12/31/23, 11:59 PM - Ana: ",
    b"[31/12/23, 23:59:59] Eva: ",
    b"<Media omitted>",
    b"https://",
    b"a@b.example",
    b"+34 600 11 22 33",
    b"text",
    b"messages",
    b"mapping",
    b"role",
    b"content",
    b"parts",
    b"\"dtype\":\"F64\"",
    b"\"shape\":[4294967296,2]",
    b"\"data_offsets\":[0,0]",
    b"\"id\":",
    b"\xC4\xA0",
    b"#version",
    b"GGUF\x03\0\0\0",
    b"\0\0\0\0\0\0\0\x10",
    b"\x09\0\0\0\x08\0\0\0",
    b"PK\x05\x06",
    b"\x80\x02}q\0",
    b"cos\nsystem\n",
    b"(tR",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
];

/// The longest damaged file, in bytes.
const LONGEST: usize = 200_000;

/// One of `whole` with up to ten random changes.
pub fn broken(random: &mut Random, whole: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = whole[random.below(whole.len())].clone();
    for _ in 0..=random.below(10) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(200)).min(bytes.len());
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.number() as u8,
            2 => insert(&mut bytes, at..at, WORDS[random.below(WORDS.len())]),
            3 => insert(&mut bytes, at..(at + random.below(12)).min(end), WORDS[random.below(WORDS.len())]),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let repeated = bytes[at..end].repeat(1 + random.below(20));
                insert(&mut bytes, at..at, &repeated);
            }
            6 => {
                let other = &whole[random.below(whole.len())];
                let from = random.below(other.len() + 1);
                let part = other[from..(from + random.below(400)).min(other.len())].to_vec();
                insert(&mut bytes, at..at, &part);
            }
            7 => bytes.truncate(at),
            _ => {
                let byte = b"[{\"('a \n:@1,"[random.below(12)];
                let many = vec![byte; random.below(3000)];
                insert(&mut bytes, at..at, &many);
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

fn insert(bytes: &mut Vec<u8>, range: std::ops::Range<usize>, new: &[u8]) {
    bytes.splice(range, new.iter().copied());
}
