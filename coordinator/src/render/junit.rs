//! JUnit XML: one suite a run, one case a check.
//!
//! `fail` is a `failure`; `unknown` an `error`, since nobody could look; `blocked` and `not-applicable` are `skipped` with the reason;
//! `warn` passes with a property that says why, or is a `failure` where `--fail-on warn` makes it one.

use std::io::{self, Write};

use eic_doctor_proto::{CheckResult, FailOn, Report, Status};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::{evidence, instance};

pub fn write(report: &Report, fail_on: FailOn, out: &mut dyn Write) -> io::Result<()> {
    let mut document = quick_junit::Report::new("eic-doctor");
    let mut suite = TestSuite::new(instance(report));
    suite.add_property(Property::new("connectable", report.connectable.word()));
    suite.add_property(Property::new("root-causes", report.root_causes.join(" ")));
    suite.add_property(Property::new("complete", report.complete.to_string()));
    suite.add_test_cases(report.results.iter().map(|result| case(result, fail_on)));
    document.add_test_suite(suite);
    document.serialize(out).map_err(io::Error::other)
}

fn case(result: &CheckResult, fail_on: FailOn) -> TestCase {
    let status = match result.status {
        Status::Fail => non_success(NonSuccessKind::Failure, result),
        Status::Warn if fail_on == FailOn::Warn => non_success(NonSuccessKind::Failure, result),
        Status::Unknown => non_success(NonSuccessKind::Error, result),
        Status::Blocked | Status::NotApplicable => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(result.why.as_str());
            status
        }
        Status::Ok | Status::Warn => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(result.title.as_str(), status);
    // Readers group by the class: the family and area of the check.
    case.set_classname(result.id.as_str());
    if result.status == Status::Warn {
        case.add_property(Property::new("warning", result.why.as_str()));
    }
    case
}

fn non_success(kind: NonSuccessKind, result: &CheckResult) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(result.status.word()).set_message(result.why.as_str()).set_description(description(result));
    status
}

/// What was seen, and what to do, as a person reads it.
fn description(result: &CheckResult) -> String {
    let mut lines: Vec<String> = vec![result.why.clone()];
    lines.extend(evidence(result));
    if let Some(remedy) = &result.remedy {
        lines.push(format!("to mend: {}", remedy.text));
        lines.extend(remedy.command.clone());
        lines.push(format!("to see that it worked: {}", remedy.verify));
    }
    lines.push(format!("more: {}", result.doc));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::report;

    #[test]
    fn each_status_is_what_pipelines_make_of_it() {
        let written = |fail_on| {
            let mut out = Vec::new();
            write(&report(), fail_on, &mut out).unwrap();
            quick_junit::Report::deserialize_from_str(&String::from_utf8(out).unwrap()).unwrap()
        };
        let kinds = |document: &quick_junit::Report| {
            let cases = document.test_suites.iter().flat_map(|suite| &suite.test_cases);
            let kind = |case: &TestCase| match &case.status {
                TestCaseStatus::Success { .. } => "passed",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failure",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "error",
                TestCaseStatus::Skipped { .. } => "skipped",
            };
            cases.map(kind).collect::<Vec<_>>()
        };
        let document = written(FailOn::Fail);
        assert_eq!(kinds(&document), ["passed", "passed", "failure", "error", "skipped", "skipped"]);
        assert_eq!(kinds(&written(FailOn::Warn)), ["passed", "failure", "failure", "error", "skipped", "skipped"]);
        let warned = &document.test_suites[0].test_cases[1];
        assert_eq!(warned.properties[0].value.as_str(), "warned");
        assert_eq!((document.failures, document.errors), (1, 1));
    }
}
