//! The screen of the console, in three layers that only look downwards.
//!
//! * [`app`]: pure state and `update(Msg) -> Vec<Effect>`. No terminal, no file, no clock, no polars.
//! * [`view`]: draws an [`app::App`], which it only reads.
//! * [`runtime`]: the terminal, the loop, signals, and the jobs that carry effects out on worker threads.
//!
//! *Adding a screen* is two files and one row: its state in `app/screens/NAME.rs` (a [`app::screens::ScreenState`]), its
//! drawing in `view/screens/NAME.rs`, and its row in [`for_each_screen`].
pub mod app;
pub mod runtime;
pub mod view;

pub use runtime::{Options, ThemeChoice, run};
