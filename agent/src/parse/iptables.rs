//! The answer of `iptables-save` and `ip6tables-save` (iptables(8), iptables-extensions(8)), and of `ipset save` (ipset(8)).

use std::collections::HashMap;

use eic_doctor_proto::{Fact, Untrusted};

use crate::facts::{AddressSet, Base, Chain, Field, Hook, Rule, Ruleset, TableFamily, Target, Test, Value};

use super::{CHARACTERS_KEPT, Parsed, packet_words, text, words};

/// `program`: what changes these tables: `iptables`, `ip6tables-legacy`, ….
pub fn parse_iptables_save(bytes: &[u8], family: TableFamily, program: &str) -> Parsed<Ruleset> {
    let mut parsed = Parsed::<Ruleset>::default();
    let mut places = Places::new();
    let mut table = String::new();
    for line in text(bytes).lines().map(str::trim) {
        let understood = match line.chars().next() {
            None | Some('#') => Some(()),
            Some('*') => {
                table = line.trim_start_matches('*').to_owned();
                Some(())
            }
            Some(':') => add_chain(&mut parsed.value, &mut places, family, program, &table, line),
            Some('-') => add_rule(&mut parsed.value, &places, &table, line),
            Some(_) => (line == "COMMIT").then_some(()),
        };
        if understood.is_none() {
            parsed.pass_over(line);
        }
    }
    parsed
}

/// Where a chain stands in the ruleset, by table and name.
type Places = HashMap<(String, String), usize>;

/// `:INPUT DROP [0:0]`
fn add_chain(
    ruleset: &mut Ruleset,
    places: &mut Places,
    family: TableFamily,
    program: &str,
    table: &str,
    line: &str,
) -> Option<()> {
    let mut fields = line.strip_prefix(':')?.split_whitespace();
    let (name, policy) = (fields.next()?, fields.next()?);
    let hook = match name {
        _ if policy == "-" => None,
        "PREROUTING" => Some(Hook::Prerouting),
        "INPUT" => Some(Hook::Input),
        "OUTPUT" => Some(Hook::Output),
        "POSTROUTING" => Some(Hook::Postrouting),
        // FORWARD: not for us.
        _ => return Some(()),
    };
    // linux/netfilter_ipv4.h, enum nf_ip_hook_priorities.
    let priority = match (table, hook) {
        ("raw", _) => -300,
        ("mangle", _) => -150,
        ("nat", Some(Hook::Prerouting | Hook::Output)) => -100,
        ("nat", _) => 100,
        ("security", _) => 50,
        _ => 0,
    };
    let base =
        hook.map(|hook| Base { hook, priority, drops: policy == "DROP", is_nat: table == "nat", devices: Vec::new() });
    places.insert((table.to_owned(), name.to_owned()), ruleset.chains.len());
    let (table, name, program) = (table.into(), name.into(), program.into());
    ruleset.chains.push(Chain { family, table, name, program, base, rules: Vec::new() });
    Some(())
}

/// `-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT`
fn add_rule(ruleset: &mut Ruleset, places: &Places, table: &str, line: &str) -> Option<()> {
    let mut words = words::split(line).into_iter();
    if words.next()? != "-A" {
        return None;
    }
    let name = words.next()?;
    // A chain that was passed over: its rules go with it.
    let Some(index) = places.get(&(table.to_owned(), name)).copied() else { return Some(()) };
    let rules: Vec<String> = words.collect();
    let has = |option: &str| rules.iter().any(|word| word == option);
    let mut reading = Reading {
        is_above: has("--hashlimit-above"),
        is_inverted: has("--invert"),
        words: &rules,
        at: 0,
        module: String::new(),
        rule: Rule::default(),
        target: None,
    };
    reading.read();
    let Reading { mut rule, target, .. } = reading;
    if let Some((name, is_goto)) = target {
        let found = places.get(&(table.to_owned(), name.clone())).and_then(|index| ruleset.chains.get(*index));
        rule.target = match (found.is_some_and(|chain| chain.base.is_none()), is_goto) {
            (true, true) => Target::Goto(name.as_str().into()),
            (true, false) => Target::Jump(name.as_str().into()),
            (false, _) => built_in(&name, &rules, &mut rule),
        };
    }
    let chain = ruleset.chains.get_mut(index)?;
    rule.number = chain.rules.len() as u64 + 1;
    rule.text = line.chars().take(CHARACTERS_KEPT).collect::<String>().into();
    chain.rules.push(rule);
    Some(())
}

