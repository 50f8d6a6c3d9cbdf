//! Engines that die: what the next start makes of it.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use polars::prelude::DataFrame;

use super::fixture::{Fixture, text_of};
use super::{ACCOUNTS, CONTACTS, fixture};
use crate::error::Result;
use crate::journal::{RunRecord, RunState};
use crate::migrate::EngineLock;
use crate::migrate::recovery::{Connect, Patience, look_after};
use crate::monitor::{Monitor, Silent};
use crate::platform::memory::Memory;
use crate::platform::{
    Capabilities, ChangeBatch, Connector, ObjectInfo, ObjectVersion, Published, ReadOptions, RecordReader, Recovery,
    RowResult, Schema, Source, TargetWriter, WriteContext,
};
use crate::project::Bound;

/// Where the engine dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Insert,
    BeforePublish,
    AfterPublish,
}

/// Dies while it writes one object, and remembers as a platform would whether the publish had happened.
struct Dying {
    inner: Memory,
    object: &'static str,
    death: Death,
}

struct DyingWriter {
    inner: Box<dyn TargetWriter>,
    memory: Memory,
    object: &'static str,
    death: Death,
}

fn remember(memory: &Memory, object: &str, published: bool) {
    memory.recover_with(Recovery { object: object.to_owned(), published, note: String::new() });
}

impl TargetWriter for DyingWriter {
    fn change(&mut self, batch: &ChangeBatch, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        self.inner.change(batch, monitor)
    }
    fn insert(&mut self, rows: &DataFrame, monitor: &dyn Monitor) -> Result<Vec<RowResult>> {
        assert_ne!(self.death, Death::Insert);
        self.inner.insert(rows, monitor)
    }
    fn amend(&mut self, identities: &[String], values: &DataFrame) -> Result<Vec<RowResult>> {
        self.inner.amend(identities, values)
    }
    fn publish(self: Box<Self>, monitor: &dyn Monitor) -> Result<Published> {
        assert_ne!(self.death, Death::BeforePublish);
        self.inner.publish(monitor)?;
        remember(&self.memory, self.object, true);
        panic!("killed")
    }
}

impl Connector for Dying {
    fn kind(&self) -> &'static str {
        "dying"
    }
    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        self.inner.objects()
    }
    fn schema(&self, source: &Source) -> Result<Schema> {
        self.inner.schema(source)
    }
    fn capabilities(&self, object: &str) -> Result<Capabilities> {
        self.inner.capabilities(object)
    }
    fn version(&self, object: &str) -> Result<ObjectVersion> {
        self.inner.version(object)
    }
    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        self.inner.read(source, options)
    }
    fn write(&self, object: &str, context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        let inner = self.inner.write(object, context)?;
        if object != self.object {
            return Ok(inner);
        }
        remember(&self.inner, object, false);
        Ok(Box::new(DyingWriter { inner, memory: self.inner.clone(), object: self.object, death: self.death }))
    }
    fn recover(&self, object: &str, run_dir: &Path) -> Result<Option<Recovery>> {
        self.inner.recover(object, run_dir)
    }
}

/// The first line of the note.
fn words(record: &RunRecord) -> Option<&str> {
    record.note.as_deref()?.lines().next()
}

/// Runs into the death, holding the engine lock as an engine does; then looks after it.
fn die(fixture: &Fixture, object: &'static str, death: Death) -> RunRecord {
    let plan = fixture.plan("p1", &[ACCOUNTS, CONTACTS]);
    let dying: Arc<dyn Connector> = Arc::new(Dying { inner: fixture.nova.clone(), object, death });
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let run = catch_unwind(AssertUnwindSafe(|| fixture.run_with("r1", &plan, &Silent, Bound::Count(0), &dying)));
    std::panic::set_hook(hook);
    assert!(run.is_err(), "it dies");
    let record = fixture.control().run("r1").unwrap().unwrap();
    look_after(&fixture.state, &fixture.control(), record, connect(fixture), Patience::None).unwrap()
}

