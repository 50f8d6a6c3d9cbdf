//! Templates: the standard objects of the usual CRMs and what their fields mean, from `assets/templates`.
use std::collections::HashMap;
use std::sync::LazyLock;

use super::Side;
use super::score::plain;

/// Share of a side's fields that a template must know; objects of one's own have other fields beside.
const KNOWN: f64 = 0.35;
/// Fewest fields that must be known: `id` and `name` alone are everybody's.
const FEWEST: usize = 5;

/// One standard object of one CRM.
#[derive(Debug)]
pub struct Template {
    /// The CRM, as people call it.
    pub system: String,
    /// The object, one of it: `contact`.
    pub object: String,
    /// Fields in order, with what each means in words of the vocabulary.
    pub fields: Vec<(String, String)>,
    /// Plain names → place.
    by_name: HashMap<String, usize>,
}

impl Template {
    /// What a field means.
    pub fn meaning(&self, field: &str) -> Option<&str> {
        self.by_name.get(&plain(field)).map(|at| self.fields[*at].1.as_str())
    }
}

static FILES: &[(&str, &str)] = &[
    ("salesforce", include_str!("../../../assets/templates/salesforce.toml")),
    ("hubspot", include_str!("../../../assets/templates/hubspot.toml")),
    ("dynamics", include_str!("../../../assets/templates/dynamics.toml")),
    ("zoho", include_str!("../../../assets/templates/zoho.toml")),
    ("pipedrive", include_str!("../../../assets/templates/pipedrive.toml")),
    ("suitecrm", include_str!("../../../assets/templates/suitecrm.toml")),
    ("vtiger", include_str!("../../../assets/templates/vtiger.toml")),
    ("odoo", include_str!("../../../assets/templates/odoo.toml")),
    ("close", include_str!("../../../assets/templates/close.toml")),
    ("copper", include_str!("../../../assets/templates/copper.toml")),
    ("espo", include_str!("../../../assets/templates/espo.toml")),
];

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| parse(text).unwrap_or_else(|why| panic!("assets/templates/{name}: {why}"));
    FILES.iter().flat_map(read).collect()
});

/// All templates.
pub fn templates() -> &'static [Template] {
    &TEMPLATES
}

fn parse(text: &str) -> Result<Vec<Template>, String> {
    let document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let system = document.get("system").and_then(toml_edit::Item::as_str).ok_or("no system")?.to_owned();
    let mut found = Vec::new();
    for (object, item) in document.iter().filter(|(key, _)| *key != "system") {
        let table = item.as_table().ok_or_else(|| format!("{object} is no section"))?;
        let fields = table
            .iter()
            .map(|(name, value)| {
                let meaning = value.as_str().ok_or_else(|| format!("{object}.{name} is no text"))?;
                Ok((name.to_owned(), meaning.to_owned()))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let by_name = fields.iter().enumerate().map(|(at, (name, _))| (plain(name), at)).collect();
        found.push(Template { system: system.clone(), object: object.to_owned(), fields, by_name });
    }
    Ok(found)
}

/// The template whose fields these are, if one knows enough of them: by how many fields it knows that not every CRM has.
pub(super) fn recognise(side: &Side) -> Option<&'static Template> {
    static COMMON: LazyLock<HashMap<String, f64>> = LazyLock::new(|| {
        let mut count: HashMap<String, f64> = HashMap::new();
        for name in TEMPLATES.iter().flat_map(|template| template.by_name.keys()) {
            *count.entry(name.clone()).or_default() += 1.0;
        }
        count
    });
    let names: Vec<String> = side.fields.iter().map(|field| plain(&field.name)).collect();
    let best = TEMPLATES
        .iter()
        .filter_map(|template| {
            let known: Vec<&String> = names.iter().filter(|name| template.by_name.contains_key(*name)).collect();
            // Rare names tell which template it is: each counts by how few have it.
            let rare: f64 = known.iter().map(|name| 1.0 / COMMON.get(*name).copied().unwrap_or(1.0)).sum();
            let of_them = known.len() as f64 / names.len().max(1) as f64;
            let of_it = known.len() as f64 / template.fields.len() as f64;
            let enough = known.len() >= FEWEST && rare >= 1.0 && (of_them >= KNOWN || of_it >= 0.6);
            enough.then_some((rare + of_it, template))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, template)| template)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::suggest::{FieldInfo, Vocabulary, names};

    fn side(names: &[&str]) -> Side {
        Side::of(names.iter().map(|name| FieldInfo::named(name)).collect())
    }

    #[test]
    fn each_meaning_is_told_in_words_and_each_name_stands_once() {
        assert!(TEMPLATES.len() >= 30);
        for template in templates() {
            assert_eq!(template.by_name.len(), template.fields.len(), "{} {}", template.system, template.object);
            for (name, meaning) in &template.fields {
                let parts = names::parts(Vocabulary::usual(), meaning);
                assert!(!parts.is_empty(), "{} {name}: {meaning}", template.system);
            }
        }
    }

    #[test]
    fn objects_are_recognised_by_their_fields() {
        let found =
            recognise(&side(&["contactid", "emailaddress1", "telephone1", "address1_line1", "jobtitle", "cr_own"]));
        let found = found.unwrap();
        assert_eq!((found.system.as_str(), found.object.as_str()), ("Dynamics 365", "contact"));
        assert_eq!(found.meaning("TELEPHONE1"), Some("phone"));
        let found =
            recognise(&side(&["Id", "Name", "StageName", "CloseDate", "Amount", "AccountId", "OwnerId"])).unwrap();
        assert_eq!((found.system.as_str(), found.object.as_str()), ("Salesforce", "opportunity"));
        assert!(recognise(&side(&["id", "name", "email", "phone", "city"])).is_none(), "everybody has these");
        assert!(recognise(&side(&[])).is_none());
    }
}
