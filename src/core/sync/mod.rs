//! The watch loop's parts that know nothing of plans and runs: when to look, how much may change, what a column that comes
//! or goes means. The loop itself is a use case: [`crate::workspace`].
mod alerts;
mod board;
mod cap;
mod drift;
mod inverse;
mod triggers;

pub(crate) use alerts::{Alarms, News, Open, What};
pub(crate) use board::{Board, Turn};
pub(crate) use cap::Window;
pub(crate) use drift::{Columns, Drift};
pub(crate) use inverse::{Inverse, inverse, is_way_back, way_back_name};
pub(crate) use triggers::{Ticker, Versions};
