//! An instance that enrols, and all that is known of it: each test changes what its name says.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::attest::document::millis;
use crate::attest::request::PublicKey;
use crate::attest::testing::{DOCUMENT, p256};
use crate::attest::{
    CallerIdentity, Claim, Decision, Described, DescribedInstance, EnrolmentPolicy, IdentityDocument, Refusal, decide,
};
use crate::store::{AgentRecord, AgentState, Millis};

pub const MINUTE: Millis = 60_000;
pub const HOUR: Millis = 60 * MINUTE;
pub const LIFE: Duration = Duration::from_secs(24 * 3600);
pub const ROLE: &str = "web";

/// Five minutes after the instance's start.
#[derive(Clone)]
pub struct Case {
    pub stored: Option<AgentRecord>,
    pub document: IdentityDocument,
    pub key: PublicKey,
    pub claims_caller: bool,
    pub described: Described,
    pub caller: Option<CallerIdentity>,
    pub policy: EnrolmentPolicy,
    pub now: Millis,
}

pub fn key() -> PublicKey {
    PublicKey::parse(&rcgen::PublicKeyData::subject_public_key_info(&p256())).unwrap()
}

pub fn start() -> Millis {
    millis("2027-01-01T00:00:00Z").unwrap()
}

impl Case {
    pub fn new() -> Case {
        Case {
            stored: None,
            document: IdentityDocument::parse(DOCUMENT).unwrap(),
            key: key(),
            claims_caller: false,
            described: Described::Instance(DescribedInstance {
                account_id: "123456789012".into(),
                state: "running".into(),
                private_ip: Some(Ipv4Addr::new(10, 0, 1, 5)),
                launch_time: start(),
                instance_profile: Some("arn:aws:iam::123456789012:instance-profile/web".into()),
                roles: None,
            }),
            caller: None,
            policy: EnrolmentPolicy {
                accounts: ["123456789012".to_owned()].into(),
                describe_instances: true,
                require_caller_identity: false,
                certificate_life: LIFE,
            },
            now: start() + 5 * MINUTE,
        }
    }

    /// The same instance, after it was enrolled with this key and heard of for an hour.
    pub fn enrolled() -> Case {
        let mut case = Case::new();
        let Decision::Issue { mut record, .. } = case.decide() else { panic!("not enrolled") };
        record.not_after = case.now + 24 * HOUR;
        record.serial = "01".into();
        record.sequence = 17;
        case.now += HOUR;
        record.last_seen = Some(case.now);
        record.connected_to = Some("one".into());
        case.stored = Some(record);
        case
    }

    pub fn stored(&mut self) -> &mut AgentRecord {
        self.stored.as_mut().unwrap()
    }

    pub fn described(&mut self) -> &mut DescribedInstance {
        let Described::Instance(described) = &mut self.described else { panic!("not described") };
        described
    }

    /// Stopped and started after `since` milliseconds.
    pub fn restarted(mut self, since: Millis) -> Case {
        self.document.pending_time += since;
        self.described().launch_time += since;
        self.now = self.now.max(self.document.pending_time + 5 * MINUTE);
        self
    }

    pub fn own_role(mut self) -> Case {
        self.claims_caller = true;
        self.caller = Some(CallerIdentity {
            account_id: "123456789012".into(),
            role: ROLE.into(),
            session_name: "i-0123456789abcdef0".into(),
        });
        self
    }

    pub fn decide(&self) -> Decision {
        let claim = Claim::assumed(self.document.clone(), self.key.clone(), self.claims_caller);
        decide(self.stored.as_ref(), &claim, &self.described, self.caller.as_ref(), &self.policy, self.now)
    }

    #[track_caller]
    pub fn issued(&self) -> (AgentRecord, String) {
        match self.decide() {
            Decision::Issue { record, note } => {
                assert_eq!(record.key, self.key.id());
                assert_eq!((record.serial.as_str(), record.not_after, record.state), ("", 0, AgentState::Enrolled));
                (record, note)
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn refused(&self, rule: &str) -> Refusal {
        match self.decide() {
            Decision::Refuse(refusal) => {
                assert_eq!(refusal.rule, rule, "{refusal}");
                assert!(refusal.who.contains("i-0123456789abcdef0"), "{refusal}");
                refusal
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn not_now(&self) -> String {
        match self.decide() {
            Decision::NotNow { why, after } => {
                assert_eq!(after, Duration::from_secs(30));
                why
            }
            other => panic!("{other:?}"),
        }
    }
}
