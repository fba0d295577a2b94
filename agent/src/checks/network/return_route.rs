use eic_doctor_proto::{Attempt, Evidence, Finding, Verdict, check};

use crate::checks::arrival;
use crate::checks::source::{self, Span, words};
use crate::facts::{OsFacts, OwnAddress, RouteKind};

mod remedy;
mod way;

use remedy::remedy;
use way::{MAIN_TABLE, Reply, Way};

check! {
    /// sshd's replies leave by the interface whose address is dialled.
    ///
    /// ## Why it matters
    /// With several network interfaces Linux sends everything by the one default route, whatever address it answers from. A reply
    /// from the second interface's address that leaves by the first is dropped by AWS, whose interfaces send from their own addresses
    /// alone (source/destination check): the client waits until `Connection timed out`. The same happens when a VPN client, a
    /// container bridge (`docker0` has 172.17.0.0/16) or a leftover route leads to the client's address, when an `unreachable` route
    /// was put there as a ban, or when the default route is gone. Amazon Linux sets up a routing table for each interface;
    /// others need `netplan` or scripts for it.
    ///
    /// ## How to look by hand
    /// On the instance: `ip route get CLIENT from OWN-ADDRESS` names the interface that a reply takes; it must be the one that
    /// has the address (`ip -br addr`). The rules and tables behind it: `ip rule`, `ip route show table all`. That packets
    /// arrive at all: `tcpdump -nn -i any port 22`.
    ///
    /// ## How to mend
    /// Give the address a table of its own: a default route by its own interface and subnet's router, and a rule `from` the
    /// address that looks there first. Keep it in `netplan`, NetworkManager or `amazon-ec2-net-utils`, or the next boot loses
    /// it. Or dial an address of the first interface.
    ///
    /// ## References
    /// - ip-rule(8), ip-route(8)
    /// - EC2 User Guide: "Multiple IP addresses for your EC2 instances", "Configure your network interface … secondary"
    /// - VPC User Guide: "Subnet sizing", about the router's address
    pub static CHECK: OsFacts = {
        id: "os.network.return-route",
        title: "replies leave by the interface that is dialled",
        needs: [],
        judge: judge,
    }
}

const AT: &str = "ip rule, ip route show table all";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    facts.network.addresses.need("the instance's own addresses")?;
    let rules = facts.network.rules.need("the routing rules")?;
    let routes = facts.network.routes.need("the routes")?;
    let source = source::of(facts, attempt);
    let way = Way { rules, routes, port: attempt.port };
    let arrival = arrival::of(facts, attempt);
    let candidates = candidates(arrival.addresses, &way, attempt.address.is_none());
    if candidates.is_empty() {
        let family = if source.is_ipv4 { "IPv4" } else { "IPv6" };
        return Err(Verdict::unknown(format!("the instance has no {family} address that could have been dialled")));
    }
    let mut judged = Vec::new();
    for own in candidates {
        judged.push((own, way.judge(own, &source)?));
    }
    let bad: Vec<&(&OwnAddress, Vec<(Span, Reply<'_>)>)> =
        judged.iter().filter(|(_, replies)| !replies.is_empty()).collect();
    let Some((own, replies)) = bad.first() else {
        let mut verdict =
            Verdict::ok(format!("replies to {} leave by the interface that has the address", source.words), AT);
        for (own, _) in judged.iter().take(4) {
            verdict = verdict.seen(format!("{} on {}", own.address.addr(), own.interface), "ip addr");
        }
        return Ok(verdict);
    };
    let spans: Vec<Span> = replies.iter().map(|(span, _)| *span).collect();
    let Some((_, reply)) = replies.first() else { return Err(Verdict::unknown("no reply was followed")) };
    if bad.len() < judged.len() {
        let why = format!(
            "{}; which of the instance's addresses the dialled one stands for is not told",
            reply.words(own, &source.words)
        );
        return Err(Verdict::unknown(why));
    }
    let is_whole = way.is_whole(&source, &spans);
    let to = if is_whole { source.words.clone() } else { format!("a part of {}: {}", source.words, words(&spans)) };
    let mut finding = Finding::new(reply.words(own, &to), remedy(own, reply, &way, &source));
    for (own, replies) in bad.iter().take(4) {
        for (span, reply) in replies.iter().take(2) {
            finding.evidence.push(Evidence::new(reply.words(own, &span.words()), AT));
        }
    }
    Ok(if is_whole { Verdict::fail(finding) } else { Verdict::warn(finding) })
}

/// Nothing leads out from any address that may be dialled: no route at all, or a default route that refuses.
pub(in crate::checks) fn is_without_way_out(facts: &OsFacts, attempt: &Attempt) -> bool {
    let (Some(rules), Some(routes)) = (facts.network.rules.known(), facts.network.routes.known()) else { return false };
    let way = Way { rules, routes, port: attempt.port };
    let source = source::of(facts, attempt);
    let own = arrival::of(facts, attempt).addresses;
    let is_lost = |own: &&OwnAddress| {
        let replies = way.judge(own, &source).unwrap_or_default();
        let leads_nowhere = |reply: &Reply<'_>| match reply {
            Reply::NoRoute => true,
            Reply::Refused(route) => route.is_some_and(|route| route.destination.prefix_len() == 0),
            Reply::LeavesBy(_) => false,
        };
        !replies.is_empty() && replies.iter().all(|(_, reply)| leads_nowhere(reply))
    };
    !own.is_empty() && own.iter().all(is_lost)
}

