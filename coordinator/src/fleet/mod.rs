//! A fleet's report: what is said of each instance, and of all of them together. Pure.

mod document;
mod tally;

pub use document::{
    Calls, Cause, FleetReport, InstanceReport, Missing, PlaceReport, Range, ReachCount, Reached, RunReport, SCHEMA,
    SummaryReport, document_schema,
};
pub use tally::Tally;
