//! Incremental plans that do not read all of the target, or of the source: what can be asked for is asked for.
use std::path::Path;

use hashbrown::HashMap;

use super::plans::problems_error;
use super::{Freshness, Workspace};
use crate::error::{Error, Result};
use crate::journal::erased::ErasedList;
use crate::journal::ledger::{Ledger, Secret};
use crate::journal::{Crosswalk, StateDir};
use crate::monitor::Monitor;
use crate::plan::incremental::{
    Asked, Found, Ground, Looked, Pushed, Since, begin, extend, look_pushed, much, rows_of_ids, seek, unable, unfit,
};
use crate::plan::links::ParentIndex;
use crate::plan::material::NUMBER;
use crate::plan::ops::{IDENTITY, KEY, OP, OPS_BATCH, Store, operation, ops_path};
use crate::plan::shape::Shape;
use crate::plan::{MappingPlan, Operation};
use crate::platform::{Connector, Part, Source};
use crate::project::{Direction, Mapping, TargetOnly};
use crate::table::Snapshot;
use crate::table::snapshot::forget::Forget;
use crate::table::snapshot::{PartTaken, PartWanted};

/// How often rows that hang on others are read after them; a chain that is longer is a case for reading everything.
const ROUNDS: usize = 8;

/// A mapping of which only what may have changed was read.
pub(super) struct Sought {
    pub(super) shape: Shape,
    pub(super) source: Snapshot,
    pub(super) target: Snapshot,
    pub(super) since: Since,
    pub(super) looked: Looked,
    /// Rows of the target.
    pub(super) rows: u64,
    /// Of the source only the rows from a cursor's value on were read.
    pub(super) cursor: bool,
    /// Why it was not read by its cursor, where there is something to say.
    pub(super) note: Option<&'static str>,
}

/// What a search is made with.
pub(super) struct Seeking<'a> {
    pub(super) crosswalk: &'a Crosswalk,
    pub(super) parents: &'a HashMap<String, ParentIndex>,
    /// Folder of the plan.
    pub(super) dir: &'a Path,
    pub(super) secret: Secret,
    /// Who was erased: nothing of them is read again.
    pub(super) erased: Option<&'a ErasedList>,
    pub(super) monitor: &'a dyn Monitor,
}

