use eic_doctor_proto::{Attempt, Fact, Finding, Remedy, Verdict, check};

use crate::checks::{imds, keys_command};
use crate::facts::{OcspResponse, OsFacts, SignerCertificate};

check! {
    /// The certificates that IMDS hands out with a pushed key are those of EC2 Instance Connect, and none is revoked.
    ///
    /// ## Why it matters
    /// The keys command takes a key only with a chain of at least two certificates, whose first is that of
    /// `managed-ssh-signer.REGION.DOMAIN` (Region and domain as IMDS names them), and with an OCSP response for each of them that says
    /// "good". It looks for each response under the certificate's SHA-1 fingerprint, 40 hexadecimal digits. Anything else ends it with
    /// status 1, often without a message. In November 2020 the service named its responses by SHA-256 for some hours, and nobody could log
    /// in; else what is wrong here mostly is a proxy that answers instead of EC2's metadata service.
    ///
    /// Whether the chain leads to a trusted certificate authority, and whether all of it is valid now, are other checks.
    ///
    /// ## How to look by hand
    /// Within 60 seconds of a push, on the instance:
    ///
    /// ```text
    /// TOKEN=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
    /// keys=http://169.254.169.254/latest/meta-data/managed-ssh-keys
    /// curl -s -H "X-aws-ec2-metadata-token: $TOKEN" $keys/signer-cert/ | openssl x509 -noout -subject -fingerprint -sha1
    /// curl -s -H "X-aws-ec2-metadata-token: $TOKEN" $keys/signer-ocsp/
    /// ```
    ///
    /// ## How to mend
    /// Take away what answers at 169.254.169.254 instead of EC2 (`ip addr show`, `iptables -t nat -S`, `nft list ruleset`). Where nothing
    /// does, the service itself is ill: log in by Session Manager, see the AWS Health Dashboard, and tell AWS Support.
    ///
    /// ## References
    /// - aws/aws-ec2-instance-connect-config: `src/bin/eic_parse_authorized_keys`; issue 26
    /// - RFC 6960: OCSP
    pub static CHECK: OsFacts = {
        id: "os.trust.signer",
        title: "pushed keys are signed by EC2 Instance Connect",
        needs: ["os.imds.pushed-keys"],
        judge: judge,
    }
}

const CERTIFICATES: &str = "GET /latest/meta-data/managed-ssh-keys/signer-cert/";
const RESPONSES: &str = "GET /latest/meta-data/managed-ssh-keys/signer-ocsp/";
/// Certificate authorities that may end a chain and are trusted by themselves.
const ROOTS: [&str; 2] = ["Amazon Root CA 1", "Starfield Services Root Certificate Authority - G2"];

fn judge(facts: &OsFacts, _attempt: &Attempt) -> Result<Verdict, Verdict> {
    keys_command::by_scripts(facts, judge_scripts(facts))
}

fn judge_scripts(facts: &OsFacts) -> Result<Verdict, Verdict> {
    let head = facts.imds.as_keys_user.active_keys.need("whether a key is pushed for this OS user")?;
    let Fact::Known(signer) = &facts.trust.signer else {
        if head.status == 200 {
            facts.trust.signer.need("what IMDS signs keys with")?;
        }
        return Ok(Verdict::not_applicable("no key is pushed at this moment, and without one IMDS shows no signer"));
    };
    let chain = signer.chain.need("the signer's certificates")?;
    let Some(leaf) = chain.first() else { return Err(Verdict::unknown("the signer has no certificate")) };
    if chain.len() < 2 {
        let why =
            "IMDS hands out the signer's certificate without the one that signed it, and the keys command wants both";
        return Ok(fail(why, leaf.name.to_string(), CERTIFICATES));
    }
    let Some(expected) = imds::signer_name(facts) else {
        return Err(Verdict::unknown("whose certificate the keys command wants is not known"));
    };
    if leaf.name.raw() != expected {
        let why = format!("the signer's certificate is that of `{}`, and not of `{expected}`", leaf.name);
        return Ok(fail(why, leaf.name.to_string(), CERTIFICATES));
    }
    // A finding about one certificate is worth more than the doubt about another.
    let last = chain.len() - 1;
    let judged = chain.iter().enumerate().map(|(index, certificate)| revocation(certificate, index == last));
    let mut doubt = None;
    for verdict in judged {
        match verdict {
            Ok(Some(finding)) => return Ok(finding),
            Ok(None) => {}
            Err(unknown) => doubt = doubt.or(Some(unknown)),
        }
    }
    match doubt {
        Some(unknown) => Err(unknown),
        None => Ok(Verdict::ok(format!("{} and {last} more, none revoked", leaf.name), CERTIFICATES)),
    }
}