/// Where no address is named, the first interface is dialled, which has the best default route.
fn candidates<'a>(all: Vec<&'a OwnAddress>, way: &Way<'_>, is_first: bool) -> Vec<&'a OwnAddress> {
    let Some(family) = all.first().map(|own| own.address.addr().is_ipv4()) else { return all };
    let defaults = way.routes.iter().filter(|route| {
        route.kind == RouteKind::Unicast
            && route.destination.prefix_len() == 0
            && route.destination.addr().is_ipv4() == family
    });
    let of_main = defaults.filter(|route| route.table == MAIN_TABLE).min_by_key(|route| route.metric);
    let first: Vec<&OwnAddress> = all
        .iter()
        .copied()
        .filter(|own| of_main.is_some_and(|route| route.interfaces.contains(&own.interface)))
        .collect();
    if is_first && !first.is_empty() { first } else { all }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World};
    use crate::facts::AddressFamily::Ipv4;
    use crate::parse::{parse_ip_address, parse_ip_route, parse_ip_rule};

    const RULES: &str = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n";
    const TWO: &str = "2: eth0    inet 10.0.1.5/24 scope global eth0\n3: eth1    inet 10.0.2.9/24 scope global eth1\n";
    const ROUTES: &str = "default via 10.0.1.1 dev eth0 proto dhcp metric 512\n10.0.1.0/24 dev eth0 proto kernel scope link\n\
        10.0.2.0/24 dev eth1 proto kernel scope link src 10.0.2.9\n";

    fn world(addresses: &str, rules: &str, routes: &str) -> World {
        let mut world = healthy::al2023();
        let network = &mut world.facts.network;
        network.addresses = Fact::Known(parse_ip_address(addresses.as_bytes()).value);
        network.rules = Fact::Known(parse_ip_rule(rules.as_bytes(), Ipv4).value);
        network.routes = Fact::Known(parse_ip_route(routes.as_bytes(), Ipv4).value);
        world
    }

    fn dialled(mut world: World, address: &str) -> Verdict {
        world.attempt.address = Some(address.parse().unwrap());
        judge(&world.facts, &world.attempt).unwrap_or_else(|verdict| verdict)
    }

    #[test]
    fn the_second_interface_without_a_table_of_its_own_fails_and_the_first_does_not() {
        let Verdict::Fail(finding) = dialled(world(TWO, RULES, ROUTES), "10.0.2.9") else { panic!("no failure") };
        assert_eq!(finding.why, "replies from 10.0.2.9 (eth1) to 203.0.113.7 leave by eth0, by the route `default`");
        let command = "ip route replace default via 10.0.2.1 dev eth1 table 22022 && ip rule add from 10.0.2.9 lookup 22022 priority 22";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
        assert!(matches!(dialled(world(TWO, RULES, ROUTES), "10.0.1.5"), Verdict::Ok { .. }));
        // Not named, the first is meant; a public address may be of either.
        let unnamed = world(TWO, RULES, ROUTES);
        assert!(matches!(judge(&unnamed.facts, &unnamed.attempt), Ok(Verdict::Ok { .. })));
        assert!(matches!(dialled(world(TWO, RULES, ROUTES), "198.51.100.20"), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_rule_from_the_address_sends_the_reply_back_by_its_interface() {
        let rules = format!("10001:\tfrom 10.0.2.9 lookup 10001 proto static\n{RULES}");
        let routes = format!("default via 10.0.2.1 dev eth1 table 10001 proto static\n{ROUTES}");
        assert!(matches!(dialled(world(TWO, &rules, &routes), "10.0.2.9"), Verdict::Ok { .. }));
        assert!(matches!(dialled(world(TWO, &rules, &routes), "198.51.100.20"), Verdict::Ok { .. }));
    }

    #[test]
    fn a_tunnel_that_takes_everything_takes_the_replies_too() {
        let one = "2: ens5    inet 10.0.1.5/24 scope global ens5\n4: wg0    inet 10.8.0.2/32 scope global wg0\n";
        // As `wg-quick` sets it up.
        let rules = "0:\tfrom all lookup local\n32764:\tfrom all lookup main suppress_prefixlength 0\n\
            32765:\tnot from all fwmark 0xca6c lookup 51820\n32766:\tfrom all lookup main\n";
        let routes =
            "default via 10.0.1.1 dev ens5\n10.0.1.0/24 dev ens5 scope link\ndefault dev wg0 table 51820 scope link\n";
        let Verdict::Fail(finding) = dialled(world(one, rules, routes), "10.0.1.5") else { panic!("no failure") };
        let why = "replies from 10.0.1.5 (ens5) to 203.0.113.7 leave by wg0, by the route `default` of table 51820";
        assert_eq!(finding.why, why);
    }

    #[test]
    fn a_route_to_the_clients_own_net_counts_for_that_client_alone() {
        let one =
            "2: ens5    inet 10.0.1.5/24 scope global ens5\n5: docker0    inet 172.17.0.1/16 scope global docker0\n";
        let routes =
            "default via 10.0.1.1 dev ens5\n10.0.1.0/24 dev ens5 scope link\n172.17.0.0/16 dev docker0 scope link\n";
        assert!(matches!(dialled(world(one, RULES, routes), "10.0.1.5"), Verdict::Ok { .. }));
        let from = |source: &str| {
            let mut world = world(one, RULES, routes);
            world.attempt.source = Some(source.parse().unwrap());
            judge(&world.facts, &world.attempt).unwrap()
        };
        assert!(matches!(from("172.17.3.4/32"), Verdict::Fail(_)));
        assert!(matches!(from("172.16.0.0/12"), Verdict::Warn(_)));
    }

    #[test]
    fn no_default_route_and_a_route_that_refuses_each_have_their_remedy() {
        let one = "2: eth0    inet 10.0.1.5/24 scope global eth0\n";
        let link = "10.0.1.0/24 dev eth0 scope link\n";
        let Verdict::Fail(finding) = dialled(world(one, RULES, link), "10.0.1.5") else { panic!("no failure") };
        assert_eq!(finding.remedy.command.as_deref(), Some("ip route add default via 10.0.1.1 dev eth0"));
        let banned = format!("default via 10.0.1.1 dev eth0\nunreachable 203.0.113.7\n{link}");
        let Verdict::Fail(finding) = dialled(world(one, RULES, &banned), "10.0.1.5") else { panic!("no failure") };
        assert_eq!(finding.remedy.command.as_deref(), Some("ip route del 203.0.113.7 table 254"));
    }

    #[test]
    fn a_rule_that_is_not_understood_is_unknown_only_where_something_hangs_on_it() {
        let rules = |table: &str| format!("5:\tfrom all l3mdev lookup {table}\n{RULES}");
        let one = "2: eth0    inet 10.0.1.5/24 scope global eth0\n";
        let routes = "default via 10.0.1.1 dev eth0\ndefault dev tun0 table 7\ndefault dev eth0 table 8\n";
        assert!(matches!(dialled(world(one, &rules("7"), routes), "10.0.1.5"), Verdict::Unknown { .. }));
        assert!(matches!(dialled(world(one, &rules("8"), routes), "10.0.1.5"), Verdict::Ok { .. }));
    }
}
