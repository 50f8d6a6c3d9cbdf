#![allow(clippy::unwrap_used)]
use polars::prelude::{NewChunkedArray, StringChunked};

use super::*;
use crate::plan::MappingPlan;
use crate::plan::ops::changes::ChangeRun;

fn plan() -> MappingPlan {
    let mut plan = crate::plan::MappingPlan::empty("m");
    plan.columns = vec!["id".into(), "name".into()];
    plan.write_rules = vec![crate::project::WriteRule::Always; 2];
    plan
}

/// Source rows 0..n: every third is inserted, the others change target rows in an order of their own.
fn write(dir: &std::path::Path, rows: u32) -> OpsReader {
    let plan = plan();
    let mut writer = OpsWriter::create(&ops_path(dir, "m"), &plan.columns, &[]).unwrap();
    for first in (0..rows).step_by(OPS_BATCH) {
        let batch: Vec<OpRow> = (first..(first + OPS_BATCH as u32).min(rows))
            .map(|source| {
                let insert = source % 3 == 0;
                OpRow {
                    operation: Some(if insert { Operation::Insert } else { Operation::Update }),
                    source: Some(source),
                    target: (!insert).then(|| (source * 7919) % 1_000_003),
                    expected: (!insert).then(|| u128::from(source) << 64 | 5),
                    key: Some(format!("k{source}")),
                    changed: vec![1],
                    ..OpRow::default()
                }
            })
            .collect();
        let cells = |prefix: &str| {
            StringChunked::from_iter_values(
                "c".into(),
                batch.iter().map(|row| format!("{prefix}{}", row.source.unwrap())),
            )
        };
        writer.write(&batch, &[cells("k"), cells("n")], &[]).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), u64::from(rows));
    OpsReader::open(dir, &plan).unwrap()
}

#[test]
fn codes_stand_for_their_operation() {
    for known in CODES {
        assert_eq!(operation(code(known)), Some(known));
    }
}

#[test]
fn changes_come_in_target_order_whether_sorted_in_memory_or_through_files() {
    let dir = tempfile::tempdir().unwrap();
    let reader = write(dir.path(), 20_000);
    let run = |sort_rows| {
        let mut seen = Vec::new();
        for changes in ChangeRun::with_sort_rows(reader.clone(), dir.path(), sort_rows).unwrap() {
            let changes = changes.unwrap();
            let names = changes.batch.values.column("name").unwrap().str().unwrap().clone();
            for row in 0..changes.operations.len() {
                let source = changes.sources[row].unwrap();
                assert_eq!(changes.batch.expected[row], u128::from(source) << 64 | 5);
                assert_eq!(names.get(row), Some(format!("n{source}").as_str()));
                seen.push((changes.batch.ordinals[row], source));
            }
        }
        seen
    };
    let memory = run(1 << 20);
    assert_eq!(memory.len(), 20_000 - 6_667);
    assert!(memory.is_sorted_by_key(|(target, _)| *target));
    assert_eq!(memory, run(1_000));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "temporary files are gone");
}

#[test]
fn inserts_come_in_source_order() {
    let dir = tempfile::tempdir().unwrap();
    let reader = write(dir.path(), 20_000);
    let mut sources = Vec::new();
    for inserts in reader.inserts() {
        let inserts = inserts.unwrap();
        assert_eq!(inserts.values.height(), inserts.keys.len());
        assert_eq!(inserts.keys[0], format!("k{}", inserts.sources[0]));
        sources.extend(inserts.sources);
    }
    assert_eq!(sources, (0..20_000).step_by(3).collect::<Vec<u64>>());
}
