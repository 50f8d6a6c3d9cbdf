//! What is asked of the sync loop and told to it, in calls to the workspace.
use std::time::Duration;

use crm_core::journal::sync::{EventFilter, Order, now_ms};
use crm_core::workspace::Workspace;
use crm_core::{Error, Result};

use crate::app::sync::{LAGS, SyncLook, SyncOrder, SyncSeen, SyncTraced};

/// Events and log lines that are shown at most.
const MOST: usize = 300;
/// The window of the histogram of lags.
const RECENT: Duration = Duration::from_secs(300);
/// The window of the sparklines.
const HOUR: Duration = Duration::from_secs(3_600);

/// Looks at the loop.
pub(super) fn look(workspace: &Workspace, look: &SyncLook) -> Result<SyncSeen> {
    let mut seen = SyncSeen { status: workspace.sync_status()?, ..SyncSeen::default() };
    if let Some(filter) = &look.events {
        seen.events = Some(workspace.sync_events(filter, MOST)?);
        seen.log = Some(workspace.sync_log(None, MOST)?);
    }
    if let Some(mapping) = &look.lags_of {
        seen.lags = Some((mapping.clone(), workspace.sync_lags(mapping, RECENT, &LAGS)?));
    }
    if look.scores {
        let lanes = seen.status.lanes.iter();
        let scores = lanes.map(|lane| Ok((lane.mapping.clone(), workspace.sync_scores(&lane.mapping, HOUR)?)));
        seen.scores = Some(scores.collect::<Result<_>>()?);
    }
    if look.conflicts {
        seen.conflicts = Some(workspace.conflicts(None)?);
    }
    Ok(seen)
}

/// Does what is ordered, one after the other; answers what was done, in words. What comes after a failure is not done.
pub(super) fn carry_out(workspace: &Workspace, orders: &[SyncOrder]) -> Result<String> {
    let mut words = String::new();
    for order in orders {
        words = match order {
            SyncOrder::Start => {
                let pid = workspace.start_sync(&[])?;
                format!("sync runs in process {pid}; it goes on without this screen")
            }
            SyncOrder::Tell(mapping, order) => {
                workspace.tell_sync(mapping.as_deref(), order)?;
                told(mapping.as_deref(), order)
            }
            SyncOrder::Silence(mapping, minutes) => {
                let until = now_ms() + minutes * 60_000;
                workspace.tell_sync(Some(mapping), &Order::Silence { until })?;
                match minutes {
                    0 => format!("{mapping}: its alarms are heard again"),
                    minutes => format!("{mapping}: its alarms are silent for {minutes} minutes"),
                }
            }
            // The inbox shows it.
            SyncOrder::Decide(id, takes) => workspace.decide_conflict(*id, takes).map(|_| String::new())?,
            SyncOrder::Undecide(id) => workspace.undecide_conflict(*id).map(|()| String::new())?,
        };
    }
    Ok(words)
}

fn told(mapping: Option<&str>, order: &Order) -> String {
    let what = match order {
        Order::Stop => "told the loop to end after what it is writing",
        Order::Pause => "told it to pause",
        Order::Resume => "told it to go on",
        Order::Look => "told it to look",
        Order::Pushed => "told it that records wait",
        Order::Resync { keys } if keys.is_empty() => "everything will be compared again",
        Order::Resync { .. } => "the record will be compared again",
        Order::Audit => "told it to count both sides",
        Order::Release { .. } => "released",
        Order::Refuse => "it looks anew",
        Order::Silence { .. } => "its alarms are silent",
    };
    mapping.map_or_else(|| what.to_owned(), |mapping| format!("{mapping}: {what}"))
}

/// The way of a record.
pub(super) fn trace(workspace: &Workspace, mapping: &str, key: &str) -> Result<SyncTraced> {
    let filter =
        EventFilter { mapping: Some(mapping.to_owned()), text: Some(key.to_owned()), ..EventFilter::default() };
    let mut events = workspace.sync_events(&filter, MOST)?;
    events.retain(|line| line.event.key.as_deref() == Some(key));
    let trace = match workspace.trace(mapping, key) {
        Ok(traces) => traces.into_iter().next(),
        // No run had it: what sync did with it is all there is.
        Err(error) if error.kind() == crm_core::Kind::Usage => None,
        Err(error) => return Err(error),
    };
    if events.is_empty() && trace.is_none() {
        return Err(Error::usage("nothing is kept of this record"));
    }
    Ok(SyncTraced { mapping: mapping.to_owned(), key: key.to_owned(), events, trace })
}
