//! How well one source field fits one target field, from names, types and values.
use super::names::{self, Part};
use super::pairs::evidence;
use super::values::{self, Look, Meaning};
use super::vocabulary::{Role, Vocabulary};
use super::{Evidence, EvidenceKind, FieldInfo};

/// What a pair has whose names say nothing, before its values are compared.
const UNKNOWN: f64 = 0.02;
/// A score from which names are trusted more than values that differ: an old CRM keeps the same thing in another form.
const NAMED: f64 = 0.8;
/// What is left of a score where only one side is worked out from other records.
const SUMMARY: f64 = 0.45;

/// A field made ready to be compared.
pub(super) struct Field {
    /// Squeezed name: letters and digits in lower case.
    pub(super) plain: String,
    /// Parts of the name and, if there is one, of the label.
    views: Vec<Vec<Part>>,
    /// Parts of what a template says that it means.
    template: Option<Vec<Part>>,
    /// See [`names::own_id`].
    id: Option<usize>,
    /// See [`names::own_name`].
    title: Option<usize>,
    /// It identifies the records of its side.
    is_own_id: bool,
    /// It is how the records of its side are called.
    is_own_name: bool,
    /// Class of the declared type.
    pub(super) class: Class,
    /// What the values look like.
    look: Option<std::sync::Arc<Look>>,
}

/// What a declared type admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Text, or not known.
    Any,
    /// Numbers.
    Number,
    /// Days and times.
    Date,
    /// Yes or no.
    Boolean,
}

impl Field {
    pub(super) fn new(vocabulary: &Vocabulary, info: &FieldInfo, template: Option<&str>) -> Self {
        let mut views = vec![names::parts(vocabulary, &info.name)];
        if let Some(label) = &info.label {
            let label = names::parts(vocabulary, label);
            if !label.is_empty() && label != views[0] {
                views.push(label);
            }
        }
        Self {
            plain: plain(&info.name),
            id: names::own_id(vocabulary, &info.name),
            title: names::own_name(vocabulary, &info.name),
            is_own_id: false,
            is_own_name: false,
            views,
            template: template.map(|phrase| names::parts(vocabulary, phrase)),
            class: class(info.kind.as_deref().unwrap_or_default()),
            look: info.look.clone(),
        }
    }

    /// Its name speaks of this meaning of the vocabulary.
    pub(super) fn is_about(&self, meaning: &str) -> bool {
        self.views.iter().chain(&self.template).flatten().any(|part| part.meaning && part.text == meaning)
    }

    /// Its name speaks of this meaning and of nothing else.
    pub(super) fn is_only(&self, meaning: &str) -> bool {
        self.views.iter().chain(&self.template).any(|view| view.len() == 1 && view[0].text == meaning)
    }

    /// Its name or type says that it holds a date.
    pub(super) fn is_date(&self) -> bool {
        const DATES: &[&str] = &["birthday", "close_date", "due_date", "start_date", "end_date", "anniversary"];
        self.class == Class::Date
            || DATES.iter().any(|meaning| self.is_about(meaning))
            || self.views.iter().flatten().any(|part| part.text == "date")
    }

    /// Its name says which of two it is, such as that of the second address.
    pub(super) fn has_role(&self) -> bool {
        self.views[0].iter().any(|part| part.role == Some(Role::Second))
    }

    /// Its value is worked out from other records.
    fn is_summary(&self) -> bool {
        self.views[0].iter().any(|part| part.summary)
    }

    fn has_values(&self) -> bool {
        self.look.as_ref().is_some_and(|look| look.filled > 0)
    }

    fn meaning(&self) -> Option<Meaning> {
        self.look.as_ref().and_then(|look| look.meaning)
    }
}

