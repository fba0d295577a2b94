//! The state of drift in bytes: some nine bytes for a check that is well, some seventeen for a finding, and the whole result only for
//! one that waits to be confirmed.
//!
//! ```text
//! version u8 = 1, writer u32, silent u8 (0 not, 1 os, 2 aws), [since u64], then for each check:
//!   key u64, flags u8 (1 held, 2 next), [held: status u8, print u64 for findings],
//!   [next: status u8, print u64 for findings, runs u32, since u64, length u32, the result in JSON]
//! ```
//! All numbers little-endian.

use eic_doctor_proto::{CheckResult, Status};

use super::fingerprint::State;
use super::held::{Check, Held, Next};
use crate::store::Half;

const VERSION: u8 = 1;
const HELD: u8 = 1;
const NEXT: u8 = 2;

/// The bytes are not a state of drift that this version can read: a newer one wrote them, or they are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of drift cannot be read")]
pub struct Unreadable;

impl Held {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.checks.len() * 12);
        out.push(VERSION);
        out.extend(self.writer.to_le_bytes());
        match self.silent {
            None => out.push(0),
            Some((half, since)) => {
                out.push(match half {
                    Half::Os => 1,
                    Half::Aws => 2,
                });
                out.extend(since.to_le_bytes());
            }
        }
        for (key, check) in &self.checks {
            out.extend(key.to_le_bytes());
            out.push((u8::from(check.held.is_some()) * HELD) | (u8::from(check.next.is_some()) * NEXT));
            if let Some(state) = check.held {
                write_state(state, &mut out);
            }
            if let Some(next) = &check.next {
                write_state(next.state, &mut out);
                out.extend(next.runs.to_le_bytes());
                out.extend(next.since.to_le_bytes());
                // A result holds nothing that JSON has no word for; an empty text is read as "none waits".
                let json = serde_json::to_vec(&next.result).unwrap_or_default();
                let length = u32::try_from(json.len()).unwrap_or_default();
                out.extend(length.to_le_bytes());
                out.extend(json.get(..length as usize).unwrap_or_default());
            }
        }
        out
    }

    /// A result that waits and that this version cannot read waits no longer: the next run brings it anew.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut read = Reader(bytes);
        if read.byte()? != VERSION {
            return Err(Unreadable);
        }
        let writer = u32::from_le_bytes(read.take()?);
        let silent = match read.byte()? {
            0 => None,
            1 => Some((Half::Os, read.number()?)),
            2 => Some((Half::Aws, read.number()?)),
            _ => return Err(Unreadable),
        };
        let mut held = Self { writer, silent, ..Self::default() };
        while !read.0.is_empty() {
            let key = read.number()?;
            let flags = read.byte()?;
            if flags & !(HELD | NEXT) != 0 {
                return Err(Unreadable);
            }
            let mut check = Check { held: None, next: None };
            if flags & HELD != 0 {
                check.held = Some(read.state()?);
            }
            if flags & NEXT != 0 {
                let state = read.state()?;
                let runs = u32::from_le_bytes(read.take()?);
                let since = read.number()?;
                let length = u32::from_le_bytes(read.take()?);
                let json = read.slice(length as usize)?;
                let result: Option<CheckResult> = serde_json::from_slice(json).ok();
                check.next = result.map(|result| Next { state, runs, since, result });
            }
            held.checks.insert(key, check);
        }
        Ok(held)
    }
}

fn write_state(state: State, out: &mut Vec<u8>) {
    let code = Status::ALL.iter().position(|status| *status == state.status).unwrap_or_default();
    out.push(u8::try_from(code).unwrap_or_default());
    if state.status.is_finding() {
        out.extend(state.print.to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.slice(N)?.try_into().map_err(|_| Unreadable)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        self.take().map(u64::from_le_bytes)
    }

    fn state(&mut self) -> Result<State, Unreadable> {
        let code = self.byte()?;
        let status = Status::ALL.get(usize::from(code)).copied().ok_or(Unreadable)?;
        let print = if status.is_finding() { self.number()? } else { 0 };
        Ok(State { status, print })
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::testing::result;
    use super::super::{advance, confirm, silent};
    use super::*;

    fn some() -> Held {
        let ok: Vec<CheckResult> = (0..60).map(|n| result(&format!("os.area.check-{n}"), Status::Ok)).collect();
        let (held, _) = advance(Held::default(), &ok, 1000, 2);
        let mut broken = ok;
        broken[3] = result("os.area.check-3", Status::Fail);
        broken[4] = result("os.area.check-4", Status::Unknown);
        broken.push(result("os.area.new", Status::Warn));
        advance(held, &broken, 2000, 2).0
    }

    #[test]
    fn every_state_comes_back_as_it_was() {
        let waiting = some();
        let told = confirm(waiting.clone(), 3000, 2).0;
        let quiet = silent(told.clone(), Half::Os, 3000, 9000).0;
        for held in [Held::default(), waiting, told, quiet] {
            assert_eq!(Held::from_bytes(&held.to_bytes()), Ok(held));
        }
    }

    #[test]
    fn a_state_where_all_is_well_is_compact() {
        let told = confirm(some(), 3000, 2).0;
        assert!(told.to_bytes().len() < 61 * 12, "{} bytes", told.to_bytes().len());
    }

    /// Layout 1, written by hand: one check that is ok, and one that waits with a result that lacks what results have today.
    #[test]
    fn an_older_versions_state_is_read_and_what_waited_in_other_words_waits_no_longer() {
        let mut old = vec![1];
        old.extend(7_u32.to_le_bytes());
        old.push(0);
        old.extend(1_u64.to_le_bytes());
        old.extend([1, 0]);
        old.extend(2_u64.to_le_bytes());
        old.extend([3, 0, 2]);
        old.extend(99_u64.to_le_bytes());
        old.extend(1_u32.to_le_bytes());
        old.extend(1000_u64.to_le_bytes());
        let json = br#"{"id":"os.sshd.port","status":"fail"}"#;
        old.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
        old.extend(json);
        let held = Held::from_bytes(&old).unwrap();
        let ok = Some(State { status: Status::Ok, print: 0 });
        let checks: Vec<_> = held.checks.into_iter().collect();
        assert_eq!(checks, [(1, Check { held: ok, next: None }), (2, Check { held: ok, next: None })]);
        assert_eq!(held.writer, 7);
    }

    #[test]
    fn damaged_and_newer_bytes_are_told_and_never_panic() {
        let whole = some().to_bytes();
        assert_eq!(Held::from_bytes(&[]), Err(Unreadable));
        let mut newer = whole.clone();
        newer[0] = VERSION + 1;
        assert_eq!(Held::from_bytes(&newer), Err(Unreadable));
        let mut read = 0;
        for cut in 0..whole.len() {
            read += usize::from(Held::from_bytes(&whole[..cut]).is_ok());
            let mut flipped = whole.clone();
            flipped[cut] ^= 0x80;
            let _ = Held::from_bytes(&flipped);
        }
        // A cut between two checks is a shorter state.
        assert!(read <= 61, "{read}");
    }
}
