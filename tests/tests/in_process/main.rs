//! Every function's real handler against DynamoDB and S3 in this process, and databases of a real PostgreSQL. One binary,
//! since linking is what takes time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anchors;
mod api;
mod cancellation;
mod connectors;
mod crash;
mod databases;
mod decisions;
mod encrypted;
mod nothing_left;
mod package;
mod people;
mod plans;
mod postgresql;
mod purge;
mod receipts;
mod recheck;
mod replay;
mod rights;
mod stories;
