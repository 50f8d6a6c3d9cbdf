//! Workbooks: `excel` reads xlsx, xlsm, xlsb, xls and ods. Sheets are the objects, the first row that is not empty names
//! the columns. Read only.
//!
//! Cells as text: numbers at their shortest (whole ones without `.0`), dates and times as ISO 8601, booleans as `true` and
//! `false`. A row with a formula error (`#N/A`) is a reject: its cell has no value that could be carried over.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calamine::{Reader, Sheets, open_workbook_auto};
use crm_core::error::{Error, Result};
use crm_core::platform::{
    Capabilities, Connector, ObjectInfo, ObjectVersion, ReadOptions, RecordReader, Recovery, Schema, Source,
    TargetWriter, Trigger, WriteContext,
};
use crm_core::project::PlatformConfig;

mod reader;
#[cfg(test)]
mod tests;
mod write;

use reader::SheetReader;
pub use write::write_workbook;

use crate::files::{self, Place, file_version};
use crate::observe::FileEvents;

const EXTENSIONS: &[&str] = &["xlsx", "xlsm", "xlsb", "xls", "ods"];

type Workbook = Sheets<std::io::BufReader<std::fs::File>>;

/// One workbook, whose sheets are the objects, or a folder of them, whose objects are `file.xlsx` or `file.xlsx#Sheet`.
pub struct ExcelConnector {
    place: Place,
}

impl ExcelConnector {
    /// Opens a platform of kind `excel`.
    pub fn open(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        Ok(Arc::new(Self { place: Place::of(config, base, EXTENSIONS)? }))
    }

    /// The workbook of an object and the sheet, where one is named.
    fn locate(&self, object: &str) -> Result<(PathBuf, Option<String>)> {
        if self.place.is_file() {
            let path = self.place.path.clone();
            let whole = object == files::stem(&path) || object == files::name(&path);
            return Ok((path, (!whole).then(|| object.to_string())));
        }
        let whole = self.place.locate(object)?;
        if whole.is_file() {
            return Ok((whole, None));
        }
        match object.split_once('#') {
            Some((file, sheet)) => Ok((self.place.locate(file)?, Some(sheet.to_string()))),
            None => Ok((whole, None)),
        }
    }

    fn object(source: &Source) -> Result<&str> {
        match source {
            Source::Object(object) => Ok(object),
            Source::Query { .. } => Err(files::no_queries("excel")),
        }
    }

    fn reader(&self, object: &str, options: &ReadOptions) -> Result<SheetReader> {
        let (path, sheet) = self.locate(object)?;
        if !path.exists() {
            return Err(self.place.missing(object));
        }
        let mut workbook = open(&path)?;
        let names = workbook.sheet_names();
        let sheet = match sheet {
            Some(sheet) if names.contains(&sheet) => sheet,
            // A workbook may hold a sheet of its own name; else its name stands for the first sheet.
            None if names.contains(&object.to_string()) => object.to_string(),
            None if names.len() == 1 => names[0].clone(),
            _ => {
                return Err(Error::usage(format!("which sheet of {}?", path.display()))
                    .advise(format!("its sheets: {}", names.join(", "))));
            }
        };
        let range = workbook.worksheet_range(&sheet).map_err(|error| unreadable(&path, &error))?;
        SheetReader::new(range, &path, &sheet, options)
    }
}

fn open(path: &Path) -> Result<Workbook> {
    files::open_filled(path)?;
    open_workbook_auto(path).map_err(|error| unreadable(path, &error))
}

/// The library's errors name parts of the file, never cells.
fn unreadable(path: &Path, error: &calamine::Error) -> Error {
    Error::data(format!("{} cannot be read as a workbook: {error}", path.display()))
        .advise("open it in a spreadsheet program and save it again as xlsx, without a password, or export csv")
}

impl Connector for ExcelConnector {
    fn kind(&self) -> &'static str {
        "excel"
    }

    fn objects(&self) -> Result<Vec<ObjectInfo>> {
        let mut objects = Vec::new();
        let info = |name| ObjectInfo { name, rows: None, bytes: None };
        for (_, path) in self.place.files()? {
            let sheets = open(&path)?.sheet_names();
            if self.place.is_file() {
                objects.extend(sheets.into_iter().map(info));
            } else if sheets.len() == 1 {
                objects.push(info(files::name(&path)));
            } else {
                objects.extend(sheets.into_iter().map(|sheet| info(format!("{}#{sheet}", files::name(&path)))));
            }
        }
        Ok(objects)
    }

    fn schema(&self, source: &Source) -> Result<Schema> {
        let object = Self::object(source)?;
        if !self.locate(object)?.0.exists() {
            return Ok(Schema::default());
        }
        Ok(self.reader(object, &ReadOptions::default())?.schema().clone())
    }

    fn capabilities(&self, _object: &str) -> Result<Capabilities> {
        Ok(Capabilities::default())
    }

    fn version(&self, object: &str) -> Result<ObjectVersion> {
        file_version(&self.locate(object)?.0)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(self.reader(Self::object(source)?, options)?))
    }

    fn observe(&self, source: &Source) -> Result<Option<Box<dyn Trigger>>> {
        Ok(Some(Box::new(FileEvents::of(&self.locate(Self::object(source)?)?.0))))
    }

    fn write(&self, object: &str, _context: &WriteContext) -> Result<Box<dyn TargetWriter>> {
        Err(Error::usage(format!("'{object}' cannot be a target: workbooks are only read"))
            .advise("use a csv, parquet or sqlite platform as the target"))
    }

    fn recover(&self, _object: &str, _run_dir: &Path) -> Result<Option<Recovery>> {
        Ok(None)
    }

    fn paths(&self, object: &str) -> Vec<PathBuf> {
        self.locate(object).map(|(path, _)| path).into_iter().collect()
    }
}
