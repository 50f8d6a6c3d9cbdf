//! The platforms, one file (or folder) a kind, each a [`crm_core::platform::Connector`].
use crm_core::platform::Registry;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod contract_back;
pub mod csv;
#[cfg(feature = "excel")]
pub mod excel;
pub mod files;
mod guess;
#[cfg(all(test, feature = "sqlite"))]
mod incremental_tests;
mod intent;
pub mod ndjson;
mod observe;
pub mod parquet;
pub mod post;
mod publish;
pub mod push;
#[cfg(all(test, feature = "sqlite"))]
mod revert_tests;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use csv::{Sniffed, sniff};
#[cfg(feature = "excel")]
pub use excel::write_workbook;
pub use guess::connector_for_file;

/// All kinds this build has.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.receive(push::open);
    registry.call(post::post);
    registry.add("csv", "delimited text files in a folder; dialect and encoding are detected", csv::CsvConnector::open);
    registry.add("tsv", "as csv; files that are created are tab separated", csv::CsvConnector::open_tsv);
    registry.add("parquet", "Parquet files in a folder; columns keep their types", parquet::ParquetConnector::open);
    registry.add("ndjson", "JSON files, one object a line; read only", ndjson::JsonConnector::open);
    registry.add("json", "JSON files holding an array of objects; read only", ndjson::JsonConnector::open_json);
    #[cfg(feature = "excel")]
    registry.add("excel", "workbooks (xlsx, xls, ods); sheets are objects; read only", excel::ExcelConnector::open);
    #[cfg(feature = "sqlite")]
    registry.add("sqlite", "a SQLite database file (path); tables and views", sqlite::Sqlite::open);
    registry
}
