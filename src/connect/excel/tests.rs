#![allow(clippy::unwrap_used)]
use std::fmt::Write;

use calamine::{Data, ExcelDateTime, ExcelDateTimeType, Range};

use super::*;

/// A zip archive whose members are stored as they are: workbooks are small archives of XML.
fn archive(members: &[(&str, String)]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        })
    };
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in members {
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x50];
        common.extend(crc(text.as_bytes()).to_le_bytes());
        common.extend((text.len() as u32).to_le_bytes().repeat(2));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(text.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members.len() as u16).to_le_bytes().repeat(2));
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// An xlsx with these sheets: name and the XML of its rows. Style 1 is a date, style 2 a duration.
fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006";
    let (mut listed, mut related) = (String::new(), String::new());
    let mut members = Vec::new();
    for (index, (name, rows)) in sheets.iter().enumerate() {
        let id = index + 1;
        write!(listed, "<sheet name=\"{name}\" sheetId=\"{id}\" r:id=\"r{id}\"/>").unwrap();
        write!(related, "<Relationship Id=\"r{id}\" Type=\"{rel}/worksheet\" Target=\"worksheets/sheet{id}.xml\"/>")
            .unwrap();
        let sheet = format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>");
        members.push((format!("xl/worksheets/sheet{id}.xml"), sheet));
    }
    let fixed = [
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}/relationships\"><Relationship Id=\"r1\" Type=\"{rel}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        ("[Content_Types].xml", format!("<Types xmlns=\"{package}/content-types\"/>")),
        (
            "xl/workbook.xml",
            format!("<workbook xmlns=\"{main}\" xmlns:r=\"{rel}\"><sheets>{listed}</sheets></workbook>"),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}/relationships\">{related}<Relationship Id=\"rs\" Type=\"{rel}/styles\" Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{main}\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/><xf numFmtId=\"46\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    let all: Vec<(&str, String)> =
        fixed.into_iter().chain(members.iter().map(|(name, text)| (name.as_str(), text.clone()))).collect();
    archive(&all)
}

fn rows(reader: &mut dyn RecordReader) -> Vec<(u64, Vec<String>)> {
    let names: Vec<String> = reader.schema().names().map(str::to_string).collect();
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        for row in 0..batch.frame.height() {
            let cell =
                |name: &String| batch.frame.column(name).unwrap().str().unwrap().get(row).unwrap_or("NULL").to_string();
            let line = batch.frame.column("__line").unwrap().u64().unwrap().get(row).unwrap();
            rows.push((line, names.iter().map(cell).collect()));
        }
    }
    rows
}

const PEOPLE: &str = concat!(
    "<row r=\"3\"><c r=\"B3\" t=\"inlineStr\"><is><t>id</t></is></c><c r=\"C3\" t=\"inlineStr\"><is><t>when</t></is></c>",
    "<c r=\"D3\" t=\"inlineStr\"><is><t>id</t></is></c></row>",
    "<row r=\"4\"><c r=\"B4\"><v>42</v></c><c r=\"C4\" s=\"1\"><v>45351.5</v></c><c r=\"D4\"><v>0.1</v></c></row>",
    "<row r=\"6\"><c r=\"B6\" t=\"b\"><v>1</v></c><c r=\"C6\" s=\"2\"><v>1.5</v></c>",
    "<c r=\"D6\" t=\"inlineStr\"><is><t xml:space=\"preserve\">007 </t></is></c></row>",
    "<row r=\"7\"><c r=\"B7\" t=\"e\"><v>#N/A</v></c><c r=\"C7\"><v>1</v></c></row>",
    "<row r=\"8\"><c r=\"C8\" s=\"1\"><v>45351</v></c></row>",
);

#[test]
fn sheets_are_read_as_text_with_the_row_numbers_of_the_spreadsheet() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("crm.xlsx"), xlsx(&[("People", PEOPLE), ("Empty", "")])).unwrap();
    let config = PlatformConfig { path: Some("crm.xlsx".into()), ..PlatformConfig::default() };
    let connector = ExcelConnector::open(&config, dir.path()).unwrap();
    let names: Vec<_> = connector.objects().unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["People", "Empty"]);
    let people = Source::Object("People".into());
    let mut reader = connector.read(&people, &ReadOptions::default()).unwrap();
    assert_eq!(reader.schema().names().collect::<Vec<_>>(), ["id", "when", "id_2"]);
    let text = |row: [&str; 3]| row.map(str::to_string).to_vec();
    assert_eq!(
        rows(reader.as_mut()),
        [
            (4, text(["42", "2024-02-29T12:00:00", "0.1"])),
            (6, text(["true", "PT36H0M0S", "007 "])),
            (8, text(["NULL", "2024-02-29", "NULL"])),
        ]
    );
    let rejects = reader.take_rejects();
    assert_eq!((rejects[0].line, rejects[0].reason.as_str()), (7, "#N/A in cell B7"));
    assert_eq!(rejects[0].raw, "#N/A\t1\t");
    for wrong in ["Empty", "Nope", "crm"] {
        let error = connector.read(&Source::Object(wrong.into()), &ReadOptions::default()).err().unwrap();
        assert!(error.advice().is_some(), "{error}");
    }
    let context = WriteContext { run_dir: dir.path().into(), planned: ObjectVersion::default(), columns: vec![] };
    assert!(connector.write("People", &context).is_err());
    assert!(!connector.capabilities("People").unwrap().write);
}

