//! What the crosswalk is told by a revert, beside the rows that it deletes: entries that the run had changed or removed come
//! back, entries that it had learned go. Entries of rows that are held stay.
use super::Job;
use super::write::Kept;
use crate::error::Result;
use crate::migrate::staged::{Fate, Stage, undo};

/// Writes them beside the plan, where the run of the plan finds them.
pub(super) fn write(job: &Job<'_>, kept: &Kept) -> Result<()> {
    let object = job.part.to.to_string();
    let mut known: Vec<(String, Option<String>)> = undo(job.run_dir, &job.part.mapping)?.into_iter().collect();
    known.sort();
    let mut stage = Stage::create(job.dir, &job.part.mapping)?;
    for (key, before) in known {
        if kept.keys.contains(&key) {
            continue;
        }
        match before {
            Some(id) if kept.ids.contains(&id) => {}
            Some(id) => stage.push(&key, &id, Fate::Present)?,
            None => {
                if let Some(id) = job.crosswalk.get(&object, &key)? {
                    stage.push(&key, &id, Fate::Forgotten)?;
                }
            }
        }
    }
    for (key, id) in &kept.gone {
        stage.push(key, id, Fate::Forgotten)?;
    }
    stage.finish()
}
