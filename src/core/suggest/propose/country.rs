//! Countries by name and code, from `assets/countries.toml`.
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::super::{FieldInfo, Look};

/// Most values of a country that are mapped one by one.
const MOST: usize = 60;

/// Code of two letters → code of three, English name, other names.
static COUNTRIES: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../../assets/countries.toml")).expect("the asset is checked by a test")
});

static BY_NAME: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    for (code, list) in &*COUNTRIES {
        for name in std::iter::once(code).chain(list) {
            names.entry(folded(name)).or_insert(code.as_str());
        }
    }
    names
});

/// In which form a side has its countries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Two,
    Three,
    Name,
}

fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The code of two letters of a country.
fn code(text: &str) -> Option<&'static str> {
    BY_NAME.get(&folded(text)).copied()
}

/// What the source's countries become in the target; None if they are no countries, too many, or in its form already.
pub(super) fn map(source: &Look, target: &FieldInfo) -> Option<Vec<(String, String)>> {
    let known = source.listed.iter().filter(|(text, _)| code(text).is_some()).count();
    if source.listed.is_empty() || source.listed.len() > MOST || known * 10 < source.listed.len() * 7 {
        return None;
    }
    let (form, own) = wanted(target)?;
    let mut pairs = Vec::new();
    for (text, _) in &source.listed {
        let Some(code) = code(text) else { continue };
        let list = &COUNTRIES[code];
        let to = match form {
            Form::Two => code.to_owned(),
            Form::Three => list[0].clone(),
            // As the target itself writes it, where it has it.
            Form::Name => own.get(code).cloned().unwrap_or_else(|| list[1].clone()),
        };
        pairs.push((text.clone(), to));
    }
    (!pairs.iter().all(|(from, to)| from == to)).then_some(pairs)
}

/// The form that the target's values have, or its options, or its name and type speak of.
fn wanted(target: &FieldInfo) -> Option<(Form, HashMap<&'static str, String>)> {
    let values: Vec<&String> = match target.look.as_deref().filter(|look| look.filled > 0) {
        Some(look) => look.samples.iter().collect(),
        None => target.options.iter().collect(),
    };
    if values.is_empty() {
        let text = format!("{} {}", target.name, target.kind.as_deref().unwrap_or_default()).to_lowercase();
        let two = ["code", "iso", "(2)"].iter().any(|word| text.contains(word));
        return two.then(|| (Form::Two, HashMap::new()));
    }
    let known: Vec<(&'static str, &String)> = values.iter().filter_map(|text| Some((code(text)?, *text))).collect();
    if known.len() * 10 < values.len() * 7 {
        return None;
    }
    let most = |length: usize| {
        known
            .iter()
            .filter(|(_, text)| text.len() == length && text.bytes().all(|byte| byte.is_ascii_uppercase()))
            .count()
            * 10
            >= known.len() * 8
    };
    let form = if most(2) {
        Form::Two
    } else if most(3) {
        Form::Three
    } else {
        Form::Name
    };
    Some((form, known.into_iter().map(|(code, text)| (code, text.clone())).collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn look(values: &[&str]) -> Look {
        Look::of(values.iter().map(|value| Some(*value)))
    }

    #[test]
    fn the_asset_is_whole() {
        assert!(COUNTRIES.len() > 120);
        for (code, list) in &*COUNTRIES {
            assert!(code.len() == 2 && list.len() >= 2 && list[0].len() == 3, "{code}");
        }
    }

    #[test]
    fn countries_take_the_form_that_the_target_has() {
        let source = look(&["Germany", "D", "Deutschland", "Österreich", "USA"]);
        let target = FieldInfo::with_values("country", [Some("DE"), Some("FR")]);
        let mut pairs = map(&source, &target).unwrap();
        pairs.sort();
        assert_eq!(
            pairs.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect::<Vec<_>>(),
            [("D", "DE"), ("Deutschland", "DE"), ("Germany", "DE"), ("USA", "US"), ("Österreich", "AT")]
        );
        let names = FieldInfo::with_values("country", [Some("Germany"), Some("United States of America")]);
        let pairs = map(&look(&["US", "DE"]), &names).unwrap();
        assert!(pairs.contains(&("US".to_owned(), "United States of America".to_owned())), "{pairs:?}");
        assert_eq!(map(&look(&["DE", "FR"]), &target), None, "in its form already");
        assert_eq!(map(&look(&["red", "blue"]), &target), None);
        assert_eq!(map(&source, &FieldInfo::named("country")), None, "nobody knows the form");
        assert!(map(&source, &FieldInfo::named("country_code")).is_some());
    }
}
