//! The rules that hold for every enrolment: account, what EC2 says, caller identity, the Region's certificate.

use std::net::Ipv4Addr;

use super::case::*;
use crate::attest::{CallerIdentity, Claim, Decision, Described, Kind, decide};
use crate::store::Millis;

#[test]
fn an_account_that_is_not_listed_may_not_enrol_and_an_empty_list_lets_nobody_in() {
    let mut case = Case::new();
    case.policy.accounts = ["210987654321".to_owned()].into();
    assert!(case.refused("account").what.contains("123456789012"));
    case.policy.accounts.clear();
    assert_eq!(case.refused("account").kind, Kind::NotAllowed);
    // Even one that was let in before.
    let mut case = Case::enrolled();
    case.policy.accounts.clear();
    case.refused("account");
}

#[test]
fn an_instance_does_not_move_between_accounts_or_regions() {
    let mut case = Case::enrolled();
    case.stored().account_id = "210987654321".into();
    case.refused("other-place");
    let mut case = Case::enrolled();
    case.stored().region = "eu-west-2".into();
    case.refused("other-place");
}

#[test]
fn ec2_has_to_confirm_state_owner_and_address() {
    for state in ["stopping", "stopped", "shutting-down", "terminated", ""] {
        let mut case = Case::enrolled();
        case.described().state = state.into();
        case.refused("instance-state");
    }
    let mut case = Case::new();
    case.described().state = "pending".into();
    case.issued();
    let mut case = Case::new();
    case.described().account_id = "210987654321".into();
    case.refused("instance-account");
    for ip in [None, Some(Ipv4Addr::new(10, 0, 1, 6))] {
        let mut case = Case::new();
        case.described().private_ip = ip;
        case.refused("private-address");
    }
    let mut case = Case::new();
    case.document.private_ip = None;
    case.refused("private-address");
    case.described().private_ip = None;
    case.issued();
}

#[test]
fn an_instance_that_ec2_does_not_know_is_refused_but_not_right_after_its_start() {
    let mut case = Case::new();
    case.described = Described::NotFound;
    case.now = start() + 5 * MINUTE - 1;
    assert!(case.not_now().contains("yet"));
    case.now += 1;
    case.refused("instance");
}

#[test]
fn could_not_look_is_no_verdict() {
    for mut case in [Case::new(), Case::enrolled()] {
        case.described = Described::NotSeen("ec2:DescribeInstances is refused".into());
        assert!(case.not_now().contains("ec2:DescribeInstances"));
        // Not asked though it should have been: the coordinator's own mistake opens nothing.
        case.described = Described::NotAsked;
        case.not_now();
        case.policy.describe_instances = false;
        case.issued();
    }
}

#[test]
fn a_caller_identity_has_to_be_the_instance_s_own() {
    type Change = fn(&mut CallerIdentity);
    let changes: [Change; 3] = [
        |caller| caller.account_id = "210987654321".into(),
        |caller| caller.session_name = "i-0fedcba9876543210".into(),
        |caller| caller.session_name = "operator@example.com".into(),
    ];
    for change in changes {
        // Refused even where no caller identity was needed: whoever sends another's is no agent of ours.
        for mut case in [Case::new().own_role(), Case::enrolled().own_role()] {
            change(case.caller.as_mut().unwrap());
            case.refused("caller-identity");
        }
    }
    let mut case = Case::new().own_role();
    case.described().instance_profile = None;
    case.refused("caller-identity");
    let mut case = Case::new().own_role();
    case.described().roles = Some(vec!["database".into()]);
    case.refused("caller-identity");
    case.described().roles = Some(vec!["database".into(), ROLE.into()]);
    case.issued();
}

#[test]
fn a_caller_identity_that_sts_did_not_confirm_is_worth_as_little_as_none() {
    let mut case = Case::new();
    case.claims_caller = true;
    case.issued();
    let mut case = Case::enrolled();
    case.claims_caller = true;
    case.key = key();
    case.refused("other-key");
}

#[test]
fn where_a_caller_identity_is_required_none_else_is_let_in() {
    let mut case = Case::new();
    case.policy.require_caller_identity = true;
    assert!(case.refused("caller-identity").what.contains("signed no request"));
    case.claims_caller = true;
    assert!(case.refused("caller-identity").what.contains("STS did not confirm"));
    case.own_role().issued();
}

#[test]
fn a_region_certificate_out_of_its_time_is_the_coordinator_s_illness_not_the_agent_s() {
    let case = Case::new();
    for (not_before, not_after) in [(0, case.now - 1), (case.now + 1, Millis::MAX)] {
        let mut claim = Claim::assumed(case.document.clone(), case.key.clone(), false);
        (claim.signed_by.not_before, claim.signed_by.not_after) = (not_before, not_after);
        let Decision::Refuse(refusal) = decide(None, &claim, &case.described, None, &case.policy, case.now) else {
            panic!("not refused")
        };
        assert_eq!((refusal.rule, refusal.kind), ("region-certificate", Kind::CannotTell));
    }
}
