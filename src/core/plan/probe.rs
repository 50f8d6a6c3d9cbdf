//! Looking ahead: what a mapping's own rows become, for records that link to records of the same mapping, and which row of
//! a key is the last.
use hashbrown::HashMap;

use super::applied::each_applied;
use super::build::Job;
use super::classify::{Context, LinkMode, State};
use super::facts::{CrosswalkFacts, TargetFacts};
use super::links::{LinkLook, Parent, ParentIndex};
use super::target_rows::TargetRows;
use crate::error::Result;
use crate::map::Fate;
use crate::plan::Operation;
use crate::project::OnMiss;
use crate::resolve::keys::{KeyDuplicates, key_hash};

/// A row that names other rows of its mapping: key, the keys it names by link.
struct Naming {
    key: String,
    parents: Vec<(usize, String)>,
}

/// Passes over the source beforehand where that is needed. Answers the mapping's own planned image if it links to itself.
pub(crate) fn probe(
    job: &Job<'_>,
    facts: &TargetFacts,
    known: &CrosswalkFacts,
    duplicates: &mut KeyDuplicates,
) -> Result<Option<ParentIndex>> {
    if duplicates.needs_foresight() {
        each_applied(job, |ordinals, _, outcome| {
            job.monitor.check()?;
            let keys = job.shape.key_texts(&job.shape.cells(&outcome)?);
            for (row, key) in keys.iter().enumerate() {
                if let (Fate::Accepted, Some(key)) = (outcome.fates[row], key) {
                    duplicates.foresee(key_hash(key), ordinals[row]);
                }
            }
            Ok(())
        })?;
    }
    let shape = job.shape;
    let own: Vec<usize> =
        (0..shape.links.len()).filter(|at| shape.links[*at].plan.mapping == shape.mapping.name).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let links = shape
        .links
        .iter()
        .enumerate()
        .map(|(at, link)| match job.parents.get(&link.plan.mapping) {
            _ if own.contains(&at) => LinkMode::Skip,
            Some(parent) => LinkMode::Planned(parent),
            None if job.later.contains(&link.plan.mapping) => LinkMode::Later,
            None => LinkMode::Crosswalk,
        })
        .collect();
    let context = Context { shape, facts, known, crosswalk: job.crosswalk, links, erased: job.erased() };
    let mut state = State::new(std::mem::take(duplicates), facts);
    let mut image = ParentIndex::default();
    let mut naming: Vec<Naming> = Vec::new();
    let mut done = 0;
    // Records that are not looked at hold their target rows here too.
    for (target, source) in job.looked.iter().flat_map(|looked| &looked.settled) {
        state.settle(*target, *source);
    }
    each_applied(job, |ordinals, frame, outcome| {
        job.monitor.check()?;
        let batch = context.classify(&mut state, &ordinals, frame, outcome)?;
        done += batch.rows.len() as u64;
        for (row, op) in batch.rows.iter().enumerate() {
            let Some(key) = &op.key else { continue };
            match op.operation {
                // Nobody writes it in this plan.
                Some(Operation::Insert) if op.source.is_some_and(|source| !job.rows.takes(source)) => {
                    image.lose(key, Operation::Filtered);
                }
                Some(Operation::Insert | Operation::Update) => {
                    image.accept(key, super::output::future_id(shape, op, &batch.cells, row).as_deref());
                    let parents: Vec<(usize, String)> = own
                        .iter()
                        .filter_map(|at| {
                            let old = batch.cells[shape.links[*at].field].get(row).filter(|old| !old.is_empty())?;
                            Some((*at, old.to_owned()))
                        })
                        .collect();
                    if !parents.is_empty() {
                        naming.push(Naming { key: key.clone(), parents });
                    }
                }
                Some(Operation::Merged) | None => {}
                Some(operation) => image.lose(key, operation),
            }
        }
        Ok(())
    })?;
    // Which target rows go depends on no link: on what finds them alone.
    let deletes = job.may_delete(done, &state);
    let rows = TargetRows::decide(shape, facts, known, &state, deletes, job.asked.is_some());
    rows.deleted().filter_map(|row| facts.pair().hash_of(row)).for_each(|id| image.delete(id));
    fall(job, &mut image, &naming)?;
    *duplicates = state.duplicates;
    duplicates.rewind();
    Ok(Some(image))
}

/// A row whose parent falls may fall itself, and so on down.
fn fall(job: &Job<'_>, image: &mut ParentIndex, naming: &[Naming]) -> Result<()> {
    let shape = job.shape;
    let mut children: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, row) in naming.iter().enumerate() {
        for (_, parent) in &row.parents {
            children.entry(parent).or_default().push(at);
        }
    }
    let mut fallen = vec![false; naming.len()];
    let mut queue: Vec<usize> = (0..naming.len()).collect();
    while let Some(at) = queue.pop() {
        if fallen[at] {
            continue;
        }
        let row = &naming[at];
        let mut lost = None;
        for (link, old) in &row.parents {
            let link = &shape.links[*link];
            let look = LinkLook { planned: Some(image), crosswalk: job.crosswalk, object: &link.plan.object };
            if matches!(look.find(old)?, Parent::Lost(_) | Parent::Missing) {
                lost = match link.on_miss {
                    OnMiss::Null => continue,
                    OnMiss::Reject => Some(Operation::Rejected),
                    OnMiss::Defer => Some(Operation::Held),
                };
                break;
            }
        }
        if let Some(operation) = lost {
            fallen[at] = true;
            image.revoke(&row.key, operation);
            queue.extend(children.get(row.key.as_str()).into_iter().flatten());
        }
    }
    Ok(())
}
