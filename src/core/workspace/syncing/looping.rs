//! The loop's process: its threads, from start to end.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::{SyncAsk, busy};
use crate::error::{Error, Kind, Result};
use crate::journal::sync::{LaneStatus, LogLevel, LoopRecord, LoopState, Order, SyncStore, now_ms};
use crate::journal::{StateDir, rotate, who};
use crate::migrate::{Owner, TargetLocks, fault};
use crate::monitor::CancelFlag;
use crate::platform::{Connector, Door, Sign, Source, Trigger};
use crate::project::Span as KeptFor;
use crate::project::{Direction, Mapping, TriggerKind, words_of};
use crate::sync::{Board, Ticker, Versions};
use crate::workspace::Workspace;

/// Time between two looks at orders and signals.
const CLERK: Duration = Duration::from_millis(100);
/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(2);
/// Longest time that a trigger waits before it looks whether the loop ends.
const PATIENCE: Duration = Duration::from_millis(250);
/// Time between two looks at the version of an object that gives no sign of its own.
const VERSION_EVERY: Duration = Duration::from_millis(250);
/// Time between two clearings of what is kept.
const TIDY: Duration = Duration::from_secs(60);
/// Time until a trigger that failed is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest time that lookers keep a loop from its lock.
const LOOKERS: Duration = Duration::from_millis(500);
/// Name under which the loop locks itself.
const LOCK: &str = "the sync loop";

/// A loop of this environment is at work.
pub(super) fn is_alive(state: &StateDir, env: Option<&str>) -> bool {
    if !state.locks().is_dir() {
        return false;
    }
    // The lock is let go at once.
    TargetLocks::take(state, env, [LOCK], &Owner::of_run("a look")).is_err_and(|error| error.kind() == Kind::Busy)
}

impl Workspace {
    /// Runs the loop until `stop` is set or an order ends it; with [`SyncAsk::once`] until everything was looked at once.
    /// Answers the lanes as they are then. Only one loop of an environment runs at a time: [`Kind::Busy`].
    pub fn run_sync(&self, ask: &SyncAsk, stop: &CancelFlag) -> Result<Vec<LaneStatus>> {
        fault::begin();
        let state = self.state();
        state.make()?;
        let env = self.project().env.clone();
        let owner = Owner::of_run("sync");
        let _alone = TargetLocks::take_within(&state, env.as_deref(), &[LOCK], &owner, LOOKERS)
            .map_err(|_| self.sync_status().map_or_else(|error| error, |status| busy(&status)))?;
        let workspace = self.for_sync();
        let mappings: Vec<Mapping> = workspace.sync_mappings(&ask.mappings)?.into_iter().cloned().collect();
        let names: Vec<String> = mappings.iter().map(|mapping| mapping.name.clone()).collect();
        let _mine = TargetLocks::take(&state, env.as_deref(), names.iter().map(String::as_str), &owner)?;
        let store = self.sync_store()?;
        let heard = store.last_order()?;
        store.keep_lanes(&names)?;
        let mut record = LoopRecord {
            pid: std::process::id(),
            owner: who(),
            started: now_ms(),
            heartbeat: now_ms(),
            state: LoopState::Running,
            mappings: names.clone(),
            listens: None,
            note: None,
        };
        store.put_loop(&record)?;
        store.log(None, LogLevel::Info, &format!("started by {} for {}", record.owner, names.join(", ")))?;
        let lanes: Vec<Lane> =
            mappings.iter().map(|mapping| Lane::open(&workspace, mapping, &store)).collect::<Result<_>>()?;
        let ended = if ask.once {
            once(&workspace, lanes, stop)
        } else {
            watch(&workspace, lanes, &store, &mut record, (heard, stop))
        };
        (record.state, record.note) = match &ended {
            Ok(()) => (LoopState::Stopped, None),
            Err(error) => (LoopState::Failed, Some(error.to_string())),
        };
        store.beat(&mut record)?;
        store.log(None, LogLevel::Info, record.note.as_deref().unwrap_or("ended"))?;
        if let (Err(error), false) = (&ended, ask.once) {
            super::alerting::failed(&workspace, &store, error)?;
        }
        ended?;
        store.lanes()
    }
}

