//! Which columns hold personal data: what people see of them is masked (DESIGN rule 9).
//!
//! A field says `pii = true` once; what follows from it is worked out here, for both sides and all mappings. The source
//! columns that fill such a field are personal, so is whatever else they fill, the key of a record if one of its fields
//! is, and every link that names a record by such a key. What is only derived from a personal column does not make the
//! other columns it is made of personal.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Field, Mapping, Origin};
use crate::platform::Source;

/// Columns of one object, in lower case: platforms differ in whether they tell `Email` from `EMAIL`.
type Columns = BTreeSet<String>;

/// What is personal in a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Personal {
    objects: HashMap<(String, Source), Columns>,
    mappings: BTreeMap<String, Sides>,
    /// Something may be tagged that cannot be read: all is personal until it can.
    everything: bool,
}

/// One mapping's two objects, and whether its keys are personal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sides {
    from: (String, Source),
    to: (String, Source),
    key: bool,
}

impl Personal {
    /// Of these mappings. The same mapping may come twice, as saved and as edited: what either tags is personal.
    pub fn of<'a>(mappings: impl IntoIterator<Item = &'a Mapping>) -> Self {
        let mappings: Vec<&Mapping> = mappings.into_iter().collect();
        let mut found = Self::default();
        let mut tags: HashMap<(String, Source), Columns> = HashMap::new();
        for mapping in &mappings {
            let tagged = mapping.fields.iter().filter(|field| field.pii).map(|field| field.target.to_lowercase());
            tags.entry(target_of(mapping)).or_default().extend(tagged);
        }
        // Each round carries them one mapping or link further; a round that adds nothing ends it.
        while mappings.iter().map(|mapping| found.spread(mapping, &tags)).fold(false, |any, one| any | one) {}
        found
    }
    /// Of a project whose tags cannot all be read: everything is masked.
    #[must_use]
    pub const fn with_unreadable(mut self, unreadable: bool) -> Self {
        self.everything = unreadable;
        self
    }
    /// A column of an object is personal.
    pub fn column(&self, platform: &str, object: &Source, column: &str) -> bool {
        self.everything || self.in_object(&(platform.to_owned(), object.clone()), column)
    }
    /// An object has a personal column: of what cannot be split into columns, all is.
    pub fn any_column(&self, platform: &str, object: &Source) -> bool {
        let object = (platform.to_owned(), object.clone());
        self.everything || self.objects.get(&object).is_some_and(|columns| !columns.is_empty())
    }
    /// A source column of a mapping is personal. Of a mapping that is gone, all is: its tags are gone too.
    pub fn source(&self, mapping: &str, column: &str) -> bool {
        self.everything || self.mappings.get(mapping).is_none_or(|sides| self.in_object(&sides.from, column))
    }
    /// A source column of a mapping is personal, whichever: what could not be split into columns.
    pub fn any_source(&self, mapping: &str) -> bool {
        let Some(sides) = self.mappings.get(mapping) else { return true };
        self.everything || self.objects.get(&sides.from).is_some_and(|columns| !columns.is_empty())
    }
    /// A target column of a mapping is personal.
    pub fn target(&self, mapping: &str, column: &str) -> bool {
        self.everything || self.mappings.get(mapping).is_none_or(|sides| self.in_object(&sides.to, column))
    }
    /// A field of a mapping, perhaps one that is being typed, reads a personal source column.
    pub fn reads(&self, mapping: &str, field: &Field) -> bool {
        reads(&field.origin).iter().any(|column| self.source(mapping, column))
    }
    /// The keys of a mapping's records are personal: one of their fields is.
    pub fn key(&self, mapping: &str) -> bool {
        self.everything || self.mappings.get(mapping).is_none_or(|sides| sides.key)
    }
    /// Names of the personal target columns of a mapping, in lower case and in order; `all columns` where nobody can tell.
    pub fn columns_of(&self, mapping: &str) -> Vec<String> {
        let Some(sides) = self.mappings.get(mapping).filter(|_| !self.everything) else {
            return vec!["all columns".to_owned()];
        };
        self.objects.get(&sides.to).into_iter().flatten().cloned().collect()
    }
    fn in_object(&self, object: &(String, Source), column: &str) -> bool {
        self.objects.get(object).is_some_and(|columns| columns.contains(&column.to_lowercase()))
    }
    /// Carries tags through one mapping; true if that added any.
    fn spread(&mut self, mapping: &Mapping, tags: &HashMap<(String, Source), Columns>) -> bool {
        let (from, to) = (source_of(mapping), target_of(mapping));
        let tags = tags.get(&to);
        let mut added = false;
        for field in &mapping.fields {
            let (reads, target) = (reads(&field.origin), field.target.to_lowercase());
            let named = field.link.as_ref().is_some_and(|parent| self.mappings.get(parent).is_some_and(|one| one.key));
            let tagged = named || tags.is_some_and(|tags| tags.contains(&target));
            let derived = reads.iter().any(|column| self.in_object(&from, column));
            if tagged || derived {
                added |= self.objects.entry(to.clone()).or_default().insert(target);
            }
            if tagged {
                let sources = self.objects.entry(from.clone()).or_default();
                for column in reads {
                    added |= sources.insert(column);
                }
            }
        }
        let key = mapping.key.iter().any(|column| self.in_object(&to, column));
        let sides = self.mappings.entry(mapping.name.clone()).or_insert_with(|| {
            added = true;
            Sides { from, to, key }
        });
        added |= key && !sides.key;
        sides.key |= key;
        added
    }
}

