//! The product and the model agree over generated cases, and the cases can tell a wrong rule from a right one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use eic_doctor::path::{Reach, evaluate};

use eic_doctor_proto::Via;

use super::documents::{self, Calls, Documents};
use super::{Answer, Case, Decision, Question, answer, generate, product, wrong};

/// Questions about one VPC; a case's number is the VPC's times this, plus the question's.
const QUESTIONS: u64 = 10;
/// `EIC_DOCTOR_PATH_CASES` sets another number of cases.
const CASES: u64 = 100_000;

struct Asked {
    calls: Calls,
    documents: Documents,
    questions: Vec<Question>,
}

fn asked(vpc: u64) -> Asked {
    let (calls, questions) = generate::vpc(vpc, usize::try_from(QUESTIONS).unwrap());
    let documents = documents::read(&calls);
    Asked { calls, documents, questions }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is `{text}`, not a number")))
}

#[test]
fn the_product_and_the_model_agree() {
    if let Some(case) = number("EIC_DOCTOR_PATH_CASE") {
        return replay(case);
    }
    let cases = number("EIC_DOCTOR_PATH_CASES").unwrap_or(CASES);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let (mut differing, mut seen) = (Vec::new(), BTreeMap::new());
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            (0..workers).map(|part| scope.spawn(move || compare(part, cases.div_ceil(QUESTIONS), workers))).collect();
        for part in parts {
            let (differs, counted) = part.join().unwrap();
            differing.extend(differs);
            for (verdict, count) in counted {
                *seen.entry(verdict).or_insert(0) += count;
            }
        }
    });
    differing.sort_unstable();
    let first: Vec<&u64> = differing.iter().take(20).collect();
    assert!(
        differing.is_empty(),
        "{} of {cases} cases differ, {first:?} first; EIC_DOCTOR_PATH_CASE=NUMBER shows one",
        differing.len()
    );
    for verdict in [Decision::Allowed, Decision::Partial, Decision::Blocked, Decision::Unknown] {
        let count = seen.get(&verdict).copied().unwrap_or_default();
        assert!(count * 200 >= cases, "only {count} of {cases} cases are {verdict:?}: the generator says too little");
    }
}

/// Every `step`th VPC from `first` on: the cases that differ, and how often each verdict was the right one.
fn compare(first: u64, end: u64, step: u64) -> (Vec<u64>, BTreeMap<Decision, u64>) {
    let (mut differing, mut seen) = (Vec::new(), BTreeMap::new());
    let mut vpc = first;
    while vpc < end {
        let Asked { calls, documents, questions } = asked(vpc);
        // Once in a while by way of files, which is how documents come to the product.
        let facts = if vpc.is_multiple_of(250) { product::facts_of_files(&calls) } else { product::facts(&calls) };
        for (index, question) in questions.into_iter().enumerate() {
            let attempt = product::attempt(&question, &facts);
            let report = evaluate(&facts, &attempt);
            let ours = answer(&Case { documents: &documents, question }, None);
            *seen.entry(ours.verdict).or_default() += 1;
            // What was decided beforehand for every source is held to the same; it is slow to decide, so not in each case.
            let source = attempt.source.filter(|_| vpc.is_multiple_of(40) && attempt.via != Via::Browser);
            let differs = source.is_some_and(|source| Reach::of(&facts, &attempt).answer(&[source]) != report.answer);
            if differs || ours != product::answer(&report) {
                differing.push(vpc * QUESTIONS + index as u64);
            }
        }
        vpc += step;
    }
    (differing, seen)
}

/// Shows one case: the documents, the question, and both answers.
fn replay(case: u64) {
    let Asked { calls, documents, mut questions } = asked(case / QUESTIONS);
    let question = questions.swap_remove(usize::try_from(case % QUESTIONS).unwrap());
    let facts = product::facts(&calls);
    let report = evaluate(&facts, &product::attempt(&question, &facts));
    let theirs = product::answer(&report);
    let mut text = String::new();
    for (call, value) in &calls {
        let _ = writeln!(text, "## {call}\n{}", one_line_each(value));
    }
    let _ = writeln!(text, "## case {case}\n{question:?}\n\n## the product: {:?}", report.answer);
    for hop in &report.hops {
        let _ = writeln!(text, "{:?} {} {} {}: {}", hop.decision, hop.direction, hop.element, hop.id, hop.rule);
    }
    let ours = answer(&Case { documents: &documents, question }, None);
    let _ = writeln!(text, "\n## the model: {:?}", ours.verdict);
    for (element, decision) in &ours.elements {
        let mark = if theirs.elements.get(element) == Some(decision) { ' ' } else { '!' };
        let _ = writeln!(text, "{mark} {decision:?} {} {}", element.0, element.1);
    }
    assert!(ours == theirs, "{text}\nthe two differ");
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()).unwrap();
}

/// The elements of lists, and of lists in these, a line each.
fn one_line_each(value: &serde_json::Value) -> String {
    let mut text = String::new();
    let Some(fields) = value.as_object() else { return value.to_string() };
    for (key, value) in fields {
        match value.as_array() {
            Some(items) => {
                let _ = writeln!(text, "{key}:");
                for item in items {
                    let mut rest = item.clone();
                    let lists =
                        ["Entries", "Routes", "IpPermissions", "IpPermissionsEgress", "Instances", "NetworkInterfaces"];
                    let below: Vec<_> =
                        lists.iter().filter_map(|l| Some((*l, rest.as_object_mut()?.remove(*l)?))).collect();
                    let _ = writeln!(text, "  {rest}");
                    for (list, below) in below {
                        for item in below.as_array().into_iter().flatten() {
                            let _ = writeln!(text, "    {list} {item}");
                        }
                    }
                }
            }
            None => {
                let _ = writeln!(text, "{key}: {value}");
            }
        }
    }
    text
}

/// Told apart by the verdict or by what blocks.
fn differ(a: &Answer, b: &Answer) -> bool {
    a.verdict != b.verdict || a.blocking() != b.blocking()
}

#[test]
fn every_wrong_rule_is_told_from_the_right_one() {
    let mut left: BTreeSet<usize> = (0..wrong::ALL.len()).collect();
    for vpc in 0..10_000 {
        let Asked { calls, documents, questions } = asked(vpc);
        let facts = product::facts(&calls);
        for question in questions {
            let theirs = product::answer(&evaluate(&facts, &product::attempt(&question, &facts)));
            let case = Case { documents: &documents, question };
            left.retain(|index| !differ(&answer(&case, Some(wrong::ALL[*index].0)), &theirs));
        }
        if left.is_empty() {
            return;
        }
    }
    let left: Vec<&str> = left.into_iter().map(|index| wrong::ALL[index].1).collect();
    panic!("no generated case tells these from the right rule: {left:#?}");
}
