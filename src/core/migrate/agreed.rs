//! What a run tells the ledger: the entries of the rows that it carried over, after its target was published.
//!
//! Everything needed is on disk before the publish (the plan's notes, the staged crosswalk with the new ids, the rejects of
//! the run), so a start that finds the publish done and the ledger behind applies it again: twice is once.
use std::path::{Path, PathBuf};

use hashbrown::{HashMap, HashSet};

use super::staged;
use crate::error::{Error, Result};
use crate::journal::ledger::{Agreement, Change, Entry, Hidden, Ledger, Loader, Secret};
use crate::journal::{Crosswalk, StateDir, now, read_rejects, rejects_file};
use crate::plan::material::{notes, read_gone, read_keys, read_shared, write_keys};
use crate::plan::{MappingPlan, Operation, Plan, PlanAgreement, Purpose, Selection};
use crate::resolve::keys::key_hash;

/// File with the crosswalk's moment at which a run began.
const MOMENT: &str = "crosswalk.moment";

/// Notes when a run began, for the crosswalk; an earlier attempt's note stays.
pub(super) fn begin(run_dir: &Path, crosswalk: &Crosswalk) -> Result<()> {
    let path = run_dir.join(MOMENT);
    if path.exists() {
        return Ok(());
    }
    super::write_whole(&path, crosswalk.moment()?.to_string().as_bytes())
}

/// File with the keys, hidden, of target rows that were to go and are there still.
fn undone_path(run_dir: &Path, mapping: &str) -> PathBuf {
    run_dir.join(format!("{mapping}.undone"))
}

/// Notes the old keys of target rows that were to go and are there still: the ledger goes on knowing them, or no later look
/// at what changed would find them.
pub(super) fn note_undone(state: &StateDir, run_dir: &Path, mapping: &str, keys: &[String]) -> Result<()> {
    let path = undone_path(run_dir, mapping);
    if keys.is_empty() && !path.exists() {
        return Ok(());
    }
    state.make()?;
    let secret = Secret::of(&state.ledgers())?;
    write_keys(&path, keys.iter().map(|key| secret.hide(key_hash(key))))
}

/// A published mapping of a run.
pub(super) struct Agreed<'a> {
    pub(super) state: &'a StateDir,
    pub(super) run_dir: &'a Path,
    pub(super) plan: &'a Plan,
    pub(super) part: &'a MappingPlan,
    /// As it is after the mapping's part was applied.
    pub(super) crosswalk: &'a Crosswalk,
    /// Rows that the target holds now.
    pub(super) rows: u64,
}

