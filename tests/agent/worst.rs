//! The worst world fits SSM Run Command.

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::{encode_report, facts_from_stdout};
use eic_doctor_agent::{checks, gather};
use eic_doctor_proto::block::SSM_STDOUT_LIMIT;
use eic_doctor_proto::{Attempt, CheckResult, Evidence, Fact, Remedy, Selection, Status, judge};
use serde_json::Value;

use super::recorded::{recording, world};

/// Text in which nothing repeats, from a fixed seed (xorshift64*).
struct Noise(u64);

impl Noise {
    fn text(&mut self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        while text.len() < length {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
            text.push(char::from(b' ' + (value >> 40) as u8 % 95));
        }
        text
    }

    /// Every text long, every list several times as long.
    fn inflate(&mut self, value: &mut Value, length: usize, times: usize) {
        match value {
            // The four states of a fact and the words of our own enums stay words.
            Value::String(text) if is_word(text) => {}
            Value::String(text) => *text = self.text(length),
            Value::Array(values) => {
                let once = values.clone();
                for _ in 1..times {
                    values.extend(once.iter().take(20).cloned());
                }
                values.iter_mut().for_each(|value| self.inflate(value, length, times));
            }
            Value::Object(values) => values.values_mut().for_each(|value| self.inflate(value, length, times)),
            _ => {}
        }
    }
}

fn is_word(text: &str) -> bool {
    [
        "absent",
        "not-gathered",
        "dpkg",
        "rpm",
        "regular",
        "directory",
        "other",
        "shadowed",
        "full",
        "listening",
        "mount",
        "network",
        "no-socket",
        "refused",
        "keys",
        "revocation-list",
        "broken",
        "found",
        "missing",
        "denied",
        "without-link",
        "enforcing",
        "permissive",
        "empty",
        "locked",
        "unmatchable",
        "set",
    ]
    .contains(&text)
        || text.parse::<std::net::IpAddr>().is_ok()
}

fn worst_results(noise: &mut Noise) -> Vec<CheckResult> {
    let facts = OsFacts::default();
    let attempt = Attempt::usual();
    let mut results = judge(checks::entries(&facts, &attempt), &Selection::default());
    for result in &mut results {
        result.status = Status::Fail;
        result.why = noise.text(2_000);
        result.evidence = (0..50).map(|_| Evidence::new(noise.text(500), noise.text(500))).collect();
        result.remedy = Some(Remedy::by_hand(noise.text(2_000), noise.text(2_000)));
    }
    results
}

#[test]
fn the_worst_world_fits_and_every_fact_that_does_not_says_so() {
    for (length, times) in [(100, 50), (1_000, 5), (20_000, 1)] {
        let mut noise = Noise(length as u64 + 0x0DEC_0DED);
        let mut tree = serde_json::to_value(world("healthy")).unwrap();
        noise.inflate(&mut tree, length, times);
        let facts: OsFacts = serde_json::from_value(tree).unwrap();
        let block = encode_report(&facts, &Attempt::usual(), &worst_results(&mut noise)).unwrap();
        assert!(block.chars().count() <= SSM_STDOUT_LIMIT, "{length}: {}", block.chars().count());
        let back = facts_from_stdout(&block, &Attempt::usual()).unwrap();
        assert_eq!(back.uid, Fact::Known(0), "{length}");
        let Fact::Unreadable(why) = &back.sshd.listeners else { continue };
        assert!(why.reason.contains("too long for SSM Run Command"), "{}", why.reason);
    }
}

#[test]
fn an_ordinary_world_travels_unchanged_with_all_its_results() {
    let facts = world("healthy");
    let attempt = Attempt::usual();
    let results = judge(checks::entries(&facts, &attempt), &Selection::default());
    let block = encode_report(&facts, &attempt, &results).unwrap();
    assert_eq!(facts_from_stdout(&block, &attempt).unwrap(), facts);
    // Far from the limit: there is room for what later versions add.
    assert!(block.len() < SSM_STDOUT_LIMIT * 2 / 3, "{}", block.len());
}

#[test]
fn long_results_are_shortened_before_any_fact_is() {
    let facts = world("healthy");
    let block = encode_report(&facts, &Attempt::usual(), &worst_results(&mut Noise(7))).unwrap();
    assert_eq!(facts_from_stdout(&block, &Attempt::usual()).unwrap(), facts);
}

#[test]
fn an_answer_about_another_os_user_is_refused() {
    let block = encode_report(&world("healthy"), &Attempt::usual(), &[]).unwrap();
    let other = Attempt { os_user: "ubuntu".parse().unwrap(), ..Attempt::usual() };
    let error = facts_from_stdout(&block, &other).unwrap_err().to_string();
    assert_eq!(error, "the answer is about ec2-user on port 22, not about this attempt");
}

#[test]
fn gathering_from_a_recording_twice_gives_the_same() {
    let recorded = gather::Recorded::from_bytes(&recording("healthy.probe")).unwrap();
    assert_eq!(gather::gather(&recorded, &Attempt::usual()), gather::gather(&recorded, &Attempt::usual()));
}
