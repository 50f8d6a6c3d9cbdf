//! Value maps in CSV files with the columns `from` and `to`.
use std::borrow::Cow;

use crate::error::{Error, Result};

/// Adds a value to the text of a value-map file, or changes what it stands for. Other lines stay byte for byte; other
/// columns of a changed line stay, those of a new line are empty.
pub fn set_value_in_csv(text: &str, from: &str, to: &str) -> Result<String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut records = reader.records();
    let bad = |line: u64| Error::data(format!("line {line} of the value map cannot be read as CSV"));
    let header = match records.next() {
        None => return Ok(format!("from,to\n{},{}\n", quoted(from), quoted(to))),
        Some(header) => header.map_err(|_| bad(1))?,
    };
    let column = |name: &str| header.iter().position(|cell| cell.trim_start_matches('\u{feff}').trim() == name);
    let (Some(from_at), Some(to_at)) = (column("from"), column("to")) else {
        return Err(Error::usage("a value map needs a first line with the columns from and to").at("line 1"));
    };
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let line_of = |cells: &[&str]| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",");
    let mut starts = Vec::new();
    let mut hit = None;
    for record in records {
        let record = record.map_err(|error| bad(error.position().map_or(0, csv::Position::line)))?;
        let start = record.position().map_or(0, |position| position.byte() as usize);
        if hit.is_none() && record.get(from_at) == Some(from) {
            let mut cells: Vec<&str> = record.iter().collect();
            cells.resize(cells.len().max(header.len()), "");
            cells[to_at] = to;
            hit = Some((starts.len(), line_of(&cells)));
        }
        starts.push(start);
    }
    if let Some((index, line)) = hit {
        let start = skip_blank_lines(text, starts[index]);
        let rest = starts.get(index + 1).map_or("", |next| &text[*next..]);
        // After CR LF the reader stands between the two.
        let rest = rest.strip_prefix('\n').filter(|_| newline == "\r\n").unwrap_or(rest);
        return Ok(format!("{}{line}{newline}{rest}", &text[..start]));
    }
    let mut cells = vec![""; header.len()];
    cells[from_at] = from;
    cells[to_at] = to;
    let gap = if text.ends_with('\n') { "" } else { newline };
    Ok(format!("{text}{gap}{}{newline}", line_of(&cells)))
}

/// The csv reader counts a record from the end of the one before it, blank lines included.
pub(super) fn skip_blank_lines(text: &str, start: usize) -> usize {
    start + text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len()
}

pub(super) fn quoted(cell: &str) -> Cow<'_, str> {
    let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell;
    if plain { Cow::Borrowed(cell) } else { Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\""))) }
}
