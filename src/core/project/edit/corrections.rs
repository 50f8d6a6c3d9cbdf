//! Files of corrections: `key,column,from,to`.
use super::values::quoted;
use crate::error::{Error, Result};

/// Adds a correction to the text of a corrections file, or changes what the cell becomes; `to` as it was (`from`) takes
/// the correction away. Other lines stay byte for byte.
pub fn set_correction_in_csv(
    text: &str,
    key: &str,
    column: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<String> {
    let bad = || Error::data("the corrections file cannot be read as CSV").advise("`crm-console check` names the line");
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = if text.trim_start_matches('\u{feff}').trim().is_empty() {
        format!("key,column,from,to{newline}")
    } else {
        text.to_owned()
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(out.as_bytes());
    let mut records = reader.records();
    let header = records.next().ok_or_else(bad)?.map_err(|_| bad())?;
    let place = |name: &str| header.iter().position(|cell| cell.trim_start_matches('\u{feff}').trim() == name);
    let (Some(key_at), Some(column_at), Some(from_at), Some(to_at)) =
        (place("key"), place("column"), place("from"), place("to"))
    else {
        return Err(Error::usage("a corrections file needs a first line with key, column, from and to").at("line 1"));
    };
    let mut spans: Vec<(usize, bool)> = Vec::new();
    for record in records {
        let record = record.map_err(|_| bad())?;
        let start = record.position().map_or(0, |position| position.byte() as usize);
        let mine = record.get(key_at) == Some(key) && record.get(column_at) == Some(column);
        spans.push((start, mine));
    }
    let width = header.len();
    let mut cells = vec![String::new(); width];
    cells[key_at] = quoted(key).into_owned();
    cells[column_at] = quoted(column).into_owned();
    cells[from_at] = quoted(from.unwrap_or_default()).into_owned();
    cells[to_at] = quoted(to.unwrap_or_default()).into_owned();
    let same = from.unwrap_or_default() == to.unwrap_or_default();
    let line = if same { String::new() } else { format!("{}{newline}", cells.join(",")) };
    if let Some(at) = spans.iter().position(|(_, mine)| *mine) {
        let start = super::values::skip_blank_lines(&out, spans[at].0);
        let rest = spans.get(at + 1).map_or("", |(next, _)| &out[*next..]);
        let rest = rest.strip_prefix('\n').filter(|_| newline == "\r\n").unwrap_or(rest);
        return Ok(format!("{}{line}{rest}", &out[..start]));
    }
    if !line.is_empty() && !out.ends_with('\n') {
        out.push_str(newline);
    }
    out.push_str(&line);
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn corrections_are_added_changed_and_taken_away() {
        let first = set_correction_in_csv("", "1", "STG", Some("W"), Some("G")).unwrap();
        assert_eq!(first, "key,column,from,to\n1,STG,W,G\n");
        let second = set_correction_in_csv(&first, "a\\|b", "NAME", None, Some("Ann, B")).unwrap();
        assert_eq!(second, "key,column,from,to\n1,STG,W,G\na\\|b,NAME,,\"Ann, B\"\n");
        let changed = set_correction_in_csv(&second, "1", "STG", Some("W"), Some("X")).unwrap();
        assert_eq!(changed, "key,column,from,to\n1,STG,W,X\na\\|b,NAME,,\"Ann, B\"\n");
        let gone = set_correction_in_csv(&changed, "1", "STG", Some("W"), Some("W")).unwrap();
        assert_eq!(gone, "key,column,from,to\na\\|b,NAME,,\"Ann, B\"\n");
        assert_eq!(set_correction_in_csv(&gone, "a\\|b", "NAME", None, None).unwrap(), "key,column,from,to\n");
    }

    #[test]
    fn other_lines_and_columns_stay_to_the_byte() {
        let text = "key,column,from,to,why\r\n1,STG,W,G,\"told, by phone\"\r\n\r\n2,STG,W,G,";
        let added = set_correction_in_csv(text, "3", "STG", Some("W"), Some("G")).unwrap();
        assert_eq!(added, format!("{text}\r\n3,STG,W,G,\r\n"));
        let changed = set_correction_in_csv(text, "2", "STG", Some("W"), Some("L")).unwrap();
        assert_eq!(changed, "key,column,from,to,why\r\n1,STG,W,G,\"told, by phone\"\r\n\r\n2,STG,W,L,\r\n");
        assert!(set_correction_in_csv("from,to\n", "2", "STG", None, Some("L")).is_err());
    }
}
