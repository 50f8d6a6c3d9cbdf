//! How well one source field fits one target field, from names, types and values.
use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::FieldInfo;
use super::names::{self, Part, Role};
use super::values::{self, Meaning};

/// Most hashes kept of a column's values: the smallest ones, so that two columns keep the same where they share values.
const SKETCH: usize = 128;
/// Fewest distinct values on both sides for an overlap to say something.
const FEW: usize = 5;

/// A field made ready to be compared.
pub(super) struct Field {
    /// Squeezed name: letters and digits in lower case.
    plain: String,
    /// Parts of the name and, if there is one, of the label.
    views: Vec<Vec<Part>>,
    /// See [`names::own_id`].
    pub(super) id: Option<usize>,
    /// See [`names::own_name`].
    pub(super) title: Option<usize>,
    /// It identifies the records of its side.
    pub(super) is_own_id: bool,
    /// It is how the records of its side are called.
    pub(super) is_own_name: bool,
    /// Class of the declared type.
    class: Class,
    /// What the values look like.
    pub(super) meaning: Option<Meaning>,
    /// Smallest hashes of its distinct values.
    sketch: Vec<u64>,
}

/// What a declared type admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Any,
    Number,
    Date,
    Boolean,
}

impl Field {
    pub(super) fn new(info: &FieldInfo) -> Self {
        let mut views = vec![names::parts(&info.name)];
        if let Some(label) = &info.label {
            let label = names::parts(label);
            if !label.is_empty() && label != views[0] {
                views.push(label);
            }
        }
        let hashes: BTreeSet<u64> = info
            .samples
            .iter()
            .map(|value| value.trim().to_lowercase())
            .filter(|value| !value.is_empty())
            .map(|value| xxh3_64(value.as_bytes()))
            .collect();
        Self {
            plain: info.name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect(),
            id: names::own_id(&info.name),
            title: names::own_name(&info.name),
            is_own_id: false,
            is_own_name: false,
            views,
            class: class(info.kind.as_deref().unwrap_or_default()),
            meaning: values::meaning(&info.samples),
            sketch: hashes.into_iter().take(SKETCH).collect(),
        }
    }

    /// Its name speaks of this meaning of the vocabulary.
    pub(super) fn is_about(&self, meaning: &str) -> bool {
        self.views.iter().flatten().any(|part| part.meaning && part.text == meaning)
    }

    /// Its name speaks of this meaning and of nothing else.
    fn is_only(&self, meaning: &str) -> bool {
        self.views.iter().any(|view| view.len() == 1 && view[0].text == meaning)
    }

    /// Its name or type says that it holds a date.
    pub(super) fn is_date(&self) -> bool {
        const DATES: &[&str] = &["birthday", "close_date", "due_date", "start_date", "end_date", "anniversary"];
        self.class == Class::Date
            || DATES.iter().any(|meaning| self.is_about(meaning))
            || self.views.iter().flatten().any(|part| part.text == "date")
    }
}

fn class(kind: &str) -> Class {
    let kind = kind.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if has(&["date", "time"]) {
        Class::Date
    } else if has(&["bool", "checkbox", "bit"]) {
        Class::Boolean
    } else if has(&["int", "decimal", "number", "currency", "money", "float", "double", "numeric", "real", "percent"]) {
        Class::Number
    } else {
        Class::Any
    }
}

/// Finds among the fields of a side the one that identifies its records and the one by which they are called.
pub(super) fn find_duties(fields: &mut [Field]) {
    let first = |duty: fn(&Field) -> Option<usize>, fields: &[Field]| {
        let known = fields.iter().enumerate().filter_map(|(at, field)| Some((duty(field)?, at)));
        known.min().map(|(_, at)| at)
    };
    let (id, title) = (first(|field| field.id, fields), first(|field| field.title, fields));
    if let Some(at) = id {
        fields[at].is_own_id = true;
    }
    // People are called by first and last name.
    let people = fields.iter().any(|field| field.is_about("last_name"));
    if let Some(at) = title.filter(|_| !people) {
        fields[at].is_own_name = true;
    }
}

