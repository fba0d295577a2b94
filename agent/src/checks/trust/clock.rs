use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use crate::checks::imds;
use crate::facts::{OsFacts, Validity};

check! {
    /// The instance's clock is near enough to EC2's that a pushed key is neither expired nor too young.
    ///
    /// ## Why it matters
    /// A pushed key is valid for 60 seconds, and the keys command compares that with the instance's own clock: one that is a minute ahead
    /// calls every key expired (status 255, no message), and one that is half a minute ahead leaves half the time. The signer's
    /// certificates and its OCSP responses are compared with the same clock, so one that is far behind calls them not yet valid
    /// (status 1 or 2); OCSP responses may lie five minutes in the future. A clock goes wrong where no time service runs, after a
    /// suspended or restored instance, and where somebody set it by hand.
    ///
    /// ## How to look by hand
    /// On the instance, the two lines should agree to some seconds:
    ///
    /// ```text
    /// curl -sI -m 1 http://169.254.169.254/ | grep -i '^date:'; date -u
    /// chronyc tracking; timedatectl
    /// ```
    ///
    /// ## How to mend
    /// Let a time service keep the clock: `chronyd` (the default on Amazon Linux, on RHEL and on Ubuntu's images for EC2) or
    /// `systemd-timesyncd`; Amazon's own time source is 169.254.169.123. `chronyc makestep` sets the clock at once where chrony
    /// runs; `systemctl restart systemd-timesyncd` does it for the other.
    ///
    /// ## References
    /// - EC2 User Guide: "Precision clock and time synchronization on your EC2 instance"
    /// - EC2 Instance Connect API Reference: SendSSHPublicKey
    /// - openssl-ocsp(1): `-validity_period`
    pub static CHECK: OsFacts = {
        id: "os.trust.clock",
        title: "the clock agrees with EC2's",
        needs: ["os.imds.token"],
        judge: judge,
    }
}

/// How long a pushed key is valid.
const KEY_LIFE: i64 = 60;
/// Half of a key's life; from here on a person who pushes by hand may be too slow.
const COMFORTABLE: i64 = 30;
/// What `openssl ocsp` lets pass without being told, before and after.
const OCSP_LEEWAY: i64 = 300;
/// No OCSP response of a certificate authority of the web lives longer, so none is older.
///
/// Source: CA/Browser Forum, Baseline Requirements, 4.9.10: ten days.
const OCSP_LIFE: i64 = 10 * 86_400;

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    let Some(ahead) = imds::clock_ahead(facts) else {
        return Err(Verdict::unknown("IMDS's answers have no `Date:` to compare the clock with"));
    };
    let seen = match ahead {
        0 => "the same second as IMDS's `Date:`".to_owned(),
        1.. => format!("{} ahead of IMDS's `Date:`", words(ahead)),
        _ => format!("{} behind IMDS's `Date:`", words(-ahead)),
    };
    let at = "GET /latest/meta-data/";
    // IMDS's `Date:` leaves its fraction of a second out, so the clock is ahead by more than `ahead - 1`.
    if ahead > KEY_LIFE {
        let why =
            format!("the clock is {} ahead, so each pushed key, valid for {KEY_LIFE} s, looks expired", words(ahead));
        return Ok(Verdict::fail(Finding::new(why, remedy()).seen(seen, at)));
    }
    if let Some(finding) = signer(facts, ahead) {
        return Ok(Verdict::fail(finding.seen(seen, at)));
    }
    let staples_are_known = facts.trust.signer.known().is_some_and(|signer| signer.staples.known().is_some());
    if ahead < -OCSP_LIFE && !staples_are_known {
        let why = format!(
            "the clock is {} behind, so the signer's OCSP responses look as if they were of the future",
            words(-ahead)
        );
        return Ok(Verdict::fail(Finding::new(why, remedy()).seen(seen, at)));
    }
    if ahead < -OCSP_LEEWAY && !staples_are_known {
        let why = format!(
            "the clock is {} behind, and whether the signer's OCSP responses are older than that could not be seen",
            words(-ahead)
        );
        return Err(Verdict::unknown(why).seen(seen, at));
    }
    if ahead > COMFORTABLE {
        let why =
            format!("the clock is {ahead} s ahead, which leaves a pushed key {} s of its {KEY_LIFE}", KEY_LIFE - ahead);
        return Ok(Verdict::warn(Finding::new(why, remedy()).seen(seen, at)));
    }
    Ok(Verdict::ok(seen, at))
}

