//! What the functions of Habeas share.
//!
//! Dependencies between the rooms point one way: functions -> [`steps`], [`ledger`], [`connectors`], [`export`] ->
//! [`plan`], [`request`], [`policy`], [`mask`], [`evidence`]. The latter are pure: no I/O, the clock and randomness passed
//! in. docs/ARCHITECTURE.md is the map.

pub mod api;
pub mod app;
pub mod aws;
pub mod certificate;
pub mod checks;
pub mod clock;
pub mod connectors;
pub mod dry_run;
pub mod evidence;
pub mod export;
pub mod holds;
pub mod identity;
pub mod ledger;
pub mod mask;
pub mod messages;
pub mod outbound;
pub mod personal;
pub mod plan;
pub mod policy;
pub mod random;
pub mod recipients;
pub mod record;
pub mod request;
pub mod signing;
pub mod steps;
pub mod suppression;
pub mod telemetry;
