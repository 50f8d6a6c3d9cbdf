//! Taking back what sync did within a span of time: the cycles of it are folded into one and taken back as a run is, at both
//! sides of a mapping.
use std::path::PathBuf;

use super::images::{self, KeptCycles};
use crate::error::{Error, Result};
use crate::journal::sync::{millis, text_of};
use crate::journal::{RunState, StateDir};
use crate::migrate::postimages;
use crate::migrate::recovery::read_plan;
use crate::migrate::revert::span::{self, Folded};
use crate::monitor::Monitor;
use crate::plan::{MappingPlan, Plan, Purpose, span_words};
use crate::project::Mode;
use crate::sync::way_back_name;
use crate::workspace::Workspace;
use crate::workspace::reverting::{What, is_done, rows_folder};

/// What taking back a span of sync would do.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncRevert {
    /// The mapping.
    pub mapping: String,
    /// The span, milliseconds since 1970, both ends included.
    pub since: i64,
    /// Its end.
    pub until: i64,
    /// Cycles that wrote something then, both ways.
    pub cycles: usize,
    /// Runs that took some of that back then.
    pub runs: Vec<String>,
    /// What is kept of the mapping in all.
    pub kept: KeptCycles,
    /// The plan; it may have nothing to do.
    pub plan: Plan,
}

impl SyncRevert {
    /// Rows are as they were before, but for those that are held.
    pub fn is_done(&self) -> bool {
        is_done(&self.plan)
    }
    /// Rows that are left as they are.
    pub fn held(&self) -> u64 {
        self.plan.mappings.iter().map(|part| part.counts.held).sum()
    }
    /// The span in words, UTC.
    pub fn words(&self) -> String {
        span_words(self.since, self.until)
    }
}

impl Workspace {
    /// What is kept of a mapping's cycles, both ways.
    pub fn sync_kept(&self, mapping: &str) -> KeptCycles {
        let (state, env) = (self.state(), self.project().env.as_deref());
        let folders = [mapping.to_owned(), way_back_name(mapping)];
        KeptCycles::of(folders.iter().map(|name| images::folder(&state, env, name)))
    }

    /// Makes the plan that takes back what sync did for a mapping within a span of time, at both of its sides. Nothing is
    /// written; it is run like every plan, once it is confirmed. What it takes back sync leaves alone from then on, until the
    /// side that still holds the change changes again.
    pub fn revert_sync(&self, mapping: &str, since: i64, until: i64, monitor: &dyn Monitor) -> Result<SyncRevert> {
        let project = self.chosen(&[mapping.to_owned()])?;
        debug_assert_eq!(project.len(), 1);
        if since > until {
            return Err(Error::usage(format!("the span ends before it begins: {}", span_words(since, until)))
                .advise("give the earlier time as --since"));
        }
        let kept = self.sync_kept(mapping);
        if let Some(gone) = kept.gone.filter(|gone| *gone >= since) {
            return Err(Error::refused(format!(
                "what sync did up to {} is not kept any more, so the rows before {} are not known",
                text_of(gone),
                text_of(since)
            ))
            .advise(format!(
                "take back what came after it: --since {}; [state] cycles and images in project.toml say how much is kept",
                text_of(gone + 1).replace(' ', "T")
            )));
        }
        let (state, env) = (self.state(), self.project().env.clone());
        let runs = self.runs_that_took_back(mapping, since, until)?;
        let made = self.new_plan_folder()?;
        let folder = span::folder(made.path());
        let what = format!("sync {}", span_words(since, until));
        let (mut parts, mut cycles): (Vec<MappingPlan>, usize) = (Vec::new(), 0);
        let (mut folded, mut newest): (Vec<MappingPlan>, Option<Plan>) = (Vec::new(), None);
        for name in [mapping.to_owned(), way_back_name(mapping)] {
            let mut steps: Vec<(i64, PathBuf)> = images::cycles(&images::folder(&state, env.as_deref(), &name))
                .into_iter()
                .filter(|(at, _)| (since..=until).contains(at))
                .collect();
            cycles += steps.len();
            if steps.is_empty() {
                continue;
            }
            steps.extend(runs.iter().map(|(at, run)| (*at, state.run(run))));
            steps.sort();
            let steps: Vec<PathBuf> = steps.into_iter().map(|(_, dir)| dir).collect();
            let named = |error: Error| error.at(format!("mapping {name}"));
            let Some(Folded { part, plan }) = span::fold(&steps, &name, &folder, monitor).map_err(named)? else {
                continue;
            };
            let taken = What { words: &what, dir: &folder, span: true };
            let rows = rows_folder(&state, &format!("sync.{since}"), &name)?;
            parts.extend(self.revert_mapping(&taken, &part, made.path(), rows, monitor).map_err(named)?);
            folded.push(part);
            newest = Some(plan);
        }
        let Some(newest) = newest else {
            return Err(nothing(mapping, since, until, &kept));
        };
        span::keep_plan(&folder, folded, newest)?;
        let purpose = Purpose::RevertSync { mapping: mapping.to_owned(), since, until };
        let plan = self.store_plan(made, &purpose, Mode::Full, parts)?;
        let runs = runs.into_iter().map(|(_, run)| run).collect();
        Ok(SyncRevert { mapping: mapping.to_owned(), since, until, cycles, runs, kept, plan })
    }

    /// Runs that took back some of what sync did for a mapping and ended within a span of time.
    fn runs_that_took_back(&self, mapping: &str, since: i64, until: i64) -> Result<Vec<(i64, String)>> {
        let state = StateDir::of(&self.project().root);
        let mut found = Vec::new();
        for run in self.runs()? {
            let about = run.intent.as_ref().is_some_and(
                |intent| matches!(&intent.purpose, Purpose::RevertSync { mapping: other, .. } if other == mapping),
            );
            let published = run.state == RunState::Done || run.results.iter().any(|result| result.published);
            // The record says when to the second; among cycles the moment counts at which its rows were read back.
            let images =
                |name: &str| std::fs::metadata(postimages::path(&state.run(&run.id), name)).ok()?.modified().ok();
            let ended = images(mapping).or_else(|| images(&way_back_name(mapping)));
            let Some(ended) = ended.map(millis).filter(|_| about && published) else { continue };
            if (since..=until).contains(&ended)
                && run.env == self.project().env
                && read_plan(&state.run(&run.id)).is_ok()
            {
                found.push((ended, run.id));
            }
        }
        Ok(found)
    }
}

fn nothing(mapping: &str, since: i64, until: i64, kept: &KeptCycles) -> Error {
    let advice = match (kept.first, kept.last) {
        (Some(first), Some(last)) => {
            format!("what it did from {} to {} is kept: name a span of that", text_of(first), text_of(last))
        }
        _ => "it wrote nothing yet; see what it does with `crm-console status`".to_owned(),
    };
    let span = span_words(since, until);
    Error::refused(format!("sync wrote nothing for {mapping} within {span} (UTC): there is nothing to take back"))
        .advise(advice)
}