fn built_in(name: &str, words: &[String], rule: &mut Rule) -> Target {
    match name {
        "ACCEPT" | "MASQUERADE" | "SNAT" => Target::Accept,
        "DROP" | "TARPIT" | "STEAL" => Target::Drop,
        "REJECT" => Target::Reject,
        "RETURN" => Target::Return,
        "REDIRECT" | "DNAT" | "NETMAP" | "TPROXY" => Target::Redirect,
        "MARK" | "CONNMARK" => {
            rule.marks = true;
            Target::Continue
        }
        "NOTRACK" => {
            rule.untracks = true;
            Target::Continue
        }
        "CT" => {
            rule.untracks = words.iter().any(|word| word == "--notrack");
            Target::Continue
        }
        "LOG" | "NFLOG" | "ULOG" | "TRACE" | "AUDIT" | "CHECKSUM" | "TCPMSS" | "TCPOPTSTRIP" | "DSCP" | "TOS"
        | "TTL" | "HL" | "CLASSIFY" | "SECMARK" | "CONNSECMARK" | "SET" | "IDLETIMER" | "RATEEST" | "TEE" | "LED"
        | "ECN" | "HMARK" => Target::Continue,
        _ => Target::Unknown,
    }
}

struct Reading<'a> {
    words: &'a [String],
    at: usize,
    /// `--hashlimit-above`, and `--invert` of rpfilter, stand behind what they turn.
    is_above: bool,
    is_inverted: bool,
    /// The last `-m`.
    module: String,
    rule: Rule,
    /// The name after `-j` or `-g`, and whether it was `-g`.
    target: Option<(String, bool)>,
}

impl Reading<'_> {
    fn read(&mut self) {
        while let Some(word) = self.next() {
            let is_not = word == "!";
            let option = if is_not { self.next().unwrap_or_default() } else { word };
            if matches!(option.as_str(), "-j" | "-g") {
                self.target = self.next().map(|name| (name, option == "-g"));
                // What follows belongs to the target.
                return;
            }
            if option == "-m" {
                self.module = self.next().unwrap_or_default();
                self.add_module();
                continue;
            }
            let mut arguments = Vec::new();
            // Older versions write `--dport ! 22`; a negative number is no option of any match.
            let mut is_not = is_not;
            while let Some(word) = self.words.get(self.at) {
                if word == "!" && arguments.is_empty() {
                    is_not = true;
                } else if word == "!" || word.starts_with('-') {
                    break;
                } else {
                    arguments.push(word.as_str());
                }
                self.at += 1;
            }
            let test = test(&self.module, &option, &arguments, is_not);
            self.rule.tests.extend(test.unwrap_or_else(|| {
                let not = if is_not { "! " } else { "" };
                let shown = format!("{not}{option} {}", arguments.join(" "));
                Some(Test::NotUnderstood(shown.trim().chars().take(100).collect::<String>().into()))
            }));
        }
    }

    /// A match that says something without any option.
    fn add_module(&mut self) {
        match self.module.as_str() {
            "limit" => self.rule.tests.push(Test::Usually(true)),
            "hashlimit" => self.rule.tests.push(Test::Usually(!self.is_above)),
            "rpfilter" => self.rule.tests.push(Test::Usually(!self.is_inverted)),
            _ => {}
        }
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }
}

