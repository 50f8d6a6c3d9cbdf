//! Links between suggested mappings: a column whose values are the keys of another object names its records.
use super::Draft;
use crate::project::{Field, Origin};
use crate::suggest;

/// Share of a column's values that must be keys of the other object. Old data has some that lead nowhere.
const KNOWN: f64 = 0.8;

/// Turns fields that hold another mapping's keys into links, and adds those that the names did not bring together:
/// `account_id` from the column that holds the keys of accounts.
pub(super) fn add(drafts: &mut [Draft]) {
    for child in 0..drafts.len() {
        for parent in 0..drafts.len() {
            if child != parent {
                for (target, from) in found(&drafts[child], &drafts[parent]) {
                    let name = drafts[parent].name.clone();
                    let fields = &mut drafts[child].fields;
                    match fields.iter_mut().find(|field| field.target == target) {
                        Some(field) => field.link = Some(name),
                        None => {
                            let mut field = Field::new(target, Origin::From(from));
                            field.link = Some(name);
                            fields.push(field);
                        }
                    }
                }
            }
        }
    }
}

/// Target fields of `child` that name records of `parent`, with the source columns that fill them.
fn found(child: &Draft, parent: &Draft) -> Vec<(String, String)> {
    let Some(key) = parent.fields.iter().find(|field| field.target == parent.key.target) else { return Vec::new() };
    let (Origin::From(key), true) = (&key.origin, parent.key.proven) else { return Vec::new() };
    let Some(keys) = parent.old.column(key) else { return Vec::new() };
    let mut links = Vec::new();
    for target in
        child.target.iter().filter(|name| **name != child.key.target && suggest::names_record_of(name, &parent.to))
    {
        let filled = child.fields.iter().find(|field| field.target == *target);
        let from = match filled.map(|field| &field.origin) {
            Some(Origin::From(from)) => Some(from.clone()),
            Some(_) => None,
            // A column of the same name as the parent's key goes before others that hold the same values.
            None => {
                let holds = |name: &&String| child.old.column(name).is_some_and(|column| column.within(keys) >= KNOWN);
                let mut candidates: Vec<&String> = child.source.iter().filter(holds).collect();
                candidates.sort_by_key(|name| !name.eq_ignore_ascii_case(key));
                candidates.first().map(|name| (*name).clone())
            }
        };
        if let Some(from) = from
            && child.old.column(&from).is_some_and(|column| column.within(keys) >= KNOWN)
        {
            links.push((target.clone(), from));
        }
    }
    links
}
