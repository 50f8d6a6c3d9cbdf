//! What holds for any small tables and any policies.
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::bench::{Bench, table};
use crate::map::Fate;
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Counts, Operation};
use crate::score::Tally;
use crate::workspace::PreviewRows;
use crate::workspace::plans::PlanRequest;

/// So many cases, or as many as PROPTEST_CASES says. The seed is told where a test fails: PROPTEST_RNG_SEED repeats it.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(RandomState::new().hash_one(cases));
    }
    println!("rng seed: {:?}", config.rng_seed);
    config
}

type Row = [Option<&'static str>; 3];

#[derive(Debug, Clone)]
struct Case {
    source: Vec<Row>,
    target: Vec<Row>,
    duplicates: &'static str,
    target_only: &'static str,
    scoped: bool,
    filtered: bool,
    tombstones: bool,
    write: &'static str,
}

fn row(keys: &'static [&'static str]) -> impl Strategy<Value = Row> {
    let key = option::weighted(0.9, prop::sample::select(keys));
    let name = option::weighted(0.8, prop::sample::select(&["a", "b", "c"][..]));
    let city = option::weighted(0.8, prop::sample::select(&["x", "y", "z"][..]));
    (key, name, city).prop_map(|(key, name, city)| [key, name, city])
}

fn case() -> impl Strategy<Value = Case> {
    const KEYS: &[&str] = &["1", "2", "3", "4", "5", "6", "7", "8"];
    (
        (vec(row(KEYS), 0..12), vec(row(KEYS), 0..8)),
        prop::sample::select(&["reject", "first", "last"][..]),
        prop::sample::select(&["keep", "list", "delete", "mark:gone"][..]),
        (any::<bool>(), any::<bool>(), any::<bool>()),
        prop::sample::select(&["always", "if_blank", "create", "never"][..]),
    )
        .prop_map(|((source, target), duplicates, target_only, (scoped, filtered, tombstones), write)| Case {
            source,
            target,
            duplicates,
            target_only,
            scoped,
            filtered,
            tombstones,
            write,
        })
}