/// Score from 0 to 1 with the reasons in words, strongest first.
pub(super) fn score(source: &Field, target: &Field) -> (f64, Vec<String>) {
    let mut reasons = Vec::new();
    let mut score = if source.plain == target.plain && !source.plain.is_empty() {
        reasons.push("same name".to_owned());
        0.98
    } else {
        let (score, shared) = by_name(source, target);
        if !shared.is_empty() {
            reasons.push(format!("names share {}", shared.join(", ")));
        } else if score > 0.0 {
            reasons.push("names look alike".to_owned());
        }
        let (score, reason) = by_duty(source, target, score);
        reasons.extend(reason.map(str::to_owned));
        score
    };
    if score > 0.0 && source.class != Class::Any && target.class != Class::Any {
        if source.class == target.class {
            score += 0.02 * (1.0 - score);
        } else {
            score *= 0.7;
            reasons.push("types differ".to_owned());
        }
    }
    by_values(source, target, &mut score, &mut reasons);
    (score.clamp(0.0, 0.99), reasons)
}

/// What it adds that both identify the record, or are how it is called; and takes away that only one does.
fn by_duty(source: &Field, target: &Field, score: f64) -> (f64, Option<&'static str>) {
    if source.is_own_id && target.is_own_id {
        return (score.max(0.9), Some("both identify the record"));
    }
    if source.is_own_name && target.is_own_name {
        return (score.max(0.85), Some("both are how the record is called"));
    }
    let firm = |one: &Field, other: &Field| one.is_own_name && one.title == Some(0) && other.is_only("company_name");
    if firm(source, target) || firm(target, source) {
        return (score.max(0.8), Some("a name of a company"));
    }
    let bare = |field: &Field| field.id == Some(0);
    if (source.is_own_id && bare(source)) || (target.is_own_id && bare(target)) {
        return (score * 0.5, None);
    }
    (score, None)
}

/// What the values add or take away.
fn by_values(source: &Field, target: &Field, score: &mut f64, reasons: &mut Vec<String>) {
    let raise = |score: &mut f64, by: f64| *score += by * (1.0 - *score);
    match (source.meaning, target.meaning) {
        (Some(one), Some(two)) if one == two => {
            // Dates and numbers are many: alike values say little about which of them it is.
            raise(score, if one.is_telling() { 0.3 } else { 0.05 });
            reasons.push(format!("both hold {}", one.word()));
        }
        (Some(one), Some(two)) => {
            *score *= 0.5;
            reasons.push(format!("values differ: {} against {}", one.word(), two.word()));
        }
        (Some(one), None) => fit(one, target, score, reasons),
        (None, Some(two)) => fit(two, source, score, reasons),
        (None, None) => {}
    }
    let few = source.sketch.len().min(target.sketch.len());
    if few >= FEW {
        let shared = source.sketch.iter().filter(|hash| target.sketch.binary_search(hash).is_ok()).count();
        let overlap = shared as f64 / few as f64;
        if overlap >= 0.2 {
            *score = score.max(0.35 * overlap);
            raise(score, 0.4 * overlap);
            reasons.push(format!("{:.0} % of the sampled values in common", overlap * 100.0));
        }
    }
}

/// The values of one side against the name of the other.
fn fit(meaning: Meaning, other: &Field, score: &mut f64, reasons: &mut Vec<String>) {
    let named = [
        (Meaning::Email, other.is_about("email") || other.is_about("email_2")),
        (Meaning::Url, other.is_about("website")),
        (Meaning::Date, other.is_date()),
    ];
    for (kind, is_named) in named {
        if is_named && meaning == kind {
            *score += 0.1 * (1.0 - *score);
            reasons.push(format!("values are {}", kind.word()));
        } else if is_named && (meaning.is_telling() || kind.is_telling()) {
            *score *= 0.5;
            reasons.push(format!("values are {}, not {}", meaning.word(), kind.word()));
        }
    }
}

