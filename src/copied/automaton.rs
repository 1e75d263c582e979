//! The suffix automaton of a text (Blumer et al. 1985): while a second text is read, it finds the longest substring of
//! the first that ends at each byte of the second, in time linear in both lengths.

/// Largest text in bytes of one automaton: it has at most twice as many states, whose indices fit into 16 bits.
pub const LONGEST: usize = 16_000;

const NONE: u16 = u16::MAX;
const ROOT: u16 = 0;

/// The longest match in the text read that ends at one byte of the automaton's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Match<P> {
    /// Its length in bytes; 0 if not even the last byte was found.
    pub length: usize,
    /// A position in the text read where the match ends.
    pub place: P,
}

/// A state: all substrings of the text that end at the same positions.
#[derive(Debug, Clone)]
struct State<P> {
    /// Length in bytes of its longest substring.
    length: u32,
    /// The suffix link: the state of the longest suffix that also ends elsewhere; unused at the root.
    link: u16,
    /// The longest match read in this state, and its position.
    read: u32,
    place: P,
}

/// The suffix automaton of a text of at most [`LONGEST`] bytes, with the longest matches found so far.
pub struct Automaton<P> {
    states: Vec<State<P>>,
    /// Transitions, `[states, columns]`: the next state, or the root if there is none.
    next: Vec<u16>,
    /// The column of each byte in `next`; 0 if the text does not contain the byte.
    columns: [u8; 256],
    width: usize,
    /// The state of each prefix of the text.
    beginnings: Vec<u16>,
    /// The current state: that of the longest match that ends at the byte read last.
    at: u16,
    length: u32,
}

impl<P: Copy + Default> Automaton<P> {
    pub fn new(text: &[u8]) -> Self {
        debug_assert!(text.len() <= LONGEST);
        let mut columns = [0; 256];
        let mut width = 1;
        for &byte in text {
            // UTF-8 never uses 13 of the 256 byte values, so the columns suffice.
            if columns[usize::from(byte)] == 0 {
                columns[usize::from(byte)] = width;
                width += 1;
            }
        }
        let (width, beginnings) = (width.into(), Vec::with_capacity(text.len()));
        let (states, next) = (Vec::new(), Vec::new());
        let mut automaton = Self { states, next, columns, width, beginnings, at: ROOT, length: 0 };
        automaton.add_state(0, NONE);
        for &byte in text {
            automaton.extend(columns[usize::from(byte)].into());
        }
        automaton
    }

    fn add_state(&mut self, length: u32, link: u16) -> u16 {
        let state = self.states.len() as u16;
        self.states.push(State { length, link, read: 0, place: P::default() });
        self.next.resize(self.next.len() + self.width, ROOT);
        state
    }

    fn next_of(&mut self, state: u16, column: usize) -> &mut u16 {
        &mut self.next[usize::from(state) * self.width + column]
    }

    /// Appends a byte to the text.
    fn extend(&mut self, column: usize) {
        let last = self.beginnings.last().copied().unwrap_or(ROOT);
        let new = self.add_state(self.states[usize::from(last)].length + 1, ROOT);
        self.beginnings.push(new);
        let mut from = last;
        while from != NONE && *self.next_of(from, column) == ROOT {
            *self.next_of(from, column) = new;
            from = self.states[usize::from(from)].link;
        }
        if from == NONE {
            return;
        }
        let found = *self.next_of(from, column);
        let length = self.states[usize::from(from)].length + 1;
        let link = if self.states[usize::from(found)].length == length {
            found
        } else {
            self.divide(found, length, from, column)
        };
        self.states[usize::from(new)].link = link;
    }

    /// Clones a state for its substrings of at most `length` bytes.
    fn divide(&mut self, whole: u16, length: u32, mut from: u16, column: usize) -> u16 {
        let shorter = self.add_state(length, self.states[usize::from(whole)].link);
        let row = usize::from(whole) * self.width;
        self.next.copy_within(row..row + self.width, usize::from(shorter) * self.width);
        self.states[usize::from(whole)].link = shorter;
        while from != NONE && *self.next_of(from, column) == whole {
            *self.next_of(from, column) = shorter;
            from = self.states[usize::from(from)].link;
        }
        shorter
    }

