//! A project in memory and a planner just good enough to hand a run its operations.
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{NewChunkedArray, StringChunked};

use crate::error::Result;
use crate::journal::{Control, RunRecord, RunState, StateDir};
use crate::migrate::execute::{Ended, Run};
use crate::migrate::recovery::{PLAN, tests::record};
use crate::monitor::{Monitor, Silent};
use crate::plan::ops::{OpRow, OpsWriter, ops_path};
use crate::plan::{Counts, MappingPlan, Operation, Plan, PlanLink, Purpose};
use crate::platform::memory::{Cells, Memory};
use crate::platform::{Connector, Source};
use crate::project::{Bound, Mode, ObjectRef, WriteRule};
use crate::table::hash::cells_hash;
use crate::table::{RowSource, Snapshot};

/// A mapping of `legacy:NAME` to `nova:NAME` by `legacy_id`, its first column.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    /// Column → linked mapping.
    pub(super) links: &'static [(&'static str, &'static str)],
    /// Rows of the target that the source lacks are deleted.
    pub(super) deletes: bool,
}

pub(super) struct Fixture {
    _root: tempfile::TempDir,
    pub(super) state: StateDir,
    pub(super) legacy: Memory,
    pub(super) nova: Memory,
    snapshots: std::cell::Cell<u32>,
}

/// How a run of a plan went.
pub(super) struct Done {
    pub(super) ended: Ended,
    pub(super) dir: PathBuf,
}

impl Fixture {
    pub(super) fn new(legacy: Memory, nova: Memory) -> Self {
        let root = tempfile::tempdir().unwrap();
        let state = StateDir::of(root.path());
        state.make().unwrap();
        Self { _root: root, state, legacy, nova, snapshots: std::cell::Cell::new(0) }
    }

    pub(super) fn control(&self) -> Control {
        self.state.control().unwrap()
    }

    fn snapshot(&self, connector: &Memory, object: &str) -> Snapshot {
        self.snapshots.set(self.snapshots.get() + 1);
        let dir = self.state.snapshots().join(format!("{object}-{}", self.snapshots.get()));
        Snapshot::take(connector, &Source::Object(object.into()), object, &dir, None, &Silent).unwrap()
    }

    pub(super) fn plan(&self, id: &str, specs: &[Spec]) -> Plan {
        std::fs::create_dir_all(self.state.plan(id)).unwrap();
        let mappings = specs.iter().map(|spec| self.mapping(id, spec)).collect();
        Plan {
            version: 1,
            id: id.to_owned(),
            env: None,
            mode: Mode::Full,
            purpose: Purpose::Migrate,
            created: crate::journal::now(),
            confirm: "nova".to_owned(),
            mappings,
        }
    }

