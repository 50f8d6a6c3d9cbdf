//! The key of a suggested mapping: filled and unique in the source, unique in the target, named like an id.
use super::evidence::Evidence;
use crate::platform::Schema;
use crate::project::{Field, Origin};
use crate::suggest::{self, FieldInfo, Suggestion};

/// What the choice is made from.
pub(super) struct Sides<'a> {
    /// Source columns in their order.
    pub(super) source: &'a [FieldInfo],
    /// Target columns in their order.
    pub(super) target: &'a [FieldInfo],
    /// The target as declared; empty if it does not exist yet.
    pub(super) schema: &'a Schema,
    /// The target gives out this column's values itself.
    pub(super) identity: Option<&'a str>,
    /// All suggestions.
    pub(super) found: &'a [Suggestion],
    /// The source's rows.
    pub(super) old: &'a Evidence,
    /// The target's rows.
    pub(super) new: &'a Evidence,
}

/// The key that was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Target field.
    pub(super) target: String,
    /// Each source row has a value, and hardly any has that of another.
    pub(super) proven: bool,
    /// Source rows whose value an earlier one has.
    pub(super) repeats: u64,
}

/// Chooses the key and makes sure that a field fills it. None if there is nothing to choose from.
///
/// The source's own id is the best there is: it goes where the target keeps ids from elsewhere (`legacy_id`), and the
/// crosswalk ties it to the id that the target gives out. A column that the target fills itself is none to write old ids
/// into. Where nothing is named like an id, the first unique column is, for that is where people put what names a row.
pub(super) fn choose(sides: &Sides<'_>, fields: &mut Vec<Field>) -> Option<Key> {
    let mut best: Option<(f64, usize, usize)> = None;
    for (at, from) in sides.source.iter().enumerate() {
        let own = f64::from(suggest::id_likeness(&from.name));
        let Some(column) = sides.old.column(&from.name).filter(|column| column.is_key()) else { continue };
        // Rows that were exported twice do not keep an id from being one; anything else must be unique.
        if column.repeats > 0 && own < 2.0 {
            continue;
        }
        for (to, target) in sides.target.iter().enumerate() {
            let Some(fit) = fit(sides, fields, from, column.integers, target) else { continue };
            let first = if at == 0 { 1.5 } else { 0.0 };
            let twice = if column.repeats > 0 { 0.5 } else { 0.0 };
            let score = own + first + fit - twice;
            if best.is_none_or(|(old, ..)| score > old) {
                best = Some((score, at, to));
            }
        }
    }
    if let Some((_, from, to)) = best {
        let (from, to) = (&sides.source[from].name, &sides.target[to].name);
        if !fields.iter().any(|field| field.target == *to) {
            fields.insert(0, Field::new(to, Origin::From(from.clone())));
        }
        let repeats = sides.old.column(from).map_or(0, |column| column.repeats);
        return Some(Key { target: to.clone(), proven: true, repeats });
    }
    // Nothing is unique: the most id-like field, for the operator to look at.
    let likeness = |field: &Field| match &field.origin {
        Origin::From(from) => suggest::id_likeness(from).max(suggest::id_likeness(&field.target)),
        _ => 0,
    };
    let best = fields.iter().rev().max_by_key(|field| likeness(field))?;
    Some(Key { target: best.target.clone(), proven: false, repeats: 0 })
}

/// How well a target column takes this source column as its key; None if it does not.
fn fit(sides: &Sides<'_>, fields: &[Field], from: &FieldInfo, integers: bool, target: &FieldInfo) -> Option<f64> {
    let column = sides.schema.column(&target.name);
    if column.is_some_and(|column| column.generated) || sides.identity == Some(target.name.as_str()) {
        return None;
    }
    // An id with letters or leading zeros does not fit a column of numbers.
    if column.is_some_and(|column| column.declared.to_uppercase().contains("INT")) && !integers {
        return None;
    }
    if sides.new.column(&target.name).is_some_and(|column| column.repeats > 0) {
        return None;
    }
    let filled_by = fields.iter().find(|field| field.target == target.name).map(|field| match &field.origin {
        Origin::From(name) => *name == from.name,
        _ => false,
    });
    let suggested = sides.found.iter().find(|item| item.to == target.name && item.from == from.name);
    let likeness = suggest::id_likeness(&target.name);
    let sure = suggested.map_or(0.0, |item| item.score);
    match filled_by {
        Some(true) => Some(f64::from(likeness) + 2.0 * sure),
        // An id may go into an id that the names do not bring together.
        None if likeness >= 3 && suggest::id_likeness(&from.name) >= 2 => Some(f64::from(likeness) + sure),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::platform::ColumnInfo;

    fn infos(names: &[&str]) -> Vec<FieldInfo> {
        names.iter().map(|name| FieldInfo::named(name)).collect()
    }

    fn field(target: &str, from: &str) -> Field {
        Field::new(target, Origin::From(from.into()))
    }

    fn schema(columns: &[(&str, &str)]) -> Schema {
        let column = |(name, declared): &(&str, &str)| ColumnInfo {
            name: (*name).into(),
            declared: (*declared).into(),
            required: false,
            key: false,
            generated: false,
        };
        Schema { columns: columns.iter().map(column).collect() }
    }

    #[test]
    fn the_sources_id_goes_where_the_target_keeps_ids_from_elsewhere() {
        let (source, target) = (infos(&["ACCT_NO", "NAME", "PHONE"]), infos(&["id", "legacy_id", "name", "phone"]));
        let old = Evidence::from_rows(&["ACCT_NO", "NAME", "PHONE"], &[&["001", "A", "1"], &["002", "A", "2"]]);
        let mut fields = vec![field("name", "NAME"), field("phone", "PHONE")];
        let schema = schema(&[("id", "INTEGER"), ("legacy_id", "TEXT"), ("name", "TEXT"), ("phone", "TEXT")]);
        let sides = Sides {
            source: &source,
            target: &target,
            schema: &schema,
            identity: Some("id"),
            found: &[],
            old: &old,
            new: &Evidence::default(),
        };
        let key = choose(&sides, &mut fields).unwrap();
        assert_eq!(
            key,
            Key { target: "legacy_id".into(), proven: true, repeats: 0 },
            "not the phone, though it is unique"
        );
        assert_eq!(fields[0], field("legacy_id", "ACCT_NO"));
    }

    #[test]
    fn a_column_that_repeats_or_has_gaps_is_no_key_where_another_is() {
        let (source, target) = (infos(&["account", "deal_id", "note"]), infos(&["account", "deal", "note"]));
        let old = Evidence::from_rows(
            &["account", "deal_id", "note"],
            &[&["a", "1", "x"], &["b", "1", "y"], &["c", "2", ""]],
        );
        let mut fields = vec![field("account", "account"), field("deal", "deal_id"), field("note", "note")];
        let none = Evidence::default();
        let mut sides = Sides {
            source: &source,
            target: &target,
            schema: &Schema::default(),
            identity: None,
            found: &[],
            old: &old,
            new: &none,
        };
        assert_eq!(choose(&sides, &mut fields).unwrap().target, "account");
        // The target has one value twice: no record could be found by it.
        let new = Evidence::from_rows(&["account"], &[&["a"], &["a"]]);
        sides.new = &new;
        assert_eq!(choose(&sides, &mut fields).unwrap(), Key { target: "deal".into(), proven: false, repeats: 0 });
        sides.source = &[];
        assert_eq!(choose(&sides, &mut Vec::new()), None);
    }
}
