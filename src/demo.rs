//! The sample project: an old CRM's export, a new CRM, mappings between them. Embedded, so that `demo` needs no files.
use std::path::Path;

use crm_core::{Error, Result};

/// Every file of the project, by its path in it.
const FILES: &[(&str, &[u8])] = &[
    ("legacy/accounts.csv", include_bytes!("../sample-data/legacy/accounts.csv")),
    ("legacy/contacts.csv", include_bytes!("../sample-data/legacy/contacts.csv")),
    ("legacy/deals.csv", include_bytes!("../sample-data/legacy/deals.csv")),
    ("legacy/owners.csv", include_bytes!("../sample-data/legacy/owners.csv")),
    ("maps/industries.csv", include_bytes!("../sample-data/maps/industries.csv")),
    ("maps/owners.csv", include_bytes!("../sample-data/maps/owners.csv")),
    ("mappings/accounts.toml", include_bytes!("../sample-data/mappings/accounts.toml")),
    ("mappings/contacts.toml", include_bytes!("../sample-data/mappings/contacts.toml")),
    ("mappings/deals.toml", include_bytes!("../sample-data/mappings/deals.toml")),
    // Last: while it is missing, the folder is not taken for a project.
    ("project.toml", include_bytes!("../sample-data/project.toml")),
];

/// The new CRM as SQL: its tables, then what it holds already.
const NOVA: [&str; 2] = [include_str!("../sample-data/nova/schema.sql"), include_str!("../sample-data/nova/rows.sql")];

/// Writes the sample project into `dir`, which is made if it is not there and must be empty if it is. The new CRM is
/// built twice, `nova.db` and `nova-sandbox.db`, alike.
pub(crate) fn write_sample_project(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| Error::io("make the folder", dir, &error))?;
    let mut entries = std::fs::read_dir(dir).map_err(|error| Error::io("list", dir, &error))?;
    if entries.next().is_some() {
        return Err(Error::usage(format!("the folder {} is not empty", dir.display()))
            .advise("name a folder that is empty or not there yet: nothing was written"));
    }
    for name in ["nova.db", "nova-sandbox.db"] {
        build_nova(&dir.join(name))?;
    }
    for (name, content) in FILES {
        let path = dir.join(name);
        let folder = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).map_err(|error| Error::io("make the folder", folder, &error))?;
        std::fs::write(&path, content).map_err(|error| Error::io("write", &path, &error))?;
    }
    Ok(())
}

fn build_nova(path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| Error::platform(format!("cannot build {}: {error}", path.display()));
    let mut database = rusqlite::Connection::open(path).map_err(failed)?;
    database.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    let transaction = database.transaction().map_err(failed)?;
    for sql in NOVA {
        transaction.execute_batch(sql).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use crm_core::map::{Fate, Pipeline};
    use crm_core::platform::ReadOptions;
    use crm_core::project::Project;

    use super::*;

    fn sample() -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("demo");
        write_sample_project(&root).unwrap();
        let project = Project::load(&root, None).unwrap();
        (dir, project)
    }

    #[test]
    fn the_sample_project_loads_without_a_finding() {
        let (_dir, project) = sample();
        assert_eq!(project.problems, []);
        let names: Vec<&str> = project.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
        assert_eq!(names, ["accounts", "contacts", "deals"]);
        assert_eq!(project.envs, ["sandbox"]);
        let again = write_sample_project(&project.root).unwrap_err();
        assert_eq!(again.kind(), crm_core::Kind::Usage);
    }

    /// What the row steps make of the old CRM: a handful of deals is rejected for one plain reason, the missing stage
    /// code, and nothing else is, so that one entry in a value map carries the rest.
    #[test]
    fn only_deals_with_the_missing_stage_code_are_rejected() {
        let (_dir, project) = sample();
        let registry = crm_connect::registry();
        let mut reasons: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut fates: BTreeMap<(String, String), usize> = BTreeMap::new();
        for mapping in &project.mappings {
            let connector = registry.open(&project.platforms[&mapping.from.platform], &project.root).unwrap();
            let mut reader = connector.read(&mapping.from.source, &ReadOptions::default()).unwrap();
            let columns: Vec<String> = reader.schema().names().map(str::to_owned).collect();
            let pipeline = Pipeline::compile(mapping, &columns, &project.root).unwrap();
            while let Some(batch) = reader.next_batch().unwrap() {
                let outcome = pipeline.apply(&batch.frame).unwrap();
                for failure in outcome.failures.iter().filter(|failure| failure.fatal) {
                    let field = format!("{}.{}", mapping.name, pipeline.fields()[failure.field].target);
                    *reasons.entry((field, failure.reason.clone())).or_default() += 1;
                }
                for fate in outcome.fates.iter().filter(|fate| **fate != Fate::Accepted) {
                    *fates.entry((mapping.name.clone(), format!("{fate:?}"))).or_default() += 1;
                }
            }
            assert_eq!(reader.take_rejects(), [], "{} has lines that cannot be read", mapping.name);
        }
        let count = |map: &BTreeMap<(String, String), usize>| {
            map.iter().map(|((a, b), n)| format!("{a} {b} {n}")).collect::<Vec<_>>()
        };
        assert_eq!(count(&reasons), ["deals.stage is not in the value map 9"]);
        assert_eq!(count(&fates), ["accounts Filtered 12", "deals Rejected 9"]);
    }

    #[test]
    fn the_new_crm_holds_rows_of_its_own_and_some_that_match() {
        let (_dir, project) = sample();
        let database = rusqlite::Connection::open(project.root.join("nova.db")).unwrap();
        let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM accounts WHERE legacy_id IS NOT NULL"), 30);
        assert_eq!(count("SELECT count(*) FROM contacts WHERE legacy_id IS NULL"), 310);
        assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        // Two rows of the same address would make every match by e-mail a case for review.
        assert_eq!(count("SELECT count(*) - count(DISTINCT lower(email)) FROM contacts"), 0);
    }
}
