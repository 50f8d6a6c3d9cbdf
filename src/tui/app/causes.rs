//! Rejects grouped by their root cause, for the screens that show what a plan or a run left out.
use crm_core::journal::Reject;
use crm_core::project::Personal;

use super::words::Words;

/// Rows with one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseRow {
    /// Root cause in words.
    pub cause: String,
    /// `rejected` or `held`.
    pub kind: String,
    /// Target field to blame.
    pub field: Option<String>,
    /// Indexes of its rejects.
    pub rows: Vec<usize>,
}

/// By cause, most rows first, then by the words.
pub fn by_cause(rejects: &[Reject]) -> Vec<CauseRow> {
    let mut causes: Vec<CauseRow> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (at, reject) in rejects.iter().enumerate() {
        let place = *places.entry((&reject.kind, &reject.cause)).or_insert_with(|| {
            causes.push(CauseRow {
                cause: reject.cause.clone(),
                kind: reject.kind.clone(),
                field: reject.field.clone(),
                rows: Vec::new(),
            });
            causes.len() - 1
        });
        causes[place].rows.push(at);
    }
    causes.sort_by(|a, b| b.rows.len().cmp(&a.rows.len()).then_with(|| a.cause.cmp(&b.cause)));
    causes
}

/// A mapping's reject whole, as lines to read.
pub fn lines(reject: &Reject, mapping: &str, personal: &Personal) -> Vec<Words> {
    let place = match (reject.line, reject.row) {
        (0, Some(row)) => format!("row {}", row + 1),
        (line, _) => format!("line {line}"),
    };
    let mut first = Words::from(format!("{} {place}", reject.kind));
    if let Some(key) = &reject.key {
        first = first.and(", key ").cell(key, personal.key(mapping));
    }
    let mut lines = vec![first, format!("step {}: {}", reject.step, reject.reason).into(), Words::default()];
    // A piece that is no row has no columns: all of it is as personal as the most personal of them.
    lines.extend(reject.raw.iter().map(|raw| Words::default().cell(raw, personal.any_source(mapping))));
    lines.extend(reject.source.iter().map(|(column, value)| {
        let words = Words::from(format!("{column:<24} "));
        match value.as_str() {
            Some(value) => words.cell(value, personal.source(mapping, column)),
            None => words.and("(NULL)"),
        }
    }));
    lines
}
