//! The decision: pure, from facts and rates.
use super::cost::{self, Cost, Rate, about};
use super::cursors::{Candidate, Tells};
use super::facts::{Facts, Found};
use super::{Advice, Recommendation, SAMPLE, Strategy, Way};
use crate::project::Mapping;

/// Seconds within which all of a source may simply be compared.
const SHORT: u64 = 10;
/// Rows from which on a second worker is worth its start.
const MANY: u64 = 200_000;
/// More workers than that wait for the one who reads.
const MOST_WORKERS: usize = 4;

/// What is recommended for a mapping.
pub(super) fn decide(mapping: &Mapping, found: Found, cores: usize) -> Advice {
    let Found { facts, cursors, plan, run } = found;
    let costs = Costs { plan, run };
    let mut ways: Vec<Way> = [Strategy::Sample, Strategy::Full, Strategy::Hash, Strategy::Cursor]
        .into_iter()
        .map(|strategy| Way {
            strategy,
            not: impossible(strategy, &facts, &cursors),
            cost: costs.cost(strategy, &facts),
        })
        .collect();
    let (strategy, mut why) = choose(&facts, &ways);
    let (workers, reason) = workers(&facts, strategy, mapping.run.workers, cores);
    why.extend(reason);
    if facts.writable && !facts.atomic {
        why.push("what is written stays if a run is stopped here: a sample shows first whether it is right".to_owned());
    }
    if facts.writable && !facts.revertible {
        why.push("a run cannot be taken back here".to_owned());
    }
    ways.sort_by_key(|way| (way.strategy != strategy, way.not.is_some()));
    Advice {
        mapping: mapping.name.clone(),
        from: mapping.from.label.clone(),
        to: mapping.to.to_string(),
        strategy,
        workers,
        why,
        ways,
        write: lines(&facts, &cursors),
        cursors,
        facts,
    }
}

/// One plan for all: what must come first comes first.
pub(super) fn overall(env: Option<String>, asked: &[String], advice: Vec<Advice>) -> Recommendation {
    let first = advice.iter().any(|one| one.strategy == Strategy::Sample);
    let strategy = if first {
        Strategy::Sample
    } else {
        // Of a plan that looks at what changed, mappings that cannot be planned so are planned in full.
        advice.iter().map(|one| one.strategy).max().unwrap_or(Strategy::Full)
    };
    let all = !first || advice.iter().all(|one| one.strategy == Strategy::Sample);
    let mappings = if all {
        asked.to_vec()
    } else {
        advice.iter().filter(|one| one.strategy == Strategy::Sample).map(|one| one.mapping.clone()).collect()
    };
    let workers = advice.iter().map(|one| one.workers).max().unwrap_or(1);
    Recommendation { env, strategy, mappings, workers, rehearse: None, advice }
}

/// Which way, and why.
fn choose(facts: &Facts, ways: &[Way]) -> (Strategy, Vec<String>) {
    let way = |strategy| ways.iter().find(|way| way.strategy == strategy);
    if !facts.writable {
        return (Strategy::Full, vec!["this target cannot be written: a plan only shows what would be".to_owned()]);
    }
    if facts.whole_runs == 0 {
        return if facts.part_runs == 0 {
            (
                Strategy::Sample,
                vec!["nothing of it was run here yet: a few records show whether the rules are right".to_owned()],
            )
        } else {
            (Strategy::Full, vec!["a part of it was run; all of it was not yet".to_owned()])
        };
    }
    let mut why = Vec::new();
    if let Some(not) = way(Strategy::Hash).and_then(|way| way.not.clone()) {
        why.push(not);
        return (Strategy::Full, why);
    }
    let whole = facts.ledger.whole.as_ref().map(|at| format!("all of it was last compared in full at {at}"));
    let full = way(Strategy::Full).and_then(|way| way.cost.seconds);
    if let Some(seconds) = full.filter(|seconds| *seconds <= SHORT) {
        why.push(format!("all of it takes {}, sees what is gone from the source and rests on nothing", about(seconds)));
        return (Strategy::Full, why);
    }
    why.push(format!("the ledger knows how {} were left", cost::rows(facts.ledger.records)));
    why.extend(whole);
    match way(Strategy::Cursor).map(|way| &way.not) {
        Some(None) if facts.acts_on_missing => {
            why.push("a cursor does not see which rows the source lacks, and target_only acts on those".to_owned());
            (Strategy::Hash, why)
        }
        Some(None) => {
            why.push(
                "only rows since the last mark are read; plan in full now and then for those that are gone".to_owned(),
            );
            (Strategy::Cursor, why)
        }
        Some(Some(not)) => {
            why.push(not.clone());
            (Strategy::Hash, why)
        }
        None => (Strategy::Hash, why),
    }
}

