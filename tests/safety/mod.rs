//! What others typed never steers the terminal: payloads as cells, headers, mapping and file names.
mod payloads;
mod personal;
mod screens;