/// `Some(None)`: says nothing about whether a packet matches. `None`: not understood.
fn test(module: &str, option: &str, arguments: &[&str], is_not: bool) -> Option<Option<Test>> {
    let first = arguments.first().copied();
    let is = |field: Field, any_of: Vec<Value>| {
        Some(Some(if is_not { Test::IsNot { field, any_of } } else { Test::Is { field, any_of } }))
    };
    let listed =
        |value: fn(&str) -> Option<Value>| first?.split(',').map(|word| value(word.trim())).collect::<Option<Vec<_>>>();
    let word = |word: &str| Some(Value::Word(word.to_ascii_lowercase().as_str().into()));
    let number = |word: &str| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some(Value::Numbers(packet_words::number(first)?, packet_words::number(last)?))
    };
    match (module, option) {
        (_, "-s" | "--source") => is(Field::SourceAddress, vec![packet_words::addresses(first?)?]),
        (_, "-d" | "--destination") => is(Field::DestinationAddress, vec![packet_words::addresses(first?)?]),
        (_, "-i") => is(Field::InputInterface, vec![interface(first?)]),
        (_, "-o") => is(Field::OutputInterface, vec![interface(first?)]),
        (_, "-p") => match first? {
            "all" | "0" => Some(Some(Test::Usually(!is_not))),
            name => {
                let number = packet_words::protocol(name)?;
                is(Field::Protocol, vec![Value::Numbers(number, number)])
            }
        },
        // A later fragment of a packet; sshd's are none.
        (_, "-f") => Some(Some(Test::Usually(is_not))),
        ("comment", _) => Some(None),
        ("icmp" | "icmp6" | "icmpv6", _) => Some(None),
        ("tcp" | "udp" | "multiport" | "", "--dport" | "--dports" | "--destination-ports") => {
            is(Field::DestinationPort, listed(packet_words::ports)?)
        }
        ("tcp" | "udp" | "multiport" | "", "--sport" | "--sports" | "--source-ports") => {
            is(Field::SourcePort, listed(packet_words::ports)?)
        }
        ("tcp" | "", "--syn") => is(Field::TcpFlags(0x17), vec![Value::Numbers(2, 2)]),
        ("tcp" | "", "--tcp-flags") => {
            let [mask, set] = arguments else { return None };
            let bits =
                |words: &str| words.split(',').try_fold(0, |bits, word| Some(bits | packet_words::tcp_flag(word)?));
            let set = u32::from(bits(set)?);
            is(Field::TcpFlags(bits(mask)?), vec![Value::Numbers(set, set)])
        }
        ("conntrack", "--ctstate") | ("state", "--state") => is(Field::ConnectionState, listed(word)?),
        ("conntrack", "--ctdir") => is(Field::ConnectionDirection, listed(word)?),
        ("conntrack", "--ctstatus") => is(Field::ConnectionStatus, listed(word)?),
        ("addrtype", "--dst-type") => is(Field::DestinationType, listed(word)?),
        ("addrtype", "--src-type") => is(Field::SourceType, listed(word)?),
        ("addrtype", "--limit-iface-in" | "--limit-iface-out") => Some(None),
        ("pkttype", "--pkt-type") => is(Field::PacketType, listed(word)?),
        ("owner", "--uid-owner") => is(Field::SocketUser, vec![number(first?)?]),
        ("mark" | "connmark", "--mark") => {
            let (value, mask) = first?.split_once('/').unwrap_or((first?, "0xffffffff"));
            let value = packet_words::number(value)?;
            is(Field::Mark(packet_words::number(mask)?), vec![Value::Numbers(value, value)])
        }
        ("iprange", "--src-range") => is(Field::SourceAddress, vec![packet_words::addresses(first?)?]),
        ("iprange", "--dst-range") => is(Field::DestinationAddress, vec![packet_words::addresses(first?)?]),
        ("set", "--match-set") => {
            let [set, directions] = arguments else { return None };
            let field = |(index, direction): (usize, &str)| match (index, direction) {
                (0, "src") => Some(Field::SourceAddress),
                (0, "dst") => Some(Field::DestinationAddress),
                (1, "src") => Some(Field::SourcePort),
                (1, "dst") => Some(Field::DestinationPort),
                _ => None,
            };
            let fields = directions.split(',').enumerate().map(field).collect::<Option<Vec<_>>>()?;
            let set = Untrusted::from(*set);
            Some(Some(if is_not { Test::NotIn { fields, set } } else { Test::In { fields, set } }))
        }
        ("limit", _) => Some(None),
        ("hashlimit", _) => Some(None),
        ("rpfilter", "--loose" | "--validmark" | "--accept-local" | "--invert") => Some(None),
        ("connlimit", "--connlimit-above") => Some(Some(Test::Usually(is_not))),
        ("connlimit", "--connlimit-upto") => Some(Some(Test::Usually(!is_not))),
        ("connlimit", "--connlimit-mask" | "--connlimit-saddr" | "--connlimit-daddr") => Some(None),
        // An address is put on a list, which always holds; or it has come too often of late, which it usually has not.
        ("recent", "--set") => Some(Some(Test::Usually(!is_not))),
        ("recent", "--rcheck" | "--update" | "--remove") => Some(Some(Test::Usually(is_not))),
        ("recent", _) => Some(None),
        // Headers of IPv6 that ordinary packets do not have.
        ("rt", "--rt-type") | ("frag", "--fragid") | ("ah", "--ahspi") | ("esp", "--espspi") => {
            Some(Some(Test::Usually(false)))
        }
        ("rt" | "frag" | "ah" | "esp", _) => Some(None),
        ("policy", "--pol") => Some(Some(Test::Usually((first? == "none") != is_not))),
        ("policy", _) => Some(None),
        _ => None,
    }
}