impl Agreed<'_> {
    /// Brings the ledger up to date.
    pub(super) fn apply(&self) -> Result<()> {
        if matches!(self.plan.purpose, Purpose::RevertSync { .. }) {
            // The ledger forgot these records before anything was written.
            return super::taken_back::end(self.state, self.plan, self.run_dir);
        }
        if matches!(self.plan.purpose, Purpose::Revert { .. }) {
            // What was agreed on holds no more. Without a ledger the next plan looks at all rows and makes a new one.
            return Ledger::remove(&self.state.ledger(&self.part.mapping, self.plan.env.as_deref()));
        }
        let Some(agreement) = &self.part.agreement else { return Ok(()) };
        self.bring(agreement).map_err(|error| error.at(format!("ledger of {}", self.part.mapping)))
    }

    /// Target rows of these old keys are gone now, too.
    pub(super) fn forget(&self, keys: &[String]) -> Result<()> {
        let path = self.state.ledger(&self.part.mapping, self.plan.env.as_deref());
        let Some(mut ledger) = Ledger::open(&path)? else { return Ok(()) };
        let secret = Secret::of(&self.state.ledgers())?;
        let agreement = Agreement { rows: self.rows, ..ledger.agreement()? };
        let gone = keys.iter().map(|key| secret.hide(key_hash(key))).collect();
        ledger.update(&agreement, &Change { gone, ..Change::default() })
    }

    fn bring(&self, planned: &PlanAgreement) -> Result<()> {
        self.state.make()?;
        let name = &self.part.mapping;
        let path = self.state.ledger(name, self.plan.env.as_deref());
        let old = Ledger::open(&path)?;
        let known = old.as_ref().map(Ledger::agreement).transpose()?;
        let all = matches!(self.part.selection, Selection::All);
        let whole = all && self.part.incremental.is_none();
        let pushed = self.part.incremental.as_ref().is_some_and(|incremental| incremental.pushed);
        let at = now();
        let mut agreement = Agreement {
            pipeline: self.part.pipeline_hash.clone(),
            settings: planned.settings.clone(),
            facts: self.part.facts_hash.clone(),
            run: self.run_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            whole: if whole { at.clone() } else { known.as_ref().map(|known| known.whole.clone()).unwrap_or_default() },
            at,
            crosswalk: self.moments(planned)?,
            mark: planned.mark.clone(),
            rows: self.rows,
            ..Agreement::default()
        };
        let fits = known.filter(|known| known.pipeline == agreement.pipeline && known.settings == agreement.settings);
        match (old, fits) {
            (Some(mut ledger), Some(known)) if !whole => {
                if !all || pushed {
                    // Rows that were not taken are as the last run left them.
                    agreement.mark = known.mark;
                    agreement.crosswalk = known.crosswalk;
                }
                let mut change = Change { gone: read_gone(&self.plan_dir(), name)?, ..Change::default() };
                let mut kept: HashSet<Hidden> = self.unsettled()?;
                kept.extend(read_keys(&undone_path(self.run_dir, name))?);
                change.gone.retain(|key| !kept.contains(key));
                self.each(|entry, locator| {
                    match entry {
                        Some(entry) => {
                            change.closed.extend(entry.locator.clone());
                            change.entries.push(entry);
                        }
                        None => change.opened.extend(locator),
                    }
                    Ok(())
                })?;
                ledger.update(&agreement, &change)
            }
            _ => {
                // Rows that were not taken are not covered by a mark; later runs look into it all the same.
                let cursor = planned.mark.is_some();
                if !all {
                    agreement.mark = None;
                }
                let mut loader = Loader::create(&path, cursor)?;
                self.each(|entry, locator| match entry {
                    Some(entry) => loader.push(&entry),
                    None => {
                        if let Some(locator) = locator.filter(|_| cursor) {
                            loader.open(locator);
                        }
                        Ok(())
                    }
                })?;
                loader.finish(&agreement).map(drop)
            }
        }
    }

    fn plan_dir(&self) -> std::path::PathBuf {
        self.state.plan(&self.plan.id)
    }

    /// How far the crosswalks of linked objects were seen. What this run itself wrote was foreseen by its plan; what others
    /// wrote since the plan was not.
    fn moments(&self, planned: &PlanAgreement) -> Result<std::collections::BTreeMap<String, i64>> {
        let began =
            std::fs::read_to_string(self.run_dir.join(MOMENT)).ok().and_then(|text| text.trim().parse::<i64>().ok());
        let now = self.crosswalk.moment()?;
        let own = |object: &crate::project::ObjectRef| self.plan.mappings.iter().any(|part| part.to == *object);
        let moment = |link: &crate::plan::PlanLink| {
            let foreseen = began == Some(planned.crosswalk) && own(&link.object);
            (link.object.to_string(), if foreseen { now } else { planned.crosswalk })
        };
        Ok(self.part.links.iter().map(moment).collect())
    }

    /// Hands out what each row of the plan becomes: its entry, or the locator of a row that has none.
    fn each(&self, mut take: impl FnMut(Option<Entry>, Option<String>) -> Result<()>) -> Result<()> {
        let (dir, name) = (self.plan_dir(), &self.part.mapping);
        let secret = Secret::of(&self.state.ledgers())?;
        let Some(notes) = notes(&dir, name)? else {
            return Err(Error::platform("the plan's notes are gone").advise("plan again, in full"));
        };
        let shared: HashSet<Hidden> = read_shared(&dir, name)?.into_iter().collect();
        let mut inserted: HashMap<Hidden, Hidden> = HashMap::new();
        if self.part.counts.inserted > 0 {
            staged::each_inserted(self.run_dir, name, |key, id| {
                inserted.insert(secret.hide(key_hash(key)), secret.hide(key_hash(id)));
            })?;
        }
        let lost = self.lost()?;
        for note in notes {
            let mut note = note?;
            if let Some(entry) = &mut note.entry {
                let holds = match note.operation {
                    Operation::Insert => match inserted.get(&entry.key) {
                        Some(id) => {
                            entry.target = Some(*id);
                            true
                        }
                        None => false,
                    },
                    Operation::Filtered => true,
                    _ => entry.target.is_some() && !lost.contains(&u64::from(note.source)),
                };
                if !holds || shared.contains(&entry.key) {
                    note.locator = entry.locator.take();
                    note.entry = None;
                }
            }
            take(note.entry, note.locator)?;
        }
        Ok(())
    }

    /// Records of a mapping that goes both ways whose rows could not be written: what both sides last agreed on stays known,
    /// or the next look could not tell who changed what.
    fn unsettled(&self) -> Result<HashSet<Hidden>> {
        let lost = self.lost()?;
        if lost.is_empty() {
            return Ok(HashSet::new());
        }
        let mut keys = HashSet::new();
        for note in notes(&self.plan_dir(), &self.part.mapping)?.into_iter().flatten() {
            let note = note?;
            if let Some(entry) = note.entry.filter(|entry| !entry.base.is_empty())
                && lost.contains(&u64::from(note.source))
            {
                keys.insert(entry.key);
            }
        }
        Ok(keys)
    }

    /// Source rows that the run could not write.
    fn lost(&self) -> Result<HashSet<u64>> {
        let file = rejects_file(self.run_dir, &self.part.mapping);
        if !file.exists() {
            return Ok(HashSet::new());
        }
        read_rejects(&file)?.filter_map(|reject| reject.map(|reject| reject.row).transpose()).collect()
    }
}