fn connect(fixture: &Fixture) -> Connect<'static> {
    let nova = fixture.nova.clone();
    Box::leak(Box::new(move |_: &str| -> Result<Arc<dyn Connector>> { Ok(Arc::new(nova.clone())) }))
}

#[test]
fn dead_before_the_publish_means_as_it_was() {
    for death in [Death::Insert, Death::BeforePublish] {
        let fixture = fixture();
        let before = text_of(&fixture.nova, "accounts");
        let record = die(&fixture, "accounts", death);
        assert_eq!(record.state, RunState::Crashed);
        assert_eq!(
            words(&record),
            Some("the engine died; nova:accounts: as it was before; nova:contacts: not begun"),
            "{death:?}"
        );
        assert!(!record.results[0].published);
        assert_eq!(text_of(&fixture.nova, "accounts"), before);
        assert_eq!(fixture.state.crosswalk(None).unwrap().count("nova:accounts").unwrap(), 0);
    }
}

#[test]
fn dead_after_the_publish_means_published_and_the_crosswalk_is_finished() {
    let fixture = fixture();
    let record = die(&fixture, "accounts", Death::AfterPublish);
    assert_eq!(words(&record), Some("the engine died; nova:accounts: published whole; nova:contacts: not begun"));
    let result = &record.results[0];
    assert!(result.published && result.closes, "{result:?}");
    assert_eq!((result.counts.inserted, result.counts.updated, result.counts.after), (1, 1, 4));
    let crosswalk = fixture.state.crosswalk(None).unwrap();
    assert_eq!(crosswalk.get("nova:accounts", "A3").unwrap().as_deref(), Some("4"));
    // The next run goes on from there.
    let done = fixture.run("r2", &fixture.plan("p2", &[ACCOUNTS, CONTACTS]));
    assert!(done.ended.error.is_none());
    assert_eq!(done.ended.results[0].counts.unchanged, 3);
    assert_eq!(text_of(&fixture.nova, "contacts").len(), 3);
}

#[test]
fn dead_in_the_second_mapping_leaves_the_first_published() {
    let fixture = fixture();
    let record = die(&fixture, "contacts", Death::BeforePublish);
    assert_eq!(
        words(&record),
        Some("the engine died; nova:accounts: published whole; nova:contacts: as it was before")
    );
    assert_eq!(record.results.iter().map(|result| result.published).collect::<Vec<_>>(), [true, false]);
    assert_eq!(text_of(&fixture.nova, "contacts"), ["5 C9 Old 70"]);
}

#[test]
fn an_engine_that_lives_is_left_alone_and_the_dead_are_looked_after_once() {
    let fixture = fixture();
    let plan = fixture.plan("p1", &[ACCOUNTS]);
    let record = fixture.begin("r1", &plan);
    let look = |record: RunRecord| {
        look_after(&fixture.state, &fixture.control(), record, connect(&fixture), Patience::None).unwrap()
    };
    let held = EngineLock::wait(&fixture.state.run("r1")).unwrap();
    assert_eq!(look(record.clone()), record);
    drop(held);
    let looked = look(record.clone());
    assert_eq!(looked.state, RunState::Crashed);
    assert!(looked.note.as_deref().unwrap().contains("before it wrote anything"));
    // Another screen with the old record sees what the first one found.
    assert_eq!(look(record), looked);
    let audit = fixture.control().audit(10).unwrap();
    assert_eq!(audit.iter().filter(|line| line.what == "recovered").count(), 1);
}

#[test]
fn a_run_whose_engine_is_being_started_is_not_dead() {
    let fixture = fixture();
    let plan = fixture.plan("p1", &[ACCOUNTS]);
    let mut record = fixture.begin("r1", &plan);
    let look = |record: RunRecord| {
        fixture.control().put_run(&record).unwrap();
        look_after(&fixture.state, &fixture.control(), record, connect(&fixture), Patience::None).unwrap().state
    };
    record.state = RunState::Starting;
    assert_eq!(look(record.clone()), RunState::Starting);
    // A pid above the kernel's highest: nobody.
    record.pid = 0x7fff_fff0;
    assert_eq!(look(record), RunState::Crashed);
}
