//! The way back of a mapping that goes both ways: from the target's rows to the source's, as far as its fields can be
//! inverted.
use std::path::Path;

use crate::map::ValueMap;
use crate::platform::Source;
use crate::project::{
    Direction, Field, FromRef, Mapping, ObjectRef, OnError, OnNull, Origin, Otherwise, RunConfig, SyncConfig,
    TargetOnly, Values, WriteRule, default_match, quote_identifier,
};

/// Rules that leave alone what they once made; written back, a value that they would change becomes what they make of it.
const HARMLESS: [&str; 4] = ["trim", "squeeze", "required", "max_length"];

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Inverse {
    /// From the target's object to the source's.
    pub(crate) mapping: Mapping,
    /// Target fields that go back, with the source column that each fills.
    pub(crate) fields: Vec<(String, String)>,
    /// Target fields that do not, and why.
    pub(crate) left: Vec<(String, &'static str)>,
}

/// Behind a mapping's name: its way back.
const SUFFIX: &str = "~back";

/// Name of a mapping's way back.
pub(crate) fn way_back_name(mapping: &str) -> String {
    format!("{mapping}{SUFFIX}")
}

/// The name is that of a way back.
pub(crate) fn is_way_back(mapping: &str) -> bool {
    mapping.ends_with(SUFFIX)
}

/// The way back of a mapping; an error says why it has none.
pub(crate) fn inverse(root: &Path, mapping: &Mapping) -> Result<Inverse, String> {
    let Source::Object(object) = &mapping.from.source else {
        return Err("a saved query cannot be written to: the changes of the target stay there".into());
    };
    let mut key = Vec::new();
    let mut back = Vec::new();
    for name in &mapping.key {
        let field = mapping.field(name).ok_or_else(|| format!("no field fills the key {name}"))?;
        let plain = field.values.is_none() && field.link.is_none() && field.datetime.is_none() && field.kind.is_none();
        match way_back(root, field) {
            Ok(inverse) if plain => {
                key.push(inverse.target.clone());
                back.push(inverse);
            }
            _ => return Err(format!("the key {name} is not a column as it is: no record would be found again")),
        }
    }
    let (mut fields, mut left) = (Vec::new(), Vec::new());
    for field in mapping.fields.iter().filter(|field| !mapping.key.contains(&field.target)) {
        let one_way = field.direction.unwrap_or(mapping.sync.direction) == Direction::OneWay;
        let why = if one_way {
            "it goes one way"
        } else if field.write != WriteRule::Always || field.latch {
            "its write rule does not go both ways"
        } else {
            match way_back(root, field) {
                Ok(inverse) if back.iter().any(|known: &Field| known.target == inverse.target) => {
                    "another field goes back to the same column"
                }
                Ok(inverse) => {
                    fields.push((field.target.clone(), inverse.target.clone()));
                    back.push(inverse);
                    continue;
                }
                Err(why) => why,
            }
        };
        left.push((field.target.clone(), why));
    }
    let keyed: Vec<String> = mapping.key.iter().map(|name| format!("{} IS NOT NULL", quote_identifier(name))).collect();
    let scope = mapping.scope.iter().map(|scope| format!("({scope})"));
    let mapping = Mapping {
        name: way_back_name(&mapping.name),
        path: mapping.path.clone(),
        from: FromRef {
            platform: mapping.to.platform.clone(),
            source: Source::Object(mapping.to.object.clone()),
            label: mapping.to.to_string(),
        },
        to: ObjectRef { platform: mapping.from.platform.clone(), object: object.clone() },
        matching: default_match(&key),
        key,
        scope: None,
        target_only: TargetOnly::Keep,
        filter: Some(keyed.into_iter().chain(scope).collect::<Vec<_>>().join(" AND ")),
        deleted: None,
        duplicates: mapping.duplicates,
        fields: back,
        ignore: Vec::new(),
        corrections: None,
        unfinished: Vec::new(),
        run: RunConfig { max_deletes: mapping.run.max_deletes, ..RunConfig::default() },
        sync: SyncConfig::default(),
    };
    Ok(Inverse { mapping, fields, left })
}

/// The field that undoes another one.
fn way_back(root: &Path, field: &Field) -> Result<Field, &'static str> {
    let Origin::From(column) = &field.origin else { return Err("it is computed") };
    if field.link.is_some() {
        return Err("it is a link");
    }
    if field.each.is_some() || field.allowed.is_some() {
        return Err("it is a list");
    }
    if field.datetime.is_some() {
        return Err("its time is written in another form");
    }
    if field.on_null != OnNull::Keep {
        return Err("it leaves out rows without a value");
    }
    if !field.clean.iter().all(|rule| HARMLESS.contains(&rule.name.as_str())) {
        return Err("its cleaning rules cannot be undone");
    }
    let mut back = Field::new(column.as_str(), Origin::From(field.target.clone()));
    if let Some(values) = &field.values {
        if field.on_error != OnError::Reject || !matches!(field.otherwise, None | Some(Otherwise::Reject)) {
            return Err("values that its map does not list are not told apart");
        }
        let pairs = match values {
            Values::Inline(pairs) => pairs.clone(),
            Values::File(path) => ValueMap::load(&root.join(path)).map_err(|_| "its value map cannot be read")?.pairs,
        };
        let turned: Vec<(String, String)> = pairs.into_iter().map(|(from, to)| (to, from)).collect();
        let twice = turned.iter().enumerate().any(|(at, (to, _))| turned[..at].iter().any(|(known, _)| known == to));
        if twice || turned.iter().any(|(to, from)| to.is_empty() || from.is_empty()) {
            return Err("its value map gives several values one name");
        }
        back.values = Some(Values::Inline(turned));
        back.otherwise = Some(Otherwise::Reject);
    }
    Ok(back)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::project::load_mapping;

    const TEXT: &str = r#"
from = "legacy:contacts"
to = "nova:contacts"
key = ["legacy_id"]
scope = "origin = 'legacy'"

[fields]
legacy_id = { from = "ID", clean = ["trim"] }
name = "NAME"
again = "NAME"
email = { from = "MAIL", clean = ["lower"] }
stage = { from = "STG", values = { L = "lead", Q = "qualified" } }
kind = { from = "KIND", values = { A = "x", B = "x" } }
phone = { from = "PHONE", direction = "one-way" }
note = { from = "NOTE", write = "if_blank" }
full = { sql = "A || B" }

[sync]
direction = "two-way"
"#;

    #[test]
    fn what_can_be_inverted_goes_back_and_the_rest_says_why_not() {
        let mapping = load_mapping(Path::new("."), Path::new("mappings/contacts.toml"), TEXT).unwrap();
        let inverse = inverse(Path::new("."), &mapping).unwrap();
        let pairs: Vec<(&str, &str)> = inverse.fields.iter().map(|(to, from)| (to.as_str(), from.as_str())).collect();
        assert_eq!(pairs, [("name", "NAME"), ("stage", "STG")]);
        let left: Vec<&str> = inverse.left.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(left, ["again", "email", "kind", "phone", "note", "full"]);
        let back = &inverse.mapping;
        assert_eq!((back.key.as_slice(), back.to.to_string().as_str()), (&["ID".to_owned()][..], "legacy:contacts"));
        assert_eq!(back.filter.as_deref(), Some("legacy_id IS NOT NULL AND (origin = 'legacy')"));
        let stage = back.field("STG").unwrap();
        let turned = vec![("lead".to_owned(), "L".to_owned()), ("qualified".to_owned(), "Q".to_owned())];
        assert_eq!(stage.values, Some(Values::Inline(turned)));
    }

    #[test]
    fn a_key_that_is_made_has_no_way_back() {
        let text = TEXT.replace("{ from = \"ID\", clean = [\"trim\"] }", "{ sql = \"'A' || ID\" }");
        let mapping = load_mapping(Path::new("."), Path::new("mappings/contacts.toml"), &text).unwrap();
        assert!(inverse(Path::new("."), &mapping).unwrap_err().contains("legacy_id"));
    }
}
