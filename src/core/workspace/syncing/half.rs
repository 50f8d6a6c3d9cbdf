//! Source files that may be half written: who looks by the clock, or when told by others, does not hear their writer close
//! them, and what is missing in half a file was not deleted.
use std::time::{Duration, SystemTime};

use super::lane::Lane;
use crate::error::Result;
use crate::journal::sync::now_ms;
use crate::plan::MappingPlan;
use crate::platform::{Sign, Source};
use crate::workspace::Workspace;

/// A text file that is shorter than when it was last read is left alone until nobody wrote to it for so long.
pub(super) const AT_REST: Duration = Duration::from_secs(10);
/// The same for a single look: somebody waits for it.
pub(super) const AT_REST_ONCE: Duration = Duration::from_secs(2);
/// Time between two looks at such a file.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// How long to wait before the lane's source is looked at; None: it can be read now. Signs of the file itself come when its
/// writer is done.
pub(super) fn written(workspace: &Workspace, lane: &Lane, sign: &Sign) -> Result<Option<Duration>> {
    if sign.origin == "file" {
        return Ok(None);
    }
    let from = &lane.mapping.from;
    let connector = workspace.connector(&from.platform)?;
    // Other files say by themselves that something is missing, or are written in transactions.
    let Source::Object(object) = &from.source else { return Ok(None) };
    if !matches!(connector.kind(), "csv" | "tsv" | "ndjson" | "json") {
        return Ok(None);
    }
    let [path] = &connector.paths(object)[..] else { return Ok(None) };
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
    let Some((known, _)) = workspace.known_snapshot(&from.platform, connector.as_ref(), &from.source)? else {
        return Ok(None);
    };
    // What was read last may have been a half, by a look that came to nothing.
    if metadata.len() >= known.meta().version.bytes.max(lane.whole_bytes) {
        return Ok(None);
    }
    // A time that is still to come says nothing.
    let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    Ok(age.filter(|age| *age < lane.at_rest).map(|_| AGAIN))
}

/// What a plan was made from may be a half after all: its writer may have begun between the look at the file and the reading
/// of it. `before`: bytes of the source when it was last read whole.
pub(super) fn was_read(lane: &Lane, sign: &Sign, part: &MappingPlan, before: u64) -> bool {
    let version = &part.source_version;
    let age = now_ms() - version.modified_ms;
    sign.origin != "file"
        && !version.hash.is_empty()
        && version.bytes < before.max(lane.whole_bytes)
        && (0..lane.at_rest.as_millis() as i64).contains(&age)
}

/// Bytes of a lane's source when it was last read, 0 if it never was.
pub(super) fn bytes(workspace: &Workspace, lane: &Lane) -> Result<u64> {
    let from = &lane.mapping.from;
    let connector = workspace.connector(&from.platform)?;
    let known = workspace.known_snapshot(&from.platform, connector.as_ref(), &from.source)?;
    Ok(known.map_or(0, |(known, _)| known.meta().version.bytes))
}
