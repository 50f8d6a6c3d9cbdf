//! Repair: a plan of its own that makes target rows again what an earlier plan had made them.
//!
//! It plans the records that verify found mismatched or missing, and only those, from the source as the earlier plan had read
//! it. Mapped columns alone are written, so what others wrote beside them stays. Rows that the source lacks are listed by
//! verify and left to the operator: nobody but the source knows better.
use super::plans::PlanRequest;
use super::{Proof, VerifyRequest, Workspace};
use crate::error::{Error, Result};
use crate::journal::RunRecord;
use crate::monitor::Monitor;
use crate::plan::{Plan, Purpose};

/// What a repair would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    /// What verify found, by mapping.
    pub proofs: Vec<Proof>,
    /// The plan that mends it; None if no record can be mended.
    pub plan: Option<Plan>,
    /// Records that are not as expected and that no plan over the source can mend: rows that the source lacks.
    pub beyond: u64,
}

impl Workspace {
    /// Verifies a plan and makes the plan that mends what is mismatched or missing. Nothing is written: it is run like
    /// every plan, once it is confirmed.
    pub fn repair(&self, plan: &Plan, request: VerifyRequest<'_>, monitor: &dyn Monitor) -> Result<Repair> {
        let proofs = self.prove(plan, request, monitor)?;
        let mut wanted = PlanRequest {
            purpose: Purpose::Repair { plan: plan.id.clone() },
            by: format!("mismatched or missing since plan {}", plan.id),
            ..PlanRequest::default()
        };
        let mut beyond = 0;
        for (part, proof) in plan.mappings.iter().zip(&proofs) {
            let states = proof.result.states.unwrap_or_default();
            beyond += (states.mismatched + states.missing_target).saturating_sub(proof.mend.len() as u64);
            beyond += states.missing_source;
            if !proof.mend.is_empty() {
                wanted.mappings.push(part.mapping.clone());
                wanted.rows.insert(part.mapping.clone(), proof.mend.clone());
                wanted.sources.insert(part.mapping.clone(), part.source_snapshot.clone());
            }
        }
        let plan = if wanted.mappings.is_empty() { None } else { Some(self.plan_for(&wanted, monitor)?) };
        Ok(Repair { proofs, plan, beyond })
    }

    /// The run or plan that `id` names, for verifying: its plan, and the run if it is one. Without an id the newest run
    /// that carried a source over: a repair or a retry after it is part of what it is to be compared with.
    pub fn to_verify(&self, id: Option<&str>) -> Result<(Plan, Option<RunRecord>)> {
        if let Some(id) = id {
            return match self.run(id) {
                Ok(run) => Ok((self.load_plan(&run.plan)?, Some(run))),
                Err(_) => Ok((self.load_plan(id)?, None)),
            };
        }
        for run in self.runs()? {
            let plan = self.load_plan(&run.plan);
            let part_of_another = |plan: &Plan| matches!(plan.purpose, Purpose::Repair { .. } | Purpose::Retry { .. });
            if !plan.as_ref().is_ok_and(part_of_another) {
                return Ok((plan?, Some(run)));
            }
        }
        Err(Error::usage("this project has no run yet")
            .advise("name a plan, or run one: crm-console plan --out plan.json"))
    }
}
