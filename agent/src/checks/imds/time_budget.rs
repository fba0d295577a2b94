use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use super::{LIMIT_MS, Silence, VERIFY};
use crate::checks::keys_command;
use crate::facts::{ImdsAnswer, ImdsView, OsFacts};

check! {
    /// The keys command's requests to the metadata service fit into the time that it has.
    ///
    /// ## Why it matters
    /// The keys command makes about eleven requests, one after the other: a token, the instance id, whether there is a key, Availability
    /// Zone, domain, the signer's certificate, the list of OCSP responses, each of them, and the key. Each has one second; all of them,
    /// with some forty runs of `openssl` and other programs between, have five, after which `timeout` ends the command with status 124. sshd
    /// runs it twice for one login. So answers that take half a second each are too slow, though each by itself looks well.
    ///
    /// What makes them slow: a flood of requests to link-local addresses, of which each network interface may send 1,024 packets a second;
    /// a metadata proxy; a firewall that drops the first packet of a connection; an instance without CPU credits.
    ///
    /// ## How to look by hand
    /// On the instance, as the keys user:
    ///
    /// ```text
    /// runuser -u ec2-instance-connect -- sh -c 'for n in 1 2 3 4 5; do curl -s -o /dev/null -m 1 -w "%{time_total}\n" \
    ///     -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 5" http://169.254.169.254/latest/api/token; done'
    /// ethtool -S ens5 | grep linklocal_allowance_exceeded
    /// uptime; top -bn1 | head -15
    /// ```
    ///
    /// ## How to mend
    /// Find the program that asks too much (`ss -tnp dst 169.254.169.254`) and let it keep what it was told; take the proxy or rule away
    /// that slows requests; give a burstable instance credits (`unlimited`) or a larger type.
    ///
    /// ## References
    /// - EC2 User Guide: "Query limits" of the instance metadata service
    /// - timeout(1)
    pub static CHECK: OsFacts = {
        id: "os.imds.time-budget",
        title: "IMDS answers fast enough for the keys command",
        needs: ["os.imds.token-as-keys-user"],
        judge: judge,
    }
}

/// What the keys command has for everything.
const BUDGET_MS: u32 = 5_000;
/// The least that the programs take which it starts between the requests, some fifty.
const PROGRAMS_MS: u32 = 300;
/// What they take on a small instance that has other things to do: from here on nobody can say.
const SLOW_PROGRAMS_MS: u32 = 2_000;
/// Some 200 ms a request, a hundred times the usual.
const COMFORTABLE_MS: u32 = 2_200;
/// Without the OCSP responses: token, instance id, key, Availability Zone, domain, certificate, list, and the key itself.
const REQUESTS: usize = 8;
/// Token, instance id, Availability Zone and domain have checks of their own.
const TOLD_BY_OTHERS: usize = 4;
/// A chain has two certificates at the least, each with a response.
const RESPONSES: usize = 2;

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts))
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let view = &facts.imds.as_keys_user;
    let _token = view.token.need("IMDS's answers to the keys user")?;
    let asked = asked(view);
    for (index, (request, fact)) in asked.iter().enumerate() {
        if let Fact::Unreadable(why) = fact {
            let is_late = matches!(Silence::of(&why.reason), Some(Silence::TimedOut));
            if index < TOLD_BY_OTHERS || !is_late {
                return Err(Verdict::unknown(format!("{request}, asked as the keys user: {}", why.reason)));
            }
            let why_ = format!("IMDS did not answer `{request}` within the time that the keys command has");
            return Ok(Verdict::fail(
                Finding::new(why_, remedy()).seen(format!("{request}: {}", why.reason), "169.254.169.254"),
            ));
        }
    }
    let latencies: Vec<u32> =
        asked.iter().filter_map(|(_, fact)| fact.known()).map(|answer| answer.latency_ms.min(LIMIT_MS)).collect();
    let made = latencies.len();
    let sum: u32 = latencies.iter().sum();
    let fastest = latencies.iter().copied().min().unwrap_or_default();
    let left = (REQUESTS + view.staples.len().max(RESPONSES)).saturating_sub(made);
    let left = u32::try_from(left).unwrap_or_default();
    let mean = sum / u32::try_from(made).unwrap_or(1).max(1);
    let (least, likely) = (sum + left * fastest, sum + left * mean);
    let seen = format!("{made} requests as the keys user took {sum} ms in all");
    if least + PROGRAMS_MS > BUDGET_MS {
        let why =
            format!("the keys command's requests to IMDS take {least} ms at the least; it has 5 s for everything");
        return Ok(Verdict::fail(Finding::new(why, remedy()).seen(seen, "169.254.169.254")));
    }
    if likely + SLOW_PROGRAMS_MS > BUDGET_MS {
        let why = format!(
            "the keys command's requests to IMDS take about {likely} ms; whether the rest of its 5 s will do is not known"
        );
        return Err(Verdict::unknown(why).seen(seen, "169.254.169.254"));
    }
    if likely > COMFORTABLE_MS {
        let why =
            format!("the keys command's requests to IMDS take about {likely} ms of the 5 s that it has for everything");
        return Ok(Verdict::warn(Finding::new(why, remedy()).seen(seen, "169.254.169.254")));
    }
    Ok(Verdict::ok(seen, "169.254.169.254"))
}

