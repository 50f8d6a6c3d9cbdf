//! Suggestions for a mapping: which source field fills which target field, by which transform, how sure that is, and why.
//!
//! Evidence is names and labels (through the vocabulary in `assets/synonyms.toml` and an operator's own words), templates of
//! the usual CRMs, declared types, values (what they are, how they are written, how they are spread, which both sides have),
//! and what an operator confirmed or refused before. Each field is compared with each; then the pairs are chosen that are
//! best over all, one to one. The same input always gives the same answer.
mod assign;
mod memory;
mod names;
pub mod owners;
mod pairs;
mod propose;
mod read;
mod score;
mod templates;
#[cfg(test)]
mod tests;
mod values;
mod vocabulary;

use std::sync::Arc;

use polars::prelude::DataFrame;
use serde::Serialize;

pub use self::memory::{MEMORY_FILE, Memory, Remembered};
pub use self::pairs::suggest_between;
pub use self::propose::{Transform, TransformKind, Trial, propose};
pub use self::read::{sample, sample_or_list};
pub use self::templates::{Template, templates};
pub use self::values::{Look, LookBuilder};
pub use self::vocabulary::Vocabulary;

/// Pairs below it are not suggested at all.
pub const THRESHOLD: f64 = 0.3;

/// What is known of a field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldInfo {
    /// Name, unique on its side.
    pub name: String,
    /// Name as people see it.
    pub label: Option<String>,
    /// The platform's type word.
    pub kind: Option<String>,
    /// Values that it may have, where that is declared.
    pub options: Vec<String>,
    /// What its values look like, if some are known.
    pub look: Option<Arc<Look>>,
}

impl FieldInfo {
    /// A field of which only the name is known.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A field with some of its values.
    pub fn with_values<'v>(name: &str, values: impl IntoIterator<Item = Option<&'v str>>) -> Self {
        let look = Look::of(values);
        Self { look: Some(Arc::new(look)).filter(|look| look.rows > 0), ..Self::named(name) }
    }

    /// Some of its values, each once.
    pub fn samples(&self) -> &[String] {
        self.look.as_ref().map_or(&[], |look| &look.samples)
    }
}

/// One side of a mapping.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// Its object, if that is known: `contacts`.
    pub object: String,
    /// Fields in their order.
    pub fields: Vec<FieldInfo>,
    /// Some whole rows, to try transforms on; columns are named as the fields.
    pub rows: Option<DataFrame>,
}

impl Side {
    /// Fields of which nothing but this is known.
    pub fn of(fields: Vec<FieldInfo>) -> Self {
        Self { fields, ..Self::default() }
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&FieldInfo> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// Where evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// Names and labels.
    Name,
    /// Names that are not known but spelled alike.
    Spelling,
    /// A template of a CRM.
    Template,
    /// Declared types.
    Type,
    /// Values of both sides.
    Values,
    /// Other fields: neighbours, and who fills another one better.
    Place,
    /// What an operator said before.
    Memory,
}

/// One piece of evidence for or against a pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Where it comes from.
    pub kind: EvidenceKind,
    /// How the score moved by it, -1 to 1.
    pub moved: f64,
    /// In words.
    pub words: String,
}

/// One source field for one target field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// Target field.
    pub to: String,
    /// Source field; where several are joined, the first.
    pub from: String,
    /// From 0 to 1; at .90 and more it is nearly always right.
    pub score: f64,
    /// 1: the one to take; 2 and up: others for the same target field, best first.
    pub rank: usize,
    /// Why, in words, strongest first.
    pub reasons: Vec<String>,
    /// Why, piece by piece.
    pub evidence: Vec<Evidence>,
    /// What makes the value of the target from the source, where copying it does not do.
    pub transform: Option<Transform>,
}

impl Suggestion {
    /// The source fields that it reads, the first of them [`Suggestion::from`].
    pub fn sources(&self) -> Vec<&str> {
        let mut all = vec![self.from.as_str()];
        if let Some(transform) = &self.transform {
            all.extend(transform.with.iter().map(String::as_str));
        }
        all
    }
}

/// What there is to know beside the two sides.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// With the operator's own synonyms; None: the console's own.
    pub vocabulary: Option<Arc<Vocabulary>>,
    /// What was confirmed and refused.
    pub remembered: Remembered,
    /// Keys of the objects that others name.
    pub parents: Vec<ParentKeys>,
}

impl Knowledge {
    /// What the project in a folder was taught; nothing where there is no project.
    pub fn of_project(root: &std::path::Path) -> crate::Result<Self> {
        let memory = Memory::load(root)?;
        let vocabulary = memory.vocabulary().map(Arc::new);
        Ok(Self { vocabulary, remembered: memory.remembered(), parents: Vec::new() })
    }

    /// The vocabulary to use.
    pub fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary.as_deref().unwrap_or_else(|| Vocabulary::usual())
    }
}

/// The keys of another mapping's source: a column that holds them is a link.
#[derive(Debug, Clone)]
pub struct ParentKeys {
    /// Mapping.
    pub mapping: String,
    /// Its objects, old and new: what columns that link to it are called by.
    pub objects: Vec<String>,
    /// The source column that holds its key.
    pub key: String,
    /// Values of it.
    pub look: Arc<Look>,
}

/// Suggests sources for targets by what is known of the fields, best first; nothing below [`THRESHOLD`]. Transforms are
/// not tried on rows: see [`propose`].
pub fn suggest(source: &[FieldInfo], target: &[FieldInfo]) -> Vec<Suggestion> {
    let (source, target) = (Side::of(source.to_vec()), Side::of(target.to_vec()));
    propose(&source, &target, &Knowledge::default())
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

/// A name speaks of a person's data: to be masked until someone who knows says otherwise.
pub fn is_personal(name: &str) -> bool {
    names::parts(Vocabulary::usual(), name).iter().any(|part| part.meaning && PERSONAL.contains(&part.text.as_str()))
}

/// A name means this and nothing else: `FIRST_NM` is a `first_name`.
pub(crate) fn means(name: &str, meaning: &str) -> bool {
    let parts = names::parts(Vocabulary::usual(), name);
    parts.first().is_some_and(|part| part.text == meaning) && parts[1..].iter().all(|part| part.text == "id")
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
