//! Rejects grouped by their root cause, for the screens that show what a plan or a run left out.
use crm_core::journal::Reject;

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

/// A reject whole, as lines to read.
pub fn lines(reject: &Reject) -> Vec<String> {
    let place = match (reject.line, reject.row) {
        (0, Some(row)) => format!("row {}", row + 1),
        (line, _) => format!("line {line}"),
    };
    let key = reject.key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default();
    let mut lines = vec![format!("{} {place}{key}", reject.kind), format!("step {}: {}", reject.step, reject.reason)];
    lines.push(String::new());
    lines.extend(reject.raw.clone());
    lines.extend(
        reject.source.iter().map(|(column, value)| format!("{column:<24} {}", value.as_str().unwrap_or("(NULL)"))),
    );
    lines
}
