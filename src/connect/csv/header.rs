//! Whether the first record names the columns, and the names they get.
use std::collections::HashSet;

use crm_core::platform::RESERVED_PREFIX;

/// What a cell looks like, as far as it helps to tell names from values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Empty,
    Number,
    Date,
    Address,
    Text,
}

fn look(cell: &str) -> Look {
    let cell = cell.trim();
    if cell.is_empty() {
        return Look::Empty;
    }
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    let numeric = |byte: u8| byte.is_ascii_digit() || b".,+-%$() eE".contains(&byte);
    if digits > 0 && cell.bytes().all(numeric) && !cell.starts_with(['e', 'E']) {
        let dashes = cell.bytes().skip(1).filter(|byte| *byte == b'-').count();
        return if dashes == 2 && digits >= 6 { Look::Date } else { Look::Number };
    }
    let separators = cell.bytes().filter(|byte| b"/-.:".contains(byte)).count();
    if digits >= 6 && separators >= 2 && cell.bytes().all(|byte| byte.is_ascii_digit() || b"/-.: TZ+".contains(&byte)) {
        return Look::Date;
    }
    let mut halves = cell.split('@');
    if let (Some(local), Some(domain), None) = (halves.next(), halves.next(), halves.next())
        && !local.is_empty()
        && domain.contains('.')
        && !cell.contains(' ')
    {
        return Look::Address;
    }
    if cell.starts_with("http://") || cell.starts_with("https://") {
        return Look::Address;
    }
    Look::Text
}

/// A header names things: its cells are words where the column below holds numbers, dates or addresses. A first record
/// that looks like all the others is data. Where nothing speaks (text over text), tables have a header far more often.
pub(super) fn has_header(records: &[Vec<String>]) -> bool {
    let Some((first, rest)) = records.split_first() else { return true };
    let (mut names, mut values) = (0.0_f64, 0.0_f64);
    for (index, cell) in first.iter().enumerate() {
        let below: Vec<&str> = rest
            .iter()
            // A repeated header (two exports in one file) says nothing about the column.
            .filter(|record| record.len() == first.len() && *record != first)
            .map(|record| record[index].as_str())
            .filter(|cell| !cell.trim().is_empty())
            .collect();
        let here = look(cell);
        match here {
            Look::Date | Look::Address => values += 1.0,
            Look::Number if !is_year(cell) => values += 0.5,
            _ => {}
        }
        if below.is_empty() {
            continue;
        }
        let alike = |wanted: Look| below.iter().filter(|cell| look(cell) == wanted).count();
        let common =
            [Look::Number, Look::Date, Look::Address].into_iter().find(|wanted| alike(*wanted) * 10 >= below.len() * 8);
        match (common, here) {
            (Some(common), here) if common == here && !is_year(cell) => values += 1.0,
            (Some(_), Look::Text) => names += 1.0,
            // A word that comes again and again below is a value: a category, a country, a flag.
            (None, Look::Text) if below.iter().filter(|below| below.trim() == cell.trim()).count() > 1 => values += 1.0,
            _ => {}
        }
    }
    names >= values
}

/// Columns may be named by years.
fn is_year(cell: &str) -> bool {
    let cell = cell.trim();
    cell.len() == 4
        && (cell.starts_with("19") || cell.starts_with("20"))
        && cell.bytes().all(|byte| byte.is_ascii_digit())
}

/// Unique, filled names: an empty one becomes `column_3` by its place, a second `name` becomes `name_2`, and a name with
/// the prefix that the console keeps for itself loses it.
pub fn unique_names(raw: &[String]) -> Vec<String> {
    let given: HashSet<&str> = raw.iter().map(String::as_str).collect();
    let mut used: HashSet<String> = HashSet::new();
    raw.iter()
        .enumerate()
        .map(|(index, name)| {
            let base = if name.starts_with(RESERVED_PREFIX) { name.trim_start_matches('_') } else { name };
            let base = if base.is_empty() { format!("column_{}", index + 1) } else { base.to_string() };
            let mut candidate = base.clone();
            let mut count = 1;
            // A made-up name must not take the place of one that the file gives to another column.
            while used.contains(&candidate) || (candidate != *name && given.contains(candidate.as_str())) {
                count += 1;
                candidate = format!("{base}_{count}");
            }
            used.insert(candidate.clone());
            candidate
        })
        .collect()
}