impl Workspace {
    /// What the last run left in the ledger of a mapping, if a plan may rely on it; else why not.
    pub(super) fn since(&self, shape: &Shape) -> Result<Result<Since, &'static str>> {
        if let Some(why) = unable(shape) {
            return Ok(Err(why));
        }
        let state = StateDir::of(&self.project().root);
        let Some(ledger) = Ledger::open(&state.ledger(&shape.mapping.name, self.project().env.as_deref()))? else {
            return Ok(Err("there is no ledger yet, this run makes it"));
        };
        let since = Since { agreement: ledger.agreement()?, ledger };
        Ok(match unfit(shape, &since) {
            Some(why) => Err(why),
            None => Ok(since),
        })
    }

    /// Reads of both sides what may have changed; else why all of the target (or of both) must be read, where there is
    /// something to say.
    pub(super) fn seek(&self, mapping: &Mapping, with: &Seeking<'_>) -> Result<Result<Sought, Option<&'static str>>> {
        let to = self.connector(&mapping.to.platform)?;
        let from = self.connector(&mapping.from.platform)?;
        super::plans::refuse_own_source(mapping, from.as_ref(), to.as_ref())?;
        let object = &mapping.to.object;
        if !to.version(object)?.exists {
            return Ok(Err(None));
        }
        let Some(rows) = to.count(object)? else { return Ok(Err(None)) };
        let columns: Vec<String> = from.schema(&mapping.from.source)?.names().map(str::to_owned).collect();
        let schema = to.schema(&Source::Object(object.clone()))?;
        let here = to.capabilities(object)?;
        let shape = Shape::compile(self.project(), mapping, &columns, Some(&schema), here)
            .map_err(|found| problems_error(&found))?;
        let Ok(since) = self.since(&shape)? else { return Ok(Err(None)) };
        if since.agreement.rows != rows {
            return Ok(Err(Some("the target has more or fewer rows than the last run left: all of it is read")));
        }
        if mapping.sync.direction == Direction::TwoWay {
            // What the target changed is only seen where all of it is read.
            return Ok(Err(None));
        }
        let mut why = None;
        if let (Some(_), Source::Object(source)) = (&mapping.run.cursor, &mapping.from.source) {
            match Self::by_cursor(&shape, &since, [from.as_ref(), to.as_ref()], source, with)? {
                Ok((source, target, looked)) => {
                    return Ok(Ok(Sought { shape, source, target, since, looked, rows, cursor: true, note: None }));
                }
                Err(reason) => why = reason,
            }
        }
        if matches!(mapping.target_only, TargetOnly::Delete | TargetOnly::Mark(_)) {
            return Ok(Err(why));
        }
        let source = self.snapshot(
            &mapping.from.platform,
            &mapping.from.source,
            &mapping.from.label,
            Freshness::Cached,
            with.monitor,
        )?;
        let folder = with.dir.join(format!("{}.target", mapping.name));
        let Some(asked) = Asked::begin(to.as_ref(), &shape, with.crosswalk, with.erased, &folder)? else {
            return Ok(Err(why));
        };
        let found = seek(Self::ground(&shape, &source, &since, with), asked, false, &[])?;
        let (looked, target) = match found {
            Found::Looked(looked, target) => (*looked, *target),
            Found::More(_) => return Ok(Err(why)),
            Found::Much(reason) => return Ok(Err(why.or(Some(reason)))),
        };
        Ok(Ok(Sought { shape, source, target, since, looked, rows, cursor: false, note: why }))
    }

    /// Looks at records that were pushed, the source being left alone. Else the ledger does not say enough for that.
    pub(super) fn seek_pushed(
        &self,
        mapping: &Mapping,
        pushed: &Pushed,
        with: &Seeking<'_>,
    ) -> Result<Result<Sought, Option<&'static str>>> {
        let to = self.connector(&mapping.to.platform)?;
        let object = Source::Object(mapping.to.object.clone());
        if !to.version(&mapping.to.object)?.exists {
            return Ok(Err(None));
        }
        let schema = to.schema(&object)?;
        let here = to.capabilities(&mapping.to.object)?;
        let columns: Vec<String> = pushed.frame.columns().iter().map(|column| column.name().to_string()).collect();
        let shape = Shape::compile(self.project(), mapping, &columns, Some(&schema), here)
            .map_err(|found| problems_error(&found))?;
        let Ok(since) = self.since(&shape)? else { return Ok(Err(None)) };
        let source =
            Snapshot::of_frame(&pushed.frame, &mapping.from.label, &with.dir.join(format!("{}.pushed", mapping.name)))?;
        let folder = with.dir.join(format!("{}.target", mapping.name));
        let asked = Asked::begin(to.as_ref(), &shape, with.crosswalk, with.erased, &folder)?;
        let (looked, part) = look_pushed(Self::ground(&shape, &source, &since, with), pushed.deleted.clone(), asked)?;
        let target = match part {
            Some(part) => part,
            None => {
                let label = mapping.to.to_string();
                self.snapshot(&mapping.to.platform, &object, &label, Freshness::Cached, with.monitor)?
            }
        };
        let rows = to.count(&mapping.to.object)?.unwrap_or(target.meta().rows);
        Ok(Ok(Sought { shape, source, target, since, looked, rows, cursor: false, note: None }))
    }

    fn ground<'a>(shape: &'a Shape, source: &'a Snapshot, since: &'a Since, with: &Seeking<'a>) -> Ground<'a> {
        Ground {
            shape,
            source,
            crosswalk: with.crosswalk,
            parents: with.parents,
            since,
            secret: with.secret,
            monitor: with.monitor,
        }
    }

    /// Reads the source from the last mark on, and what hangs on the rows read.
    #[allow(clippy::type_complexity, reason = "both sides and what of the source is looked at")]
    fn by_cursor(
        shape: &Shape,
        since: &Since,
        [from, to]: [&dyn Connector; 2],
        object: &str,
        with: &Seeking<'_>,
    ) -> Result<Result<(Snapshot, Snapshot, Looked), Option<&'static str>>> {
        let mapping = &shape.mapping;
        let Some(mark) = &since.agreement.mark else { return Ok(Err(Some("the ledger has no cursor's mark yet"))) };
        if mark.mixed {
            return Ok(Err(Some("the cursor's values have several forms: the whole source is compared")));
        }
        let Some(start) = begin(mark, mapping.run.overlap) else {
            return Ok(Err(Some("the overlap cannot be taken from the cursor's value: the whole source is compared")));
        };
        let label = &mapping.from.label;
        let erased = with.erased.and_then(|list| list.of_object(label));
        let forget = erased.as_ref().map(|erased| erased as &dyn Forget);
        let most = much(&since.agreement);
        let mut also = since.ledger.open_rows()?;
        if also.len() as u64 > most {
            return Ok(Err(Some("more than an eighth of the source was left out before: all of it is compared")));
        }
        let mut forced: Vec<String> = Vec::new();
        for round in 0..ROUNDS {
            let part = Part::Since {
                column: mark.column.clone(),
                value: start.clone(),
                number: mark.form == NUMBER,
                also: also.clone(),
            };
            let folder = |side: &str| with.dir.join(format!("{}.{side}{round}", mapping.name));
            let dir = folder("source");
            let wanted = PartWanted { object, part: &part, label, most };
            let source = match Snapshot::take_part(forget, from, &wanted, &dir, with.monitor)? {
                PartTaken::Taken(source) => *source,
                PartTaken::More => {
                    return Ok(Err(Some(
                        "more than an eighth of the source is at the cursor's mark or after it: all of it is compared",
                    )));
                }
                PartTaken::Unable => {
                    return Ok(Err(Some(
                        "this source cannot be read from a cursor's value on: all of it is read and compared",
                    )));
                }
            };
            if !source.has_locators() {
                return Ok(Err(None));
            }
            let dir = folder("target");
            let Some(asked) = Asked::begin(to, shape, with.crosswalk, with.erased, &dir)? else { return Ok(Err(None)) };
            let found = seek(Self::ground(shape, &source, since, with), asked, true, &forced)?;
            match found {
                Found::Looked(mut looked, target) => {
                    looked.mark = Some(extend(mark, looked.mark));
                    looked.from = Some((mark.column.clone(), start));
                    return Ok(Ok((source, *target, *looked)));
                }
                Found::Much(reason) => {
                    _ = std::fs::remove_dir_all(source.dir());
                    return Ok(Err(Some(reason)));
                }
                Found::More(more) => {
                    also.extend(more.iter().cloned());
                    forced.extend(more);
                    _ = std::fs::remove_dir_all(source.dir());
                }
            }
        }
        Ok(Err(Some("too much hangs on what changed: the whole source is compared")))
    }

    /// The target rows of a plan's own records, read back; None if this target cannot be asked for them.
    pub(super) fn own_rows(
        &self,
        part: &MappingPlan,
        shape: &Shape,
        to: &dyn Connector,
        crosswalk: &Crosswalk,
        plan_dir: &Path,
        dir: &Path,
    ) -> Result<Option<Snapshot>> {
        let store = Store::open(&ops_path(plan_dir, &part.mapping))?;
        let object = part.to.to_string();
        let columns = [OP, KEY, IDENTITY].map(str::to_owned);
        let mut at = 0;
        let ids = std::iter::from_fn(|| {
            if at >= store.rows() {
                return None;
            }
            Some((|| {
                let frame = store.slice(at, OPS_BATCH, Some(&columns))?;
                at += frame.height() as u64;
                let (keys, identities) = (frame.column(KEY)?.str()?, frame.column(IDENTITY)?.str()?);
                let mut ids = Vec::new();
                for (row, code) in frame.column(OP)?.u32()?.iter().enumerate() {
                    let operation = code.and_then(operation).ok_or_else(|| Error::data("an operation is damaged"))?;
                    if let Some(id) = identities.get(row) {
                        ids.push(id.to_owned());
                    }
                    if operation != Operation::Delete
                        && let Some(key) = keys.get(row)
                    {
                        ids.extend(crosswalk.get(&object, key)?);
                        if part.identity.is_none() {
                            ids.push(key.to_owned());
                        }
                    }
                }
                ids.sort_unstable();
                ids.dedup();
                Ok(ids)
            })())
        });
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(|error| Error::io("remove", dir, &error))?;
        }
        let erased = ErasedList::open(&StateDir::of(&self.project().root))?;
        rows_of_ids(to, shape, crosswalk, erased.as_ref(), ids, dir)
    }
}
