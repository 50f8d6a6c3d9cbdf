//! The crosswalk as a file: exact to the byte for machines, and taken in only where it contradicts nothing.
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use hashbrown::HashMap;
use serde::Serialize;

use super::Workspace;
use crate::error::{Error, Result};
use crate::journal::{Entry, StateDir};
use crate::migrate::{Owner, TargetLocks};
use crate::monitor::{Monitor, Progress};

/// Contradictions that are told one by one.
const TOLD: usize = 20;

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CrosswalkImport {
    /// Lines read.
    pub lines: u64,
    /// Entries that were not known.
    pub new: u64,
    /// Entries that were known so.
    pub same: u64,
    /// Entries that get another id, with `replace`.
    pub replaced: u64,
}

impl Workspace {
    /// Objects that mappings write to: those that a crosswalk may know ids of.
    fn crosswalk_objects(&self) -> BTreeSet<String> {
        self.project().mappings.iter().map(|mapping| mapping.to.to_string()).collect()
    }

    /// The target object that a mapping or an object is named by.
    fn crosswalk_object(&self, name: &str) -> Result<String> {
        if let Some(mapping) = self.project().mappings.iter().find(|mapping| mapping.name == name) {
            return Ok(mapping.to.to_string());
        }
        let known = self.crosswalk_objects();
        if known.contains(name) {
            return Ok(name.to_owned());
        }
        Err(Error::usage(format!("no mapping and no target '{name}'"))
            .advise(format!("there are {}", known.into_iter().collect::<Vec<_>>().join(", "))))
    }

    /// Writes the crosswalk of the environment as CSV with the columns `object`, `old_key`, `new_id`, by object and key;
    /// answers the entries. `only`: of this mapping or target object.
    pub fn export_crosswalk(&self, file: &Path, only: Option<&str>, monitor: &dyn Monitor) -> Result<u64> {
        let objects = match only {
            Some(name) => BTreeSet::from([self.crosswalk_object(name)?]),
            None => self.crosswalk_objects(),
        };
        let crosswalk = StateDir::of(&self.project().root).crosswalk(self.project().env.as_deref())?;
        let failed = |error: &std::io::Error| Error::io("write", file, error);
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let target =
            tempfile::Builder::new().prefix(".crosswalk-").tempfile_in(folder).map_err(|error| failed(&error))?;
        let mut out = std::io::BufWriter::new(target);
        let mut write = |line: &str| out.write_all(line.as_bytes());
        write("object,old_key,new_id\n").map_err(|error| failed(&error))?;
        let mut count = 0;
        for object in objects {
            monitor.check()?;
            let mut broken = None;
            crosswalk.each(&object, |key, id| {
                if broken.is_none() {
                    broken = write(&format!("{},{},{}\n", quoted(&object), quoted(key), quoted(id))).err();
                    count += 1;
                }
            })?;
            if let Some(error) = broken {
                return Err(failed(&error));
            }
            monitor.report(Progress { step: format!("writing {object}"), done: count, total: None });
        }
        let target = out.into_inner().map_err(|error| failed(error.error()))?;
        target.as_file().sync_all().map_err(|error| failed(&error))?;
        target.persist(file).map_err(|error| failed(&error.error))?;
        Ok(count)
    }