/// The keys command's own requests that were made, in their order.
fn asked(view: &ImdsView) -> Vec<(&'static str, &Fact<ImdsAnswer>)> {
    let named = [
        ("PUT /latest/api/token", &view.token),
        ("GET /latest/meta-data/instance-id", &view.instance_id),
        ("GET /latest/meta-data/placement/availability-zone", &view.availability_zone),
        ("GET /latest/meta-data/services/domain", &view.domain),
        ("HEAD /latest/meta-data/managed-ssh-keys/active-keys/", &view.active_keys),
        ("GET /latest/meta-data/managed-ssh-keys/signer-cert/", &view.signer_cert),
        ("GET /latest/meta-data/managed-ssh-keys/signer-ocsp/", &view.signer_ocsp),
    ];
    let staples = view.staples.iter().map(|staple| ("GET /latest/meta-data/managed-ssh-keys/signer-ocsp/…", staple));
    named.into_iter().chain(staples).filter(|(_, fact)| !matches!(fact, Fact::NotGathered | Fact::Absent)).collect()
}

fn remedy() -> Remedy {
    Remedy::by_hand(
        "Find what slows the metadata service down: a flood of requests (`ss -tnp dst 169.254.169.254`; each network interface may send \
         1,024 packets a second to link-local services), a metadata proxy, or an instance without CPU time",
        VERIFY,
    )
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, changes};
    use crate::facts::{ImdsAnswer, OsFacts};

    const FAIL: [&str; 3] = ["os.imds.time-budget fail", "os.imds.pushed-keys blocked", "os.trust.signer blocked"];

    fn slow(facts: &mut OsFacts, latency_ms: u32) {
        for fact in healthy::answers(&mut facts.imds.as_keys_user) {
            if let Fact::Known(answer) = fact {
                answer.latency_ms = latency_ms;
            }
        }
    }

    #[test]
    fn eleven_requests_share_five_seconds() {
        for (latency_ms, expected) in [
            (100, &[][..]),
            (190, &[]),
            (230, &["os.imds.time-budget warn"]),
            (350, &["os.imds.time-budget unknown"]),
            (440, &FAIL),
        ] {
            let changed = changes(healthy::ubuntu_2404(), |facts, _| slow(facts, latency_ms));
            assert_eq!(changed, expected, "{latency_ms} ms");
        }
        assert_eq!(changes(healthy::rhel9(), |facts, _| slow(facts, 460)), ["os.imds.time-budget unknown"]);
    }

    #[test]
    fn without_the_signers_answers_the_rest_is_reckoned() {
        let changed = |latency_ms| {
            changes(healthy::al2(), |facts, _| {
                slow(facts, latency_ms);
                let view = &mut facts.imds.as_keys_user;
                let none = Fact::Known(ImdsAnswer { status: 404, latency_ms, ..ImdsAnswer::default() });
                (view.signer_cert, view.signer_ocsp, view.staples) = (none, Fact::NotGathered, Vec::new());
            })
        };
        assert_eq!(changed(100), [""; 0]);
        assert_eq!(changed(250), ["os.imds.time-budget warn"]);
    }

    #[test]
    fn one_late_answer_after_the_zone_and_the_domain_is_a_failure() {
        let changed = changes(healthy::al2023(), |facts, _| {
            let view = &mut facts.imds.as_keys_user;
            view.active_keys = Fact::unreadable("timed out after 1 s");
            (view.signer_cert, view.signer_ocsp, view.staples) = (Fact::NotGathered, Fact::NotGathered, Vec::new());
        });
        assert_eq!(changed, FAIL);
    }
}