fn text(header: &str, rows: &[Row], tail: &str) -> String {
    let line = |row: &Row| row.iter().map(|cell| cell.unwrap_or("-")).collect::<Vec<_>>().join(",") + tail;
    std::iter::once(header.to_owned()).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn mapping(case: &Case) -> String {
    let when = |on: bool, text: &str| if on { text.to_owned() } else { String::new() };
    format!(
        "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\nduplicates = \"{}\"\ntarget_only = \"{}\"\n{}{}{}\
         [fields]\nid = \"ID\"\nname = {{ from = \"NAME\", write = \"{}\" }}\ncity = \"CITY\"\n\
         [run]\nerror_budget = \"100%\"\nmax_deletes = \"100%\"\n",
        case.duplicates,
        case.target_only,
        when(case.scoped, "scope = \"city = 'x'\"\n"),
        when(case.filtered, "where = \"CITY <> 'y'\"\n"),
        when(case.tombstones, "deleted = \"NAME = 'c'\"\n"),
        case.write,
    )
}

fn bench(case: &Case) -> Bench {
    Bench::new(&[("people", &mapping(case))])
        .old("people", &text("ID,NAME,CITY", &case.source, ""))
        .new_side("people", &text("id,name,city,gone", &case.target, ",-"))
}

/// What the row steps decide.
#[derive(PartialEq, Clone, Copy)]
enum Step {
    Accepted,
    Filtered,
    Dead,
    Unknown,
}

/// The counts by the words of the design, row against row, slowly.
fn model(case: &Case) -> Counts {
    let mut counts = Counts { read: case.source.len() as u64, before: case.target.len() as u64, ..Counts::default() };
    let hits = |key: Option<&str>| -> Vec<usize> {
        (0..case.target.len()).filter(|at| key.is_some() && case.target[*at][0] == key).collect()
    };
    let steps: Vec<Step> = case
        .source
        .iter()
        .map(|[_, name, city]| match city {
            _ if case.tombstones && *name == Some("c") => Step::Dead,
            None if case.filtered => Step::Unknown,
            Some("y") if case.filtered => Step::Filtered,
            _ => Step::Accepted,
        })
        .collect();
    let mut keyless = false;
    let mut touched = BTreeSet::new();
    let mut taken = BTreeSet::new();
    let mut dead = BTreeSet::new();
    for (at, [key, name, city]) in case.source.iter().enumerate() {
        let found = hits(*key);
        touched.extend(found.iter().copied());
        keyless |= key.is_none() && steps[at] != Step::Filtered;
        let same = |other: &usize| steps[*other] == Step::Accepted && case.source[*other][0] == *key;
        let survives = match case.duplicates {
            "last" => !(at + 1..case.source.len()).any(|other| same(&other)),
            _ => !(0..at).any(|other| same(&other)),
        };
        match steps[at] {
            Step::Filtered => counts.filtered += 1,
            Step::Dead => {
                counts.filtered += 1;
                if let [one] = found[..] {
                    dead.insert(one);
                }
            }
            Step::Unknown => counts.held += 1,
            Step::Accepted if key.is_none() => counts.rejected += 1,
            Step::Accepted if !survives && case.duplicates == "reject" => counts.rejected += 1,
            Step::Accepted if !survives => counts.merged += 1,
            Step::Accepted => match found[..] {
                [] => counts.inserted += 1,
                [one] => {
                    taken.insert(one);
                    let [_, old_name, old_city] = case.target[one];
                    // Out of scope before: only what the write brings into it is adopted.
                    if case.scoped && old_city != Some("x") && *city != Some("x") {
                        counts.held += 1;
                        continue;
                    }
                    let written = match case.write {
                        "always" => *name != old_name,
                        "if_blank" => old_name.is_none() && name.is_some(),
                        _ => false,
                    };
                    if written || *city != old_city {
                        counts.updated += 1;
                    } else {
                        counts.unchanged += 1;
                    }
                }
                _ => counts.held += 1,
            },
        }
    }
    let may = !case.source.is_empty() && !keyless;
    let (mut native, mut target_only) = (0, 0);
    for at in 0..case.target.len() {
        let in_scope = case.scoped && case.target[at][2] == Some("x");
        if dead.contains(&at) && !taken.contains(&at) {
            counts.deleted += u64::from(may);
        } else if !touched.contains(&at) {
            if in_scope {
                target_only += 1;
                counts.deleted += u64::from(may && case.target_only == "delete");
                counts.marked += u64::from(may && case.target_only == "mark:gone");
            } else {
                native += 1;
            }
        }
    }
    (counts.native, counts.target_only) = (Some(native), Some(target_only));
    counts.after = counts.before + counts.inserted - counts.deleted;
    counts
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn the_balance_closes_and_is_the_models(case in case()) {
        let bench = bench(&case);
        let plan = bench.plan();
        let part = &plan.mappings[0];
        prop_assert!(part.counts.closes());
        prop_assert_eq!(part.counts, model(&case));
        let batches_of = |rows| PlanRequest { batch_rows: rows, ..PlanRequest::default() };
        let by_one = bench.open().plan_for(&batches_of(1), &Silent).unwrap();
        prop_assert_eq!(&by_one.id, &plan.id, "a plan depends on the size of its batches");
        let by_three = bench.open().plan_for(&batches_of(3), &Silent).unwrap();
        prop_assert_eq!(&by_three.mappings[0].ops_hash, &part.ops_hash);
    }

    #[test]
    fn the_preview_shows_what_the_plan_writes(case in case()) {
        let bench = bench(&case);
        let plan = bench.plan();
        let workspace = bench.open();
        let mapping = workspace.project().mappings[0].clone();
        let preview = workspace.preview(&mapping, &PreviewRows::From(0), 100, &Silent).unwrap();
        let (rows, total) = workspace.plan_rows(&plan, "people", Operation::Insert, None, 0, 100).unwrap();
        prop_assert_eq!(total, plan.mappings[0].counts.inserted);
        for row in rows {
            let source = row.source.unwrap().0 as usize;
            prop_assert_eq!(preview.fates[source], Fate::Accepted);
            for (cell, shown) in row.cells.iter().zip(&preview.after.rows[source]) {
                let never = cell.column == "name" && case.write == "never";
                prop_assert_eq!(&cell.new, if never { &None } else { shown });
            }
        }
    }
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn a_run_makes_the_target_as_expected_and_a_second_finds_nothing(case in case()) {
        let bench = bench(&case);
        let workspace = bench.open();
        let plan = bench.plan();
        let counts = plan.mappings[0].counts;
        let record = workspace.create_run(&plan, "new").unwrap();
        let record = workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
        let result = &record.results[0];
        prop_assert!(result.closes, "{:?} {:?}", result, record.note);
        prop_assert_eq!(bench.new.rows("people").len() as u64, counts.after);
        let tally = result.tally.unwrap();
        prop_assert_eq!((tally.different, tally.extra), (0, 0), "{:?}", workspace.failures(&record.id, "people", 0, 20));
        prop_assert_eq!(tally.missing, counts.held + counts.rejected);
        let states = result.states.unwrap();
        prop_assert_eq!((states.suspended, states.validated), (tally.missing, tally.equal));
        prop_assert_eq!(states.list().iter().map(|(_, records)| records).sum::<u64>(), tally.union());
        let again = bench.plan().mappings[0].counts;
        prop_assert_eq!((again.inserted, again.updated), (0, 0));
    }
}

/// Rows by key: a table without duplicates.
fn keyed() -> impl Strategy<Value = BTreeMap<&'static str, Row>> {
    const KEYS: &[&str] = &["1", "2", "3", "4", "5", "6"];
    vec(row(KEYS), 0..8).prop_map(|rows| rows.into_iter().filter_map(|row| Some((row[0]?, row))).collect())
}

