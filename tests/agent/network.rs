//! Packet filters and routes as real programs and the kernel list them (`tests/recorded/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use eic_doctor_agent::facts::{AddressFamily, OsFacts, Ruleset, TableFamily, Test};
use eic_doctor_agent::gather::{Recorded, gather};
use eic_doctor_agent::{checks, parse};
use eic_doctor_proto::{Attempt, CheckResult, Fact, Selection, judge};

fn recording(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/recorded/network").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the probe script would ship of a program's answer.
fn run(name: &str, file: &str) -> String {
    let body: String = String::from_utf8(recording(file)).unwrap().lines().map(|line| format!("|{line}\n")).collect();
    format!("@run\t{name}\texit\t0\n{body}")
}

fn attempt(source: &str) -> Attempt {
    Attempt { source: Some(source.parse().unwrap()), ..Attempt::usual() }
}

/// Gathered with the attempt, and judged: what the two checks of the packet filter say.
fn judged(sections: &str, attempt: &Attempt) -> Vec<String> {
    let answer = format!(
        "@probe\t1\n@file\t/proc/net/ip_tables_names\tabsent\t\n@file\t/proc/net/ip6_tables_names\tabsent\t\n{}{sections}",
        run("ip-address", "ip-address")
    );
    let facts = gather(&Recorded::from_bytes(answer.as_bytes()).unwrap(), attempt);
    let results = judge(checks::entries(&facts, attempt), &Selection::default());
    let said = |result: &CheckResult| {
        let evidence = result.evidence.first().map(|evidence| evidence.seen.clone()).unwrap_or_default();
        format!(
            "{} {}: {}",
            result.id,
            result.status,
            if result.why.is_empty() { evidence } else { result.why.clone() }
        )
    };
    let ids = ["os.firewall.bans", "os.firewall.packets"];
    results.iter().filter(|result| ids.contains(&result.id.as_str())).map(said).collect()
}

fn ufw() -> String {
    run("nft", "ufw.nft.json")
        + &run("iptables-nft-save", "ufw.iptables-save")
        + &run("ip6tables-nft-save", "ufw.ip6tables-save")
}

#[test]
fn every_line_of_every_recording_is_understood() {
    for name in ["ufw", "fail2ban-iptables-multiport", "fail2ban-iptables-ipset-proto6"] {
        let save = recording(&format!("{name}.iptables-save"));
        assert_eq!(parse::parse_iptables_save(&save, TableFamily::Ip, "iptables").not_understood, [], "{name}");
    }
    let save = recording("ufw.ip6tables-save");
    assert_eq!(parse::parse_iptables_save(&save, TableFamily::Ip6, "ip6tables").not_understood, []);
    assert_eq!(parse::parse_ipset_save(&recording("fail2ban.ipset")).not_understood, []);
    for name in ["words", "firewalld", "ufw", "fail2ban"] {
        let parsed = parse::parse_nft(&recording(&format!("{name}.nft.json")), false);
        assert!(parsed.value.is_some() && parsed.not_understood.is_empty(), "{name}");
    }
    assert_eq!(parse::parse_netlink_chains(&recording("chains.netlink")).not_understood, []);
}

#[test]
fn the_kernel_tells_of_addresses_rules_and_routes_what_ip_prints() {
    let names = parse::parse_netlink_interfaces(&recording("interfaces.netlink")).value;
    let mut addresses = parse::parse_netlink_addresses(&recording("addresses.netlink"), &names);
    let mut printed = parse::parse_ip_address(&recording("ip-address"));
    for addresses in [&mut addresses.value, &mut printed.value] {
        addresses.sort_by_key(|own| own.address);
    }
    assert_eq!(addresses, printed);
    let mut rules = parse::parse_ip_rule(&recording("ip-rule"), AddressFamily::Ipv4);
    rules.value.extend(parse::parse_ip_rule(&recording("ip-6-rule"), AddressFamily::Ipv6).value);
    assert_eq!(parse::parse_netlink_rules(&recording("rules.netlink")), rules);
    assert_eq!(rules.not_understood, []);
    let mut routes = parse::parse_ip_route(&recording("ip-route"), AddressFamily::Ipv4);
    routes.value.extend(parse::parse_ip_route(&recording("ip-6-route"), AddressFamily::Ipv6).value);
    let mut told = parse::parse_netlink_routes(&recording("routes.netlink"), &names);
    for routes in [&mut routes.value, &mut told.value] {
        routes.sort_by_key(|route| (route.table, route.destination, route.metric));
    }
    assert_eq!(told, routes);
}

#[test]
fn the_kernel_tells_which_chains_could_refuse() {
    let chains = parse::parse_netlink_chains(&recording("chains.netlink")).value;
    let words: BTreeSet<String> = chains
        .iter()
        .map(|chain| format!("{} {} {:?} {} {}", chain.table, chain.name, chain.hook, chain.is_nat, chain.uses))
        .collect();
    assert!(words.contains("filter nat Some(0) true 2"), "{words:?}");
    assert!(words.contains("nd ingress Some(0) false 1"), "{words:?}");
    assert!(words.contains("filter two None false 3"), "{words:?}");
}

#[test]
fn what_nft_says_in_words_of_its_own_is_not_understood_in_these_places_alone() {
    let Ruleset { chains, sets } = parse::parse_nft(&recording("words.nft.json"), false).value.unwrap().ruleset;
    let tests = chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.tests);
    let texts: Vec<&str> = tests
        .filter_map(|test| match test {
            Test::NotUnderstood(text) => Some(text.raw()),
            _ => None,
        })
        .collect();
    assert_eq!(
        texts,
        [
            "ip dscp cs1",
            "meta hour 08:00-18:00",
            "ether saddr 00:11:22:33:44:55",
            "ip saddr & 255.0.0.255 10.0.0.1",
            "ip length 100-200",
            "numgen 0",
            "socket transparent 1",
            "ct ip saddr 10.0.0.0/8",
        ]
    );
    let sizes: Vec<(&str, usize)> =
        sets.iter().map(|set| (set.name.raw(), set.elements.known().unwrap().len())).collect();
    assert_eq!(sizes, [("admins", 3), ("admins6", 1), ("bl", 0), ("bt", 1), ("pairs", 2)]);
}