    fn mapping(&self, id: &str, spec: &Spec) -> MappingPlan {
        let (source, target) = (self.snapshot(&self.legacy, spec.name), self.snapshot(&self.nova, spec.name));
        let identity = self.nova.capabilities(spec.name).unwrap().identity;
        let columns: Vec<String> = spec.columns.iter().map(|name| (*name).to_owned()).collect();
        let object = |name: &str| ObjectRef { platform: "nova".into(), object: name.into() };
        let all = |snapshot: &Snapshot| {
            let ordinals: Vec<u64> = (0..snapshot.len()).collect();
            let locators = snapshot.gather(&ordinals, None).unwrap();
            let locators: Vec<String> = match locators.column(crate::platform::LOCATOR) {
                Ok(column) => column.str().unwrap().iter().map(|at| at.unwrap().to_owned()).collect(),
                Err(_) => Vec::new(),
            };
            (snapshot.rows(&ordinals).unwrap().rows, locators)
        };
        let ((old, _), (new, locators)) = (all(&source), all(&target));
        let target_columns = target.columns();
        let place = |name: &str| target_columns.iter().position(|column| column == name);
        let crosswalk = self.state.crosswalk(None).unwrap();
        let mut ops: Vec<OpRow> = Vec::new();
        let mut cells: Vec<Cells> = vec![Vec::new(); columns.len()];
        let mut pending: Vec<Cells> = vec![Vec::new(); spec.links.len()];
        let mut counts = Counts { read: old.len() as u64, before: new.len() as u64, ..Counts::default() };
        let by_key: HashMap<&Option<String>, usize> =
            new.iter().enumerate().map(|(at, row)| (&row[place("legacy_id").unwrap()], at)).collect();
        let there = |at: usize| OpRow {
            target: Some(at as u32),
            expected: Some(cells_hash(new[at].iter().map(Option::as_deref), &mut Vec::new())),
            identity: identity.as_ref().and_then(|name| new[at][place(name).unwrap()].clone()),
            locator: locators.get(at).cloned(),
            ..OpRow::default()
        };
        for (at, row) in old.iter().enumerate() {
            let mut values = row.clone();
            for (slot, (column, mapping)) in spec.links.iter().enumerate() {
                let field = columns.iter().position(|name| name == column).unwrap();
                let key = values[field].take();
                let known = key.as_ref().and_then(|key| crosswalk.get(&format!("nova:{mapping}"), key).unwrap());
                pending[slot].push(if known.is_none() { key } else { None });
                values[field] = known;
            }
            let waits = pending.iter().any(|links| links[at].is_some());
            let found = by_key.get(&row[0]).copied();
            let same =
                |at: usize| columns.iter().zip(&values).all(|(name, cell)| new[at][place(name).unwrap()] == *cell);
            let (operation, target) = match found {
                None => (Operation::Insert, OpRow::default()),
                Some(at) if !waits && same(at) => (Operation::Unchanged, there(at)),
                Some(at) => (Operation::Update, there(at)),
            };
            match operation {
                Operation::Insert => counts.inserted += 1,
                Operation::Update => counts.updated += 1,
                _ => counts.unchanged += 1,
            }
            ops.push(OpRow { operation: Some(operation), source: Some(at as u32), key: row[0].clone(), ..target });
            cells.iter_mut().zip(values).for_each(|(column, cell)| column.push(cell));
        }
        let kept: std::collections::HashSet<Option<u32>> = ops.iter().map(|op| op.target).collect();
        for at in (0..new.len()).filter(|at| spec.deletes && !kept.contains(&Some(*at as u32))) {
            counts.deleted += 1;
            ops.push(OpRow { operation: Some(Operation::Delete), ..there(at) });
            cells.iter_mut().chain(&mut pending).for_each(|column| column.push(None));
        }
        counts.after = counts.before + counts.inserted - counts.deleted;
        let text = |cells: Vec<Cells>| -> Vec<StringChunked> {
            cells.into_iter().map(|cells| StringChunked::from_iter_options("c".into(), cells.into_iter())).collect()
        };
        let links: Vec<String> = spec.links.iter().map(|(column, _)| (*column).to_owned()).collect();
        let mut writer = OpsWriter::create(&ops_path(&self.state.plan(id), spec.name), &columns, &links).unwrap();
        writer.write(&ops, &text(cells), &text(pending)).unwrap();
        writer.finish().unwrap();
        MappingPlan {
            from: format!("legacy:{}", spec.name),
            to: object(spec.name),
            source_snapshot: source.dir().to_owned(),
            target_snapshot: target.dir().to_owned(),
            source_version: source.meta().version.clone(),
            target_version: target.meta().version.clone(),
            counts,
            key: vec!["legacy_id".to_owned()],
            write_rules: vec![WriteRule::Always; columns.len()],
            columns,
            identity,
            links: spec
                .links
                .iter()
                .map(|(column, mapping)| PlanLink {
                    column: (*column).to_owned(),
                    mapping: (*mapping).to_owned(),
                    object: object(mapping),
                })
                .collect(),
            ..MappingPlan::empty(spec.name)
        }
    }

    /// Makes the folder and the record of a run that goes on.
    pub(super) fn begin(&self, id: &str, plan: &Plan) -> RunRecord {
        let dir = self.state.run(id);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(PLAN), serde_json::to_vec(plan).unwrap()).unwrap();
        let record = RunRecord { state: RunState::Running, plan: plan.id.clone(), ..record(id) };
        self.control().add_run(&record).unwrap();
        record
    }

    pub(super) fn run(&self, id: &str, plan: &Plan) -> Done {
        self.run_with(id, plan, &Silent, Bound::Share(0.01), &(Arc::new(self.nova.clone()) as Arc<dyn Connector>))
    }

    pub(super) fn run_with(
        &self,
        id: &str,
        plan: &Plan,
        monitor: &dyn Monitor,
        budget: Bound,
        nova: &Arc<dyn Connector>,
    ) -> Done {
        self.begin(id, plan);
        let dir = self.state.run(id);
        let connect = |_: &str| -> Result<Arc<dyn Connector>> { Ok(nova.clone()) };
        let run =
            Run { state: &self.state, dir: &dir, plan, connect: &connect, budget: &|_| budget, monitor, attempt: 1 };
        let ended = run.execute(&mut |_| Ok(()));
        Done { ended, dir }
    }
}

/// Rows of text, `-` for NULL.
pub(super) fn table(memory: Memory, object: &str, text: &str) -> Memory {
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    let rows: Vec<Vec<Option<&str>>> =
        lines.map(|cells| cells.into_iter().map(|cell| (cell != "-").then_some(cell)).collect()).collect();
    let rows: Vec<&[Option<&str>]> = rows.iter().map(Vec::as_slice).collect();
    memory.with(object, &columns, &rows)
}

/// The rows of an object as such text, without the columns.
pub(super) fn text_of(memory: &Memory, object: &str) -> Vec<String> {
    let line =
        |row: Cells| row.into_iter().map(|cell| cell.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join(" ");
    memory.rows(object).into_iter().map(line).collect()
}
