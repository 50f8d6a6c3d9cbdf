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
use crate::plan::{MappingPlan, Plan, Purpose};

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

    /// The run or plan that `id` names, for verifying: its plan, and the run if it is one.
    ///
    /// Without an id it is the newest run that carried a source over; repairs after it are part of what it is compared with.
    /// Where rows were retried after it, the expected image is planned anew: from the source as that run had read it, under
    /// the mappings by which the rows were mended.
    pub fn to_verify(&self, id: Option<&str>, monitor: &dyn Monitor) -> Result<(Plan, Option<RunRecord>)> {
        if let Some(id) = id {
            return match self.run(id) {
                Ok(run) => Ok((self.load_plan(&run.plan)?, Some(run))),
                Err(_) => Ok((self.load_plan(id)?, None)),
            };
        }
        // Run and what its rows were left out by, of retries that wrote.
        let mut retries: Vec<(String, String)> = Vec::new();
        let mut base = None;
        for run in self.runs()? {
            let plan = self.load_plan(&run.plan);
            match plan.as_ref().map(|plan| &plan.purpose) {
                Ok(Purpose::Retry { run: about }) if run.results.iter().any(|result| result.published) => {
                    retries.push((run.id, about.clone()));
                }
                Ok(Purpose::Repair { .. } | Purpose::Retry { .. }) => {}
                _ if base.is_none() => base = Some((plan?, run)),
                _ => {}
            }
        }
        if let Some((plan, run)) = base {
            let mut retried = vec![run.id.clone()];
            while let Some(at) = retries.iter().position(|(_, about)| retried.contains(about)) {
                retried.push(retries.swap_remove(at).0);
            }
            return if retried.len() > 1 {
                Ok((self.plan_again(&plan, monitor)?, None))
            } else {
                Ok((plan, Some(run)))
            };
        }
        Err(Error::usage("this project has no run yet")
            .advise("name a plan, or run one: crm-console plan --out plan.json"))
    }

    /// Plans the mappings of a plan as they are now over the sources as that plan had read them.
    fn plan_again(&self, plan: &Plan, monitor: &dyn Monitor) -> Result<Plan> {
        let name = |part: &MappingPlan| part.mapping.clone();
        let request = PlanRequest {
            mappings: plan.mappings.iter().map(name).collect(),
            sources: plan.mappings.iter().map(|part| (name(part), part.source_snapshot.clone())).collect(),
            ..PlanRequest::default()
        };
        self.plan_for(&request, monitor)
    }
}
