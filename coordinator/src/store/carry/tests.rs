//! A bounded generator of hostile reports at the store's door, among honest ones: of a million none is taken, and none leaves a trace.
//! More of them: `EIC_DOCTOR_HOSTILE_MESSAGES=100000000 cargo test --workspace --lib hostile -- --nocapture`.
//!
//! The forger has everything that was ever sent, certificates of instances of its own, and (as on a cloned disk or after a new start) keys
//! that an instance had before. What it cannot have is a connection with another's key: TLS is tried elsewhere.

use std::collections::BTreeMap;

use super::*;
use crate::attest::testing::mutate::Random;

const MESSAGES: u64 = 1_000_000;
const INSTANCES: usize = 4;
/// What of the honest reports the forger has in hand.
const HEARD: usize = 64;
const HOLD: u32 = 2;

#[test]
fn of_a_million_hostile_reports_none_is_taken_and_none_leaves_a_trace() {
    let asked = std::env::var("EIC_DOCTOR_HOSTILE_MESSAGES").ok();
    let messages = asked.map_or(MESSAGES, |number| number.parse().expect("a number of messages"));
    let mut random = Random::of(0);
    let mut fleet = Fleet::new();
    let mut honest = 0_u64;
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    let mut hostile = 0;
    while hostile < messages {
        if random.below(8) == 0 {
            let report = fleet.honest(&mut random);
            assert_eq!(fleet.take(&report), Ok(()), "an honest report was refused: {report:?}");
            fleet.hear(report, &mut random);
            honest += 1;
            continue;
        }
        hostile += 1;
        let (what, report) = fleet.hostile(&mut random);
        let before = fleet.stored(&report);
        assert!(fleet.take(&report).is_err(), "{what} was taken: {report:?}");
        assert_eq!(fleet.stored(&report), before, "{what} left a trace: {report:?}");
        *refused.entry(what).or_default() += 1;
    }
    eprintln!("{hostile} hostile reports among {honest} honest ones, refused: {refused:?}");
    assert!(refused.len() == 7 && refused.values().all(|of| of * 20 >= messages), "{refused:?}");
}

/// What is read of a place: the agent, its last run, its drift.
type Stored = (Option<(AgentState, KeyId)>, Option<Run>, Option<Held>);

/// Instances that report, one that is revoked, and one that nobody knows, as a store has them between two transactions.
struct Fleet {
    stored: BTreeMap<Place, Stored>,
    sequences: [u64; INSTANCES],
    heard: Vec<Submission>,
    clock: Millis,
}

const REVOKED: &str = "i-revoked";

fn id(index: usize) -> String {
    format!("i-{index}")
}

fn key(of: &str) -> KeyId {
    let digest = ring::digest::digest(&ring::digest::SHA256, of.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl Fleet {
    fn new() -> Self {
        let enrolled = |id: String| {
            let agent = Some((AgentState::Enrolled, key(&id)));
            ((id, Half::Os), (agent, None, None))
        };
        let mut stored: BTreeMap<_, _> = (0..INSTANCES).map(id).map(enrolled).collect();
        let revoked = Some((AgentState::Revoked, key(REVOKED)));
        stored.insert((REVOKED.to_owned(), Half::Os), (revoked, None, None));
        let mut fleet = Self { stored, sequences: [0; INSTANCES], heard: Vec::new(), clock: 1 };
        // So that there is something to replay, and a digest to be unchanged from.
        for index in 0..INSTANCES {
            let first = fleet.next(index, true);
            assert_eq!(fleet.take(&first), Ok(()));
            fleet.heard.push(first);
        }
        fleet
    }

    fn next(&mut self, index: usize, is_full: bool) -> Submission {
        self.clock += 1;
        self.sequences[index] += 1;
        let digest = key(&format!("report of {index}"));
        let content = match is_full {
            true => Content::Full { report: b"facts".to_vec(), digest, results: Vec::new() },
            false => Content::Unchanged(digest),
        };
        let from = Some((key(&id(index)), self.sequences[index]));
        Submission { instance_id: id(index), half: Half::Os, from, received_at: self.clock, content }
    }

    fn honest(&mut self, random: &mut Random) -> Submission {
        let index = random.below(INSTANCES);
        // Numbers are reserved in blocks: a restart leaves some out.
        self.sequences[index] += u64::try_from(random.below(3)).unwrap();
        self.next(index, random.below(4) == 0)
    }

    fn hear(&mut self, report: Submission, random: &mut Random) {
        match self.heard.len() {
            HEARD => self.heard[random.below(HEARD)] = report,
            _ => self.heard.push(report),
        }
    }

    /// A report that nobody may send, and what it is.
    fn hostile(&mut self, random: &mut Random) -> (&'static str, Submission) {
        let index = random.below(INSTANCES);
        let last = self.sequences[index];
        // As an honest one would be, from here on.
        let mut report = self.next(index, random.below(2) == 0);
        self.sequences[index] = last;
        let own = key(&id(index));
        let what = match random.below(7) {
            0 => {
                report = self.heard[random.below(self.heard.len())].clone();
                report.received_at = self.clock;
                "a replay"
            }
            1 => {
                report.from = Some((own, last - u64::try_from(random.below(usize::try_from(last).unwrap())).unwrap()));
                "an old number"
            }
            2 => {
                let other = id((index + 1 + random.below(INSTANCES - 1)) % INSTANCES);
                report.from = Some((key(&other), [last + 1, u64::MAX, self.sequences[0] + 1][random.below(3)]));
                "another instance's key"
            }
            3 => {
                let mut former = own;
                former[random.below(32)] ^= 1 << random.below(8);
                report.from = Some((former, last + 1));
                "a key that is not the instance's now"
            }
            4 => {
                report.instance_id = REVOKED.to_owned();
                report.from = Some((key(REVOKED), last + 1));
                "a revoked instance"
            }
            5 => {
                report.instance_id = format!("i-{}", INSTANCES + random.below(1_000));
                "an instance that never enrolled"
            }
            _ => {
                let mut digest = key(&format!("report of {index}"));
                match random.below(2) {
                    0 => digest[random.below(32)] ^= 1 << random.below(8),
                    _ => digest = key(&format!("report of {}", index + 1)),
                }
                report.content = Content::Unchanged(digest);
                "unchanged from what was never sent"
            }
        };
        (what, report)
    }

    /// As a transaction does it: reads, carries, and writes what has to be written.
    fn take(&mut self, report: &Submission) -> Result<(), NotStored> {
        let place = (report.instance_id.clone(), report.half);
        let (agent, run, held) = self.stored.get(&place).cloned().unwrap_or_default();
        let mut loaded = Loaded::from([(place.clone(), Kept { agent, run, held, ..Kept::default() })]);
        let taken = carry(&mut loaded, report, HOLD).map(drop);
        if let Some(kept) = loaded.remove(&place).filter(|kept| kept.is_written) {
            self.stored.insert(place, (kept.agent, kept.run, kept.held));
        }
        taken
    }

    fn stored(&self, report: &Submission) -> Option<Run> {
        self.stored.get(&(report.instance_id.clone(), report.half)).and_then(|(_, run, _)| run.clone())
    }
}