/// What the clock does to the certificates that IMDS has now.
fn signer(facts: &OsFacts, ahead: i64) -> Option<Finding> {
    let signer = facts.trust.signer.known()?;
    let judged = [
        ("certificates", &signer.certificates, 0, "managed-ssh-keys/signer-cert/"),
        ("OCSP responses", &signer.staples, OCSP_LEEWAY, "managed-ssh-keys/signer-ocsp/"),
    ];
    judged.into_iter().find_map(|(what, validity, leeway, at)| {
        let Fact::Known(Validity { from, until }) = validity else { return None };
        let (from, until) = (from - leeway, until + leeway);
        let (state, seconds) = if from > 0 {
            ("not yet valid", from)
        } else if until < 0 {
            ("no longer valid", -until)
        } else {
            return None;
        };
        // By EC2's own clock they may be just as wrong, and then no clock of ours is to blame.
        let is_the_clocks = (from + ahead) <= 0 && (until + ahead) >= 0;
        let finding = if is_the_clocks {
            let side = if ahead > 0 { "ahead" } else { "behind" };
            let why = format!("the clock is {} {side}, so the signer's {what} look {state}", words(ahead.abs()));
            Finding::new(why, remedy())
        } else {
            let why = format!("the signer's {what} that IMDS hands out are {state}, by EC2's own clock too");
            let text = "Try again in some minutes, and tell AWS Support: the metadata service hands out what no keys command can take";
            Finding::new(why, Remedy::by_hand(text, "The next login with a pushed key"))
        };
        Some(finding.seen(format!("{what} {state} for {}", words(seconds)), at))
    })
}

fn remedy() -> Remedy {
    Remedy::by_hand(
        "Set the clock and let a time service keep it, as root on the instance: `chronyc makestep` where chrony runs, `systemctl \
         restart systemd-timesyncd` where that one does; Amazon's time source is 169.254.169.123",
        "curl -sI -m 1 http://169.254.169.254/ | grep -i '^date:'; date -u",
    )
}

/// `95 s`, `10 min`, `3 h`, `12 days`.
fn words(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::{OsFacts, Validity};

    const OK: [&str; 0] = [];
    const WARN: [&str; 1] = ["os.trust.clock warn"];
    const FAIL: [&str; 1] = ["os.trust.clock fail"];
    const UNKNOWN: [&str; 1] = ["os.trust.clock unknown"];

    fn ahead(seconds: i64, more: impl Fn(&mut OsFacts)) -> Vec<String> {
        changes(healthy::al2023(), |facts, _| {
            healthy::set_clock(facts, seconds);
            more(facts);
        })
    }

    fn signer(from: i64, until: i64) -> impl Fn(&mut OsFacts) {
        move |facts| {
            let all_day = Fact::Known(Validity { from: -86_400, until: 86_400 });
            let staples = Fact::Known(Validity { from, until });
            let Fact::Known(signer) = &mut facts.trust.signer else { panic!("no signer") };
            (signer.certificates, signer.staples) = (all_day, staples);
        }
    }

    #[test]
    fn a_key_lives_for_a_minute() {
        let unseen = |facts: &mut OsFacts| {
            let Fact::Known(signer) = &mut facts.trust.signer else { panic!("no signer") };
            (signer.certificates, signer.staples) = (Fact::Absent, Fact::Absent);
        };
        for (seconds, expected) in [
            (-300, &OK[..]),
            (-5, &OK),
            (30, &OK),
            (31, &WARN),
            (60, &WARN),
            (61, &FAIL),
            (600, &FAIL),
            (-301, &UNKNOWN),
        ] {
            assert_eq!(ahead(seconds, unseen), expected, "{seconds}");
        }
        assert_eq!(ahead(-11 * 86_400, unseen), FAIL);
    }

    #[test]
    fn behind_counts_from_the_moment_the_ocsp_responses_were_made() {
        assert_eq!(ahead(-600, signer(299, 86_400)), OK);
        assert_eq!(ahead(-600, signer(301, 86_400)), FAIL);
        assert_eq!(ahead(-11 * 86_400, signer(-5, 86_400)), OK);
    }

    #[test]
    fn responses_that_ended_are_the_services_fault_when_its_own_clock_says_so() {
        assert_eq!(ahead(0, signer(-86_400, -299)), OK);
        assert_eq!(ahead(0, signer(-86_400, -400)), FAIL);
        let mut world = healthy::al2023();
        signer(-86_400, -400)(&mut world.facts);
        let result = healthy::results(&world).into_iter().find(|result| result.id == "os.trust.clock").unwrap();
        assert!(result.why.contains("by EC2's own clock too"), "{}", result.why);
    }

    #[test]
    fn without_a_date_nobody_knows() {
        let changed = changes(healthy::al2023(), |facts, _| {
            for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
                for answer in healthy::answers(view) {
                    if let Fact::Known(answer) = answer {
                        answer.clock_ahead = Fact::Absent;
                    }
                }
            }
        });
        assert_eq!(changed, UNKNOWN);
    }
}
