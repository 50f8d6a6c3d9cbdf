//! One mapping of the loop: when it looks, what it is told, how it stands.
use std::time::{Duration, Instant};

use backon::BackoffBuilder;
use serde::{Deserialize, Serialize};

use super::cycle::{Cycle, Ended};
use super::looping::watching;
use super::seen::Seen;
use crate::error::{Error, Kind, Result};
use crate::journal::sync::{
    Held, HeldKind, LaneState, LaneStatus, LogLevel, Order, OrderLine, ScoreLine, SyncStore, now_ms,
};
use crate::platform::Sign;
use crate::project::{Direction, Mapping};
use crate::sync::{Columns, Turn, Window, inverse};
use crate::workspace::Workspace;

/// The short window of timeliness.
const RECENT: Duration = Duration::from_secs(300);
/// Time between two lines of the scores' history.
const SCORE_EVERY: Duration = Duration::from_secs(10);
/// Time between two looks at how old open events are.
const REFRESH: Duration = Duration::from_secs(1);
/// A cycle that takes longer rests as long before the next: a source that is compared whole does not eat a core.
const LONG: Duration = Duration::from_millis(500);

/// How long a target that somebody else writes is waited for before that is an alarm.
const PATIENT: Duration = Duration::from_secs(10);

/// What a lane keeps from one loop to the next.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Hash of the rules and settings that somebody released a plan of.
    pub(super) confirmed: Option<String>,
    /// The columns of both sides.
    pub(super) source: Columns,
    pub(super) target: Columns,
    pub(super) paused: bool,
    pub(super) held: Option<Held>,
    /// What went back to the source since both sides last agreed.
    pub(super) offered: super::offered::Offered,
    /// Somebody saw the alarm: who, and until when it is silent.
    pub(super) silenced: Option<(String, i64)>,
    /// Number of the last order that it heard.
    pub(super) heard: i64,
}

/// A mapping of the loop.
pub(super) struct Lane {
    pub(super) mapping: Mapping,
    pub(super) status: LaneStatus,
    pub(super) memory: Memory,
    /// Changes made lately.
    pub(super) window: Window,
    /// A plan that may be run although it is too much.
    pub(super) released: Option<String>,
    /// Everything is compared, whatever the ledger says.
    pub(super) whole: bool,
    /// The sign that is not dealt with yet.
    pub(super) sign: Option<(Sign, Instant)>,
    /// How long a source file that became shorter must have been left alone before it is read.
    pub(super) at_rest: Duration,
    /// Bytes of the source when it was last read and believed.
    pub(super) whole_bytes: u64,
    files: Seen,
    retry: Option<Instant>,
    rest: Option<Instant>,
    /// Since when somebody else writes the target.
    busy: Option<Instant>,
    scored: Instant,
    refreshed: Instant,
    began: i64,
    backoff: backon::ExponentialBackoff,
}

fn backoff() -> backon::ExponentialBackoff {
    backon::ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(60))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

impl Lane {
    /// A mapping's lane, with what it kept.
    pub(super) fn open(workspace: &Workspace, mapping: &Mapping, store: &SyncStore) -> Result<Self> {
        let known = store.lanes()?.into_iter().find(|lane| lane.mapping == mapping.name).unwrap_or_default();
        let is_new = known.mapping.is_empty();
        let mut memory: Memory = store.memory(&mapping.name)?;
        if is_new {
            // What was told to others before it was there is not meant for it.
            memory.heard = store.last_order()?;
        }
        let now = now_ms();
        let status = LaneStatus {
            mapping: mapping.name.clone(),
            from: mapping.from.label.clone(),
            to: mapping.to.to_string(),
            trigger: mapping.sync.trigger,
            watching: watching(workspace, mapping),
            direction: mapping.sync.direction,
            state: match (memory.paused, &memory.held) {
                (true, _) => LaneState::Paused,
                (false, Some(_)) => LaneState::Held,
                (false, None) => LaneState::Starting,
            },
            since: now,
            held: memory.held.clone(),
            freshness: mapping.sync.freshness.as_millis() as u64,
            tries: 0,
            next_try: None,
            why: memory.held.as_ref().map(|held| held.why.clone()).unwrap_or_default(),
            pending: 0,
            oldest: None,
            ..known
        };
        let mut status = status;
        if mapping.sync.direction == Direction::TwoWay {
            match inverse(&workspace.project().root, mapping) {
                Ok(way) => {
                    status.goes_back = way.fields.into_iter().map(|(field, _)| field).collect();
                    status.stays = way.left.into_iter().map(|(field, why)| (field, why.to_owned())).collect();
                }
                Err(why) => (status.goes_back, status.stays) = (Vec::new(), vec![(String::new(), why)]),
            }
        }
        store.put_lane(&status)?;
        Ok(Self {
            mapping: mapping.clone(),
            status,
            memory,
            window: Window::default(),
            released: None,
            whole: false,
            sign: None,
            at_rest: super::half::AT_REST,
            whole_bytes: 0,
            files: Seen::now(workspace),
            retry: None,
            rest: None,
            busy: None,
            scored: Instant::now(),
            refreshed: Instant::now(),
            began: now,
            backoff: backoff(),
        })
    }

