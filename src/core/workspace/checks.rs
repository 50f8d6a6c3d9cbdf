//! Everything that can be said of a project without reading its rows.
use std::path::Path;

use super::Workspace;
use super::checks_rows::LEFT_BEHIND;
use crate::error::Result;
use crate::monitor::{Monitor, Progress};
use crate::plan::shape::Shape;
use crate::platform::{Capabilities, Schema, Source};
use crate::project::{Mapping, Problem, Severity, WriteRule, problem_at};

impl Workspace {
    /// Everything `check` finds: files, columns, expressions, value maps, scopes.
    pub fn check(&self, monitor: &dyn Monitor) -> Result<Vec<Problem>> {
        let project = self.project();
        let mut problems = project.problems.clone();
        // A platform that no mapping uses yet must open too: the screens list them all.
        for name in project.platforms.keys() {
            if let Err(error) = self.connector(name) {
                let mut problem = Problem::error(Path::new("project.toml"), error.to_string().replace("\n  ", ": "));
                problem.field = format!("platforms.{name}");
                problems.push(problem);
            }
        }
        self.check_alerts(&mut problems);
        for (done, mapping) in project.mappings.iter().enumerate() {
            monitor.check()?;
            monitor.report(Progress {
                step: format!("checking {}", mapping.name),
                done: done as u64,
                total: Some(project.mappings.len() as u64),
            });
            self.check_mapping(mapping, monitor, &mut problems);
        }
        // The same slip may be seen from two sides.
        let mut seen: Vec<Problem> = Vec::with_capacity(problems.len());
        for problem in problems {
            if !seen.contains(&problem) {
                seen.push(problem);
            }
        }
        Ok(seen)
    }

    fn check_mapping(&self, mapping: &Mapping, monitor: &dyn Monitor, problems: &mut Vec<Problem>) {
        let project = self.project();
        let at = |severity, field: &str, message: String| problem_at(project, mapping, severity, field, message);
        let source = match self.connector(&mapping.from.platform).and_then(|from| from.schema(&mapping.from.source)) {
            Ok(schema) => Some(schema),
            Err(error) => {
                problems.push(at(Severity::Error, "from", error.to_string()));
                None
            }
        };
        let target = match self.target_of(mapping) {
            Ok(target) => Some(target),
            Err(error) => {
                problems.push(at(Severity::Error, "to", error.to_string()));
                None
            }
        };
        let (Some(source), Some((schema, here))) = (source, target) else { return };
        if !here.write {
            problems.push(at(Severity::Error, "to", format!("{} cannot be written", mapping.to)));
        }
        let columns: Vec<String> = source.names().map(str::to_owned).collect();
        match Shape::compile(project, mapping, &columns, schema.as_ref(), here) {
            Err(found) => problems.extend(found),
            Ok(shape) => {
                let unread: Vec<&str> = columns
                    .iter()
                    .filter(|column| !shape.pipeline.fields().iter().any(|field| field.sources.contains(column)))
                    .filter(|column| !mapping.ignore.contains(column))
                    .map(String::as_str)
                    .collect();
                if !unread.is_empty() {
                    let message = format!(
                        "{LEFT_BEHIND}{}; map them, or list them under ignore if they may stay behind",
                        unread.join(", ")
                    );
                    problems.push(at(Severity::Warning, "fields", message));
                }
                match (self.stale_corrections(mapping, monitor), &mapping.corrections) {
                    (Ok(stale), Some(file)) => problems.extend(stale.into_iter().map(|one| Problem {
                        severity: Severity::Warning,
                        line: one.line,
                        field: one.column,
                        ..Problem::error(file, one.why)
                    })),
                    (Err(error), _) => problems.push(at(Severity::Error, "corrections", error.to_string())),
                    (Ok(_), None) => {}
                }
            }
        }
        for column in schema.iter().flat_map(|schema| &schema.columns).filter(|c| c.required && !c.generated) {
            let filled = mapping.field(&column.name).is_some_and(|field| field.write != WriteRule::Never);
            if !filled && mapping.unfinished.contains(&column.name) {
                let message = format!(
                    "{} requires '{}': map it, plans that insert rows are blocked until then",
                    mapping.to, column.name
                );
                problems.push(at(Severity::Warning, "unfinished", message));
            } else if !filled {
                let message = format!("{} requires '{}', which no field fills", mapping.to, column.name);
                problems.push(at(Severity::Error, "fields", message));
            }
        }
        for name in mapping.unfinished.iter().filter(|name| mapping.field(name).is_some()) {
            let message = format!("'{name}' is filled: take it off the list");
            problems.push(at(Severity::Warning, "unfinished", message));
        }
    }

    /// Columns of a mapping's target, if it exists, and what it can promise.
    fn target_of(&self, mapping: &Mapping) -> Result<(Option<Schema>, Capabilities)> {
        let to = self.connector(&mapping.to.platform)?;
        let object = &mapping.to.object;
        let schema = if to.version(object)?.exists { Some(to.schema(&Source::Object(object.clone()))?) } else { None };
        Ok((schema, to.capabilities(object)?))
    }
}
