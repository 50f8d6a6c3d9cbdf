//! What became of the rows of one mapping: counts as the writer reported them, rejects with their causes.
use std::path::Path;

use super::trail;
use crate::error::Result;
use crate::journal::{Mark, Parent, Reject, RejectWriter, read_rejects, rejects_file};
use crate::plan::{Cause, Counts, MappingPlan, Operation};
use crate::resolve::show_key;
use crate::table::{RowSource, Snapshot};

/// What a moved row is held for.
const MOVED: &str = "changed since the plan";

/// A row that the run could not write.
pub(super) struct Unwritten {
    /// Ordinal in the source snapshot; None for target rows that the source lacks.
    pub(super) source: Option<u64>,
    /// Old key.
    pub(super) key: Option<String>,
    /// Why.
    pub(super) why: Why,
}

/// Why a row was not written.
pub(super) enum Why {
    /// The target row is not as planned any more.
    Moved,
    /// The platform said no, in its own words.
    Refused(String),
    /// A link's parent was not written.
    Parent {
        /// Target field of the link.
        field: String,
        /// Linked mapping.
        mapping: String,
        /// Old key of the parent.
        key: String,
    },
}

/// Counts rows and keeps rejects as a mapping is written.
pub(super) struct Outcome {
    /// As reported so far; `before` and `after` are set when published.
    pub(super) counts: Counts,
    /// Rows left alone because they moved.
    pub(super) moved: u64,
    /// Most rows first.
    causes: Vec<Cause>,
    rejects: RejectWriter,
}

