//! Merging: both old CRMs have a record 1, so keys say where they come from, and links with them.
use super::Draft;
use crate::project::{Field, Origin, quote_identifier};

/// Puts the origin in front of the keys of these mappings, and of the fields that link to them; each owns the target rows
/// whose key begins so.
pub(super) fn add(drafts: &mut [Draft], origin: &str) {
    let keyed: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    for draft in drafts {
        let key = draft.key.target.clone();
        for field in &mut draft.fields {
            let linked = field.link.as_ref().is_some_and(|link| keyed.contains(link));
            if field.target == key || linked {
                put_before(field, origin);
            }
        }
        draft.scope = Some(format!("{} LIKE '{origin}:%'", quote_identifier(&key)));
    }
}

fn put_before(field: &mut Field, origin: &str) {
    if let Origin::From(column) = &field.origin {
        // NULL stays NULL: nobody's key is no key.
        field.origin = Origin::Sql(format!("'{origin}:' || trim({})", quote_identifier(column)));
        field.clean.retain(|rule| rule.name != "trim");
    }
}
