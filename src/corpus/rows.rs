//! Reads rows of cells from a text whose part before the cursor may be overwritten meanwhile.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

/// A cursor in a table. The text is passed to each call, not stored, so that the part before the cursor can be
/// overwritten.
///
/// No `Clone`: a clone of csv_core's reader has lost its tables and reads garbage.
#[derive(Debug)]
pub struct Rows {
    delimiter: u8,
    reader: Reader,
    /// Start of the next row.
    pub at: usize,
    /// Number of cells of the last row, and the line it begins on.
    pub cells: usize,
    pub line: u64,
    next_line: u64,
    /// The line of a quotation mark that is never closed.
    pub unclosed: Option<u64>,
    cell: Vec<u8>,
}

impl Rows {
    /// Makes a cursor at a position on this line.
    pub fn from(delimiter: u8, at: usize, line: u64) -> Self {
        Self {
            delimiter,
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            at,
            cells: 0,
            line: 0,
            next_line: line,
            unclosed: None,
            cell: vec![0; 1024],
        }
    }

    /// Reads a row and calls `on_cell` with each column and cell; false after the last row. If column 0 is repeated,
    /// the row is read again and the previous calls are void.
    pub fn next(&mut self, bytes: &[u8], mut on_cell: impl FnMut(usize, &[u8])) -> bool {
        while bytes.get(self.at) == Some(&b'\n') {
            self.at += 1;
            self.next_line += 1;
        }
        if self.at >= bytes.len() {
            return false;
        }
        let start = self.at;
        self.line = self.next_line;
        let swallowed = self.row(bytes, &mut on_cell);
        let row = &bytes[start..self.at];
        if swallowed && row.trim_ascii_end().contains(&b'\n') {
            // A quotation mark opened a cell that extends to the end of the file: it is an ordinary character.
            self.reader = ReaderBuilder::new().delimiter(self.delimiter).quoting(false).build();
            self.unclosed = Some(self.line);
            self.at = start;
            self.row(bytes, &mut on_cell);
        }
        let lines = bytes[start..self.at].iter().filter(|&&byte| byte == b'\n').count();
        self.next_line = self.line + lines as u64;
        true
    }

    /// Reads a row; true if the file ends within a quoted cell.
    fn row(&mut self, bytes: &[u8], on_cell: &mut impl FnMut(usize, &[u8])) -> bool {
        let mut within_quotes = false;
        let mut filled = 0;
        self.cells = 0;
        loop {
            let (result, read, written) = self.reader.read_field(&bytes[self.at..], &mut self.cell[filled..]);
            self.at += read;
            filled += written;
            match result {
                // A line ending ends the last row as any other, unless it is quoted. Then empty input has to signal the
                // end to the reader.
                ReadFieldResult::InputEmpty => {
                    let end: &[u8] = if within_quotes { b"" } else { b"\n" };
                    let (result, ..) = self.reader.read_field(end, &mut [0; 8]);
                    if result != ReadFieldResult::InputEmpty {
                        on_cell(self.cells, &self.cell[..filled]);
                        self.cells += 1;
                        return within_quotes;
                    }
                    within_quotes = true;
                }
                ReadFieldResult::OutputFull => self.cell.resize(2 * self.cell.len(), 0),
                ReadFieldResult::Field { record_end } => {
                    on_cell(self.cells, &self.cell[..filled]);
                    self.cells += 1;
                    filled = 0;
                    if record_end {
                        return within_quotes;
                    }
                }
                // Returned only after the end was signalled.
                ReadFieldResult::End => return within_quotes,
            }
        }
    }
}
