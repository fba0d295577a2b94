//! Tests of enrolment as a whole: what each kind of forger brings, and what becomes of it.

mod ber;
mod caller_identity;
mod case;
mod claim;
mod decide;
mod identity;
mod mutations;
mod recognise;
mod region_certificates;
mod rules;