    /// A sign is dealt with now.
    pub(super) fn is_ready(&self) -> bool {
        let now = Instant::now();
        !self.memory.paused && self.rest.is_none_or(|until| until <= now) && self.retry.is_none_or(|until| until <= now)
    }

    /// When it wants to be woken without a sign.
    pub(super) fn next(&self) -> Option<Instant> {
        let open = self.status.pending > 0 || self.status.rejects > 0 || self.status.oldest.is_some();
        let refresh = self.refreshed + if open { REFRESH } else { SCORE_EVERY };
        if self.memory.paused {
            return Some(refresh);
        }
        let now = Instant::now();
        if self.sign.is_some() && self.is_ready() {
            return Some(now);
        }
        // A rest that is over wakes nobody: without a sign there is nothing to do.
        let rest = self.rest.filter(|until| *until > now);
        [Some(refresh), self.retry, rest].into_iter().flatten().min()
    }

    /// When both sides are counted next without being asked. A clock that was set back makes it no later than the setting.
    fn audit_due(&self) -> Option<i64> {
        let every = i64::try_from(self.mapping.sync.audit?.as_millis()).unwrap_or(i64::MAX);
        let last = self.status.audited.map_or(self.began, |audited| audited.min(now_ms()));
        Some(last.saturating_add(every))
    }

    /// Deals with what waits for it.
    pub(super) fn turn(&mut self, workspace: &mut Workspace, store: &SyncStore, turn: &Turn) -> Result<()> {
        for order in &turn.orders {
            self.hear(workspace, store, order)?;
        }
        if let Some(sign) = &turn.sign {
            match &mut self.sign {
                Some((waiting, _)) => waiting.join(sign),
                None => self.sign = Some((sign.clone(), turn.at.unwrap_or_else(Instant::now))),
            }
        }
        if self.status.state == LaneState::Ok && self.audit_due().is_some_and(|due| due <= now_ms()) && !self.whole {
            self.whole = true;
            self.wake("audit");
        }
        let now = Instant::now();
        let again = self.retry.is_some_and(|until| until <= now);
        if (self.sign.is_some() || again) && self.is_ready() {
            self.look(workspace, store)?;
        } else if !turn.orders.is_empty() || now - self.refreshed >= REFRESH {
            self.put(store)?;
        }
        if self.scored.elapsed() >= SCORE_EVERY {
            self.score(store)?;
        }
        Ok(())
    }

