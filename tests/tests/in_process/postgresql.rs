//! The connector for PostgreSQL against a real one.

mod cursors;
mod paths;
mod preflight;
mod refusals;
mod shop;
mod story;
mod tables;
mod writes;
