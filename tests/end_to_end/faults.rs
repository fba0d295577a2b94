//! One fault at a time, made in the lab: the answer is `no`, exit 1, and the root cause is the one that was made.

use crate::lab::{Scenario, lab};
use serde_json::json;

const PUBLIC: &[&str] = &["--via", "public", "--source", "203.0.113.7/32"];
const BROWSER: &[&str] = &["--via", "browser"];

/// Makes the fault on a fresh healthy instance and expects exactly these root causes.
fn expect_on(scenario: &Scenario, fault: &str, way: &[&str], root_causes: &[&str]) {
    scenario.fault(fault);
    scenario.check(way).expect(1, "no", root_causes);
}

macro_rules! faults {
    ($($name:ident: $fault:literal, $way:ident => [$($cause:literal),+ $(,)?];)*) => {
        $(
            #[test]
            fn $name() {
                expect_on(&Scenario::healthy(), $fault, $way, &[$($cause),+]);
            }
        )*
    };
}

faults! {
    an_instance_that_is_stopped: "instance-stopped", PUBLIC => ["aws.instance.running"];
    a_disabled_metadata_endpoint: "metadata-endpoint-disabled", PUBLIC => ["aws.instance.metadata-endpoint"];
    imds_blocked_by_a_firewall: "imds-blocked", PUBLIC => ["os.imds.token"];
    imds_blocked_for_the_keys_user_alone: "imds-blocked-for-keys-user", PUBLIC => ["os.imds.token-as-keys-user"];
    an_absent_package: "package-absent", PUBLIC => ["os.package.installed"];
    an_old_package_where_tokens_are_required: "package-old-with-tokens-required", PUBLIC => ["os.package.version"];
    a_missing_keys_command: "keys-command-missing", PUBLIC => ["os.package.keys-command-files"];
    an_overridden_keys_command: "keys-command-overridden", PUBLIC => ["os.sshd.authorized-keys-command"];
    a_missing_keys_user: "keys-user-missing", PUBLIC => ["os.account.keys-user"];
    a_missing_os_user: "os-user-missing", PUBLIC => ["os.account.os-user"];
    sshd_on_another_port: "sshd-other-port", PUBLIC => ["os.sshd.port"];
    sshd_that_does_not_run: "sshd-not-running", PUBLIC => ["os.sshd.running"];
    a_security_group_without_a_rule: "sg-no-rule", PUBLIC => ["aws.network.security-group-ingress"];
    a_security_group_with_a_too_narrow_cidr: "sg-narrow-cidr", PUBLIC => ["aws.network.security-group-ingress"];
    a_security_group_with_the_wrong_ports: "sg-wrong-port-range", PUBLIC => ["aws.network.security-group-ingress"];
    a_security_group_with_only_a_udp_rule: "sg-udp-only", PUBLIC => ["aws.network.security-group-ingress"];
    a_security_group_that_lets_in_the_other_family: "prefix-list-wrong-family", BROWSER => ["aws.network.security-group-ingress"];
    a_network_acl_that_denies_inbound: "acl-deny-inbound", PUBLIC => ["aws.network.network-acl-inbound"];
    a_network_acl_without_ephemeral_ports_outbound: "acl-no-ephemeral-outbound", PUBLIC => ["aws.network.network-acl-outbound"];
    an_instance_without_a_public_address: "no-public-address", PUBLIC => ["aws.instance.address"];
    no_route_to_an_internet_gateway: "no-route-to-gateway", PUBLIC => ["aws.network.route-to-source"];
    a_detached_internet_gateway: "gateway-detached", PUBLIC => ["aws.network.internet-gateway"];
    a_blackhole_route: "blackhole-route", PUBLIC => ["aws.network.route-to-source"];
    an_implicit_deny: "iam-implicit-deny", PUBLIC => ["aws.iam.send-ssh-public-key"];
    an_explicit_deny: "iam-explicit-deny", PUBLIC => ["aws.iam.send-ssh-public-key"];
    an_os_user_condition_that_does_not_match: "iam-osuser-mismatch", PUBLIC => ["aws.iam.send-ssh-public-key"];
}

#[test]
fn a_region_where_the_service_is_not_offered() {
    let scenario = lab().scenario_with_agent(json!({ "fault": "region-unsupported" }));
    scenario.check(PUBLIC).expect(1, "no", &["aws.region.offered"]);
}

#[test]
fn an_instance_in_a_local_zone() {
    let scenario = lab().scenario_with_agent(json!({ "fault": "local-zone" }));
    scenario.check(PUBLIC).expect(1, "no", &["aws.region.availability-zone"]);
}

#[test]
fn an_instance_that_systems_manager_does_not_manage_is_still_judged_from_the_outside() {
    for fault in ["ssm-unmanaged", "ssm-connection-lost"] {
        let scenario = Scenario::healthy();
        scenario.fault(fault);
        let run = scenario.check(PUBLIC);
        run.expect(3, "unknown", &[]);
        assert_eq!(run.result("os.sshd.running")["status"], "unknown");
        assert_eq!(run.result("aws.network.security-group-ingress")["status"], "ok");
        assert_eq!(run.result("aws.ssm.managed-node")["status"], "warn");
    }
}

#[test]
fn an_impaired_status_check_is_a_warning() {
    let scenario = Scenario::healthy();
    scenario.fault("status-check-impaired");
    let run = scenario.check(PUBLIC);
    run.expect(0, "yes", &[]);
    assert_eq!(run.result("aws.instance.status-checks")["status"], "warn");
}

#[test]
fn a_narrow_range_of_return_ports_leaves_the_answer_open() {
    let scenario = Scenario::healthy();
    scenario.fault("nacl-narrow-ephemeral");
    let run = scenario.check(PUBLIC);
    run.expect(3, "unknown", &[]);
    assert_eq!(run.result("aws.network.network-acl-outbound")["status"], "warn");
    assert_eq!(run.report()["path"]["answer"], "partial");
}

#[test]
fn the_simulators_answer_before_the_summer_of_2026_reads_the_same() {
    let scenario = Scenario::healthy();
    let shape = |shape: &str| {
        scenario.lab.control(
            "POST",
            "/aws",
            &json!({ "access_key": scenario.get("access_key"), "simulate_shape": shape }),
        )
    };
    shape("before");
    let healthy = scenario.check(PUBLIC);
    scenario.fault("iam-osuser-mismatch");
    let broken = scenario.check(PUBLIC);
    healthy.expect(0, "yes", &[]);
    broken.expect(1, "no", &["aws.iam.send-ssh-public-key"]);
}

#[test]
fn two_faults_are_two_root_causes() {
    let scenario = Scenario::healthy();
    scenario.fault("sg-no-rule");
    scenario.fault("keys-command-overridden");
    let found = scenario.check(PUBLIC);
    found.expect(1, "no", &["aws.network.security-group-ingress", "os.sshd.authorized-keys-command"]);
}
