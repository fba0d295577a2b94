//! What an agent brings to its enrolment, once everything that can be told from it alone has been found good.

use eic_doctor_proto::visible;
use eic_doctor_proto::wire::v1::{EnrolRequest, SignedCallerIdentity};

use super::caller_identity::CallerIdentityRequest;
use super::document::IdentityDocument;
use super::refusal::chain;
use super::region_certificates::RegionCertificate;
use super::request::{self, PublicKey};
use super::{Kind, Refusal, RegionCertificates, identity};
use crate::store::Millis;

const MAX_VERSION: usize = 64;

/// AWS signed this document, and whoever sent it holds this key now. That the document is its own is for [`super::decide`] to find out.
#[derive(Clone, Debug)]
pub struct Claim {
    pub document: IdentityDocument,
    pub key: PublicKey,
    pub agent_version: String,
    /// The Region's certificate that the document is signed by.
    pub signed_by: RegionCertificate,
    challenge: [u8; 32],
    caller_identity: Option<SignedCallerIdentity>,
}

impl Claim {
    /// Cheapest first, so that nonsense costs little.
    ///
    /// # Errors
    /// By the first rule that the request does not keep.
    pub fn read(
        request: &EnrolRequest,
        challenge: &[u8; 32],
        certificates: &RegionCertificates,
    ) -> Result<Claim, Refusal> {
        let unknown = "an agent that has not proven which instance it is";
        let malformed = |rule, what| Refusal::new(unknown, Kind::Malformed, rule, what);
        if request.agent_version.len() > MAX_VERSION || visible(&request.agent_version) != request.agent_version {
            return Err(malformed("agent-version", "the agent's version is no version".to_owned()));
        }
        let document = IdentityDocument::parse(&request.identity_document)
            .map_err(|error| malformed("identity-document", chain(&error)))?;
        let who = format!("{unknown}, and says {}", document.instance_id);
        let refuse = |kind, rule, error: &dyn std::error::Error| Refusal::new(&who, kind, rule, chain(error));
        let of_region = certificates.of(&document.region);
        if of_region.is_empty() {
            let path = certificates.path_of(&document.region);
            let what = format!(
                "the coordinator has no certificate for instance identity documents of {}: {} is missing",
                document.region,
                path.display()
            );
            return Err(Refusal::new(&who, Kind::CannotTell, "region-certificate", what));
        }
        let signed_by = identity::verify(&request.identity_document, &request.identity_signature, of_region)
            .map_err(|error| refuse(Kind::NotProven, "identity-signature", &error))?;
        let key = request::key_of(&request.certificate_request)
            .map_err(|error| refuse(Kind::NotProven, "certificate-request", &error))?;
        let message = request::proof_message(challenge, &request.identity_document);
        if !key.verifies(&message, &request.proof) {
            let what = "the proof is not by the request's key over this stream's challenge and this document";
            return Err(Refusal::new(&who, Kind::NotProven, "proof", what));
        }
        Ok(Claim {
            document,
            key,
            agent_version: request.agent_version.clone(),
            signed_by: signed_by.clone(),
            challenge: *challenge,
            caller_identity: request.caller_identity.clone(),
        })
    }

    /// The instance and the account, for messages.
    pub fn who(&self) -> String {
        format!("{} of account {} in {}", self.document.instance_id, self.document.account_id, self.document.region)
    }

    /// The signed `sts:GetCallerIdentity` request, ready to be sent on; none: the agent sent none. `other_hosts`: where it may go
    /// besides STS's own host of the Region.
    ///
    /// # Errors
    /// When it is not what an instance's own role would sign for this challenge.
    pub fn caller_identity_request(
        &self,
        other_hosts: &[String],
        now: Millis,
    ) -> Result<Option<CallerIdentityRequest>, Refusal> {
        let Some(signed) = &self.caller_identity else { return Ok(None) };
        CallerIdentityRequest::build(signed, &self.challenge, &self.document.region, other_hosts, now)
            .map(Some)
            .map_err(|error| Refusal::new(&self.who(), Kind::NotProven, "caller-identity", chain(&error)))
    }

    /// Whether a caller identity came with it, whatever it is worth.
    pub fn has_caller_identity(&self) -> bool {
        self.caller_identity.is_some()
    }
}

#[cfg(test)]
impl Claim {
    /// As if it had been read, without a signature: for tests of the decision.
    pub(super) fn assumed(document: IdentityDocument, key: PublicKey, caller: bool) -> Claim {
        Claim {
            document,
            key,
            agent_version: "0.1.0".into(),
            signed_by: RegionCertificate {
                sha256: super::Fingerprint([0; 32]),
                not_before: 0,
                not_after: Millis::MAX,
                public_key: vec![],
            },
            challenge: [0; 32],
            caller_identity: caller.then(SignedCallerIdentity::default),
        }
    }
}
