//! Writing a small workbook of one sheet: for sheets that people review. Every cell is text, so nothing in it is run.
use std::io::{BufWriter, Write};
use std::path::Path;

use crm_core::error::{Error, Result};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const ROOT: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="mapping" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const BOOK_PARTS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
const SHEET: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"#;

/// Writes rows as an xlsx workbook, the first row stays in sight. The file is replaced whole or not at all.
pub fn write_workbook(path: &Path, rows: &[Vec<String>]) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::platform(format!("cannot write the workbook: {error}")).at(path.display())
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(".sheet-").tempfile_in(folder).map_err(|error| failed(&error))?;
    let mut zip = ZipWriter::new(BufWriter::new(file));
    let parts = [
        ("[Content_Types].xml", TYPES.to_owned()),
        ("_rels/.rels", ROOT.to_owned()),
        ("xl/workbook.xml", BOOK.to_owned()),
        ("xl/_rels/workbook.xml.rels", BOOK_PARTS.to_owned()),
        ("xl/worksheets/sheet1.xml", sheet(rows)),
    ];
    for (name, text) in parts {
        zip.start_file(name, SimpleFileOptions::default()).map_err(|error| failed(&error))?;
        zip.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    }
    let file = zip.finish().map_err(|error| failed(&error))?.into_inner().map_err(|error| failed(error.error()))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

fn sheet(rows: &[Vec<String>]) -> String {
    let mut text = SHEET.to_owned();
    for row in rows {
        text.push_str("<row>");
        for cell in row {
            text.push_str("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">");
            escape(cell, &mut text);
            text.push_str("</t></is></c>");
        }
        text.push_str("</row>");
    }
    text.push_str("</sheetData></worksheet>");
    text
}

/// What XML cannot hold becomes a stand-in.
fn escape(cell: &str, out: &mut String) {
    for c in cell.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#13;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::connector_for_file;
    use crm_core::platform::ReadOptions;

    #[test]
    fn what_is_written_is_read_again_as_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xlsx");
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["name", "rule"]), row(&["=1+1", "<&> \"x\""]), row(&["00123", " Ünï "]), row(&["", "\u{1}"])];
        write_workbook(&path, &rows).unwrap();
        let (connector, source) = connector_for_file(&path).unwrap();
        let mut reader = connector.read(&source, &ReadOptions::default()).unwrap();
        let batch = reader.next_batch().unwrap().unwrap();
        let cells = |name: &str| -> Vec<Option<String>> {
            batch.frame.column(name).unwrap().str().unwrap().iter().map(|cell| cell.map(str::to_owned)).collect()
        };
        assert_eq!(cells("name")[..2], [Some("=1+1".to_owned()), Some("00123".to_owned())]);
        assert_eq!(
            cells("rule"),
            [Some("<&> \"x\"".to_owned()), Some(" Ünï ".to_owned()), Some("\u{fffd}".to_owned())]
        );
        assert!(write_workbook(&dir.path().join("none/a.xlsx"), &rows).is_err());
    }
}