/// How a target that holds `new` compares with the expected image `old`, planned in batches of so many rows.
fn compare_by(old: &[Row], new: &[Row], batch_rows: usize) -> Tally {
    let mapping = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\nscope = \"id IS NOT NULL\"\n\
                   [fields]\nid = \"ID\"\nname = \"NAME\"\ncity = \"CITY\"\n";
    let bench = Bench::new(&[("people", mapping)]).old("people", &text("ID,NAME,CITY", old, ""));
    let request = PlanRequest { batch_rows, ..PlanRequest::default() };
    let plan = bench.open().plan_for(&request, &Silent).unwrap();
    table(bench.new.clone(), "people", &text("id,name,city", new, ""));
    bench.open().verify(&plan, &Silent).unwrap()[0].tally.unwrap()
}

fn compare(old: &[Row], new: &[Row]) -> Tally {
    compare_by(old, new, 100)
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn the_score_is_one_when_all_is_equal_symmetric_blind_to_order_and_no_repair_lowers_it(old in keyed(), new in keyed(), turn in 0_usize..6) {
        let (olds, news): (Vec<Row>, Vec<Row>) = (old.values().copied().collect(), new.values().copied().collect());
        let tally = compare(&olds, &news);
        let union = old.keys().chain(new.keys()).collect::<BTreeSet<_>>().len() as u64;
        prop_assert_eq!(tally.union(), union);
        prop_assert_eq!(tally.equal, old.iter().filter(|(key, row)| new.get(*key) == Some(row)).count() as u64);
        let other = compare(&news, &olds);
        prop_assert_eq!(other, Tally { missing: tally.extra, extra: tally.missing, ..tally });
        let mut turned = news.clone();
        let places = turned.len().max(1);
        turned.rotate_left(turn % places);
        turned.reverse();
        prop_assert_eq!(compare(&olds, &turned), tally);
        for batch_rows in [1, 2] {
            prop_assert_eq!(compare_by(&olds, &turned, batch_rows), tally, "in batches of {}", batch_rows);
        }
        prop_assert_eq!(tally.ratio() == Some(1.0), old == new && !old.is_empty(), "one exactly when both are equal");
        // One record of the new side is made as the old side has it: set, added or removed.
        let mut mended = new.clone();
        let wrong = old.keys().chain(new.keys()).copied().find(|key| old.get(key) != new.get(key));
        if let Some(key) = wrong {
            match old.get(key) {
                Some(row) => mended.insert(key, *row),
                None => mended.remove(key),
            };
            let mended = compare(&olds, &mended.values().copied().collect::<Vec<_>>());
            prop_assert!(mended.ratio().unwrap_or(1.0) >= tally.ratio().unwrap_or(1.0));
        }
    }
}