#[test]
fn firewalld_as_it_is_installed_lets_ssh_in_and_nothing_else() {
    let sections = run("nft", "firewalld.nft.json");
    let passes = "os.firewall.packets ok: packets from 203.0.113.7 to port 22 and sshd's replies pass";
    assert_eq!(judged(&sections, &attempt("203.0.113.7/32"))[1], passes);
    let attempt = Attempt { port: 2222, ..attempt("2001:db8::7/128") };
    let refused = "os.firewall.packets fail: firewalld refuses packets to port 2222 from 2001:db8::7";
    assert_eq!(judged(&sections, &attempt)[1], refused);
}

#[test]
fn ufws_rules_are_iptables_and_are_followed_through_its_chains() {
    let said = |source: &str| judged(&ufw(), &attempt(source)).remove(1);
    assert_eq!(
        said("203.0.113.7/32"),
        "os.firewall.packets ok: packets from 203.0.113.7 to port 22 and sshd's replies pass"
    );
    assert_eq!(
        said("2001:db8::7/128"),
        "os.firewall.packets ok: packets from 2001:db8::7 to port 22 and sshd's replies pass"
    );
    // `ufw limit` stands before `ufw deny from`, and decides.
    assert_eq!(
        said("198.51.100.9/32"),
        "os.firewall.packets ok: packets from 198.51.100.9 to port 22 and sshd's replies pass"
    );
    let other = judged(&ufw(), &Attempt { port: 8080, ..attempt("203.0.113.7/32") }).remove(1);
    assert_eq!(other, "os.firewall.packets fail: ufw refuses packets to port 8080 from 203.0.113.7");
}

#[test]
fn what_nft_alone_prints_of_iptables_rules_is_not_judged() {
    let said = judged(&run("nft", "ufw.nft.json"), &attempt("203.0.113.7/32")).remove(1);
    assert!(said.starts_with("os.firewall.packets unknown: whether packets from 203.0.113.7 pass hangs on"), "{said}");
}

