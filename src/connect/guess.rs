//! Which platform a plain file is, so that commands work on files without a project.
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crm_core::error::{Error, Result};
use crm_core::platform::{Connector, Source};
use crm_core::project::PlatformConfig;

use crate::{files, registry};

/// Opens a file by its extension, or where that says nothing by its first bytes. A part of the file (a sheet, a table) is
/// named behind `#`: `book.xlsx#People`, `crm.db#contacts`; without it the file must have just one.
pub fn connector_for_file(path: &Path) -> Result<(Arc<dyn Connector>, Source)> {
    let (file, object) = split(path);
    files::open_filled(&file)?;
    let kind = kind_of(&file)?;
    let config = PlatformConfig {
        name: files::stem(&file),
        kind: kind.to_string(),
        path: Some(file.clone()),
        ..PlatformConfig::default()
    };
    let connector = registry().open(&config, Path::new(""))?;
    let object = match object {
        Some(object) => object,
        None => only_object(connector.as_ref(), &file)?,
    };
    Ok((connector, Source::Object(object)))
}

/// The file and the part named behind the last `#`, unless a file of the whole name exists.
fn split(path: &Path) -> (PathBuf, Option<String>) {
    if !path.exists()
        && let Some((file, object)) = path.to_str().and_then(|text| text.rsplit_once('#'))
        && !object.is_empty()
        && Path::new(file).is_file()
    {
        return (PathBuf::from(file), Some(object.to_string()));
    }
    (path.to_path_buf(), None)
}

fn only_object(connector: &dyn Connector, file: &Path) -> Result<String> {
    let mut names: Vec<String> = connector.objects()?.into_iter().map(|object| object.name).collect();
    match names.len() {
        1 => Ok(names.remove(0)),
        0 => Err(Error::data(format!("{} holds no table", file.display())).advise("check that it is the right file")),
        _ => Err(Error::usage(format!("{} holds {} tables: which one?", file.display(), names.len())).advise(format!(
            "write one of them behind '#', as in '{}#{}'; there are: {}",
            file.display(),
            names[0],
            names.iter().take(20).cloned().collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn kind_of(file: &Path) -> Result<&'static str> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Ok(match extension.to_ascii_lowercase().as_str() {
        "csv" => "csv",
        "tsv" | "tab" => "tsv",
        "ndjson" | "jsonl" => "ndjson",
        "json" => "json",
        "parquet" | "pq" => "parquet",
        "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => "excel",
        "sqlite" | "sqlite3" | "db" | "db3" => "sqlite",
        _ => kind_of_content(file)?,
    })
}

fn kind_of_content(file: &Path) -> Result<&'static str> {
    let (handle, _) = files::open_filled(file)?;
    let mut head = Vec::new();
    handle.take(64).read_to_end(&mut head).map_err(|error| Error::io("read", file, &error))?;
    Ok(if head.starts_with(b"PAR1") {
        "parquet"
    } else if head.starts_with(b"SQLite format 3\0") {
        "sqlite"
    } else if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        "excel"
    } else if head.trim_ascii_start().starts_with(b"{\"") {
        "ndjson"
    } else {
        "csv"
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_opened_by_extension_or_content() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("a.csv", "x,y\n1,2\n", "csv"),
            ("a.tsv", "x\ty\n1\t2\n", "tsv"),
            ("a.txt", "x|y\n1|2\n", "csv"),
            ("a.dat", "x;y\n1;2\n", "csv"),
            ("noext", "x;y\n1;2\n", "csv"),
            ("a.jsonl", "{\"x\":1}\n", "ndjson"),
            ("a.json", "[{\"x\":1}]", "json"),
            ("a.log", "{\"x\":1}\n", "ndjson"),
            ("with#hash.csv", "x,y\n1,2\n", "csv"),
        ];
        for (name, text, kind) in cases {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let (connector, source) = connector_for_file(&path).unwrap();
            assert_eq!(connector.kind(), kind, "{name}");
            assert_eq!(connector.schema(&source).unwrap().columns[0].name, "x", "{name}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn tables_of_a_database_are_named_behind_a_hash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crm.dat");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("create table a (x)").unwrap();
        assert_eq!(connector_for_file(&path).unwrap().1, Source::Object("a".into()));
        database.execute_batch("create table b (y)").unwrap();
        let error = connector_for_file(&path).err().unwrap();
        assert!(error.advice().unwrap().contains("crm.dat#a"), "{error}");
        let named = PathBuf::from(format!("{}#b", path.display()));
        let (connector, source) = connector_for_file(&named).unwrap();
        assert_eq!(connector.schema(&source).unwrap().columns[0].name, "y");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("none.csv"), dir.path().join("none.xlsx#S"), dir.path().to_path_buf()] {
            assert!(connector_for_file(&path).err().unwrap().advice().is_some());
        }
    }
}
