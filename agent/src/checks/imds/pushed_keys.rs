use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use super::{Asked, answer, keys_user, refusal};
use crate::checks::keys_command;
use crate::facts::{ImdsAnswer, OsFacts};

check! {
    /// The metadata service hands out a pushed key and what it is signed with.
    ///
    /// ## Why it matters
    /// The keys command first asks, by a `HEAD` request below `managed-ssh-keys/active-keys/`, whether a key was pushed for this OS user in
    /// the last minute. 200 means yes. Whatever else comes, it takes for a no and ends with status 0 and without a word: 404, which is the
    /// right answer while no key is pushed, but 503 of a service that is asked too much as well. Then it fetches the signer's certificates
    /// (`signer-cert`) and the OCSP responses (`signer-ocsp`); where one of them is refused it ends with status 22, or finds later that
    /// a certificate has no response. AWS does not say whether these two are there while no key is pushed, so without one their absence
    /// is no fault.
    ///
    /// ## How to look by hand
    /// Within 60 seconds of a push, on the instance, as the keys user or as root:
    ///
    /// ```text
    /// TOKEN=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
    /// for path in active-keys/ec2-user/ signer-cert/ signer-ocsp/; do
    ///     curl -s -o /dev/null -w "%{http_code} $path\n" -H "X-aws-ec2-metadata-token: $TOKEN" \
    ///         "http://169.254.169.254/latest/meta-data/managed-ssh-keys/$path"
    /// done
    /// ```
    ///
    /// ## How to mend
    /// 503: find the program that asks too much (`ss -tnp dst 169.254.169.254`) and let it keep what it was told. Any other status: a
    /// metadata proxy, or one for containers, answers instead of EC2 and does not know these paths; let the keys user pass it. Where
    /// nothing stands in between, push the key again, and tell AWS Support if it stays so.
    ///
    /// ## References
    /// - EC2 Instance Connect API Reference: SendSSHPublicKey
    /// - EC2 User Guide: "Query limits" of the instance metadata service
    /// - aws/aws-ec2-instance-connect-config: `src/bin/eic_curl_authorized_keys`
    pub static CHECK: OsFacts = {
        id: "os.imds.pushed-keys",
        title: "IMDS hands out pushed keys and what signs them",
        needs: ["os.imds.time-budget"],
        judge: judge,
    }
}

const HEAD: &str = "HEAD /latest/meta-data/managed-ssh-keys/active-keys/";
const CERTIFICATE: &str = "GET /latest/meta-data/managed-ssh-keys/signer-cert/";
const RESPONSES: &str = "GET /latest/meta-data/managed-ssh-keys/signer-ocsp/";
const AT: &str = "169.254.169.254";
const VERIFY: &str = "The next login with a pushed key";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts, attempt))
}

fn judge_scripts(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let view = &facts.imds.as_keys_user;
    let who = keys_user(facts);
    let asked = |request| Asked { request, who: &who, root_was_answered: false, is_bystander: false };
    let fetched = [(CERTIFICATE, &view.signer_cert), (RESPONSES, &view.signer_ocsp)];
    if view.active_keys.known().is_some_and(|answer| answer.status == 404) {
        return without_a_key(attempt, fetched);
    }
    let head = answer(&view.active_keys, asked(HEAD))?;
    let mut verdict = Verdict::ok(format!("{HEAD}{}/: HTTP {}: a key is pushed", attempt.os_user, head.status), AT);
    for (request, fact) in fetched {
        let answer = fact.need(request)?;
        if answer.status != 200 {
            return Ok(Verdict::fail(refused(attempt, answer, asked(request))));
        }
        verdict = verdict.seen(format!("{request}: HTTP 200"), AT);
    }
    Ok(verdict)
}

/// What is missing now may come with a key.
fn without_a_key(attempt: &Attempt, fetched: [(&str, &Fact<ImdsAnswer>); 2]) -> Result<Verdict, Verdict> {
    let seen = format!("{HEAD}{}/: HTTP 404: no key is pushed at this moment", attempt.os_user);
    let is_odd = |answer: &&ImdsAnswer| !matches!(answer.status, 200 | 404);
    let odd = fetched.into_iter().find_map(|(request, fact)| Some((request, fact.known().filter(is_odd)?)));
    match odd {
        Some((request, answer)) => {
            let why = format!("{request} answers with HTTP {}; whether it will with a key is not known", answer.status);
            Err(Verdict::unknown(why).seen(seen, AT))
        }
        None => Ok(Verdict::ok(seen, AT)),
    }
}

fn refused(attempt: &Attempt, answer: &ImdsAnswer, asked: Asked<'_>) -> Finding {
    let status = answer.status;
    let why = format!(
        "IMDS has a key for `{}` and answers {} with HTTP {status} for what signs it",
        attempt.os_user, asked.who
    );
    let remedy = match status {
        404 => Remedy::by_hand(
            "Let the keys user past what answers instead of EC2 and does not know these paths (`ip addr show`, `iptables -t nat -S OUTPUT`); \
             where nothing does, push the key again, and tell AWS Support if it stays so",
            VERIFY,
        ),
        _ => refusal(status, asked).1,
    };
    Finding::new(why, remedy).seen(format!("{} as {}: HTTP {status}", asked.request, asked.who), AT)
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{ImdsAnswer, ImdsView};

    const FAIL: [&str; 2] = ["os.imds.pushed-keys fail", "os.trust.signer blocked"];
    const UNKNOWN: [&str; 1] = ["os.imds.pushed-keys unknown"];

    fn answered(status: u16) -> Fact<ImdsAnswer> {
        Fact::Known(ImdsAnswer { status, latency_ms: 2, ..ImdsAnswer::default() })
    }

    fn changed(world: World, change: impl FnOnce(&mut ImdsView)) -> Vec<String> {
        changes(world, |facts, _| change(&mut facts.imds.as_keys_user))
    }

    #[test]
    fn a_key_without_what_signs_it_is_of_no_use() {
        for status in [404, 503, 401] {
            let without_certificate = |view: &mut ImdsView| {
                (view.active_keys, view.signer_cert) = (answered(200), answered(status));
            };
            let without_responses = |view: &mut ImdsView| {
                (view.active_keys, view.signer_ocsp) = (answered(200), answered(status));
            };
            assert_eq!(changed(healthy::al2023(), without_certificate), FAIL, "{status}");
            assert_eq!(changed(healthy::ubuntu_2204(), without_responses), FAIL, "{status}");
            assert_eq!(changed(healthy::rhel9(), without_certificate), UNKNOWN, "what the one program asks for");
        }
        assert_eq!(changed(healthy::al2023(), |view| view.active_keys = answered(200)), [""; 0]);
    }

    #[test]
    fn without_a_key_a_missing_signer_is_no_fault_and_another_answer_nobody_understands() {
        assert_eq!(changed(healthy::al2(), |view| view.signer_cert = answered(404)), [""; 0]);
        assert_eq!(changed(healthy::al2(), |view| view.signer_cert = Fact::NotGathered), [""; 0]);
        assert_eq!(changed(healthy::al2(), |view| view.signer_ocsp = answered(503)), UNKNOWN);
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_taken_for_a_no() {
        for status in [503, 401, 403, 302] {
            assert_eq!(changed(healthy::ubuntu_2404(), |view| view.active_keys = answered(status)), FAIL, "{status}");
        }
    }
}
