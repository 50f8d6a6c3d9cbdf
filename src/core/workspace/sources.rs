//! Sources after a run: what came to them since they were read is not in it. The snapshot makes that harmless; it is told.
use super::Workspace;
use crate::plan::{MappingPlan, Plan};
use crate::platform::Source;

impl Workspace {
    /// Sources of a plan that are not as they were when they were read, in words.
    pub(super) fn sources_since(&self, plan: &Plan) -> Vec<String> {
        if plan.purpose.is_revert() {
            return Vec::new();
        }
        plan.mappings.iter().filter_map(|mapping| self.source_since(mapping)).collect()
    }

    fn source_since(&self, plan: &MappingPlan) -> Option<String> {
        let mapping = self.project.mappings.iter().find(|mapping| mapping.name == plan.mapping)?;
        let Source::Object(object) = &mapping.from.source else { return None };
        let then = &plan.source_version;
        let now = self.connector(&mapping.from.platform).and_then(|connector| connector.version(object));
        let what = match now {
            Ok(now) if now.exists => {
                let alike = (now.bytes, &now.hash) == (then.bytes, &then.hash)
                    && (!now.hash.is_empty() || now.identity == then.identity);
                if alike {
                    return None;
                }
                "changed"
            }
            _ if !then.exists => return None,
            _ => "went away",
        };
        Some(format!(
            "{} {what} since it was read: what was read then was carried over; plan again for what came later",
            plan.from
        ))
    }
}
