//! What one side keeps in one piece and the other in several: names of people and addresses.
use regex::Regex;

use super::super::pairs::evidence;
use super::super::score::Field as Known;
use super::super::{EvidenceKind, FieldInfo, Look, Side, Suggestion};
use super::{Transform, TransformKind};
use crate::project::{Field, Origin, quote_identifier};

/// How the evidence of what is joined or split begins.
pub(super) const MADE: &str = "made of";
/// A suggestion with this score for the target stands; below it, a join or split is better.
const STANDS: f64 = 0.9;
/// Share of the samples that must have the form that a split takes apart.
const FORM: f64 = 0.6;

/// Both sides with what is known of their fields.
struct Sides<'a> {
    source: &'a Side,
    target: &'a Side,
    sources: &'a [Known],
    targets: &'a [Known],
}

/// What may be put together or taken apart.
struct Made {
    to: String,
    from: String,
    with: Vec<String>,
    kind: TransformKind,
    sql: String,
    score: f64,
}

/// Adds joins and splits to the suggestions.
pub(super) fn add(source: &Side, target: &Side, (sources, targets): (&[Known], &[Known]), found: &mut Vec<Suggestion>) {
    let sides = Sides { source, target, sources, targets };
    let mut made = Vec::new();
    join_names(&sides, &mut made);
    split_names(&sides, &mut made);
    join_streets(&sides, &mut made);
    join_addresses(&sides, &mut made);
    split_addresses(&sides, &mut made);
    for one in made {
        // A field of its own that fits well goes before anything made.
        let stands = found.iter().find(|item| item.to == one.to && item.rank == 1).is_some_and(|item| {
            let parts = item.from == one.from || one.with.contains(&item.from);
            item.score >= STANDS && !parts
        });
        if stands {
            continue;
        }
        let words = match one.kind {
            TransformKind::Join => {
                let others = one.with.join(", ");
                format!("{MADE} {} and {others}", one.from)
            }
            _ => format!("{MADE} a part of {}", one.from),
        };
        let mut field = Field::new(&one.to, Origin::Sql(one.sql));
        field.clean.push(super::choose::rule("trim"));
        let mut transform = Transform::new(one.kind, field);
        transform.with = one.with;
        for item in found.iter_mut().filter(|item| item.to == one.to) {
            item.rank = if item.rank == 1 { 2 } else { item.rank + 1 };
        }
        found.push(Suggestion {
            to: one.to,
            from: one.from,
            score: one.score,
            rank: 1,
            reasons: Vec::new(),
            evidence: vec![evidence(EvidenceKind::Place, one.score, words)],
            transform: Some(transform),
        });
    }
}

impl Sides<'_> {
    /// The first field of a side that means this and nothing else.
    fn field<'s>(side: &'s Side, known: &[Known], meaning: &str) -> Option<&'s FieldInfo> {
        let at = known.iter().position(|field| field.is_only(meaning) && !field.has_role())?;
        side.fields.get(at)
    }
    fn from(&self, meaning: &str) -> Option<&FieldInfo> {
        Self::field(self.source, self.sources, meaning)
    }
    fn to(&self, meaning: &str) -> Option<&FieldInfo> {
        Self::field(self.target, self.targets, meaning)
    }
    /// The field that holds the whole name of a person.
    fn whole_name<'s>(side: &'s Side, known: &[Known]) -> Option<&'s FieldInfo> {
        let plain = || {
            let at = known.iter().position(|field| field.plain == "name")?;
            side.fields.get(at)
        };
        Self::field(side, known, "full_name").or_else(plain)
    }
    /// The field that holds a whole address: called so, not a line of one.
    fn whole_address(side: &Side) -> Option<&FieldInfo> {
        const NAMES: &[&str] = &[
            "address",
            "fulladdress",
            "postaladdress",
            "mailingaddress",
            "streetaddress",
            "adresse",
            "anschrift",
            "addr",
        ];
        side.fields.iter().find(|field| NAMES.contains(&super::super::score::plain(&field.name).as_str()))
    }
}