/// Why a way cannot be taken now.
fn impossible(strategy: Strategy, facts: &Facts, cursors: &[Candidate]) -> Option<String> {
    let ledger = || match (&facts.ledger.unfit, facts.ledger.there) {
        (_, false) => Some("there is no ledger yet: the next run of all of it makes it".to_owned()),
        (Some(why), true) => Some(why.clone()),
        (None, true) => None,
    };
    let words = match strategy {
        Strategy::Sample | Strategy::Full => return None,
        Strategy::Hash => return ledger(),
        Strategy::Cursor if !facts.source_parts => "this source can only be read whole".to_owned(),
        Strategy::Cursor if facts.cursor.is_none() => match cursors.first().filter(|one| one.tells == Tells::Changes) {
            Some(one) => format!("no cursor is set: {} may be one", one.column),
            None => "no cursor is set, and no column tells changes by its name".to_owned(),
        },
        Strategy::Cursor => {
            if let Some(why) = ledger() {
                return Some(why);
            }
            match facts {
                _ if !facts.ledger.mark => {
                    "the ledger has no mark of the cursor: its values are missing or have several forms"
                }
                _ if facts.ledger.target_moved => "the target has more or fewer rows than the last run left",
                _ if !facts.target_parts => "the target cannot be asked for single rows",
                _ => return None,
            }
            .to_owned()
        }
    };
    Some(words)
}

/// How many workers, and why.
fn workers(facts: &Facts, strategy: Strategy, set: usize, cores: usize) -> (usize, Option<String>) {
    let limit = facts.limit.as_ref().map(|limit| format!(" (here: {limit})")).unwrap_or_default();
    let wanted = match facts.source.count {
        // Of what an incremental plan reads only the changed rows are cleaned and mapped.
        Some(rows) if rows >= MANY && !strategy.is_incremental() => cores.min(MOST_WORKERS),
        _ => 1,
    };
    if wanted > 1 {
        let reason = format!("{wanted} workers clean and map {} on {cores} cores{limit}", rows_words(&facts.source));
        return (wanted, Some(reason));
    }
    if set > 1 {
        let why = match cores {
            1 => "one core",
            _ if strategy.is_incremental() => "what changed",
            _ => "so few rows",
        };
        return (1, Some(format!("{set} workers are set; for {why} one is enough{limit}")));
    }
    (1, None)
}

fn rows_words(rows: &super::Rows) -> String {
    match rows.count {
        Some(count) if rows.exact => cost::rows(count),
        Some(count) => format!("about {}", cost::rows(count)),
        None => "an unknown number of rows".to_owned(),
    }
}

/// What to write into `[run]`, where a column would make a better way.
fn lines(facts: &Facts, cursors: &[Candidate]) -> Vec<String> {
    let best = cursors.first().filter(|one| one.tells == Tells::Changes);
    let (Some(best), None, true) = (best, &facts.cursor, facts.source_parts) else { return Vec::new() };
    let mut lines = vec![format!("cursor = {}", toml::Value::String(best.column.clone()))];
    if best.kind == "time" {
        // Rows that are committed late bear an earlier time than some that were read before them.
        lines.push("overlap = \"5m\"".to_owned());
    }
    lines
}

/// Rows and times of the ways.
struct Costs {
    plan: Rate,
    run: Rate,
}

impl Costs {
    fn cost(&self, strategy: Strategy, facts: &Facts) -> Cost {
        let (source, target) = (facts.source.count, facts.target.count);
        let both = source.zip(target).map(|(source, target)| source + target);
        let first = facts.whole_runs == 0;
        let changed = if first { source } else { facts.written_last };
        let (reads, writes, words) = match strategy {
            Strategy::Sample => (
                source.zip(both).map(|(source, both)| source + both),
                Some(SAMPLE),
                format!(
                    "goes over both sides once and the source once more; writes {SAMPLE} records and what hangs on them"
                ),
            ),
            Strategy::Full => (
                both,
                changed,
                match changed {
                    Some(rows) if first => format!("compares both sides whole; writes {} at most", cost::rows(rows)),
                    Some(rows) => format!("compares both sides whole; the last run wrote {}", cost::rows(rows)),
                    None => "compares both sides whole".to_owned(),
                },
            ),
            Strategy::Hash => {
                let spares = facts.target_parts && !facts.acts_on_missing && !facts.ledger.target_moved;
                let side = if spares { "of the target only the rows it needs" } else { "the target whole" };
                let words = format!("reads the source once and {side}; looks closer only at what changed");
                (if spares { source } else { both }, None, words)
            }
            Strategy::Cursor => {
                (None, None, "reads what was written since the last mark; rows that are gone are not seen".to_owned())
            }
        };
        // A file is written whole, whatever changes in it.
        let handled = if facts.target_bytes.is_some() {
            target.map(|target| target + if first { writes.unwrap_or_default() } else { 0 })
        } else if strategy.is_incremental() {
            // What changes is not known before it is looked at.
            Some(0)
        } else {
            writes
        };
        let seconds = reads
            .zip(handled)
            .map(|(reads, handled)| cost::round(self.plan.seconds(reads) + self.run.seconds(handled)));
        let mut words = vec![words];
        if let Some(bytes) = facts.target_bytes.filter(|bytes| *bytes > 0) {
            words.push(format!("the target's file of {} is written anew", size(bytes)));
        }
        words.push(match seconds {
            Some(seconds) if strategy == Strategy::Hash => format!("{} at most to find it", about(seconds)),
            Some(seconds) => about(seconds),
            None => "its time grows with what changed".to_owned(),
        });
        Cost { reads, writes, seconds, words: words.join("; ") }
    }
}

/// Bytes in words.
fn size(bytes: u64) -> String {
    match bytes {
        0..=999_999 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..=999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