    /// Reads the next byte, which ends at `place`.
    #[inline]
    pub fn read(&mut self, byte: u8, place: P) {
        let column = usize::from(self.columns[usize::from(byte)]);
        if column == 0 {
            return self.interrupt();
        }
        loop {
            let next = self.next[usize::from(self.at) * self.width + column];
            if next != ROOT {
                self.at = next;
                self.length += 1;
                break;
            }
            if self.at == ROOT {
                return;
            }
            self.at = self.states[usize::from(self.at)].link;
            self.length = self.states[usize::from(self.at)].length;
        }
        let state = &mut self.states[usize::from(self.at)];
        if self.length > state.read {
            (state.read, state.place) = (self.length, place);
        }
    }

    /// Resets the match: no substring extends across a border of the text read.
    #[inline]
    pub fn interrupt(&mut self) {
        (self.at, self.length) = (ROOT, 0);
    }

    /// Returns the longest match that ends at each byte of the text.
    pub fn matches(mut self) -> Vec<Match<P>> {
        let mut order: Vec<u16> = (1..self.states.len() as u16).collect();
        order.sort_unstable_by_key(|&state| self.states[usize::from(state)].length);
        // The suffixes of a match have been read too: passes matches along the suffix links.
        for &state in order.iter().rev() {
            let State { link, read, place, .. } = self.states[usize::from(state)];
            if read > 0 && link != ROOT {
                let shorter = &mut self.states[usize::from(link)];
                (shorter.read, shorter.place) = (shorter.length, place);
            }
        }
        for &state in &order {
            let State { link, read, .. } = self.states[usize::from(state)];
            if read == 0 {
                let State { read, place, .. } = self.states[usize::from(link)];
                let longer = &mut self.states[usize::from(state)];
                (longer.read, longer.place) = (read, place);
            }
        }
        let of = |&state: &u16| {
            let State { read, place, .. } = self.states[usize::from(state)];
            Match { length: read as usize, place }
        };
        self.beginnings.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// The expected match, by brute force.
    fn longest(text: &[u8], end: usize, read: &[&[u8]]) -> usize {
        let is_read = |run: &[u8]| read.iter().any(|part| part.windows(run.len()).any(|window| window == run));
        (0..end).find(|&start| is_read(&text[start..end])).map_or(0, |start| end - start)
    }

    fn found(text: &[u8], read: &[&[u8]]) -> Vec<Match<(usize, usize)>> {
        let mut automaton = Automaton::new(text);
        for (number, part) in read.iter().enumerate() {
            automaton.interrupt();
            part.iter().enumerate().for_each(|(at, &byte)| automaton.read(byte, (number, at + 1)));
        }
        automaton.matches()
    }

    fn check(text: &[u8], read: &[&[u8]]) {
        for (index, Match { length, place }) in found(text, read).into_iter().enumerate() {
            let end = index + 1;
            assert_eq!(length, longest(text, end, read), "{text:?} up to {end} in {read:?}");
            if length > 0 {
                assert!(read[place.0][..place.1].ends_with(&text[end - length..end]), "{text:?} {end} {place:?}");
            }
        }
    }

    #[test]
    fn the_longest_runs_are_those_that_trying_everything_finds() {
        let mut generator = Pcg64Mcg::seed_from_u64(1);
        for round in 0..400_u32 {
            let letters = 1 + (round % 4) as u8;
            let mut draw = |longest: usize| -> Vec<u8> {
                let length = generator.random_range(0..longest);
                (0..length).map(|_| b'a' + generator.random_range(0..letters)).collect()
            };
            let (text, parts) = (draw(24), [draw(60), draw(60)]);
            check(&text, &[&parts[0], &parts[1]]);
        }
    }

    #[test]
    fn repeated_and_overlapping_texts_are_found_whole() {
        check(b"aaaaaaaa", &[b"aaaa", b"aaaaaa"]);
        check(b"abababab", &[b"babab", b"b"]);
        check("ñandú ñandú".as_bytes(), &["el ñandú".as_bytes(), "ú ñ".as_bytes()]);
        check(b"", &[b"abc"]);
        check(b"abc", &[]);
    }

    #[test]
    fn the_longest_text_fits_into_the_numbers_of_states() {
        // A text of the form "abbb…" has the most states.
        let mut text = vec![b'b'; LONGEST];
        text[0] = b'a';
        let matches = found(&text, &[&text]);
        assert_eq!(matches[LONGEST - 1], Match { length: LONGEST, place: (0, LONGEST) });
    }
}
