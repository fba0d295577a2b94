use std::fs;
use std::time::Duration;

use eic_doctor_agent::render::Style;
use eic_doctor_proto::{Attempt, Fact, Selection};

use super::*;
use crate::facts::{AskedWith, Facts};
use crate::gather::fleet::{FromOutside, Whose, fn_is_read::IsRead};
use crate::gather::testing::Fake;

/// The most memory that this process has had.
fn peak_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_instances_are_looked_at_in_less_than_a_gibibyte() {
    let mut fake = Fake::healthy();
    fake.fleet = 100_000;
    let (attempt, selection) = (Attempt::usual(), Selection::default());
    let judge = Judge::new(&attempt, &selection, &[]);
    let order = Order {
        region: "eu-west-1",
        attempt: &attempt,
        wanted: &[Filters::default()],
        context: &[],
        now: std::time::UNIX_EPOCH,
        ip_ranges: &Fact::NotGathered,
        caller: Fact::NotGathered,
        asked_with: AskedWith::default(),
        whose: Whose::TheAttempts,
        is_read: IsRead(&|_| true),
    };
    let mut tally = Tally::default();
    let place = tally.place(None, "eu-west-1".into());
    let mut nowhere = std::io::sink();
    let outputs = ["jsonl".parse().unwrap()];
    let mut stream = Stream::open(&outputs, Style { color: false, verbose: false }, &mut nowhere).unwrap();
    let mut looked_at = 0;
    let each = |facts: &Facts| {
        looked_at += 1;
        // Judging holds nothing, and a debug build is slow at it.
        if looked_at % 10 == 0 {
            let instance = judge.instance(facts);
            tally.add(place, &instance);
            stream.instance(&instance);
        }
    };
    look(&fake, &Budget::of(Duration::from_mins(10)), &order, &FromOutside, each, || {}).await.unwrap();
    assert_eq!((looked_at, tally.instances()), (100_000, 10_000));
    let peak = peak_kib();
    assert!(peak < 1024 * 1024, "{peak} KiB");
    println!("100,000 instances: at most {} MiB", peak / 1024);
}
