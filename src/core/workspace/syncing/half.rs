//! Source files that may be half written: who looks by the clock, or when told by others, does not hear their writer close
//! them, and what is missing in half a file was not deleted.
use std::path::PathBuf;
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

/// The text file behind a lane's source and its size when it was last read whole; None: no half can come of looking at it.
/// Signs of the file itself come when its writer is done; other files say by themselves that something is missing, or are
/// written in transactions.
fn last_read(workspace: &Workspace, lane: &Lane, sign: &Sign) -> Result<Option<(PathBuf, u64)>> {
    let from = &lane.mapping.from;
    let Source::Object(object) = &from.source else { return Ok(None) };
    if sign.origin == "file" {
        return Ok(None);
    }
    let connector = workspace.connector(&from.platform)?;
    if !matches!(connector.kind(), "csv" | "tsv" | "ndjson" | "json") {
        return Ok(None);
    }
    let Ok([path]) = <[PathBuf; 1]>::try_from(connector.paths(object)) else { return Ok(None) };
    let known = workspace.known_snapshot(&from.platform, connector.as_ref(), &from.source)?;
    // What was read last may have been a half, by a look that came to nothing.
    Ok(known.map(|(known, _)| (path, known.meta().version.bytes.max(lane.whole_bytes))))
}

/// How long to wait before the lane's source is looked at; None: it can be read now.
pub(super) fn written(workspace: &Workspace, lane: &Lane, sign: &Sign) -> Result<Option<Duration>> {
    let Some((path, whole)) = last_read(workspace, lane, sign)? else { return Ok(None) };
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(None) };
    if metadata.len() >= whole {
        return Ok(None);
    }
    // A time that is still to come says nothing.
    let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    Ok(age.filter(|age| *age < lane.at_rest).map(|_| AGAIN))
}

/// Bytes of a lane's source when it was last read whole; 0: whatever is read now is whole.
pub(super) fn whole_bytes(workspace: &Workspace, lane: &Lane, sign: &Sign) -> Result<u64> {
    Ok(last_read(workspace, lane, sign)?.map_or(0, |(_, whole)| whole))
}

/// What a plan was made from is a half after all, though `whole` bytes were there before: its writer began between the look at
/// the file and the reading of it.
pub(super) fn was_read(lane: &Lane, part: &MappingPlan, whole: u64) -> bool {
    let version = &part.source_version;
    let age = now_ms() - version.modified_ms;
    version.bytes < whole && (0..lane.at_rest.as_millis() as i64).contains(&age)
}