/// `eth+` stands for every name that begins so.
fn interface(name: &str) -> Value {
    match name.strip_suffix('+') {
        Some("") => Value::Any,
        Some(stem) => Value::Word(format!("{stem}*").into()),
        None => Value::Word(name.into()),
    }
}

/// `create f2b-sshd hash:ip family inet …` and `add f2b-sshd 203.0.113.7 timeout 600`.
pub fn parse_ipset_save(bytes: &[u8]) -> Parsed<Vec<AddressSet>> {
    let mut parsed = Parsed::<Vec<AddressSet>>::default();
    for line in text(bytes).lines().map(str::trim).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let understood = match fields.as_slice() {
            ["create", name, _kind, options @ ..] => {
                let is_ipv6 = options.windows(2).any(|pair| pair == ["family", "inet6"]);
                parsed.value.push(AddressSet {
                    table: Untrusted::default(),
                    family: if is_ipv6 { TableFamily::Ip6 } else { TableFamily::Ip },
                    name: (*name).into(),
                    elements: Fact::Known(Vec::new()),
                    has_more: false,
                });
                true
            }
            ["add", name, element, options @ ..] => {
                let set = parsed.value.iter_mut().rfind(|set| set.name.raw() == *name);
                let values = element.split(',').map(|part| ipset_value(part, options.contains(&"nomatch"))).collect();
                match set.map(|set| &mut set.elements) {
                    Some(Fact::Known(elements)) => {
                        elements.push(values);
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        };
        if !understood {
            parsed.pass_over(line);
        }
    }
    parsed
}

fn ipset_value(part: &str, is_exception: bool) -> Value {
    let ports = |part: &str| packet_words::ports(part.strip_prefix("tcp:").unwrap_or(part));
    let understood = packet_words::addresses(part).or_else(|| ports(part)).filter(|_| !is_exception);
    understood.unwrap_or_else(|| Value::NotUnderstood(part.chars().take(100).collect::<String>().into()))
}
