//! How much two looks at values speak for one and the same field.
use super::look::{Look, common, shared};

/// Evidence in favour (above 0) or against, as the logarithm of odds, with the reasons that weigh.
#[derive(Debug, Default)]
pub(in crate::suggest) struct Likeness {
    /// Sum of all.
    pub(in crate::suggest) weight: f64,
    /// In words, each with its share.
    pub(in crate::suggest) reasons: Vec<(f64, String)>,
    /// Share of the smaller side's values that the other side has, if it says something.
    pub(in crate::suggest) overlap: Option<f64>,
    /// The two cannot be the same: one is an e-mail address, the other a date.
    pub(in crate::suggest) clash: bool,
}

/// Fewest values on both sides for their form to say something.
const FEW: u64 = 5;

impl Likeness {
    fn add(&mut self, weight: f64, reason: Option<String>) {
        self.weight += weight;
        if let Some(reason) = reason {
            self.reasons.push((weight, reason));
        }
    }
}

/// Compares two columns by their values. Nothing known is nothing said.
pub(in crate::suggest) fn compare(one: &Look, two: &Look) -> Likeness {
    let mut found = Likeness::default();
    if one.filled == 0 || two.filled == 0 {
        return found;
    }
    meanings(one, two, &mut found);
    overlap(one, two, &mut found);
    if one.filled.min(two.filled) >= FEW && !found.clash {
        forms(one, two, &mut found);
        distribution(one, two, &mut found);
    }
    found
}

fn meanings(one: &Look, two: &Look, found: &mut Likeness) {
    match (one.meaning, two.meaning) {
        (Some(a), Some(b)) if a == b => {
            // Dates and numbers are many: alike values say little about which of them it is.
            found.add(if a.is_telling() { 1.8 } else { 0.4 }, Some(format!("both hold {}", a.word())));
        }
        (Some(a), Some(b)) => {
            found.clash = a.is_telling() || b.is_telling();
            let weight = if found.clash { -2.2 } else { -1.2 };
            found.add(weight, Some(format!("values differ: {} against {}", a.word(), b.word())));
        }
        (Some(a), None) | (None, Some(a)) if a.is_telling() => {
            found.add(-1.2, Some(format!("only one side holds {}", a.word())));
        }
        (Some(_), None) | (None, Some(_)) => found.add(-0.6, None),
        (None, None) => {}
    }
}

fn overlap(one: &Look, two: &Look, found: &mut Likeness) {
    let (both, mine, theirs) = common(one, two);
    let few = mine.min(theirs);
    if few < 2 {
        return;
    }
    // The smaller side decides: a list of forty values is within one of a thousand.
    let share = both as f64 / if one.distinct <= two.distinct { mine } else { theirs } as f64;
    // Small numbers and yes or no are everywhere; names, ids and addresses are not.
    let small = one.quantiles.is_some() && two.quantiles.is_some() && (one.length.0 < 4.0 || two.length.0 < 4.0);
    let rarity = (few as f64 / 12.0).min(1.0) * if small { 0.35 } else { 1.0 };
    if share >= 0.05 && (few as f64 * share) >= 1.5 {
        found.overlap = Some(share);
        let weight = rarity * (0.8 + 4.2 * share);
        found.add(weight, Some(format!("{:.0} % of the values in common", share * 100.0)));
    } else if one.is_picklist() && two.is_picklist() && one.distinct.max(two.distinct) >= 3 {
        found.add(-0.5, None);
    }
    if !one.words.is_empty() && !two.words.is_empty() {
        let few = one.words.len().min(two.words.len());
        let share = shared(&one.words, &two.words) as f64 / few as f64;
        if few >= 5 && share >= 0.1 {
            found.add(1.6 * share, Some(format!("{:.0} % of the words in common", share * 100.0)));
        }
    }
}

