//! `verify`: the targets read back, record by record, and the plan that mends what differs.
use crm_core::migrate::{Failure, FailureCell, RecordState};
use crm_core::plan::Plan;
use crm_core::project::{Mapping, Personal};
use crm_core::score;
use crm_core::table::export::mask;
use crm_core::table::text::sanitize;
use crm_core::workspace::{Proof, Repair, Revealed, VerifyRequest, Workspace};
use crm_core::{Error, Result};
use serde_json::{Value, json};

use super::DIFFERENCES;
use super::args::{Common, VerifyArgs};
use super::output::{Output, group};
use super::project::print_plan;

/// `verify`.
pub(crate) fn verify(common: &Common, arguments: &VerifyArgs, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let monitor = out.monitor()?;
    let (plan, run) = match arguments.id.as_deref().map(std::path::Path::new).filter(|path| path.is_file()) {
        Some(path) => (super::runs::load_plan(&workspace, &path.display().to_string())?, None),
        None => workspace.to_verify(arguments.id.as_deref(), &monitor)?,
    };
    let values = if arguments.values { arguments.failures } else { 0 };
    let request = VerifyRequest { run: run.as_ref().map(|run| run.id.as_str()), values };
    let repair = if arguments.repair {
        workspace.repair(&plan, request, &monitor)?
    } else {
        Repair { proofs: workspace.prove(&plan, request, &monitor)?, plan: None, beyond: 0 }
    };
    monitor.done();
    if arguments.reveal {
        for part in &plan.mappings {
            let (by, of) = ("command verify".to_owned(), run.as_ref().map(|run| run.id.clone()));
            let revealed = Revealed { by, run: of, plan: Some(plan.id.clone()), ..Revealed::default() };
            super::note_revealed(&workspace, &part.mapping, revealed)?;
        }
    }
    let personal = Personal::of(&workspace.project().mappings);
    let shown = Shown { workspace: &workspace, personal, arguments, plan: &plan };
    if out.is_json() {
        let id = run.as_ref().map(|run| &run.id);
        let mut document = shown.json(&repair);
        document["run"] = json!(id);
        out.json(&document)?;
    } else {
        shown.text(&repair, out)?;
    }
    if let Some(mend) = &repair.plan {
        return Err(Error::refused("nothing written: the repair is a plan like any other and was not confirmed")
            .advise(format!("to run it: crm-console migrate --plan {} --confirm {}", mend.id, mend.confirm)));
    }
    let tallies: Vec<_> = repair.proofs.iter().filter_map(|proof| proof.result.tally).collect();
    let equal = tallies.iter().all(|tally| tally.equal == tally.union());
    Ok(if equal { 0 } else { DIFFERENCES })
}

/// What is shown of a verify, and how.
struct Shown<'a> {
    workspace: &'a Workspace,
    personal: Personal,
    arguments: &'a VerifyArgs,
    plan: &'a Plan,
}

