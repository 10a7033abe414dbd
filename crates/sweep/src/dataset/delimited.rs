//! Records as lines of cells: CSV and TSV.

use csv::{ReaderBuilder, StringRecord};

use super::error::DatasetError;
use super::records::{Fields, Place, Read};

/// The rows of a table. An empty cell is absent, and so is a column without a name, where pandas keeps
/// its index.
pub(super) fn read(origin: &str, text: &str, delimiter: u8) -> Result<Vec<Read>, DatasetError> {
    let bad_header = |problem| DatasetError::BadHeader { origin: origin.to_owned(), problem };
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| bad_header(error.to_string()))?.clone();
    let names = names(&header).map_err(bad_header)?;
    let mut place = Lines { text, line: 1, counted: 0 };
    let (mut read, mut cells) = (Vec::new(), StringRecord::new());
    loop {
        let from = offset(reader.position());
        // The text is UTF-8 and rows may have any length, so nothing is left that could be an error.
        if !reader.read_record(&mut cells).unwrap_or(false) {
            break;
        }
        let to = offset(reader.position());
        let row = place.row(from, to);
        let fields = if to == text.len() && never_closed(row) {
            Err("a cell's opening quote (\") is never closed, so it swallows the rest of the file"
                .to_owned())
        } else {
            fields(&names, &cells)
        };
        read.push((Place::Line(place.line), fields));
    }
    Ok(read)
}

fn names(header: &StringRecord) -> Result<Vec<&str>, String> {
    let names: Vec<&str> = header.iter().map(str::trim).collect();
    if names.iter().all(|name| name.is_empty()) {
        return Err("it is blank".to_owned());
    }
    for (index, name) in names.iter().enumerate() {
        if !name.is_empty() && names[..index].contains(name) {
            return Err(format!("'{name}' is there twice"));
        }
    }
    Ok(names)
}

fn fields(names: &[&str], cells: &StringRecord) -> Result<Fields, String> {
    if cells.len() != names.len() {
        return Err(format!(
            "it has {} cells, and the first line names {} columns: put a cell that holds the \
             delimiter or a line break in double quotes",
            cells.len(),
            names.len()
        ));
    }
    let named = names.iter().zip(cells).filter(|(name, cell)| !name.is_empty() && !cell.is_empty());
    Ok(named.map(|(name, cell)| ((*name).to_owned(), cell.into())).collect())
}

/// Counts lines up to the row at hand: the reader's own count is behind after blank lines.
struct Lines<'a> {
    text: &'a str,
    line: usize,
    counted: usize,
}

impl<'a> Lines<'a> {
    /// The text of the row that was read from these bytes, which may begin with line breaks.
    fn row(&mut self, from: usize, to: usize) -> &'a str {
        let read = self.text.get(from..to).unwrap_or_default();
        let row = read.trim_start_matches(['\r', '\n']);
        let start = from + read.len() - row.len();
        self.line += self.text.get(self.counted..start).unwrap_or_default().matches('\n').count();
        self.counted = start;
        row
    }
}

fn offset(position: &csv::Position) -> usize {
    usize::try_from(position.byte()).unwrap_or(usize::MAX)
}

/// The reader takes an opening quote's cell to the end of the file if nothing closes it; then its quotes
/// don't come in pairs, and it goes over several lines.
fn never_closed(row: &str) -> bool {
    let row = row.trim_end();
    row.contains('\n') && !row.matches('"').count().is_multiple_of(2)
}