/// Everything until the end.
fn watch(
    workspace: &Workspace,
    lanes: Vec<Lane>,
    store: &SyncStore,
    record: &mut LoopRecord,
    (heard, stop): (i64, &CancelFlag),
) -> Result<()> {
    let board = Arc::new(Board::default());
    let _door = open_doors(workspace, &lanes, store, record, &board)?;
    let mut groups: Vec<(String, Vec<Lane>)> = Vec::new();
    for lane in lanes {
        match groups.iter_mut().find(|(platform, _)| *platform == lane.mapping.to.platform) {
            Some((_, group)) => group.push(lane),
            None => groups.push((lane.mapping.to.platform.clone(), vec![lane])),
        }
    }
    let result = std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for (_, group) in groups {
            for lane in &group {
                let trigger = trigger(workspace, &lane.mapping)?;
                let name = lane.mapping.name.clone();
                let (board, every) = (&*board, lane.mapping.sync.every);
                if lane.mapping.sync.direction == Direction::TwoWay {
                    let (trigger, name) = (trigger_at_target(workspace, &lane.mapping)?, name.clone());
                    scope.spawn(move || pull(trigger, &name, every, board));
                }
                scope.spawn(move || pull(trigger, &name, every, board));
            }
            let board = &*board;
            workers.push(scope.spawn(move || work(workspace, group, board)));
        }
        let teller = scope.spawn(|| super::alerting::watch(workspace, &board));
        let dead = || workers.iter().any(std::thread::ScopedJoinHandle::is_finished);
        let ended = clerk(workspace, &board, store, record, (heard, stop), &dead);
        board.stop();
        let mut result = ended;
        for worker in workers {
            let one = worker.join().unwrap_or_else(|_| {
                Err(Error::platform("a worker of the sync loop ended by a defect of the console")
                    .advise("please report it"))
            });
            result = result.and(one);
        }
        // Whoever cannot tell stops nothing; that it cannot is told by the log.
        if let Ok(Err(error)) = teller.join() {
            store.log(None, LogLevel::Warn, &format!("alarms are told no more: {error}"))?;
        }
        result
    });
    board.stop();
    result
}

/// Opens the doors for pushes where a lane takes any; they close when what is answered is dropped.
fn open_doors(
    workspace: &Workspace,
    lanes: &[Lane],
    store: &SyncStore,
    record: &mut LoopRecord,
    board: &Arc<Board>,
) -> Result<Option<Box<dyn Door>>> {
    let mappings: Vec<Mapping> = lanes.iter().map(|lane| lane.mapping.clone()).collect();
    let takers = super::push::takers(&mappings);
    let Some(open) = workspace.registry.doors().filter(|_| !takers.is_empty()) else { return Ok(None) };
    let desk = super::push::PushDesk::new(workspace, workspace.sync_store()?, Some(takers), Some(Arc::clone(board)));
    let root = workspace.root()?;
    let socket = push_socket(&StateDir::of(&root), workspace.project().env.as_deref());
    let door = open(&workspace.project().push, &root, &socket, Arc::new(desk))?;
    for note in door.notes() {
        store.log(None, LogLevel::Warn, &note)?;
    }
    record.listens = door.address();
    store.put_loop(record)?;
    if let Some(address) = &record.listens {
        store.log(None, LogLevel::Info, &format!("listens for pushes on {address}"))?;
    }
    Ok(Some(door))
}

/// The socket on which the loop of an environment takes pushes.
fn push_socket(state: &StateDir, env: Option<&str>) -> PathBuf {
    let name =
        env.map_or_else(|| "push.sock".to_owned(), |env| format!("push-{}.sock", crate::journal::state_file_name(env)));
    state.sync().join(name)
}

/// Where a loop that was started by others writes what it says.
pub(super) fn sync_log(state: &StateDir) -> PathBuf {
    state.logs().join("sync.log")
}

/// Hears orders, says that the loop lives.
fn clerk(
    workspace: &Workspace,
    board: &Board,
    store: &SyncStore,
    record: &mut LoopRecord,
    (mut heard, stop): (i64, &CancelFlag),
    dead: &dyn Fn() -> bool,
) -> Result<()> {
    let (config, log) = (&workspace.project().state, sync_log(&workspace.state()));
    let mut beaten = Instant::now();
    let mut pruned: Option<Instant> = None;
    loop {
        std::thread::sleep(CLERK);
        if stop.is_cancelled() || dead() {
            return Ok(());
        }
        for line in store.orders(heard)? {
            heard = line.id;
            if line.order == Order::Stop && line.mapping.is_none() {
                store.log(None, LogLevel::Info, &format!("stopped by {}", line.who))?;
                return Ok(());
            }
            for lane in &record.mappings {
                if line.mapping.as_ref().is_none_or(|name| name == lane) {
                    board.order(lane, line.clone());
                }
            }
        }
        if beaten.elapsed() >= BEAT {
            beaten = Instant::now();
            store.beat(record)?;
        }
        if pruned.is_none_or(|at| at.elapsed() > TIDY) {
            pruned = Some(Instant::now());
            let before = match config.history {
                KeptFor::Forever => 0,
                KeptFor::For(history) => now_ms() - i64::try_from(history.as_millis()).unwrap_or(i64::MAX),
            };
            store.prune(before, config.events)?;
            // A log that cannot be rotated is no reason to end.
            _ = rotate(&log, config.log_size, config.logs);
        }
    }
}