#[test]
fn each_action_of_fail2ban_is_known_for_a_ban() {
    let nft = "@run\tnft\tabsent\t\n";
    let none = "@run\tip6tables-nft-save\texit\t0\n";
    let saved = |file: &str| format!("{nft}{}{none}{}", run("iptables-nft-save", file), run("ipset", "fail2ban.ipset"));
    for sections in [
        run("nft", "fail2ban.nft.json"),
        saved("fail2ban-iptables-multiport.iptables-save"),
        saved("fail2ban-iptables-ipset-proto6.iptables-save"),
    ] {
        let said = judged(&sections, &attempt("203.0.113.7/32"));
        assert_eq!(said[0], "os.firewall.bans fail: fail2ban has banned 203.0.113.7");
        assert_eq!(said[1], "os.firewall.packets ok: packets from 203.0.113.7 to port 22 and sshd's replies pass");
        let said = judged(&sections, &attempt("203.0.113.8/32"));
        assert_eq!(said[0], "os.firewall.bans ok: no ban of fail2ban is about 203.0.113.8");
    }
}

#[test]
fn of_a_long_list_what_is_about_the_source_is_kept() {
    let addresses: Vec<String> = (0..5_000).map(|n| format!("\"192.0.{}.{}\"", n / 250, n % 250)).collect();
    let listing = String::from_utf8(recording("fail2ban.nft.json")).unwrap();
    let listing = listing.replace("\"198.51.100.9\"", &addresses.join(", "));
    assert!(listing.len() > 50_000);
    let sections = format!("@run\tnft\texit\t0\n|{}\n", listing.trim());
    assert_eq!(
        judged(&sections, &attempt("203.0.113.7/32"))[0],
        "os.firewall.bans fail: fail2ban has banned 203.0.113.7"
    );
    assert_eq!(
        judged(&sections, &attempt("203.0.113.8/32"))[0],
        "os.firewall.bans ok: no ban of fail2ban is about 203.0.113.8"
    );
    let said = judged(&sections, &Attempt::usual()).remove(0);
    assert!(said.starts_with("os.firewall.bans unknown"), "{said}");
}

#[test]
fn a_kernel_without_a_packet_filter_is_not_asked_for_one() {
    let facts = |sections: &str| -> OsFacts {
        gather(&Recorded::from_bytes(format!("@probe\t1\n{sections}").as_bytes()).unwrap(), &Attempt::usual())
    };
    let sockets =
        |protocol: u8| format!("@file\t/proc/net/netlink\tknown\t\n|0000000000000000 {protocol} 0 00000000\n");
    let modules = "@file\t/proc/modules\tknown\t\n|nfnetlink 20480 2 - Live 0x0000000000000000\n\
        @file\t/proc/sys/kernel/osrelease\tknown\t\n|6.1\n@contains\t/lib/modules/6.1/modules.builtin /nf_tables.ko\tknown\tno\n";
    assert_eq!(facts(&sockets(0)).firewall.nf_tables, Fact::Absent);
    assert_eq!(facts(&format!("{}{modules}", sockets(12))).firewall.nf_tables, Fact::Absent);
    assert_eq!(facts(&sockets(12)).firewall.nf_tables, Fact::NotGathered);
}

#[test]
fn access_files_are_read_with_sshds_program_only_where_they_say_something() {
    let facts = |sections: &str| {
        gather(&Recorded::from_bytes(format!("@probe\t1\n{sections}").as_bytes()).unwrap(), &Attempt::usual())
            .firewall
            .hosts_access
    };
    let allow = "@file\t/etc/hosts.allow\tknown\t\n|\n|\n";
    let program = "@contains\t/usr/sbin/sshd libwrap.so\tknown\tyes\n";
    let silent = facts(&format!("{allow}@file\t/etc/hosts.deny\tabsent\t\n{program}"));
    assert_eq!(silent.sshd_reads_them, Fact::NotGathered);
    let deny = "@file\t/etc/hosts.deny\tknown\t\n|\n|ALL: /etc/hosts.evil\n|ftpd: ALL\n";
    let list = "@file\t/etc/hosts.evil\tknown\t\n|198.51.100.9\n";
    let said = facts(&format!("{allow}{deny}{program}{list}"));
    assert_eq!(said.sshd_reads_them, Fact::Known(true));
    let lines = said.deny.known().unwrap();
    assert_eq!((lines.len(), lines[0].line), (1, 2));
    assert_eq!(said.lists[0].clients.known().unwrap().len(), 1);
}
