//! Suggestions for a mapping: which source field fills which target field, how sure that is, and why.
//!
//! Evidence is names and labels (through the vocabulary in `assets/synonyms.toml`), declared types and sampled values.
//! Each field is compared with each; then the pairs are chosen that are best over all, one to one. The same input always
//! gives the same answer.
mod assign;
mod names;
mod read;
mod score;
#[cfg(test)]
mod tests;
mod values;

use serde::Serialize;

pub use self::read::{fields_of, fields_or_list};
use self::score::Field;

/// Pairs below it are not suggested at all.
pub const THRESHOLD: f64 = 0.3;
/// Share of the best score of a source below which another pair of it is not chosen.
const NEAR: f64 = 0.7;
/// A source that fills another field is a weak candidate here: its score is taken down to this share.
const TAKEN: f64 = 0.5;

/// What is known of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name, unique on its side.
    pub name: String,
    /// Name as people see it.
    pub label: Option<String>,
    /// The platform's type word.
    pub kind: Option<String>,
    /// Some values, blank ones left out or not; more than some hundred add nothing.
    pub samples: Vec<String>,
}

impl FieldInfo {
    /// A field of which only the name is known.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// One source field for one target field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// Target field.
    pub to: String,
    /// Source field.
    pub from: String,
    /// From 0 to 1; at .90 and more it is nearly always right.
    pub score: f64,
    /// 1: the one to take; 2 and up: others for the same target field, best first.
    pub rank: usize,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// Cleaning rules to propose, as in a mapping's `clean`: `trim`, `email`, `date = ["%d/%m/%Y"]`.
    pub transform: Vec<String>,
}

/// Suggests sources for targets, best first; nothing below [`THRESHOLD`].
pub fn suggest(source: &[FieldInfo], target: &[FieldInfo]) -> Vec<Suggestion> {
    let mut sources: Vec<Field> = source.iter().map(Field::new).collect();
    let mut targets: Vec<Field> = target.iter().map(Field::new).collect();
    score::find_duties(&mut sources);
    score::find_duties(&mut targets);
    let mut scores = vec![vec![0.0; sources.len()]; targets.len()];
    let mut candidates: Vec<Vec<(usize, f64, Vec<String>)>> = vec![Vec::new(); targets.len()];
    for (row, to) in targets.iter().enumerate() {
        for (column, from) in sources.iter().enumerate() {
            let (score, reasons) = score::score(from, to);
            if score >= THRESHOLD {
                scores[row][column] = score;
                candidates[row].push((column, score, reasons));
            }
        }
    }
    stay_near_the_best(&mut scores);
    let chosen = assign::assign(&scores);
    let taken: std::collections::HashSet<usize> = chosen.iter().flatten().copied().collect();
    let mut found = Vec::new();
    for (row, mut list) in candidates.into_iter().enumerate() {
        for (column, score, reasons) in &mut list {
            if chosen[row] != Some(*column) && taken.contains(column) {
                *score *= TAKEN;
                reasons.push("fills another field better".to_owned());
            }
        }
        list.retain(|(column, score, _)| chosen[row] == Some(*column) || *score >= THRESHOLD);
        list.sort_by(|a, b| {
            (chosen[row] == Some(b.0)).cmp(&(chosen[row] == Some(a.0))).then(b.1.total_cmp(&a.1)).then(a.0.cmp(&b.0))
        });
        // Where nothing is assigned the first candidate is still only an alternative.
        let first = if chosen[row].is_some() { 1 } else { 2 };
        for (at, (column, score, reasons)) in list.into_iter().enumerate() {
            found.push(Suggestion {
                to: target[row].name.clone(),
                from: source[column].name.clone(),
                score: (score * 100.0).round() / 100.0,
                rank: first + at,
                reasons,
                transform: transform(&source[column], &sources[column], &targets[row]),
            });
        }
    }
    // The sort is stable: fields of one score stay in the target's order.
    found.sort_by(|a, b| (a.rank > 1).cmp(&(b.rank > 1)).then(b.score.total_cmp(&a.score)));
    found
}

/// How much a name speaks of an identifier: 4 an id from elsewhere, `id` itself or of its own, 2 a number or code, 0 not.
pub(crate) fn id_likeness(name: &str) -> u8 {
    let words = names::tokenise(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["legacy" | "external" | "old" | "source", .., "id" | "key"] | ["id"] => 4,
        [.., "id" | "uuid" | "guid" | "key"] => 3,
        [.., "no" | "nr" | "num" | "number" | "code" | "sku"] => 2,
        _ => 0,
    }
}

/// Meanings that are of a person.
const PERSONAL: &[&str] = &[
    "email",
    "email_2",
    "phone",
    "phone_2",
    "mobile",
    "home_phone",
    "fax",
    "first_name",
    "last_name",
    "middle_name",
    "full_name",
    "nickname",
    "birthday",
];

/// A name means this and nothing else: `FIRST_NM` is a `first_name`.
pub(crate) fn means(name: &str, meaning: &str) -> bool {
    let parts = names::parts(name);
    parts.len() == 1 && parts[0].text == meaning
}

/// A name speaks of a person's data: to be masked until someone who knows says otherwise.
pub(crate) fn is_personal(name: &str) -> bool {
    names::parts(name).iter().any(|part| part.meaning && PERSONAL.contains(&part.text.as_str()))
}

/// A column's name says that it names a record of an object: `account_id`, `ACCT_NO` and `account` one of accounts.
pub(crate) fn names_record_of(column: &str, object: &str) -> bool {
    let mut words = names::tokenise(column);
    if words.len() > 1
        && words.last().is_some_and(|word| matches!(word.as_str(), "id" | "key" | "no" | "number" | "code" | "ref"))
    {
        words.pop();
    }
    let one = |word: &String| match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or(word).to_owned(),
    };
    let object: Vec<String> = names::tokenise(object).iter().map(one).collect();
    !object.is_empty() && words.iter().map(one).eq(object)
}

/// Takes pairs out of the running that are far from the best of their source: a field whose place is taken is better left
/// open than put where it does not belong.
fn stay_near_the_best(scores: &mut [Vec<f64>]) {
    for column in 0..scores.first().map_or(0, Vec::len) {
        let best = scores.iter().map(|row| row[column]).fold(0.0, f64::max);
        for row in scores.iter_mut().filter(|row| row[column] < NEAR * best) {
            row[column] = 0.0;
        }
    }
}

/// Cleaning that suits the pair.
fn transform(info: &FieldInfo, source: &Field, target: &Field) -> Vec<String> {
    let rules = |list: &[&str]| list.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
    let is_email = target.is_about("email") || target.is_about("email_2");
    if is_email && !source.is_about("opt_out") && !target.is_about("opt_out") {
        return rules(&["trim", "lower", "email"]);
    }
    if (target.is_date() || source.meaning == Some(values::Meaning::Date))
        && let Some(format) = values::date_format(&info.samples)
    {
        return vec!["trim".to_owned(), format!("date = [\"{format}\"]")];
    }
    if info.samples.iter().any(|value| value.trim() != value) { rules(&["trim"]) } else { Vec::new() }
}
