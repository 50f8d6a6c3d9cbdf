//! A recommendation in lines for people, the same for the command and the screen.
use super::cost::rows;
use super::{Advice, Recommendation, Rows, Way};

impl Recommendation {
    /// What to do, then why, mapping by mapping.
    pub fn lines(&self) -> Vec<String> {
        let mut lines =
            vec![format!("recommended: plan {}", self.words()), format!("  crm-console {}", self.command())];
        if let Some(env) = &self.rehearse {
            lines.push(format!("  in the environment {env} first: nothing was run there yet"));
        }
        let mut basis = "";
        for advice in &self.advice {
            lines.push(String::new());
            lines.extend(advice.lines(advice.facts.basis != basis));
            basis = &advice.facts.basis;
        }
        lines
    }
}

impl Advice {
    /// `basis`: also what its times are estimated from.
    fn lines(&self, basis: bool) -> Vec<String> {
        let facts = &self.facts;
        let mut lines = vec![format!("{}: {} -> {}: {}", self.mapping, self.from, self.to, self.strategy.words())];
        lines.extend(self.why.iter().map(|why| format!("  - {why}")));
        let costs = self.ways.first().map(|way| way.cost.words.clone()).unwrap_or_default();
        lines.push(format!("  costs here: {costs}"));
        if basis {
            lines.push(format!("  estimated from {}", facts.basis));
        }
        lines.push(format!("  source {}; target {}", told(&facts.source), told(&facts.target)));
        let mut here = vec![if facts.atomic { "atomic" } else { "NOT atomic" }.to_owned()];
        here.push(if facts.revertible { "revertible" } else { "NOT revertible" }.to_owned());
        here.extend(facts.limit.clone());
        lines.push(format!("  here: {}", here.join(", ")));
        lines.extend(self.ways.iter().skip(1).map(Way::line));
        lines.extend(self.cursors.iter().take(3).map(|one| format!("  cursor {}: {}", one.column, one.words())));
        if self.cursors.len() > 3 {
            lines.push(format!("  and {} more columns of one form", self.cursors.len() - 3));
        }
        if !self.write.is_empty() {
            let text = self.write.join(", ");
            lines.push(format!(
                "  to read only what changed, write under [run] in mappings/{}.toml: {text}",
                self.mapping
            ));
            lines.push("    (the next plan is a full one then; its run makes the ledger for it)".to_owned());
        }
        lines
    }
}

impl Way {
    fn line(&self) -> String {
        match &self.not {
            Some(not) => format!("  or {}: not now, {not}", self.strategy.words()),
            None => format!("  or {}: {}", self.strategy.words(), self.cost.words),
        }
    }
}

fn told(told: &Rows) -> String {
    match told.count {
        Some(count) if told.exact => format!("{} ({})", rows(count), told.basis),
        Some(count) => format!("about {} ({})", rows(count), told.basis),
        None => format!("of unknown size ({})", told.basis),
    }
}