    /// Takes a file of entries in, whole or not at all. An entry that contradicts another of the file, or what is known, is
    /// told with its line, and nothing is taken in; with `replace` the file wins over what is known.
    pub fn import_crosswalk(&self, file: &Path, replace: bool, monitor: &dyn Monitor) -> Result<CrosswalkImport> {
        let bytes = std::fs::read(file).map_err(|error| Error::io("read", file, &error))?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let header: Vec<String> = reader
            .headers()
            .map_err(|_| Error::data("line 1 is not UTF-8 text").at(file.display()))?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        if header != ["object", "old_key", "new_id"] {
            return Err(Error::usage("its first line must be object,old_key,new_id")
                .at(file.display())
                .advise("begin from `crm-console crosswalk export`"));
        }
        let known_objects = self.crosswalk_objects();
        let crosswalk = StateDir::of(&self.project().root).crosswalk(self.project().env.as_deref())?;
        let mut wrong: Vec<String> = Vec::new();
        let mut more = 0;
        let mut seen: HashMap<(String, String), (u64, String)> = HashMap::new();
        let mut entries: Vec<(String, String, String)> = Vec::new();
        let mut done = CrosswalkImport::default();
        for record in reader.records() {
            if done.lines % 10_000 == 0 {
                monitor.check()?;
            }
            let mut say = |line: u64, what: String| {
                if wrong.len() < TOLD { wrong.push(format!("line {line}: {what}")) } else { more += 1 }
            };
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    say(error.position().map_or(0, csv::Position::line), "is no row of UTF-8 text".to_owned());
                    continue;
                }
            };
            done.lines += 1;
            let line = record.position().map_or(0, csv::Position::line);
            let (Some(object), Some(key), Some(id), 3) = (record.get(0), record.get(1), record.get(2), record.len())
            else {
                say(line, format!("has {} cells, not 3", record.len()));
                continue;
            };
            if !known_objects.contains(object) {
                say(line, format!("no mapping writes to '{object}'"));
                continue;
            }
            if key.is_empty() || id.is_empty() {
                say(line, "the old key and the new id must both be there".to_owned());
                continue;
            }
            if let Some((first, other)) = seen.get(&(object.to_owned(), key.to_owned())) {
                if other != id {
                    say(line, format!("gives a key another id than line {first} does"));
                }
                continue;
            }
            seen.insert((object.to_owned(), key.to_owned()), (line, id.to_owned()));
            match crosswalk.get(object, key)? {
                None => done.new += 1,
                Some(known) if known == id => {
                    done.same += 1;
                    continue;
                }
                Some(_) if replace => done.replaced += 1,
                Some(_) => {
                    say(line, "gives a key another id than the crosswalk knows".to_owned());
                    continue;
                }
            }
            entries.push((object.to_owned(), key.to_owned(), id.to_owned()));
        }
        drop(crosswalk);
        if !wrong.is_empty() {
            if more > 0 {
                wrong.push(format!("and {more} more"));
            }
            return Err(Error::refused(format!("nothing was taken in: {}", wrong.join("; ")))
                .at(file.display())
                .advise("mend the file; --replace lets it win over what is known"));
        }
        self.put(&entries)?;
        let entry = Entry::new("crosswalk imported").detail(format!(
            "{}: {} new, {} replaced",
            blake3::hash(bytes).to_hex().as_str().get(..12).unwrap_or_default(),
            done.new,
            done.replaced
        ));
        self.note(&entry)?;
        Ok(done)
    }

    /// Writes entries while no engine is at work on their targets.
    fn put(&self, entries: &[(String, String, String)]) -> Result<()> {
        let state = StateDir::of(&self.project().root);
        let env = self.project().env.as_deref();
        let objects: BTreeSet<&str> = entries.iter().map(|(object, ..)| object.as_str()).collect();
        let names = self.project().mappings.iter().filter(|mapping| objects.contains(mapping.to.to_string().as_str()));
        let names: Vec<String> = names.map(|mapping| mapping.name.clone()).collect();
        let held = names.iter().map(String::as_str).chain(objects.iter().copied());
        let _alone = TargetLocks::take(&state, env, held, &Owner::of_run("crosswalk import"))?;
        let mut crosswalk = state.crosswalk(env)?;
        for object in objects {
            let of_it = entries.iter().filter(|(one, ..)| one == object);
            crosswalk.put_many(object, of_it.map(|(_, key, id)| (key.as_str(), id.as_str())))?;
        }
        Ok(())
    }
}

/// A cell that reads back as it is: also with blanks, quotes and line breaks in it.
fn quoted(cell: &str) -> String {
    let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell;
    if plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}
