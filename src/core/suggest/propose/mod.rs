//! Transforms: what makes a target's value from the source where copying does not do, tried on rows before it is proposed.
//!
//! A transform is a field as a mapping file has it, so what is proposed is what is written and run. Each must compile; on
//! sample rows it is tried, and the rows that fail are part of the proposal.
mod choose;
mod compose;
mod country;
mod picklist;
#[cfg(test)]
mod tests;
mod trial;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::pairs::{self, evidence};
use super::{EvidenceKind, Knowledge, ParentKeys, Side, Suggestion};
use crate::project::edit::field_text;
use crate::project::{Field, Origin};

pub(super) use choose::Pair;

/// Others of a target for which a transform is looked for: nobody looks at more.
const RANKS: usize = 4;
/// Share of the rows from which a transform that fails is none.
const USELESS: f64 = 0.5;

/// What a transform does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformKind {
    /// Blanks and case.
    Clean,
    /// Dates in another form.
    Date,
    /// Yes and no in other words.
    Boolean,
    /// Values of a list to choose from, in other words.
    Values,
    /// Countries by name or code.
    Country,
    /// Telephone numbers.
    Phone,
    /// Numbers out of text with currencies, units, separators.
    Number,
    /// One source field for several target fields.
    Split,
    /// Several source fields for one target field.
    Join,
    /// It names a record of another mapping.
    Link,
}

impl TransformKind {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Date => "date",
            Self::Boolean => "boolean",
            Self::Values => "values",
            Self::Country => "country",
            Self::Phone => "phone",
            Self::Number => "number",
            Self::Split => "split",
            Self::Join => "join",
            Self::Link => "link",
        }
    }
}

/// What came of a transform on sample rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Trial {
    /// Rows that it was tried on: those with a value.
    pub rows: u64,
    /// Rows of these that fail.
    pub failed: u64,
    /// Why, with the rows, most first.
    pub reasons: Vec<(String, u64)>,
    /// Some cells that change: before and after.
    pub examples: Vec<(Option<String>, Option<String>)>,
}

impl Trial {
    /// Share of the rows that fail, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.failed as f64 / self.rows as f64 }
    }
}

/// What makes the target's value from the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// What it does.
    pub kind: TransformKind,
    /// Source fields that it reads beside the first.
    pub with: Vec<String>,
    /// The whole field, as a mapping has it.
    pub field: Field,
    /// What came of it on sample rows; None where there are none.
    pub trial: Option<Trial>,
}

impl Transform {
    pub(super) fn new(kind: TransformKind, field: Field) -> Self {
        Self { kind, with: Vec::new(), field, trial: None }
    }

    /// As it is written behind the `=` in a mapping file.
    pub fn text(&self) -> String {
        field_text(&self.field)
    }

    /// Its expression, if it is one.
    pub fn sql(&self) -> Option<&str> {
        match &self.field.origin {
            Origin::Sql(sql) => Some(sql),
            _ => None,
        }
    }

    /// Its cleaning rules, as in a mapping's `clean`.
    pub fn rules(&self) -> Vec<String> {
        let word = |rule: &crate::project::RuleConfig| match &rule.setting {
            None => rule.name.clone(),
            Some(setting) => format!("{} = {setting}", rule.name),
        };
        self.field.clean.iter().map(word).collect()
    }
}

impl Serialize for Transform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        let field = format!("field = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("field"));
        let mut out = serializer.serialize_struct("Transform", 7)?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("with", &self.with)?;
        out.serialize_field("sql", &self.sql())?;
        out.serialize_field("field", &field)?;
        out.serialize_field("toml", &text)?;
        out.serialize_field("failed_share", &self.trial.as_ref().map(Trial::share))?;
        out.serialize_field("trial", &self.trial)?;
        out.end()
    }
}

/// Suggests sources for targets with their transforms, best first, each transform tried on the source's rows.
pub fn propose(source: &Side, target: &Side, knowledge: &Knowledge) -> Vec<Suggestion> {
    let (sources, targets) = pairs::fields(source, target, knowledge);
    let mut found = pairs::between(source, target, (&sources, &targets), knowledge);
    let place = |side: &Side, name: &str| side.fields.iter().position(|field| field.name == name);
    for item in found.iter_mut().filter(|item| item.rank <= RANKS) {
        let (Some(from), Some(to)) = (place(source, &item.from), place(target, &item.to)) else { continue };
        let pair =
            Pair { from: &source.fields[from], to: &target.fields[to], source: &sources[from], target: &targets[to] };
        let parent = knowledge.parents.iter().find(|parent| is_link(&pair, parent));
        item.transform = match parent {
            Some(parent) => {
                let words = format!("its values are keys of {}", parent.mapping);
                item.evidence.push(evidence(EvidenceKind::Values, 0.0, words));
                let mut field = Field::new(&item.to, Origin::From(item.from.clone()));
                field.link = Some(parent.mapping.clone());
                if pair.from.look.as_ref().is_some_and(|look| look.padded) {
                    field.clean.push(choose::rule("trim"));
                }
                Some(Transform::new(TransformKind::Link, field))
            }
            None => choose::transform(knowledge.vocabulary(), &pair, item),
        };
    }
    compose::add(source, target, (&sources, &targets), &mut found);
    for item in &mut found {
        if let Some(transform) = &mut item.transform {
            transform.field.pii = super::is_personal(&item.to) || super::is_personal(&item.from);
        }
    }
    if let Some(rows) = &source.rows {
        trial::run(rows, &mut found);
    }
    for item in &mut found {
        let trial = item.transform.as_ref().and_then(|transform| transform.trial.as_ref());
        if trial.is_some_and(|trial| trial.share() > USELESS) {
            item.transform = None;
        }
        item.reasons = item.evidence.iter().map(|evidence| evidence.words.clone()).collect();
    }
    // A join or a split that most rows do not survive is no proposal at all: nothing but the transform speaks for it.
    found.retain(|item| {
        item.transform.is_some() || !item.evidence.iter().any(|one| one.words.starts_with(compose::MADE))
    });
    pairs::sort(&mut found);
    found
}

/// The source column holds the keys of that mapping, and the target says that it names one of its records.
fn is_link(pair: &Pair<'_>, parent: &ParentKeys) -> bool {
    /// Old data has some that lead nowhere.
    const KNOWN: f64 = 0.8;
    let named = parent.objects.iter().any(|object| super::names_record_of(&pair.to.name, object));
    let held = pair.from.look.as_ref().is_some_and(|look| {
        let (share, few) = look.within(&parent.look);
        share >= KNOWN && few >= 3
    });
    named && held
}
