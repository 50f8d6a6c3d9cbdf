//! How far a source was read by its cursor column: the greatest value seen, and the form that all values have.
//!
//! Values are compared as text, or as numbers where all are whole numbers. That is only right where they all have one form
//! (`2026-11-25 09:00:00`): values of several forms have no mark, and the source is read whole.
use std::cmp::Ordering;

use polars::prelude::DataFrame;

use crate::error::{Error, Result};
use crate::journal::ledger::Mark;

/// Form of whole numbers of any length.
pub(crate) const NUMBER: &str = "number";

/// Collects the mark while rows pass by.
pub(crate) struct Marker {
    column: String,
    greatest: Option<String>,
    form: Option<String>,
    mixed: bool,
}

impl Marker {
    pub(crate) fn new(column: String) -> Self {
        Self { column, greatest: None, form: None, mixed: false }
    }
    /// Takes the rows of a frame in.
    pub(crate) fn see(&mut self, frame: &DataFrame) -> Result<()> {
        let cells = frame.column(&self.column).map_err(|_| {
            Error::usage(format!("the source has no column '{}', which [run] cursor names", self.column))
        })?;
        for cell in cells.str()?.iter().flatten() {
            self.value(cell);
        }
        Ok(())
    }
    fn value(&mut self, cell: &str) {
        if self.mixed {
            return;
        }
        match &self.form {
            Some(form) if fits(form, cell) => {}
            Some(_) => {
                self.mixed = true;
                return;
            }
            None => match form_of(cell) {
                Some(form) => self.form = Some(form),
                None => {
                    self.mixed = true;
                    return;
                }
            },
        }
        let form = self.form.as_deref().unwrap_or_default();
        if self.greatest.as_deref().is_none_or(|greatest| compare(form, greatest, cell) == Ordering::Less) {
            self.greatest = Some(cell.to_owned());
        }
    }
    /// What was found. A source without a value has an empty mark.
    pub(crate) fn mark(self) -> Mark {
        let form = if self.mixed { String::new() } else { self.form.unwrap_or_default() };
        Mark {
            column: self.column,
            mixed: self.mixed,
            value: if self.mixed { String::new() } else { self.greatest.unwrap_or_default() },
            form,
        }
    }
}

/// The form of a value by which values of that form sort; None if it has none.
pub(crate) fn form_of(cell: &str) -> Option<String> {
    if is_number(cell) {
        return Some(NUMBER.to_owned());
    }
    // A date, and perhaps a time behind it: greatest unit first, every digit in its place.
    let form: String = cell.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let date = form.starts_with("0000-00-00") || form.starts_with("0000/00/00");
    (date && cell.is_ascii() && cell.len() <= 40 && !form[10..].contains(['+', '-'])).then_some(form)
}

fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A value has this form.
pub(crate) fn fits(form: &str, cell: &str) -> bool {
    if form == NUMBER {
        return is_number(cell);
    }
    cell.len() == form.len()
        && cell.bytes().zip(form.bytes()).all(|(is, form)| if form == b'0' { is.is_ascii_digit() } else { is == form })
}

/// Order of two values of a form.
pub(crate) fn compare(form: &str, one: &str, other: &str) -> Ordering {
    if form == NUMBER
        && let (Ok(one), Ok(other)) = (one.parse::<i64>(), other.parse::<i64>())
    {
        return one.cmp(&other);
    }
    one.cmp(other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mark(values: &[&str]) -> (String, String) {
        let mut marker = Marker::new("at".into());
        for value in values {
            marker.value(value);
        }
        let mark = marker.mark();
        (mark.value, mark.form)
    }

    #[test]
    fn values_of_one_form_have_a_greatest() {
        assert_eq!(mark(&["9", "10", "-3"]), ("10".into(), "number".into()));
        let at = ["2026-11-25 09:00:00", "2026-11-25 10:30:00", "2025-12-31 23:59:59"];
        assert_eq!(mark(&at), ("2026-11-25 10:30:00".into(), "0000-00-00 00:00:00".into()));
        assert_eq!(mark(&[]), (String::new(), String::new()));
    }

    #[test]
    fn values_that_do_not_sort_have_none() {
        for values in [
            &["2026-11-25", "2026-11-25 10:00:00"][..],
            &["25.11.2026"],
            &["11/25/2026"],
            &["10", "2026-01-01"],
            // Times with an offset do not sort as text.
            &["2026-11-25T09:00:00+02:00"],
            &["2026-11-25T09:00:00-02:00"],
            &[""],
        ] {
            assert_eq!(mark(values).1, "", "{values:?}");
        }
    }
}
