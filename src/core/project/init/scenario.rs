//! The occasions: a business grows, a technology is replaced, two companies merge, one is split. Each asks little and
//! recommends how to carry over and what triggers the sync, with reasons.
use std::path::PathBuf;

use serde::Serialize;

/// Why data moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// The old CRM is outgrown; teams move one after the other.
    Growth,
    /// The same company on newer technology.
    Upgrade,
    /// Several old CRMs become one.
    Merge,
    /// One old CRM becomes several.
    Split,
}

impl Scenario {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Upgrade => "upgrade",
            Self::Merge => "merge",
            Self::Split => "split",
        }
    }
    /// Whether both CRMs are usually worked with side by side for a while.
    pub const fn usually_live(self) -> bool {
        matches!(self, Self::Growth)
    }
}

/// What a project begins from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitAsk {
    /// Old CRMs: files, folders or databases; several for a merge.
    pub old: Vec<PathBuf>,
    /// New CRMs; several for a split.
    pub new: Vec<PathBuf>,
    /// The occasion; None: nothing but mappings.
    pub scenario: Option<Scenario>,
    /// For a split: a condition over the old columns for each new CRM, in their order.
    pub parts: Vec<String>,
    /// Minutes in which nobody needs to work with the old CRM; None: as long as it takes.
    pub downtime: Option<u64>,
    /// Both sides are worked with for a while; None: as is usual for the occasion.
    pub live: Option<bool>,
    /// Changes of the new CRM go back too.
    pub both_ways: bool,
}

/// What was recommended, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recommended {
    /// What it is about: `strategy`, `trigger`, `key`.
    pub about: &'static str,
    /// What was chosen.
    pub choice: String,
    /// Why.
    pub why: String,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InitDone {
    /// Files, `project.toml` the last.
    pub files: Vec<PathBuf>,
    /// Choices with their reasons.
    pub recommended: Vec<Recommended>,
}

/// How to carry over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// Later plans look only at what changed.
    pub(super) incremental: bool,
    /// Sync goes on between both, by this trigger.
    pub(super) trigger: Option<&'static str>,
    pub(super) both_ways: bool,
    pub(super) recommended: Vec<Recommended>,
}

/// Rows that a plan and a run together take in a second where nothing was measured yet.
const ASSUMED: u64 = 20_000;

/// Decides from the answers and what was counted. `kinds`: of the old platforms. `rows`: of all old objects, at least.
pub(super) fn choose(ask: &InitAsk, scenario: Scenario, kinds: &[&str], rows: u64) -> Choice {
    let minutes = (rows / ASSUMED).div_ceil(60).max(1);
    let live = ask.live.unwrap_or(scenario.usually_live());
    let short = ask.downtime.is_some_and(|window| window < 3 * minutes);
    let incremental = live || short;
    let cost = format!("{rows} rows take about {minutes} min (assumed; `crm-console recommend` measures)");
    let why = match (live, short, ask.downtime) {
        (true, ..) => format!("both are worked with for a while: all of it once, then only what changed; {cost}"),
        (false, true, Some(window)) => {
            format!(
                "{window} min without work are too short to plan, run and verify all of it: all early, the rest then; {cost}"
            )
        }
        (false, _, Some(window)) => format!("{window} min without work are enough for all of it in one go; {cost}"),
        (false, _, None) => format!("nobody waits, and one run is the simplest to prove; {cost}"),
    };
    let strategy = if incremental { "full once, then incremental" } else { "full, in one window" };
    let mut recommended = vec![
        Recommended {
            about: "rehearsal",
            choice: "a sample first".to_owned(),
            why: "`crm-console plan --sample 20` shows in seconds whether the rules are right".to_owned(),
        },
        Recommended { about: "strategy", choice: strategy.to_owned(), why },
    ];
    let trigger = live.then(|| trigger_for(kinds));
    recommended.push(match trigger {
        Some("observe") => Recommended {
            about: "trigger",
            choice: "observe".to_owned(),
            why: "the old CRM is read from files, which tell when they change: no polling, within a second".to_owned(),
        },
        Some(trigger) => Recommended {
            about: "trigger",
            choice: trigger.to_owned(),
            why: "the old CRM gives no sign of its own: it is looked at every 30 s".to_owned(),
        },
        None => Recommended {
            about: "trigger",
            choice: "none".to_owned(),
            why: "the old CRM rests after the switch: there is nothing to keep in sync".to_owned(),
        },
    });
    if live {
        let (choice, why) = if ask.both_ways {
            (
                "two-way",
                "changes of the new CRM go back, as far as a mapping can be turned round; clashes are asked about",
            )
        } else {
            ("one-way", "who works in the new CRM works there only: nothing to decide, nothing to lose")
        };
        recommended.push(Recommended { about: "direction", choice: choice.to_owned(), why: why.to_owned() });
    }
    Choice { incremental, trigger, both_ways: live && ask.both_ways, recommended }
}

/// Files and SQLite tell by themselves that they changed.
fn trigger_for(kinds: &[&str]) -> &'static str {
    const SIGNS: &[&str] = &["csv", "tsv", "parquet", "ndjson", "json", "sqlite", "excel"];
    if kinds.iter().all(|kind| SIGNS.contains(kind)) { "observe" } else { "pull" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn about<'a>(choice: &'a Choice, about: &str) -> &'a str {
        &choice.recommended.iter().find(|one| one.about == about).unwrap().choice
    }

    #[test]
    fn the_answers_decide_and_each_choice_has_its_reason() {
        let ask = InitAsk::default();
        let upgrade = choose(&ask, Scenario::Upgrade, &["sqlite"], 1_000);
        assert_eq!((upgrade.incremental, upgrade.trigger), (false, None));
        let growth = choose(&ask, Scenario::Growth, &["csv"], 1_000);
        assert_eq!(
            (growth.incremental, growth.trigger, about(&growth, "direction")),
            (true, Some("observe"), "one-way")
        );
        let short = InitAsk { downtime: Some(10), ..InitAsk::default() };
        assert!(choose(&short, Scenario::Upgrade, &["csv"], 20_000_000).incremental, "17 minutes do not fit into 10");
        assert!(!choose(&short, Scenario::Upgrade, &["csv"], 20_000).incremental);
        let two = InitAsk { live: Some(true), both_ways: true, ..InitAsk::default() };
        let two = choose(&two, Scenario::Upgrade, &["http"], 10);
        assert_eq!((two.trigger, two.both_ways), (Some("pull"), true));
        assert!(two.recommended.iter().all(|one| !one.why.is_empty()));
    }
}
