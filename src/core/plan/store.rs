//! A plan's folder: made under another name, renamed when whole.
use std::path::{Path, PathBuf};

use super::{MappingPlan, Plan, Purpose};
use crate::error::{Error, Result};

const PLAN: &str = "plan.json";

/// Format of `plan.json`.
pub(crate) const VERSION: u32 = 1;

/// First 12 hex digits of the hash over all that decides what a run does.
pub(crate) fn id_of(env: Option<&str>, purpose: &Purpose, mappings: &[MappingPlan]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut put = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    put(env.unwrap_or_default());
    put(purpose.word());
    put(purpose.about().unwrap_or_default());
    for mapping in mappings {
        for text in [
            &mapping.mapping,
            &mapping.from,
            &mapping.to.platform,
            &mapping.to.object,
            &mapping.pipeline_hash,
            &mapping.facts_hash,
            &mapping.ops_hash,
        ] {
            put(text);
        }
        for version in [&mapping.source_version, &mapping.target_version] {
            put(&format!("{} {} {}", version.exists, version.bytes, version.hash));
        }
        // A plan of all rows and one that leaves some to the ledger are two, even where they do the same.
        if let Some(incremental) = &mapping.incremental {
            put(&format!("incremental {} {} {}", incremental.looked, incremental.unchanged, incremental.filtered));
        }
        put(&mapping.columns.join("\u{1f}"));
        put(&format!("{:?}", mapping.write_rules));
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

/// Puts the files of `made` in place as the plan's folder; one of the same id is replaced (it says the same).
pub(crate) fn publish(made: &Path, plans: &Path, plan: &Plan) -> Result<PathBuf> {
    let text = serde_json::to_vec_pretty(plan).map_err(|_| Error::platform("the plan cannot be written"))?;
    let file = made.join(PLAN);
    std::fs::write(&file, text).map_err(|error| Error::io("write", &file, &error))?;
    let dir = plans.join(&plan.id);
    if dir.exists() {
        let old = plans.join(format!(".old-{}-{}", plan.id, std::process::id()));
        std::fs::rename(&dir, &old).map_err(|error| Error::io("replace", &dir, &error))?;
        std::fs::rename(made, &dir).map_err(|error| Error::io("write", &dir, &error))?;
        _ = std::fs::remove_dir_all(&old);
    } else {
        std::fs::rename(made, &dir).map_err(|error| Error::io("write", &dir, &error))?;
    }
    Ok(dir)
}

/// Reads a plan from its folder.
pub(crate) fn load(dir: &Path) -> Result<Plan> {
    let file = dir.join(PLAN);
    let text = std::fs::read(&file).map_err(|error| Error::io("read", &file, &error))?;
    let plan: Plan = serde_json::from_slice(&text).map_err(|_| {
        Error::usage(format!("{} is not a plan of this version", file.display())).advise("make the plan again")
    })?;
    if plan.version != VERSION {
        return Err(Error::usage(format!("{} is of another version", file.display())).advise("make the plan again"));
    }
    Ok(plan)
}

/// Stands in the folder of a plan that lost rows because a person was erased.
const ERASED: &str = "erased";

/// Marks a plan that lost rows because a person was erased: it is still there to look at, and no more to be run.
pub(crate) fn mark_erased(dir: &Path) -> Result<()> {
    let path = dir.join(ERASED);
    std::fs::write(&path, crate::journal::now()).map_err(|error| Error::io("write", &path, &error))
}

/// Refuses a plan that lost rows because a person was erased.
pub(crate) fn refuse_erased(dir: &Path) -> Result<()> {
    if !dir.join(ERASED).exists() {
        return Ok(());
    }
    let plan = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Err(Error::refused(format!("a person was erased from plan {plan} after it was made"))
        .advise("plan again: the new plan leaves them out"))
}
