//! Jobs on worker threads. In each lane one runs and one waits; the latest wins, what is older is told to stop.
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crm_core::monitor::{Monitor, Progress};
use crm_core::workspace::Workspace;
use crm_core::{Error, Result};

use super::{Event, work};
use crate::app::msg::{Answer, Lane, Msg, Request, Ticket};

/// Progress is passed on at most this often.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// No request has this generation.
const NONE: u64 = u64::MAX;

#[derive(Default)]
struct LaneState {
    /// The generation whose answer is wanted.
    wanted: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    running: bool,
    next: Option<(Ticket, Request)>,
}

/// Does requests and sends the answers back as events.
pub(super) struct Jobs {
    events: Sender<Event>,
    workspace: Arc<Mutex<Workspace>>,
    lanes: HashMap<Lane, Arc<LaneState>>,
}

impl Jobs {
    /// Jobs on this workspace.
    pub(super) fn new(workspace: Workspace, events: Sender<Event>) -> Self {
        Self { events, workspace: Arc::new(Mutex::new(workspace)), lanes: HashMap::new() }
    }

    /// Starts a request, or lets it wait for the one that runs in its lane.
    pub(super) fn submit(&mut self, ticket: Ticket, request: Request) {
        let lane = self.lanes.entry(ticket.lane).or_default().clone();
        lane.wanted.store(ticket.generation, Ordering::Relaxed);
        {
            let mut queue = lane.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.next = Some((ticket, request));
            if queue.running {
                return;
            }
            queue.running = true;
        }
        let events = self.events.clone();
        let workspace = self.workspace.clone();
        let worker = lane.clone();
        let spawned = std::thread::Builder::new()
            .name(format!("job {:?}", ticket.lane))
            .spawn(move || run_lane(&worker, &events, &workspace));
        if let Err(error) = spawned {
            lane.queue.lock().unwrap_or_else(PoisonError::into_inner).running = false;
            let error = Error::platform(format!("cannot start a thread: {error}"));
            let _ = self.events.send(Event::Job(Msg::Answered(ticket, Box::new(Err(error)))));
        }
    }

    /// Tells the job of a lane to stop; its answer is not wanted any more.
    pub(super) fn cancel(&mut self, lane: Lane) {
        if let Some(lane) = self.lanes.get(&lane) {
            lane.wanted.store(NONE, Ordering::Relaxed);
            lane.queue.lock().unwrap_or_else(PoisonError::into_inner).next = None;
        }
    }
}

fn run_lane(lane: &Arc<LaneState>, events: &Sender<Event>, workspace: &Arc<Mutex<Workspace>>) {
    loop {
        let next = {
            let mut queue = lane.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let next = queue.next.take();
            queue.running = next.is_some();
            next
        };
        let Some((ticket, request)) = next else { return };
        let monitor = LaneMonitor {
            ticket,
            lane: lane.clone(),
            // Sender is Sync, but a lock keeps the throttle's clock beside it.
            outlet: Mutex::new((events.clone(), None)),
        };
        let result = catch_unwind(AssertUnwindSafe(|| work::answer(request, workspace, &monitor)))
            .unwrap_or_else(|_| Err(broken()));
        if lane.wanted.load(Ordering::Relaxed) == ticket.generation
            && events.send(Event::Job(Msg::Answered(ticket, Box::new(result)))).is_err()
        {
            return;
        }
    }
}

fn broken() -> Error {
    Error::data("the console made a mistake while it worked on this").advise(
        "nothing was written; `crm-console doctor` tells where the log is, please report it with the steps that led here",
    )
}

struct LaneMonitor {
    ticket: Ticket,
    lane: Arc<LaneState>,
    outlet: Mutex<(Sender<Event>, Option<Instant>)>,
}

impl Monitor for LaneMonitor {
    fn report(&self, progress: Progress) {
        let mut outlet = self.outlet.lock().unwrap_or_else(PoisonError::into_inner);
        if outlet.1.is_some_and(|last| last.elapsed() < REPORT_EVERY) {
            return;
        }
        outlet.1 = Some(Instant::now());
        let _ = outlet.0.send(Event::Job(Msg::Progress(self.ticket, progress)));
    }
    fn cancelled(&self) -> bool {
        self.lane.wanted.load(Ordering::Relaxed) != self.ticket.generation
    }
}

/// For [`work`]: the workspace as it is now.
pub(super) fn current(workspace: &Mutex<Workspace>) -> Workspace {
    workspace.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// For [`work`]: loads the project again, for all jobs to come.
pub(super) fn reload(workspace: &Mutex<Workspace>) -> Result<Workspace> {
    let new = current(workspace).reload()?;
    *workspace.lock().unwrap_or_else(PoisonError::into_inner) = new.clone();
    Ok(new)
}

/// What a worker answers.
pub(super) type Answered = Result<Answer>;
