//! The whole program in a real terminal.
mod control;
mod journey;
mod rejects;
mod screenshots;
mod strategies;
mod studio;
mod survival;
mod sync;
mod two_files;