/// A name without anything but its letters and digits, in lower case.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a type word admits.
pub(super) fn class(kind: &str) -> Class {
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

/// How well a pair fits.
pub(super) struct Fit {
    /// From 0 to 1.
    pub(super) score: f64,
    /// What it was before the values were compared: where values say the same of many, names decide.
    pub(super) named: f64,
    /// Strongest first.
    pub(super) evidence: Vec<Evidence>,
}

/// Scores a pair.
pub(super) fn score(vocabulary: &Vocabulary, source: &Field, target: &Field) -> Fit {
    let mut found = Vec::new();
    let mut score = if source.plain == target.plain && !source.plain.is_empty() {
        found.push(evidence(EvidenceKind::Name, 0.98, "same name".to_owned()));
        0.98
    } else {
        let by_name = by_name(vocabulary, &source.views, &target.views);
        let by_template = by_template(vocabulary, source, target);
        let (best, kind) = if by_template.score > by_name.score {
            (by_template, EvidenceKind::Template)
        } else {
            let kind = if by_name.spelled { EvidenceKind::Spelling } else { EvidenceKind::Name };
            (by_name, kind)
        };
        let mut score = best.score;
        let words = match (best.shared.is_empty(), kind) {
            (true, EvidenceKind::Spelling) => "names are spelled alike".to_owned(),
            (true, _) => "names are near in meaning".to_owned(),
            (false, EvidenceKind::Template) => format!("known in this CRM as {}", best.shared.join(", ")),
            (false, _) => format!("names share {}", best.shared.join(", ")),
        };
        if score > 0.0 {
            found.push(evidence(kind, score, words));
        }
        if source.is_summary() != target.is_summary() {
            score *= SUMMARY;
        }
        let (after, reason) = by_duty(source, target, score);
        if let Some(reason) = reason {
            found.push(evidence(EvidenceKind::Place, after - score, reason.to_owned()));
        }
        after
    };
    if score > 0.0 && source.class != Class::Any && target.class != Class::Any {
        if source.class == target.class {
            score += 0.02 * (1.0 - score);
        } else {
            found.push(evidence(EvidenceKind::Type, -0.3 * score, "types differ".to_owned()));
            score *= 0.7;
        }
    }
    let named = score.clamp(0.0, 0.99);
    by_values(source, target, &mut score, &mut found);
    Fit { score: score.clamp(0.0, 0.99), named, evidence: found }
}

/// What templates say of it: of both sides, or of one and the names of the other.
fn by_template(vocabulary: &Vocabulary, source: &Field, target: &Field) -> Common {
    match (&source.template, &target.template) {
        (None, None) => Common::default(),
        (one, two) => {
            let one = one.as_ref().map_or(source.views.as_slice(), std::slice::from_ref);
            let two = two.as_ref().map_or(target.views.as_slice(), std::slice::from_ref);
            by_name(vocabulary, one, two)
        }
    }
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

/// What the values add or take away: evidence in logarithms of odds, put on what the names say.
fn by_values(source: &Field, target: &Field, score: &mut f64, found: &mut Vec<Evidence>) {
    match (source.meaning(), target.meaning()) {
        (Some(one), None) if !target.has_values() => fit(one, target, score, found),
        (None, Some(two)) if !source.has_values() => fit(two, source, score, found),
        _ => {}
    }
    let (Some(one), Some(two)) = (&source.look, &target.look) else { return };
    let likeness = values::compare(one, two);
    if likeness.weight == 0.0 {
        return;
    }
    let before = *score;
    let weight = match likeness.weight {
        weight if weight >= 0.0 => weight.min(6.0),
        weight if before < NAMED => weight.max(-3.0),
        // The same name, and values in another form.
        weight => (0.5 * weight).max(if likeness.clash { -2.5 } else { -1.0 }),
    };
    let prior = before.clamp(UNKNOWN, 0.985);
    *score = 1.0 / (1.0 + ((1.0 - prior) / prior) * (-weight).exp());
    let total: f64 = likeness.reasons.iter().map(|(weight, _)| weight.abs()).sum();
    for (part, words) in likeness.reasons {
        // Only what went the way of the whole is a reason for it.
        if part * weight > 0.0 {
            found.push(evidence(EvidenceKind::Values, (*score - before) * part.abs() / total, words));
        }
    }
}

/// The values of one side against the name of the other.
fn fit(meaning: Meaning, other: &Field, score: &mut f64, found: &mut Vec<Evidence>) {
    let before = *score;
    let named = [
        (Meaning::Email, other.is_about("email") || other.is_about("email_2")),
        (Meaning::Url, other.is_about("website")),
        (Meaning::Date, other.is_date()),
    ];
    for (kind, is_named) in named {
        if is_named && meaning == kind {
            *score += 0.1 * (1.0 - *score);
            let words = format!("values are {}", kind.word());
            found.push(evidence(EvidenceKind::Values, *score - before, words));
        } else if is_named && (meaning.is_telling() || kind.is_telling()) {
            *score *= 0.5;
            let words = format!("values are {}, not {}", meaning.word(), kind.word());
            found.push(evidence(EvidenceKind::Values, *score - before, words));
        }
    }
}

/// What two names have in common.
#[derive(Default)]
struct Common {
    score: f64,
    /// Parts that both have.
    shared: Vec<String>,
    /// Parts that are not the same are spelled alike.
    spelled: bool,
}

/// The best of names and labels.
fn by_name(vocabulary: &Vocabulary, source: &[Vec<Part>], target: &[Vec<Part>]) -> Common {
    let mut best = Common::default();
    for one in source {
        for two in target {
            let found = compare(vocabulary, one, two);
            if found.score > best.score {
                best = found;
            }
        }
    }
    best
}

/// Weighted share of the parts that both have. Words that only qualify cost little where they are missing.
fn compare(vocabulary: &Vocabulary, one: &[Part], two: &[Part]) -> Common {
    if one.is_empty() || two.is_empty() {
        return Common::default();
    }
    let total: f64 = one.iter().chain(two).map(|part| part.weight).sum();
    let mut taken = vec![false; two.len()];
    let (mut common, mut shared, mut telling, mut spelled) = (0.0, Vec::new(), false, false);
    for part in one {
        let best = two
            .iter()
            .enumerate()
            .filter(|(at, _)| !taken[*at])
            .map(|(at, other)| (at, alike(vocabulary, part, other)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some((at, likeness)) = best.filter(|(_, likeness)| *likeness > 0.0) {
            taken[at] = true;
            common += likeness * (part.weight + two[at].weight);
            spelled |= likeness < 1.0 && !(part.meaning && two[at].meaning);
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
    Common { score: score * role_fit(one, two), shared, spelled }
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
fn alike(vocabulary: &Vocabulary, one: &Part, two: &Part) -> f64 {
    if one.text == two.text {
        return 1.0;
    }
    if one.meaning && two.meaning {
        return vocabulary.nearness(&one.text, &two.text);
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