/// A column as an expression names it: quoted only where it must be.
fn quoted(name: &str) -> String {
    let plain = quote_identifier(name);
    let known = crate::map::sql::compile(&plain, &[name.to_owned()]).is_ok();
    if known { plain } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Share of the values that have a form.
fn share(look: Option<&Look>, form: impl Fn(&str) -> bool) -> f64 {
    let Some(look) = look.filter(|look| !look.samples.is_empty()) else { return 0.0 };
    look.samples.iter().filter(|text| form(text)).count() as f64 / look.samples.len() as f64
}

fn join_names(sides: &Sides<'_>, made: &mut Vec<Made>) {
    let (Some(first), Some(last)) = (sides.from("first_name"), sides.from("last_name")) else { return };
    if sides.to("first_name").is_some() || sides.to("last_name").is_some() {
        return;
    }
    let Some(whole) = Sides::whole_name(sides.target, sides.targets) else { return };
    let middle = sides.from("middle_name").filter(|_| sides.to("middle_name").is_none());
    let parts: Vec<&FieldInfo> = [Some(first), middle, Some(last)].into_iter().flatten().collect();
    let list: Vec<String> = parts.iter().map(|part| format!("trim({})", quoted(&part.name))).collect();
    made.push(Made {
        to: whole.name.clone(),
        from: first.name.clone(),
        with: parts[1..].iter().map(|part| part.name.clone()).collect(),
        kind: TransformKind::Join,
        sql: format!("concat_ws(' ', {})", list.join(", ")),
        score: 0.92,
    });
}

fn split_names(sides: &Sides<'_>, made: &mut Vec<Made>) {
    let (Some(first), Some(last)) = (sides.to("first_name"), sides.to("last_name")) else { return };
    if sides.from("first_name").is_some() || sides.from("last_name").is_some() {
        return;
    }
    let Some(whole) = Sides::whole_name(sides.source, sides.sources) else { return };
    let look = whole.look.as_deref().filter(|look| look.filled > 0);
    if look.is_some() && share(look, |text| text.contains([' ', ','])) < FORM {
        return;
    }
    let name = format!("trim({})", quoted(&whole.name));
    let turned = share(look, |text| text.contains(',')) > 0.5;
    let (first_sql, last_sql) = if turned {
        (format!("trim(split_part({name}, ',', 2))"), format!("trim(split_part({name}, ',', 1))"))
    } else {
        (
            format!("CASE WHEN strpos({name}, ' ') > 0 THEN regexp_replace({name}, '\\s+\\S+$', '') END"),
            format!("regexp_replace({name}, '^.*\\s', '')"),
        )
    };
    for (to, sql) in [(first, first_sql), (last, last_sql)] {
        made.push(Made {
            to: to.name.clone(),
            from: whole.name.clone(),
            with: Vec::new(),
            kind: TransformKind::Split,
            sql,
            score: if look.is_some() { 0.9 } else { 0.8 },
        });
    }
}

fn join_streets(sides: &Sides<'_>, made: &mut Vec<Made>) {
    let (Some(street), Some(number)) = (sides.from("street"), sides.from("house_number")) else { return };
    let Some(to) = sides.to("street") else { return };
    if sides.to("house_number").is_some() {
        return;
    }
    // In front of the street or behind it, as the target has it.
    let before = share(to.look.as_deref(), |text| text.starts_with(|c: char| c.is_ascii_digit())) > 0.5;
    let (one, two) = if before { (number, street) } else { (street, number) };
    made.push(Made {
        to: to.name.clone(),
        from: street.name.clone(),
        with: vec![number.name.clone()],
        kind: TransformKind::Join,
        sql: format!("concat_ws(' ', trim({}), trim({}))", quoted(&one.name), quoted(&two.name)),
        score: 0.91,
    });
}

fn join_addresses(sides: &Sides<'_>, made: &mut Vec<Made>) {
    let (Some(street), Some(city)) = (sides.from("street"), sides.from("city")) else { return };
    let Some(whole) = Sides::whole_address(sides.target) else { return };
    if sides.to("city").is_some() || sides.to("postal_code").is_some() {
        return;
    }
    let (zip, state, country) = (sides.from("postal_code"), sides.from("state"), sides.from("country"));
    let part = |field: &FieldInfo| format!("trim({})", quoted(&field.name));
    let mut list = vec![part(street)];
    list.push(match zip {
        Some(zip) if state.is_none() => format!("concat_ws(' ', {}, {})", part(zip), part(city)),
        _ => part(city),
    });
    if let Some(state) = state {
        list.push(match zip {
            Some(zip) => format!("concat_ws(' ', {}, {})", part(state), part(zip)),
            None => part(state),
        });
    }
    list.extend(country.map(part));
    let with = [Some(city), zip, state, country].into_iter().flatten().map(|field| field.name.clone()).collect();
    made.push(Made {
        to: whole.name.clone(),
        from: street.name.clone(),
        with,
        kind: TransformKind::Join,
        sql: format!("concat_ws(', ', {})", list.join(", ")),
        score: 0.91,
    });
}

fn split_addresses(sides: &Sides<'_>, made: &mut Vec<Made>) {
    let Some(whole) = Sides::whole_address(sides.source) else { return };
    let (Some(street), Some(city)) = (sides.to("street"), sides.to("city")) else { return };
    if sides.from("city").is_some() || sides.from("postal_code").is_some() {
        return;
    }
    let look = whole.look.as_deref();
    // Main St 1, 12345 Town and 1 Main St, Town, ST 12345.
    let zip_first = Regex::new(r"^[^,]+,\s*[A-Z]{0,2}-?\d{4,5}\s+[^,]+").expect("checked by a test");
    let zip_last = Regex::new(r"^[^,]+,[^,]+,\s*[A-Za-z .]+\s+\d{5}(-\d{4})?").expect("checked by a test");
    let name = format!("trim({})", quoted(&whole.name));
    let second = format!("trim(split_part({name}, ',', 2))");
    let third = format!("trim(split_part({name}, ',', 3))");
    let parts: Vec<(&str, String)> = if share(look, |text| zip_first.is_match(text)) >= FORM {
        vec![
            ("street", format!("trim(split_part({name}, ',', 1))")),
            ("postal_code", format!("CASE WHEN regexp_like({second}, '[0-9]') THEN split_part({second}, ' ', 1) END")),
            ("city", format!("regexp_replace({second}, '^[A-Z]*-?[0-9]+\\s+', '')")),
            ("country", format!("nullif({third}, '')")),
        ]
    } else if share(look, |text| zip_last.is_match(text)) >= FORM {
        vec![
            ("street", format!("trim(split_part({name}, ',', 1))")),
            ("city", second),
            ("state", format!("trim(regexp_replace({third}, '[0-9-]+$', ''))")),
            (
                "postal_code",
                format!("CASE WHEN regexp_like({third}, '[0-9]') THEN regexp_replace({third}, '^.*\\s', '') END"),
            ),
            ("country", format!("nullif(trim(split_part({name}, ',', 4)), '')")),
        ]
    } else {
        return;
    };
    for (meaning, sql) in parts {
        let to = match meaning {
            "street" => Some(street),
            "city" => Some(city),
            other => sides.to(other),
        };
        // The country of an address that hardly ever has one is no field of it.
        if meaning == "country" && share(look, |text| text.matches(',').count() >= 2) < FORM {
            continue;
        }
        if let Some(to) = to {
            made.push(Made {
                to: to.name.clone(),
                from: whole.name.clone(),
                with: Vec::new(),
                kind: TransformKind::Split,
                sql,
                score: 0.88,
            });
        }
    }
}