impl Outcome {
    /// Begins with what the plan found: its rejected and held rows stay what they are.
    pub(super) fn begin(plan: &MappingPlan, plan_dir: &Path, run_dir: &Path) -> Result<Self> {
        let mut rejects = RejectWriter::create(&rejects_file(run_dir, &plan.mapping))?;
        for reject in read_rejects(&rejects_file(plan_dir, &plan.mapping))? {
            rejects.push(reject?)?;
        }
        let counts = Counts { inserted: 0, updated: 0, deleted: 0, marked: 0, before: 0, after: 0, ..plan.counts };
        Ok(Self { counts, moved: 0, causes: plan.causes.clone(), rejects })
    }
    /// Goes on where an earlier attempt was.
    pub(super) fn go_on(plan: &MappingPlan, run_dir: &Path, mark: &Mark) -> Result<Self> {
        let path = rejects_file(run_dir, &plan.mapping);
        let (lines, bytes) = mark.rejects;
        let rejects = RejectWriter::go_on(&path, trail::reopen(&path, Some(bytes))?, lines);
        Ok(Self { counts: mark.counts, moved: mark.moved, causes: mark.causes.clone(), rejects })
    }
    /// Goes on behind the rejects of the mapping, for what comes after its publish. Counts begin anew.
    pub(super) fn later(run_dir: &Path, mapping: &str, (lines, bytes): (u64, u64)) -> Result<Self> {
        let path = rejects_file(run_dir, mapping);
        let rejects = RejectWriter::go_on(&path, trail::reopen(&path, Some(bytes))?, lines);
        Ok(Self { counts: Counts::default(), moved: 0, causes: Vec::new(), rejects })
    }
    /// How everything stands here; it is on disk on return.
    pub(super) fn mark(&mut self, mark: &mut Mark) -> Result<()> {
        (mark.counts, mark.moved, mark.causes) = (self.counts, self.moved, self.causes.clone());
        mark.rejects = self.rejects.position()?;
        Ok(())
    }
    /// The platform wrote a row.
    pub(super) fn wrote(&mut self, operation: Operation) {
        match operation {
            Operation::Insert => self.counts.inserted += 1,
            Operation::Update => self.counts.updated += 1,
            Operation::Delete => self.counts.deleted += 1,
            Operation::Mark => self.counts.marked += 1,
            _ => {}
        }
    }
    /// Rows that were not written, of these operations. Deletes and marks are no part of what was read, so they only
    /// count as moved.
    pub(super) fn lost(&mut self, source: &Snapshot, rows: Vec<(Operation, Unwritten)>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let ordinals: Vec<u64> = rows.iter().filter_map(|(_, row)| row.source).collect();
        let window = source.rows(&ordinals)?;
        let mut found = window.rows.into_iter().zip(window.lines);
        for (operation, row) in rows {
            let carried = matches!(operation, Operation::Insert | Operation::Update);
            let held = matches!(row.why, Why::Moved);
            self.moved += u64::from(held);
            if carried && held {
                self.counts.held += 1;
            } else if carried {
                self.counts.rejected += 1;
            }
            let (cells, line) = row.source.and_then(|_| found.next()).unwrap_or_default();
            let parent = match &row.why {
                Why::Parent { mapping, key, .. } => Some(Parent { mapping: mapping.clone(), key: show_key(key) }),
                _ => None,
            };
            let (field, step, reason, cause) = match row.why {
                Why::Moved => (None, "platform", MOVED.to_owned(), MOVED.to_owned()),
                Why::Refused(words) => {
                    let cause = format!("platform: {}", without_values(&words));
                    (None, "platform", words, cause)
                }
                Why::Parent { field, mapping, .. } => {
                    let reason = format!("parent rejected ({mapping})");
                    let cause = format!("{field}: {reason}");
                    (Some(field), "link", reason, cause)
                }
            };
            self.count(&cause, field.as_deref(), step);
            let cell = |cell: Option<String>| cell.map_or(serde_json::Value::Null, serde_json::Value::String);
            self.rejects.push(Reject {
                n: 0,
                kind: if held { "held" } else { "rejected" }.to_owned(),
                row: row.source,
                line: line.unwrap_or(0),
                key: row.key.as_deref().map(show_key),
                field,
                step: step.to_owned(),
                reason,
                cause,
                source: window.columns.iter().cloned().zip(cells.into_iter().map(cell)).collect(),
                raw: None,
                parent,
            })?;
        }
        Ok(())
    }
    fn count(&mut self, cause: &str, field: Option<&str>, step: &str) {
        match self.causes.iter_mut().find(|known| known.cause == cause && known.step == step) {
            Some(known) => known.rows += 1,
            None => self.causes.push(Cause {
                cause: cause.to_owned(),
                field: field.map(str::to_owned),
                step: step.to_owned(),
                rows: 1,
            }),
        }
    }
    /// Everything is on disk on return. Causes, most rows first.
    pub(super) fn settle(&mut self) -> Result<Vec<Cause>> {
        self.rejects.sync()?;
        most_rows_first(&mut self.causes);
        Ok(self.causes.clone())
    }
}

/// The order in which causes are told.
pub(super) fn most_rows_first(causes: &mut [Cause]) {
    causes.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.cause.cmp(&b.cause)));
}

/// A platform's message as a cause: what stands in quotes or is a long number names a row, not a cause.
fn without_values(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    let mut chars = words.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            // An apostrophe within a word (doesn't) opens nothing.
            '\'' | '"' | '`' if !before.is_alphanumeric() => {
                let quoted: String = chars.by_ref().take_while(|inner| *inner != c).collect();
                // Double quotes and backticks quote names.
                out.push(c);
                out.push_str(if c == '\'' { "…" } else { &quoted });
                out.push(c);
            }
            c if c.is_ascii_digit() && !before.is_alphanumeric() && before != '_' => {
                let mut number = String::from(c);
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                out.push_str(if number.len() > 2 { "…" } else { &number });
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_cause_names_no_value() {
        for (words, cause) in [
            ("UNIQUE constraint failed: contacts.email", "UNIQUE constraint failed: contacts.email"),
            ("Duplicate entry 'anna@x.test' for key 'email'", "Duplicate entry '…' for key '…'"),
            ("value 4711 out of range for column \"age\"", "value … out of range for column \"age\""),
            ("it doesn't fit: max 80", "it doesn't fit: max 80"),
            ("field_1234 is wrong", "field_1234 is wrong"),
            ("open ' quote", "open '…'"),
        ] {
            assert_eq!(without_values(words), cause);
        }
    }
}
