use eic_doctor_proto::Fact;

use super::super::facts::*;
use super::Fault;
use super::healthy;

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "nftables drops what no rule accepts",
        world: healthy::rhel9,
        break_it: |facts, _| {
            facts.firewall.nf_tables =
                Fact::Known(nft(true, vec![rule("established accept", state("established"), Target::Accept)]))
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "nftables rejects the console's addresses",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let from = vec![is(Field::SourceAddress, "18.202.216.0/24")];
            facts.firewall.nf_tables =
                Fact::Known(nft(false, vec![rule("ip saddr 18.202.216.0/24 reject", from, Target::Reject)]));
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "nftables admits a part of the source",
        world: healthy::al2,
        break_it: |facts, _| {
            let from = vec![is(Field::SourceAddress, "10.0.8.0/25")];
            let rules = vec![
                rule("ct state established accept", state("established"), Target::Accept),
                rule("ip saddr 10.0.8.0/25 accept", from, Target::Accept),
            ];
            facts.firewall.nf_tables = Fact::Known(nft(true, rules));
        },
        changes: &["os.firewall.packets warn"],
    },
    Fault {
        name: "ufw denies everything",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| {
            let mut ruleset = nft(
                true,
                vec![rule("-A INPUT -j ufw-before-input", Vec::new(), Target::Jump("ufw-before-input".into()))],
            );
            let before = vec![rule(
                "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                state("established"),
                Target::Accept,
            )];
            ruleset.chains.push(chain("ufw-before-input", None, before));
            for chain in &mut ruleset.chains {
                (chain.family, chain.program) = (TableFamily::Ip, "iptables".into());
            }
            facts.firewall.nf_tables = Fact::Known(ruleset);
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "firewalld's zone has no ssh",
        world: healthy::rhel9,
        break_it: |facts, _| {
            let rules = vec![
                rule("ct state established accept", state("established"), Target::Accept),
                rule("goto filter_IN_public", Vec::new(), Target::Goto("filter_IN_public".into())),
            ];
            let mut ruleset = nft(false, rules);
            ruleset.chains.push(chain("filter_IN_public", None, vec![rule("reject", Vec::new(), Target::Reject)]));
            for chain in &mut ruleset.chains {
                chain.table = "firewalld".into();
            }
            facts.firewall.nf_tables = Fact::Known(ruleset);
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "firewalld writes into iptables' tables, and its zone has no ssh",
        world: healthy::al2,
        break_it: |facts, _| {
            let jump = |chain: &str| vec![rule(&format!("-j {chain}"), Vec::new(), Target::Jump(chain.into()))];
            let mut ruleset = nft(false, jump("INPUT_ZONES"));
            ruleset.chains.push(chain("INPUT_ZONES", None, jump("IN_public")));
            let reject = rule("-A IN_public -j REJECT", Vec::new(), Target::Reject);
            ruleset.chains.push(chain("IN_public", None, vec![reject]));
            for chain in &mut ruleset.chains {
                (chain.family, chain.program) = (TableFamily::Ip, "iptables".into());
            }
            facts.firewall.nf_tables = Fact::Known(ruleset);
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "firewalld is in panic",
        world: healthy::rhel9,
        break_it: |facts, _| {
            let mut ruleset = nft(true, Vec::new());
            for chain in &mut ruleset.chains {
                chain.table = "firewalld_policy_drop".into();
            }
            facts.firewall.nf_tables = Fact::Known(ruleset);
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "the older iptables lets no reply out",
        world: healthy::al2,
        break_it: |facts, _| {
            let mut ruleset = nft(true, Vec::new());
            if let Some(chain) = ruleset.chains.first_mut() {
                (chain.family, chain.program, chain.name) = (TableFamily::Ip, "iptables".into(), "OUTPUT".into());
                chain.base =
                    Some(Base { hook: Hook::Output, priority: 0, drops: true, is_nat: false, devices: Vec::new() });
            }
            facts.firewall.ip_tables = Fact::Known(ruleset);
        },
        changes: &["os.firewall.packets fail"],
    },
    Fault {
        name: "fail2ban has banned the source",
        world: healthy::al2023,
        break_it: |facts, _| {
            let tests = vec![Test::In { fields: vec![Field::SourceAddress], set: "addr-set-sshd".into() }];
            let mut ruleset =
                nft(false, vec![rule("tcp dport 22 ip saddr @addr-set-sshd reject", tests, Target::Reject)]);
            ruleset.chains[0].table = "f2b-table".into();
            ruleset.sets.push(AddressSet {
                table: "f2b-table".into(),
                family: TableFamily::Inet,
                name: "addr-set-sshd".into(),
                elements: Fact::Known(vec![vec![Value::from("203.0.113.7/32".to_owned())]]),
                has_more: false,
            });
            facts.firewall.nf_tables = Fact::Known(ruleset);
        },
        changes: &["os.firewall.bans fail"],
    },
    Fault {
        name: "hosts.deny refuses everybody",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            let line = AccessLine {
                line: 17,
                daemons: vec!["ALL".into()],
                clients: vec!["ALL".into()],
                ..AccessLine::default()
            };
            facts.firewall.hosts_access.deny = Fact::Known(vec![line]);
            facts.firewall.hosts_access.sshd_reads_them = Fact::Known(true);
        },
        changes: &["os.firewall.hosts-access fail"],
    },
];

fn nft(drops: bool, rules: Vec<Rule>) -> Ruleset {
    let base = Base { hook: Hook::Input, priority: 0, drops, is_nat: false, devices: Vec::new() };
    Ruleset { chains: vec![chain("input", Some(base), rules)], sets: Vec::new() }
}

fn chain(name: &str, base: Option<Base>, rules: Vec<Rule>) -> Chain {
    Chain { family: TableFamily::Inet, table: "filter".into(), name: name.into(), program: "nft".into(), base, rules }
}

fn rule(text: &str, tests: Vec<Test>, target: Target) -> Rule {
    Rule { number: 4, text: text.into(), tests, target, ..Rule::default() }
}

fn is(field: Field, value: &str) -> Test {
    Test::Is { field, any_of: vec![Value::from(value.to_owned())] }
}

fn state(word: &str) -> Vec<Test> {
    vec![is(Field::ConnectionState, &format!("={word}"))]
}