/// What its OCSP response makes of a certificate, if that is a finding.
fn revocation(certificate: &SignerCertificate, is_last: bool) -> Result<Option<Verdict>, Verdict> {
    let name = &certificate.name;
    let why = match &certificate.response {
        Fact::Known(OcspResponse::Good) => return Ok(None),
        Fact::Known(OcspResponse::NotGood) => format!("the OCSP response for `{name}` does not call it good"),
        Fact::Known(OcspResponse::Refused) => {
            format!("IMDS names an OCSP response for `{name}` and does not hand it out")
        }
        // The keys command asks for none of a certificate that it trusts by itself.
        _ if is_last && ROOTS.contains(&name.raw()) => return Ok(None),
        Fact::Known(OcspResponse::OtherName) => {
            format!(
                "IMDS names OCSP responses by SHA-256 and none for `{name}` by SHA-1, as the keys command looks for it"
            )
        }
        Fact::Absent if is_last => {
            let why = format!(
                "there is no OCSP response for `{name}`, the last of the chain; whether it needs one is not known"
            );
            return Err(Verdict::unknown(why));
        }
        Fact::Absent => format!("IMDS has no OCSP response for `{name}`"),
        Fact::Unreadable(_) | Fact::NotGathered => {
            return certificate.response.need(&format!("the OCSP response for `{name}`")).map(|_| None);
        }
    };
    Ok(Some(fail(why, name.to_string(), RESPONSES)))
}

fn fail(why: impl Into<String>, seen: String, at: &str) -> Verdict {
    let remedy = Remedy::by_hand(
        "Take away what answers at 169.254.169.254 instead of EC2 (`ip addr show`, `iptables -t nat -S`, `nft list ruleset`); where nothing \
         does, log in by Session Manager, see the AWS Health Dashboard and tell AWS Support: no setting of the instance mends it",
        "The next login with a pushed key",
    );
    Verdict::fail(Finding::new(why.into(), remedy).seen(seen, at))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{OcspResponse, OsFacts, SignerCertificate};

    const OK: [&str; 0] = [];
    const FAIL: [&str; 1] = ["os.trust.signer fail"];
    const UNKNOWN: [&str; 1] = ["os.trust.signer unknown"];

    fn changed(world: World, change: impl FnOnce(&mut Vec<SignerCertificate>)) -> Vec<String> {
        changes(world, |facts, _| change(chain(facts)))
    }

    fn chain(facts: &mut OsFacts) -> &mut Vec<SignerCertificate> {
        let Fact::Known(signer) = &mut facts.trust.signer else { panic!("no signer") };
        let Fact::Known(chain) = &mut signer.chain else { panic!("no chain") };
        chain
    }

    #[test]
    fn the_signer_is_that_of_this_region_and_domain() {
        let named = |name: &'static str| move |chain: &mut Vec<SignerCertificate>| chain[0].name = name.into();
        for name in ["managed-ssh-signer.us-east-1.amazonaws.com", "evil", ""] {
            assert_eq!(changed(healthy::al2023(), named(name)), FAIL, "{name}");
        }
        assert_eq!(changed(healthy::rhel9(), named("evil")), UNKNOWN, "what the one program compares is not published");
        let without_region = changes(healthy::al2023(), |facts, _| {
            chain(facts)[0].name = "evil".into();
            facts.imds.as_keys_user.availability_zone = Fact::NotGathered;
        });
        assert!(!without_region.contains(&FAIL[0].to_owned()), "{without_region:?}");
    }

    #[test]
    fn one_certificate_alone_is_no_chain() {
        assert_eq!(changed(healthy::ubuntu_2204(), |chain| chain.truncate(1)), FAIL);
    }

    #[test]
    fn each_certificate_but_a_root_needs_a_good_response_under_its_sha1_name() {
        let said = |index: usize, response: Fact<OcspResponse>| {
            changed(healthy::al2023(), |chain| chain[index].response = response)
        };
        for index in 0..2 {
            for bad in [OcspResponse::NotGood, OcspResponse::OtherName, OcspResponse::Refused] {
                assert_eq!(said(index, Fact::Known(bad)), FAIL, "{bad:?}");
            }
            assert_eq!(said(index, Fact::Absent), FAIL);
            assert_eq!(said(index, Fact::unreadable("could not be understood")), UNKNOWN);
        }
        let last = |name: &'static str| {
            changed(healthy::al2023(), |chain| {
                let last = chain.last_mut().unwrap();
                (last.name, last.response) = (name.into(), Fact::Absent);
            })
        };
        assert_eq!(last("Amazon Root CA 1"), OK);
        assert_eq!(last("Amazon RSA 2048 M01"), UNKNOWN);
    }

    #[test]
    fn a_signer_that_nobody_could_see_matters_only_with_a_key() {
        let unseen = |status: u16| {
            changes(healthy::ubuntu_2404(), |facts, _| {
                facts.trust.signer = Fact::unreadable("what IMDS calls the signer's certificate is none");
                let Fact::Known(head) = &mut facts.imds.as_keys_user.active_keys else { panic!("no answer") };
                head.status = status;
            })
        };
        assert!(unseen(200).contains(&UNKNOWN[0].to_owned()));
        assert!(!unseen(404).contains(&UNKNOWN[0].to_owned()));
    }
}
