//! Columns that an incremental plan may go by: times or growing numbers of one form.
use std::cmp::Ordering;

use polars::prelude::DataFrame;
use serde::{Deserialize, Serialize};

use super::cost::rows;
use crate::error::Result;
use crate::plan::material::{NUMBER, compare, fits, form_of};

/// What a column's name says about when its values change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tells {
    /// With each change of the row.
    Changes,
    /// Nothing.
    Unknown,
    /// When the row was made: later changes are not seen by it.
    Creation,
}

/// A column that a cursor may go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Source column.
    pub column: String,
    /// `time`, `date` or `number`.
    pub kind: String,
    /// What its name says.
    pub tells: Tells,
    /// Rows seen that have no value: every incremental plan reads all such rows.
    pub empty: u64,
    /// Rows seen.
    pub seen: u64,
    /// These were all rows of the source.
    pub whole: bool,
}

impl Candidate {
    /// What to know of it, in words.
    pub fn words(&self) -> String {
        let mut words = vec![format!(
            "{}s of one form in {}",
            self.kind,
            if self.whole { format!("all {}", rows(self.seen)) } else { format!("the {} looked at", rows(self.seen)) }
        )];
        words.push(
            match self.tells {
                Tells::Changes => "by its name it is set with each change",
                Tells::Unknown => "ask whoever knows the source whether it is set with each change",
                Tells::Creation => "by its name it is set once: later changes would not be seen",
            }
            .to_owned(),
        );
        if self.empty > 0 {
            words.push(format!("{} without one, read each time", rows(self.empty)));
        }
        words.join("; ")
    }
}

/// Words of names by which people call a time of change.
const CHANGES: &[&str] = &[
    "updat",
    "modif",
    "chang",
    "lastmod",
    "mtime",
    "edited",
    "touched",
    "revision",
    "rowversion",
    "version",
    "modseq",
];
/// And a time of making.
const CREATION: &[&str] =
    &["creat", "insert", "added", "entered", "registered", "opened", "signup", "born", "birth", "dob"];

fn tells(name: &str) -> Tells {
    let name: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    if CHANGES.iter().any(|word| name.contains(word)) {
        Tells::Changes
    } else if CREATION.iter().any(|word| name.contains(word)) {
        Tells::Creation
    } else {
        Tells::Unknown
    }
}

/// What is gathered of one column while rows pass by.
struct Column {
    name: String,
    form: Option<String>,
    empty: u64,
    values: u64,
    mixed: bool,
    /// Each value is greater than the one before.
    rises: bool,
    /// Not all are the same.
    varies: bool,
    last: Option<String>,
}

impl Column {
    fn see(&mut self, cell: Option<&str>) {
        let Some(cell) = cell else {
            self.empty += 1;
            return;
        };
        if self.mixed {
            return;
        }
        self.values += 1;
        match &self.form {
            Some(form) if fits(form, cell) => {}
            None => match form_of(cell) {
                Some(form) => self.form = Some(form),
                None => self.mixed = true,
            },
            Some(_) => self.mixed = true,
        }
        if let (Some(last), Some(form), false) = (&self.last, &self.form, self.mixed) {
            let order = compare(form, last, cell);
            self.rises &= order == Ordering::Less;
            self.varies |= order != Ordering::Equal;
        }
        self.last = Some(cell.to_owned());
    }

    fn candidate(self, whole: bool) -> Option<Candidate> {
        let form = self.form.filter(|_| !self.mixed && self.varies)?;
        let tells = tells(&self.name);
        let kind = match form.len() {
            _ if form == NUMBER => "number",
            10 => "date",
            _ => "time",
        };
        // Numbers are mostly something else: they are named where they grow from row to row, or their name says so.
        let seen = self.values + self.empty;
        let fits = kind != "number" || tells == Tells::Changes || (self.rises && self.empty == 0);
        // What most rows lack spares little.
        (fits && self.empty * 2 <= seen).then(|| Candidate {
            column: self.name,
            kind: kind.to_owned(),
            tells,
            empty: self.empty,
            seen,
            whole,
        })
    }
}