impl Shown<'_> {
    fn mapping(&self, name: &str) -> Option<&Mapping> {
        self.workspace.project().mappings.iter().find(|mapping| mapping.name == name)
    }

    /// A field's values are personal and nobody asked to see them.
    fn masked(&self, mapping: Option<&Mapping>, column: &str) -> bool {
        !self.arguments.reveal && mapping.is_some_and(|mapping| self.personal.target(&mapping.name, column))
    }

    fn key(&self, mapping: Option<&Mapping>, failure: &Failure) -> String {
        let personal = !self.arguments.reveal && mapping.is_some_and(|mapping| self.personal.key(&mapping.name));
        if personal { mask(&failure.key) } else { failure.key.clone() }
    }

    fn cell(&self, mapping: Option<&Mapping>, column: &str, cell: Option<&str>) -> Option<String> {
        cell.map(|cell| if self.masked(mapping, column) { mask(cell) } else { cell.to_owned() })
    }

    fn failures<'p>(&self, proof: &'p Proof) -> impl Iterator<Item = &'p Failure> {
        proof.failures.iter().take(self.arguments.failures)
    }

    fn json(&self, repair: &Repair) -> Value {
        let tallies: Vec<_> = repair.proofs.iter().filter_map(|proof| proof.result.tally).collect();
        let score = score::Consistency::of(&tallies);
        let results: Vec<Value> = repair
            .proofs
            .iter()
            .map(|proof| {
                let mapping = self.mapping(&proof.result.mapping);
                let failures = self.failures(proof).map(|failure| {
                    let mut out = json!({"key": self.key(mapping, failure), "state": failure.state,
                        "columns": failure.columns, "source": failure.source, "target": failure.target,
                        "operation": failure.operation});
                    if !failure.cells.is_empty() {
                        let cells = failure.columns.iter().zip(&failure.cells).map(|(column, cell)| {
                            json!({"column": column, "expected": self.cell(mapping, column, cell.expected.as_deref()),
                                "found": self.cell(mapping, column, cell.found.as_deref())})
                        });
                        out["cells"] = cells.collect();
                    }
                    out
                });
                let failures: Vec<Value> = failures.collect();
                let mut out = json!(proof.result);
                out["failures"] = failures.into();
                out
            })
            .collect();
        let mut document = json!({"plan": self.plan.id, "consistency": score.mean, "sources": score.sources,
            "micro": score.micro, "results": results});
        if self.arguments.repair {
            document["repair"] = json!({"plan": repair.plan, "beyond": repair.beyond});
        }
        document
    }

    fn text(&self, repair: &Repair, out: &mut Output) -> Result<()> {
        for proof in &repair.proofs {
            let result = &proof.result;
            let name = sanitize(&result.mapping);
            let Some(states) = result.states else { continue };
            let counts: Vec<String> = states
                .list()
                .iter()
                .filter(|(state, records)| *records > 0 || *state == RecordState::Validated)
                .map(|(state, records)| format!("{} {}", group(*records), state.word()))
                .collect();
            let ratio = score::percent(result.tally.and_then(|tally| tally.ratio()));
            out.line(format!("{name}: {ratio}  {}", counts.join(", ")))?;
            let mapping = self.mapping(&result.mapping);
            for failure in self.failures(proof) {
                self.failure(mapping, failure, out)?;
            }
            let told = self.failures(proof).count() as u64;
            let failing = states.list().iter().map(|(_, records)| records).sum::<u64>() - states.validated;
            if failing > told && told > 0 {
                out.line(format!("  … and {} more (--failures N, --json)", group(failing - told)))?;
            }
        }
        let tallies: Vec<_> = repair.proofs.iter().filter_map(|proof| proof.result.tally).collect();
        out.line(format!("consistency {}", score::Consistency::of(&tallies).text()))?;
        if !self.arguments.repair {
            return Ok(());
        }
        if let Some(plan) = &repair.plan {
            print_plan(plan, out)?;
        } else {
            out.line("nothing to repair")?;
        }
        if repair.beyond > 0 {
            out.line(format!(
                "{} records are beyond a repair: the source lacks them, so look at them in the target",
                group(repair.beyond)
            ))?;
        }
        Ok(())
    }

    fn failure(&self, mapping: Option<&Mapping>, failure: &Failure, out: &mut Output) -> Result<()> {
        let key = self.key(mapping, failure);
        out.line(format!("  ! {}  {}", sanitize(&key), sanitize(&failure.words())))?;
        for (column, FailureCell { expected, found }) in failure.columns.iter().zip(&failure.cells) {
            let show = |cell: Option<&str>| match self.cell(mapping, column, cell) {
                Some(cell) => sanitize(&cell).into_owned(),
                None => "-".to_owned(),
            };
            let (expected, found) = (show(expected.as_deref()), show(found.as_deref()));
            out.line(format!("      {}: expected {expected}, found {found}", sanitize(column)))?;
        }
        Ok(())
    }
}