/// The trigger of a lane.
fn trigger(workspace: &Workspace, mapping: &Mapping) -> Result<Box<dyn Trigger>> {
    let connector: Arc<dyn Connector> = workspace.connector(&mapping.from.platform)?;
    Ok(match mapping.sync.trigger {
        // Pushed records wait in the store, and who keeps them gives a sign; whether something was lost is looked at.
        TriggerKind::Pull | TriggerKind::Push => Box::new(Ticker::new(mapping.sync.every)),
        TriggerKind::Observe => match (connector.observe(&mapping.from.source)?, &mapping.from.source) {
            (Some(trigger), _) => trigger,
            (None, Source::Object(object)) => Box::new(Versions::new(connector, object.clone(), VERSION_EVERY)),
            (None, Source::Query { .. }) => Box::new(Ticker::new(mapping.sync.every)),
        },
    })
}

/// The trigger of a lane that goes both ways, at its target.
fn trigger_at_target(workspace: &Workspace, mapping: &Mapping) -> Result<Box<dyn Trigger>> {
    let connector: Arc<dyn Connector> = workspace.connector(&mapping.to.platform)?;
    let object = mapping.to.object.clone();
    if mapping.sync.trigger == TriggerKind::Pull {
        return Ok(Box::new(Ticker::new(mapping.sync.every)));
    }
    let observed = connector.observe(&Source::Object(object.clone()))?;
    Ok(observed.unwrap_or_else(|| Box::new(Versions::new(connector, object, VERSION_EVERY))))
}

/// What the trigger of a mapping does, in words.
pub(super) fn watching(workspace: &Workspace, mapping: &Mapping) -> String {
    if mapping.sync.trigger == TriggerKind::Push {
        return format!("pushed records, and the source every {}", words_of(mapping.sync.every));
    }
    trigger(workspace, mapping).map_or_else(|error| error.what().to_owned(), |trigger| trigger.words())
}

/// A trigger's thread.
fn pull(mut trigger: Box<dyn Trigger>, lane: &str, every: Duration, board: &Board) {
    // What happened while nobody watched is looked at first; and now and then it is looked at without a sign.
    board.sign(lane, Sign::now("start"));
    let mut looked = Instant::now();
    while !board.stopped() {
        match trigger.wait(PATIENCE) {
            Ok(Some(sign)) => {
                looked = Instant::now();
                board.sign(lane, sign);
            }
            Ok(None) if looked.elapsed() > every.max(Duration::from_secs(30)) => {
                looked = Instant::now();
                board.sign(lane, Sign::now("pull"));
            }
            Ok(None) => {}
            Err(_) => {
                // The lane finds out what is wrong by looking; it tells of it in its own words.
                board.sign(lane, Sign::now("start"));
                let until = Instant::now() + AGAIN;
                while Instant::now() < until && !board.stopped() {
                    std::thread::sleep(CLERK);
                }
            }
        }
    }
}

/// A worker's thread: the lanes of one target platform.
fn work(workspace: &Workspace, mut lanes: Vec<Lane>, board: &Board) -> Result<()> {
    let mut workspace = workspace.clone();
    let store = workspace.sync_store()?;
    let names: Vec<String> = lanes.iter().map(|lane| lane.mapping.name.clone()).collect();
    for lane in &mut lanes {
        lane.recover(&workspace, &store)?;
        lane.catch_up(&workspace, &store)?;
    }
    while !board.stopped() {
        let ready: Vec<bool> = lanes.iter().map(Lane::is_ready).collect();
        let until = lanes.iter().filter_map(Lane::next).min();
        let turns = board.wait(&names, &ready, until);
        for (lane, turn) in lanes.iter_mut().zip(turns) {
            if board.stopped() {
                break;
            }
            lane.turn(&mut workspace, &store, &turn)?;
        }
    }
    for lane in &mut lanes {
        lane.put(&store)?;
    }
    Ok(())
}

/// Looks at every lane once, twice where a target moved meanwhile.
fn once(workspace: &Workspace, mut lanes: Vec<Lane>, stop: &CancelFlag) -> Result<()> {
    let mut workspace = workspace.clone();
    let store = workspace.sync_store()?;
    for lane in &mut lanes {
        lane.recover(&workspace, &store)?;
        lane.catch_up(&workspace, &store)?;
        for _ in 0..3 {
            if stop.is_cancelled() {
                return Ok(());
            }
            lane.at_rest = super::half::AT_REST_ONCE;
            while lane.is_half_written(&workspace)? && !stop.is_cancelled() {
                std::thread::sleep(CLERK);
            }
            if lane.look(&mut workspace, &store)? {
                break;
            }
        }
    }
    Ok(())
}
