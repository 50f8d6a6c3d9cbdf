//! The whole program in a real terminal.
mod journey;
mod screenshots;
mod survival;