#[test]
fn a_folder_of_workbooks_names_file_and_sheet() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("one.xlsx"), xlsx(&[("People", PEOPLE)])).unwrap();
    std::fs::write(dir.path().join("two.xlsx"), xlsx(&[("A", PEOPLE), ("B", PEOPLE)])).unwrap();
    let config = PlatformConfig { path: Some(".".into()), ..PlatformConfig::default() };
    let connector = ExcelConnector::open(&config, dir.path()).unwrap();
    let names: Vec<_> = connector.objects().unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["one.xlsx", "two.xlsx#A", "two.xlsx#B"]);
    for name in names {
        let mut reader = connector.read(&Source::Object(name.clone()), &ReadOptions::default()).unwrap();
        assert_eq!(rows(reader.as_mut()).len(), 3);
        assert!(connector.version(&name).unwrap().exists);
    }
    let error = connector.read(&Source::Object("two.xlsx".into()), &ReadOptions::default()).err().unwrap();
    assert!(error.advice().unwrap().contains("A, B"));
}

#[test]
fn open_document_sheets_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let cell = |kind: &str, value: &str, text: &str| {
        format!("<table:table-cell office:value-type=\"{kind}\" {value}><text:p>{text}</text:p></table:table-cell>")
    };
    let head = cell("string", "", "id") + &cell("string", "", "joined");
    let body = cell("float", "office:value=\"7\"", "7") + &cell("date", "office:date-value=\"2024-02-29\"", "29.2.");
    let row = |cells: String| format!("<table:table-row>{cells}</table:table-row>");
    let content = format!(
        "<office:document-content><office:body><office:spreadsheet><table:table table:name=\"S\">{}{}</table:table>\
         </office:spreadsheet></office:body></office:document-content>",
        row(head),
        row(body)
    );
    let mimetype = "application/vnd.oasis.opendocument.spreadsheet".to_string();
    let manifest = "<manifest:manifest/>".to_string();
    let members = [("mimetype", mimetype), ("META-INF/manifest.xml", manifest), ("content.xml", content)];
    std::fs::write(dir.path().join("t.ods"), archive(&members)).unwrap();
    let config = PlatformConfig { path: Some("t.ods".into()), ..PlatformConfig::default() };
    let connector = ExcelConnector::open(&config, dir.path()).unwrap();
    let mut reader = connector.read(&Source::Object("S".into()), &ReadOptions::default()).unwrap();
    assert_eq!(rows(reader.as_mut()), [(2, vec!["7".to_string(), "2024-02-29".to_string()])]);
}

#[test]
fn what_is_no_workbook_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let good = xlsx(&[("People", PEOPLE)]);
    let path = dir.path().join("t.xlsx");
    let config = PlatformConfig { path: Some(path.clone()), ..PlatformConfig::default() };
    let connector = ExcelConnector::open(&config, dir.path()).unwrap();
    for bytes in [b"".to_vec(), b"id,name\n1,x\n".to_vec(), good[..good.len() / 2].to_vec(), b"PK\x03\x04".to_vec()] {
        std::fs::write(&path, bytes).unwrap();
        let error = connector.schema(&Source::Object("People".into())).unwrap_err();
        assert!(error.advice().is_some(), "{error}");
    }
}

#[test]
fn numbers_times_and_durations_are_written_plainly() {
    let cell = |cell: Data| {
        let range = Range::from_sparse(vec![
            calamine::Cell::new((0, 0), Data::String("h".into())),
            calamine::Cell::new((1, 0), cell),
        ]);
        let mut reader = SheetReader::new(range, Path::new("t"), "s", &ReadOptions::default()).unwrap();
        rows(&mut reader)[0].1[0].clone()
    };
    assert_eq!(cell(Data::Float(1e15)), "1000000000000000");
    assert_eq!(cell(Data::Float(-0.0)), "0");
    assert_eq!(cell(Data::Float(1234.5)), "1234.5");
    assert_eq!(cell(Data::Int(7)), "7");
    let when = |value, kind| Data::DateTime(ExcelDateTime::new(value, kind, false));
    assert_eq!(cell(when(0.25, ExcelDateTimeType::DateTime)), "06:00:00");
    assert_eq!(cell(when(-0.5, ExcelDateTimeType::TimeDelta)), "-PT12H0M0S");
    assert_eq!(cell(Data::DateTimeIso("2024-01-02".into())), "2024-01-02");
}