/// The best of names and labels, with what they share.
fn by_name(source: &Field, target: &Field) -> (f64, Vec<String>) {
    let mut best = (0.0, Vec::new());
    for one in &source.views {
        for two in &target.views {
            let found = compare(one, two);
            if found.0 > best.0 {
                best = found;
            }
        }
    }
    best
}

/// Weighted share of the parts that both have. Words that only qualify cost little where they are missing.
fn compare(one: &[Part], two: &[Part]) -> (f64, Vec<String>) {
    if one.is_empty() || two.is_empty() {
        return (0.0, Vec::new());
    }
    let total: f64 = one.iter().chain(two).map(|part| part.weight).sum();
    let mut taken = vec![false; two.len()];
    let (mut common, mut shared, mut telling) = (0.0, Vec::new(), false);
    for part in one {
        let best = two
            .iter()
            .enumerate()
            .filter(|(at, _)| !taken[*at])
            .map(|(at, other)| (at, alike(part, other)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some((at, likeness)) = best.filter(|(_, likeness)| *likeness > 0.0) {
            taken[at] = true;
            common += likeness * (part.weight + two[at].weight);
            telling |= part.weight >= 0.5 && two[at].weight >= 0.5;
            if likeness >= 0.8 && part.weight >= 0.3 {
                shared.push(part.text.replace('_', " "));
            }
        }
    }
    let share = (common + role_credit(one, two)) / total;
    // Two names that share nothing but a qualifier (billing, contact) are two things of one family.
    let score = if telling {
        0.96 * share.powf(1.15)
    } else if share > 0.99 {
        0.9
    } else {
        0.45 * share
    };
    (score * role_fit(one, two), shared)
}

/// The role that a name speaks of, if it is one.
fn role(parts: &[Part]) -> Option<(Role, f64, &str)> {
    let mut roles = parts.iter().filter_map(|part| Some((part.role?, part.weight, part.text.as_str())));
    let first = roles.next()?;
    roles.all(|other| other.0 == first.0).then_some(first)
}

/// Weight that counts as shared because the roles are the same in other words (`home`, `other`), or because a name
/// without a role means the first.
fn role_credit(one: &[Part], two: &[Part]) -> f64 {
    match (role(one), role(two)) {
        (Some(a), Some(b)) if a.0 == b.0 && a.2 != b.2 => 0.8 * (a.1 + b.1),
        (Some((Role::First, weight, _)), None) | (None, Some((Role::First, weight, _))) => 0.8 * weight,
        _ => 0.0,
    }
}

/// What is left of a score where one name speaks of the first and the other of the second.
fn role_fit(one: &[Part], two: &[Part]) -> f64 {
    match (role(one).map(|role| role.0), role(two).map(|role| role.0)) {
        (Some(a), Some(b)) if a != b => 0.35,
        (Some(Role::Second), None) | (None, Some(Role::Second)) => 0.75,
        _ => 1.0,
    }
}

/// 1 for the same, less for spellings that are near, 0 for others.
fn alike(one: &Part, two: &Part) -> f64 {
    if one.text == two.text {
        return 1.0;
    }
    if one.meaning && two.meaning {
        return names::nearness(&one.text, &two.text);
    }
    let (short, long) = if one.text.len() <= two.text.len() { (&one.text, &two.text) } else { (&two.text, &one.text) };
    if short.len() < 4 || short.chars().any(char::is_numeric) {
        return 0.0;
    }
    if long.starts_with(short.as_str()) {
        return 0.8;
    }
    let likeness = strsim::jaro_winkler(short, long);
    if likeness >= 0.9 { likeness * 0.85 } else { 0.0 }
}