impl Field {
    /// It reads this source column. An expression is searched for the name as a whole word: what it really reads only its
    /// compiler knows, and people are shown enough by this.
    pub fn reads(&self, column: &str) -> bool {
        match &self.origin {
            Origin::From(name) => name == column,
            Origin::Sql(sql) => words(sql).any(|word| word == column),
            Origin::Const(_) => false,
        }
    }
}

fn source_of(mapping: &Mapping) -> (String, Source) {
    (mapping.from.platform.clone(), mapping.from.source.clone())
}

fn target_of(mapping: &Mapping) -> (String, Source) {
    (mapping.to.platform.clone(), Source::Object(mapping.to.object.clone()))
}

/// Names that an origin may read, in lower case. Of an expression these are all its words: some are functions, and a
/// column that has the name of one is masked once too often.
fn reads(origin: &Origin) -> Vec<String> {
    match origin {
        Origin::From(column) => vec![column.to_lowercase()],
        Origin::Sql(sql) => words(sql).map(str::to_lowercase).collect(),
        Origin::Const(_) => Vec::new(),
    }
}

/// Names in an expression: bare words, and whatever stands in double quotes. Texts in single quotes are none.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            if first == '"' || first == '\'' {
                let inner = &rest[1..];
                let end = inner.find(first).unwrap_or(inner.len());
                let word = &inner[..end];
                rest = inner.get(end + 1..).unwrap_or_default();
                if first == '"' {
                    return Some(word);
                }
            } else if is_word(first) {
                let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
                let word = &rest[..end];
                rest = &rest[end..];
                return Some(word);
            } else {
                rest = &rest[first.len_utf8()..];
            }
        }
    })
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::project::load_mapping;

    fn mapping(name: &str, text: &str) -> Mapping {
        load_mapping(Path::new("."), Path::new(&format!("mappings/{name}.toml")), text).unwrap()
    }

    fn object(name: &str) -> Source {
        Source::Object(name.into())
    }

    #[test]
    fn a_tag_covers_both_sides_and_whatever_else_the_source_fills() {
        let contacts = mapping(
            "contacts",
            "from = \"a:people\"\nto = \"b:people\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\n\
             name = { sql = \"concat_ws(' ', First_NM, \\\"LAST NM\\\")\", pii = true }\n\
             greeting = { sql = \"concat('Dear ', FIRST_NM, TITLE)\" }\nkind = \"KIND\"\n",
        );
        let personal = Personal::of([&contacts]);
        for column in ["FIRST_NM", "first_nm", "LAST NM"] {
            assert!(personal.column("a", &object("people"), column), "{column}");
            assert!(personal.source("contacts", column), "{column}");
        }
        for column in ["name", "greeting"] {
            assert!(personal.column("b", &object("people"), column), "{column}");
        }
        assert!(!personal.column("a", &object("people"), "ID") && !personal.column("b", &object("people"), "kind"));
        assert!(!personal.column("a", &object("people"), "Dear"), "a text is no column");
        assert!(!personal.column("a", &object("people"), "TITLE"), "beside a personal column, not one");
        assert!(!personal.key("contacts") && personal.any_source("contacts"));
        assert_eq!(personal.columns_of("contacts"), ["greeting", "name"]);
        assert_eq!(personal.columns_of("gone"), ["all columns"]);
        assert!(personal.any_column("a", &object("people")) && !personal.any_column("a", &object("deals")));
    }

    #[test]
    fn a_personal_key_makes_the_links_to_it_personal_and_another_mapping_carries_the_tag_on() {
        let people = mapping(
            "people",
            "from = \"a:people\"\nto = \"b:people\"\nkey = [\"mail\"]\n[fields]\nmail = { from = \"MAIL\", pii = true }\n",
        );
        let deals = mapping(
            "deals",
            "from = \"a:deals\"\nto = \"b:deals\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\n\
             owner = { from = \"OWNER\", link = \"people\" }\n",
        );
        let onward =
            mapping("onward", "from = \"b:people\"\nto = \"c:people\"\nkey = [\"id\"]\n[fields]\nid = \"mail\"\n");
        for order in [[&people, &deals, &onward], [&onward, &deals, &people]] {
            let personal = Personal::of(order);
            assert!(personal.key("people") && personal.key("onward") && !personal.key("deals"));
            assert!(personal.target("deals", "owner") && personal.source("deals", "OWNER"));
            assert!(!personal.source("deals", "ID"));
            assert!(personal.target("onward", "id"));
        }
    }

    #[test]
    fn what_is_not_known_is_personal() {
        let personal = Personal::default();
        assert!(personal.key("gone") && personal.source("gone", "x") && personal.any_source("gone"));
        assert!(!personal.column("a", &object("people"), "x"));
        assert!(personal.with_unreadable(true).column("a", &object("people"), "x"));
    }

    #[test]
    fn a_column_is_read_only_as_a_whole_word() {
        let field = |sql: &str| Field::new("x", Origin::Sql(sql.into()));
        assert!(field("concat(\"FIRST NM\", LAST_NM)").reads("LAST_NM"));
        assert!(field("concat(\"FIRST NM\", LAST_NM)").reads("FIRST NM"));
        assert!(!field("upper(LAST_NM2)").reads("LAST_NM"));
        assert!(!field("concat('it''s LAST_NM', A)").reads("LAST_NM"));
        assert!(!field("1").reads(""));
    }
}