    /// Hears what it was told while no loop was at work.
    pub(super) fn catch_up(&mut self, workspace: &Workspace, store: &SyncStore) -> Result<()> {
        for line in store.orders(self.memory.heard)? {
            if line.mapping.as_ref().is_none_or(|name| *name == self.mapping.name) {
                self.hear(workspace, store, &line)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, workspace: &Workspace, store: &SyncStore, line: &OrderLine) -> Result<()> {
        if line.id <= self.memory.heard {
            return Ok(());
        }
        self.memory.heard = line.id;
        let name = self.mapping.name.clone();
        let log = |text: &str| store.log(Some(&name), LogLevel::Info, &format!("{text} by {}", line.who));
        match &line.order {
            Order::Stop => {}
            Order::Pause => {
                self.memory.paused = true;
                self.state(LaneState::Paused, format!("paused by {}", line.who));
                log("paused")?;
            }
            Order::Resume => {
                self.memory.paused = false;
                let (state, why) = match &self.memory.held {
                    Some(held) => (LaneState::Held, held.why.clone()),
                    None => (LaneState::Starting, String::new()),
                };
                self.state(state, why);
                self.wake("resume");
                log("resumed")?;
            }
            Order::Look => self.wake("look"),
            Order::Pushed => self.wake("stdin"),
            Order::Resync { keys } => {
                if keys.is_empty() {
                    self.whole = true;
                    store.give_back(&name, &[])?;
                } else {
                    store.give_back(&name, &self.forget(workspace, keys)?)?;
                }
                self.wake("resync");
                log("resync ordered")?;
            }
            Order::Audit => {
                self.whole = true;
                self.wake("audit");
                log("audit ordered")?;
            }
            Order::Release { plan } => {
                let Some(held) = &self.memory.held else {
                    return store.remember(&name, &self.memory);
                };
                if held.kind == HeldKind::Blocked {
                    let text = format!("cannot be released: {}", held.why);
                    store.log(Some(&name), LogLevel::Warn, &text)?;
                    return store.remember(&name, &self.memory);
                }
                if held.kind == HeldKind::Drift {
                    // The columns as they are now are the ones to work with.
                    (self.memory.source, self.memory.target) = (Columns::default(), Columns::default());
                } else if plan.is_some() && *plan != held.plan {
                    let text = "not released: it is held with another plan by now; look at that one";
                    store.log(Some(&name), LogLevel::Warn, text)?;
                    return store.remember(&name, &self.memory);
                } else {
                    self.released.clone_from(&held.plan);
                }
                self.memory.held = None;
                self.wake("release");
                log("released")?;
            }
            Order::Refuse => {
                self.memory.held = None;
                self.wake("look");
                log("refused what it was held with")?;
            }
            Order::Silence { until } => {
                self.memory.silenced = Some((line.who.clone(), *until));
                self.status.silenced.clone_from(&self.memory.silenced);
                log("alarms silenced")?;
            }
        }
        self.status.held.clone_from(&self.memory.held);
        store.put_lane(&self.status)?;
        store.remember(&self.mapping.name, &self.memory)
    }

    /// Its source is not to be looked at yet.
    pub(super) fn is_half_written(&self, workspace: &Workspace) -> Result<bool> {
        Ok(super::half::written(workspace, self, &Sign::now("start"))?.is_some())
    }

    /// Looks without a sign from outside.
    fn wake(&mut self, origin: &'static str) {
        match &mut self.sign {
            Some((waiting, _)) => waiting.join(&Sign::now(origin)),
            None => self.sign = Some((Sign::now(origin), Instant::now())),
        }
        self.retry = None;
        self.rest = None;
    }

    fn state(&mut self, state: LaneState, why: String) {
        if self.status.state != state {
            self.status.since = now_ms();
        }
        (self.status.state, self.status.why) = (state, why);
    }

    /// Looks at both sides, carries over what changed. False: it must look again at once, the target moved meanwhile.
    /// Only what the loop itself cannot do without is an error.
    pub(super) fn look(&mut self, workspace: &mut Workspace, store: &SyncStore) -> Result<bool> {
        self.reload(workspace, store)?;
        let (sign, at) = self.sign.take().unwrap_or_else(|| (Sign::now("pull"), Instant::now()));
        self.status.oldest = Some(crate::journal::sync::millis(sign.changed.unwrap_or(sign.seen)));
        self.status.pending = self.status.pending.max(1);
        if self.status.cycle_ms > LONG.as_millis() as u64 || self.status.tries > 0 {
            store.put_lane(&self.status)?;
        }
        let start = Instant::now();
        let ended = Cycle { workspace, store, sign: &sign, at, arrivals: None }.run(self);
        self.status.cycle_ms = start.elapsed().as_millis() as u64;
        self.rest = (start.elapsed() > LONG).then(|| Instant::now() + start.elapsed());
        let done = match ended {
            Ok(Ended::Done { again }) => {
                self.well(store)?;
                if again {
                    self.sign = Some((sign, at));
                    self.rest = None;
                }
                !again
            }
            Ok(Ended::Held(held)) => {
                self.hold(store, held)?;
                true
            }
            Ok(Ended::Later(rest)) => {
                self.sign = Some((sign, at));
                self.rest = Some(Instant::now() + rest);
                false
            }
            Err(error) => {
                self.stuck(store, &error, sign, at)?;
                true
            }
        };
        self.put(store)?;
        Ok(done)
    }

    fn well(&mut self, store: &SyncStore) -> Result<()> {
        if self.status.tries > 0 {
            store.log(Some(&self.mapping.name), LogLevel::Info, "goes on: the last try went well")?;
        }
        self.retry = None;
        self.busy = None;
        self.backoff = backoff();
        (self.status.tries, self.status.next_try) = (0, None);
        self.status.looked = Some(now_ms());
        self.whole = false;
        if self.memory.held.take().is_some() {
            store.remember(&self.mapping.name, &self.memory)?;
        }
        self.status.held = None;
        self.status.pending = 0;
        if !self.memory.paused {
            self.state(LaneState::Ok, String::new());
        }
        Ok(())
    }

    fn hold(&mut self, store: &SyncStore, held: Held) -> Result<()> {
        let same = self.memory.held.as_ref().is_some_and(|known| known.kind == held.kind && known.plan == held.plan);
        if !same {
            store.log(Some(&self.mapping.name), LogLevel::Alarm, &format!("HELD: {}", held.why))?;
        }
        self.retry = None;
        (self.status.tries, self.status.next_try) = (0, None);
        self.status.pending = held.changes;
        self.state(LaneState::Held, held.why.clone());
        self.status.held = Some(held.clone());
        self.memory.held = Some(held);
        store.put_lane(&self.status)?;
        store.remember(&self.mapping.name, &self.memory)
    }

    fn stuck(&mut self, store: &SyncStore, error: &Error, sign: Sign, at: Instant) -> Result<()> {
        if error.kind() == Kind::Busy && self.busy.get_or_insert_with(Instant::now).elapsed() < PATIENT {
            // A run that goes between two cycles is done in a moment: that is nothing to be alarmed about.
            self.retry = Some(Instant::now() + PATIENT / 50);
            self.sign = Some((sign, at));
            return Ok(());
        }
        let delay = self.backoff.next().unwrap_or(Duration::from_secs(60));
        // A lock that somebody else holds is let go sooner than a disk is emptied.
        let delay = if error.kind() == Kind::Busy { delay.min(Duration::from_secs(2)) } else { delay };
        self.status.tries += 1;
        if self.status.tries == 1 || self.status.why != error.to_string() {
            store.log(Some(&self.mapping.name), LogLevel::Alarm, &format!("STUCK: {error}"))?;
        }
        self.state(LaneState::Stuck, error.to_string());
        self.retry = Some(Instant::now() + delay);
        self.status.next_try = Some(now_ms() + delay.as_millis() as i64);
        self.sign = Some((sign, at));
        Ok(())
    }

    /// The project's files changed: the lane works with them as they are now.
    fn reload(&mut self, workspace: &mut Workspace, store: &SyncStore) -> Result<()> {
        let files = Seen::now(workspace);
        if files == self.files {
            return Ok(());
        }
        self.files = files;
        let name = self.mapping.name.clone();
        let read = workspace.reload().map(|read| read.for_sync());
        let found = read.map(|read| (read.project().mappings.iter().find(|one| one.name == name).cloned(), read));
        match found {
            Ok((Some(mapping), read)) => {
                if mapping != self.mapping {
                    store.log(Some(&name), LogLevel::Info, "the mapping changed: it is read again")?;
                }
                self.status.freshness = mapping.sync.freshness.as_millis() as u64;
                self.mapping = mapping;
                *workspace = read;
            }
            Ok((None, _)) => store.log(Some(&name), LogLevel::Warn, "its file is gone; it goes on as it was read")?,
            Err(error) => store.log(
                Some(&name),
                LogLevel::Warn,
                &format!("the project's files changed and cannot be read; it goes on as they were: {error}"),
            )?,
        }
        Ok(())
    }

    /// Notes how it stands.
    pub(super) fn put(&mut self, store: &SyncStore) -> Result<()> {
        self.refreshed = Instant::now();
        let now = now_ms();
        let budget = Duration::from_millis(self.status.freshness);
        let recent = now - RECENT.as_millis() as i64;
        self.status.recent = store.timeliness(&self.mapping.name, recent, budget)?;
        self.status.session = store.timeliness(&self.mapping.name, self.began, budget)?;
        let span = ((now - self.began.max(recent)) as f64 / 1000.0).max(1.0);
        self.status.rate = (self.status.recent.events - self.status.recent.open) as f64 / span;
        self.status.next_audit = self.audit_due();
        let open = self.status.recent.oldest.map(|age| now - age as i64);
        let waiting =
            self.sign.as_ref().map(|(sign, _)| crate::journal::sync::millis(sign.changed.unwrap_or(sign.seen)));
        let waiting = waiting.filter(|_| self.status.state != LaneState::Ok);
        self.status.oldest =
            [open, waiting, self.memory.held.as_ref().map(|held| held.since)].into_iter().flatten().min();
        store.put_lane(&self.status)
    }

    fn score(&mut self, store: &SyncStore) -> Result<()> {
        self.scored = Instant::now();
        let line = ScoreLine {
            at: now_ms(),
            tally: self.status.tally,
            pending: self.status.pending,
            timely: self.status.recent,
            rate: self.status.rate,
        };
        store.add_score(&self.mapping.name, &line)
    }
}