/// Looks for candidates while rows pass by.
pub(super) struct Search {
    columns: Vec<Column>,
}

impl Search {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let column = |name: &str| Column {
            name: name.to_owned(),
            form: None,
            empty: 0,
            values: 0,
            mixed: false,
            rises: true,
            varies: false,
            last: None,
        };
        Self { columns: names.map(column).collect() }
    }
    /// Takes the rows of a frame in.
    pub(super) fn see(&mut self, frame: &DataFrame) -> Result<()> {
        for column in &mut self.columns {
            for cell in frame.column(&column.name)?.str()?.iter() {
                column.see(cell);
            }
        }
        Ok(())
    }
    /// Columns that may still be candidates.
    pub(super) fn open(&self) -> Vec<String> {
        self.columns.iter().filter(|column| !column.mixed).map(|column| column.name.clone()).collect()
    }
    /// The candidates, the best first; `whole`: all rows passed by.
    pub(super) fn finish(self, whole: bool) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = self.columns.into_iter().filter_map(|column| column.candidate(whole)).collect();
        let rank = |one: &Candidate| {
            let kind = ["time", "date", "number"].iter().position(|kind| *kind == one.kind);
            (one.tells, kind, one.empty)
        };
        found.sort_by_key(rank);
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use polars::prelude::{Column as Cells, NamedFrom, Series};

    use super::*;

    fn search(columns: &[(&str, &[Option<&str>])]) -> Vec<Candidate> {
        let cells =
            columns.iter().map(|(name, cells)| Cells::from(Series::new((*name).into(), cells.to_vec()))).collect();
        let frame = DataFrame::new(columns[0].1.len(), cells).unwrap();
        let mut search = Search::new(columns.iter().map(|(name, _)| *name));
        search.see(&frame).unwrap();
        search.finish(true)
    }

    #[test]
    fn times_and_growing_numbers_of_one_form_are_candidates_and_those_that_tell_changes_come_first() {
        let found = search(&[
            ("ID", &[Some("1"), Some("2"), Some("3"), Some("4")]),
            ("CREATED", &[Some("2026-01-01"), Some("2026-01-02"), Some("2026-01-02"), Some("2026-01-05")]),
            (
                "LAST_UPDATE",
                &[Some("2026-01-05 10:00:00"), None, Some("2026-01-04 09:00:00"), Some("2026-01-06 09:00:00")],
            ),
            ("ROW_VERSION", &[Some("9"), Some("7"), Some("12"), Some("10")]),
            // None of these: a form that does not sort, two forms, one value for all, numbers that do not grow, a name.
            ("SEEN", &[Some("05.01.2026"), Some("06.01.2026"), Some("07.01.2026"), Some("08.01.2026")]),
            ("CHANGED", &[Some("2026-01-01"), Some("2026-01-01 10:00:00"), Some("2026-01-01"), Some("2026-01-01")]),
            ("LOADED", &[Some("2026-01-01"), Some("2026-01-01"), Some("2026-01-01"), Some("2026-01-01")]),
            ("AMOUNT", &[Some("10"), Some("5"), Some("7"), Some("9")]),
            ("NAME", &[Some("Ann"), Some("Bob"), Some("Cid"), Some("Dan")]),
            ("RARELY", &[None, None, Some("2026-01-01"), Some("2026-01-02")]),
        ]);
        let names: Vec<(&str, &str, Tells)> =
            found.iter().map(|one| (one.column.as_str(), one.kind.as_str(), one.tells)).collect();
        assert_eq!(
            names,
            [
                ("LAST_UPDATE", "time", Tells::Changes),
                ("ROW_VERSION", "number", Tells::Changes),
                ("RARELY", "date", Tells::Unknown),
                ("ID", "number", Tells::Unknown),
                ("CREATED", "date", Tells::Creation),
            ]
        );
        assert!(found[0].words().ends_with("; 1 row without one, read each time"), "{}", found[0].words());
        assert!(found[4].words().contains("later changes would not be seen"));
    }
}