/// Patterns and lengths.
fn forms(one: &Look, two: &Look, found: &mut Likeness) {
    let common: f32 = one
        .shapes
        .iter()
        .filter_map(|(hash, share)| {
            let other = two.shapes.iter().find(|(other, _)| other == hash)?;
            Some(share.min(other.1))
        })
        .sum();
    let common = f64::from(common);
    let reason = (common >= 0.6).then(|| format!("values are written alike ({:.0} %)", common * 100.0));
    found.add((common - 0.35) * 2.0, reason);
    let apart = (one.length.0 - two.length.0).abs() / (one.length.1 + two.length.1 + 1.0);
    let weight = if apart < 0.15 {
        0.3
    } else if apart > 2.0 {
        -0.9
    } else {
        0.0
    };
    found.add(weight, None);
}

/// Where the numbers lie, how many are distinct, how many rows have a value.
fn distribution(one: &Look, two: &Look, found: &mut Likeness) {
    if let (Some(a), Some(b)) = (one.quantiles, two.quantiles) {
        let (low, high) = (a[0].max(b[0]), a[4].min(b[4]));
        let whole = (a[4].max(b[4]) - a[0].min(b[0])).max(f64::MIN_POSITIVE);
        let range = ((high - low) / whole).clamp(0.0, 1.0);
        let (low, high) = (a[1].max(b[1]), a[3].min(b[3]));
        let whole = (a[3].max(b[3]) - a[1].min(b[1])).max(f64::MIN_POSITIVE);
        let middle = ((high - low) / whole).clamp(0.0, 1.0);
        let same = a.iter().zip(&b).all(|(a, b)| a.total_cmp(b).is_eq());
        let alike = if same { 1.0 } else { 0.5 * range + 0.5 * middle };
        let reason = (alike >= 0.6).then(|| "numbers are spread alike".to_owned());
        found.add((alike - 0.35) * 1.8, reason);
    }
    let unique = |look: &Look| look.distinct as f64 / look.filled as f64;
    let (a, b) = (unique(one), unique(two));
    if one.filled >= 20 && two.filled >= 20 {
        let few = |look: &Look| look.distinct <= 12;
        let weight = if (a > 0.95 && few(two)) || (b > 0.95 && few(one)) {
            -1.2
        } else if (a > 0.95 && b > 0.95) || (few(one) && few(two)) {
            0.3
        } else {
            0.0
        };
        found.add(weight, None);
        let fill = |look: &Look| look.filled as f64 / look.rows.max(1) as f64;
        found.add(0.4 * (0.3 - (fill(one) - fill(two)).abs()), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(values: &[&str]) -> Look {
        Look::of(values.iter().map(|value| Some(*value)))
    }

    #[test]
    fn shared_values_speak_for_it_and_other_kinds_against() {
        let cities = ["Bonn", "Rome", "Oslo", "Bern", "Kyiv", "Riga", "Graz", "Linz"];
        let same = compare(&look(&cities), &look(&cities));
        assert!(same.weight > 3.0 && same.overlap == Some(1.0), "{same:?}");
        let mails = compare(&look(&cities), &look(&["a@b.com", "c@d.com", "e@f.com", "g@h.com", "i@j.com"]));
        assert!(mails.weight < -1.0, "{mails:?}");
        let clash = compare(&look(&["2024-01-01"]), &look(&["a@b.com"]));
        assert!(clash.clash && clash.weight < -2.0, "{clash:?}");
        assert!(compare(&look(&[]), &look(&cities)).weight.abs() < f64::EPSILON);
    }

    #[test]
    fn numbers_are_told_apart_by_where_they_lie() {
        let numbers =
            |from: u32, step: u32| -> Vec<String> { (0..60).map(|n| (from + n * step).to_string()).collect() };
        let of = |values: &[String]| Look::of(values.iter().map(|value| Some(value.as_str())));
        let (years, sums) = (of(&numbers(1950, 1)), of(&numbers(100_000, 9_000)));
        let other_years = of(&numbers(1952, 1));
        assert!(compare(&years, &other_years).weight > compare(&years, &sums).weight + 1.0);
    }
}
