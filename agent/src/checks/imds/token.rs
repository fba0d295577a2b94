use eic_doctor_proto::{Attempt, Verdict, check};

use super::{Asked, SLOW_MS, answer, by_way_out, is_bystander, ourselves, seen, slow};
use crate::facts::OsFacts;

check! {
    /// The instance metadata service gives a token (IMDSv2) at 169.254.169.254 within a second.
    ///
    /// ## Why it matters
    /// A pushed key never travels over SSH: the service leaves it in the instance's metadata, and the keys command that sshd runs
    /// fetches it from there. Its first request is `PUT /latest/api/token` to 169.254.169.254, IPv4 only, with one second for the
    /// answer. If that fails, the command ends with a curl status (7 refused or no route, 22 HTTP error, 28 timed out), sshd logs
    /// `AuthorizedKeysCommand … failed, status N`, and the client sees `Permission denied (publickey)`. Packages before 1.1.12
    /// ask without a token.
    ///
    /// Security groups and network ACLs cannot block the metadata service. What can: the instance's own metadata options, a
    /// firewall on the instance, a route or VPN that takes 169.254.0.0/16, a metadata proxy, a flood of requests, and, for sshd in
    /// a container, a hop limit of 1.
    ///
    /// ## How to look by hand
    /// Without a login: `aws ec2 describe-instances --instance-ids i-… --query 'Reservations[].Instances[].MetadataOptions'`; an
    /// `HttpEndpoint` of `disabled` explains HTTP 403. On the instance, over Session Manager or the serial console:
    ///
    /// ```text
    /// curl -i -m 1 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 5' http://169.254.169.254/latest/api/token
    /// ip route get 169.254.169.254
    /// nft list ruleset; iptables -S OUTPUT
    /// ```
    ///
    /// SSM Agent may get its credentials from the same place, so an instance that Systems Manager has lost can have the same cause.
    ///
    /// ## How to mend
    /// - HTTP 403: `aws ec2 modify-instance-metadata-options --instance-id i-… --http-endpoint enabled`.
    /// - Refused or timed out: delete the firewall rule, or let 169.254.169.254 bypass the VPN or proxy.
    /// - No route: give the address its route over the primary network interface back.
    /// - Slow: find the program that floods it. Each network interface may send 1,024 packets a second to link-local services;
    ///   `ethtool -S` counts what was dropped as `linklocal_allowance_exceeded`.
    ///
    /// ## References
    /// - EC2 User Guide: "Configure the Instance Metadata Service options"
    /// - EC2 User Guide: "Limit access to the Instance Metadata Service"
    /// - EC2 User Guide: "Access instance metadata for an EC2 instance"
    pub static CHECK: OsFacts = {
        id: "os.imds.token",
        title: "IMDS answers root with a token",
        needs: [],
        runbook: ["CheckIMDSReachabilityFromOs"],
        judge: judge,
    }
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let asked = Asked {
        request: "PUT /latest/api/token",
        who: &ourselves(facts),
        root_was_answered: false,
        is_bystander: is_bystander(facts),
    };
    let token = &facts.imds.as_root.token;
    let token = answer(token, asked).map_err(|verdict| by_way_out(facts, attempt, token, asked, verdict))?;
    if token.latency_ms > SLOW_MS {
        return Ok(slow(token, asked));
    }
    Ok(Verdict::ok(seen(token, asked), "169.254.169.254"))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Attempt, Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World};
    use crate::checks::packet_filter::testing::nft;
    use crate::facts::{ImdsAnswer, NetworkFacts, RouteKind, RuleAction};

    fn why(token: Fact<ImdsAnswer>) -> String {
        let World { mut facts, .. } = healthy::al2023();
        facts.imds.as_root.token = token;
        match judge(&facts, &Attempt::usual()) {
            Err(Verdict::Fail(finding)) => finding.why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_way_of_not_answering_has_its_own_words() {
        let mut words: Vec<String> =
            ["connection refused", "timed out after 1 s", "no route to host", "connection reset"]
                .into_iter()
                .map(|reason| why(Fact::unreadable(reason)))
                .collect();
        words.extend(
            [400, 401, 403, 404, 503]
                .map(|status| why(Fact::Known(ImdsAnswer { status, latency_ms: 1, ..ImdsAnswer::default() }))),
        );
        words.push(why(Fact::Known(ImdsAnswer { status: 200, latency_ms: 1_001, ..ImdsAnswer::default() })));
        let mut distinct = words.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), words.len(), "{words:#?}");
    }

    #[test]
    fn not_having_been_able_to_ask_is_not_a_failure_of_imds() {
        let World { mut facts, .. } = healthy::al2023();
        facts.imds.as_root.token = Fact::unreadable("not running as root");
        assert!(matches!(judge(&facts, &Attempt::usual()), Err(Verdict::Unknown { .. })));
    }

    #[test]
    fn what_firewalld_drops_in_its_panic_is_the_packet_filters_finding() {
        let World { mut facts, .. } = healthy::al2023();
        facts.imds.as_root.token = Fact::unreadable("timed out after 1 s");
        facts.firewall.nf_tables = nft(
            r#"{"chain": {"family": "inet", "table": "firewalld_policy_drop", "name": "raw_output", "handle": 1, "type": "filter",
                "hook": "output", "prio": -310, "policy": "drop"}}"#,
        );
        assert!(matches!(judge(&facts, &Attempt::usual()), Err(Verdict::Unknown { .. })));
    }

    #[test]
    fn a_route_or_a_rule_that_prohibits_the_way_is_named_with_what_deletes_it() {
        let command = |change: fn(&mut NetworkFacts)| {
            let World { mut facts, .. } = healthy::al2023();
            facts.imds.as_root.token = Fact::unreadable("permission denied");
            change(&mut facts.network);
            match judge(&facts, &Attempt::usual()) {
                Err(Verdict::Fail(finding)) => finding.remedy.command,
                Err(Verdict::Unknown { .. }) => None,
                other => panic!("{other:?}"),
            }
        };
        // A security module says the same.
        assert_eq!(command(|_| {}), None);
        let with_route = command(|network| {
            let Fact::Known(routes) = &mut network.routes else { panic!("no routes") };
            let mut route = routes[0].clone();
            route.kind = RouteKind::Refuse;
            route.destination = "169.254.0.0/16".parse().unwrap();
            route.table = 254;
            routes.push(route);
        });
        assert_eq!(with_route.as_deref(), Some("ip route del prohibit 169.254.0.0/16 table 254"));
        let with_rule = command(|network| {
            let Fact::Known(rules) = &mut network.rules else { panic!("no rules") };
            let mut rule = rules[0].clone();
            (rule.action, rule.priority) = (RuleAction::Refuse, 90);
            rules.push(rule);
        });
        assert_eq!(with_rule.as_deref(), Some("ip rule del priority 90"));
    }

    #[test]
    fn silence_for_an_agent_without_root_is_unknown_and_a_switched_off_endpoint_still_fails() {
        let verdict = |token| {
            let World { mut facts, .. } = healthy::al2023();
            facts.uid = Fact::Known(1000);
            facts.imds.as_root.token = token;
            judge(&facts, &Attempt::usual()).unwrap_or_else(|verdict| verdict)
        };
        assert!(matches!(verdict(Fact::unreadable("connection refused")), Verdict::Unknown { .. }));
        let switched_off = Fact::Known(ImdsAnswer { status: 403, latency_ms: 1, ..ImdsAnswer::default() });
        assert!(matches!(verdict(switched_off), Verdict::Fail(_)));
    }

    #[test]
    fn half_a_second_is_a_warning_and_more_than_one_a_failure() {
        for (latency_ms, expected) in [(500, "Ok"), (501, "Warn"), (1_000, "Warn"), (1_001, "Fail")] {
            let World { mut facts, .. } = healthy::al2023();
            facts.imds.as_root.token = Fact::Known(ImdsAnswer { status: 200, latency_ms, ..ImdsAnswer::default() });
            let verdict = judge(&facts, &Attempt::usual()).unwrap_or_else(|verdict| verdict);
            assert!(format!("{verdict:?}").starts_with(expected), "{latency_ms} ms: {verdict:?}");
        }
    }
}
