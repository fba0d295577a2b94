use eic_doctor_proto::{Attempt, Command, Evidence, Finding, Remedy, Verdict, check};
use ipnet::IpNet;

use crate::checks::packet_filter::owner::{self, Ban};
use crate::checks::packet_filter::{self, Outcome, Place, Question};
use crate::checks::source::{Span, words};
use crate::checks::{arrival, source};
use crate::facts::{Chain, OsFacts, Rule, Value};

check! {
    /// No program that bans addresses after failed logins has banned the source.
    ///
    /// ## Why it matters
    /// fail2ban, CrowdSec and sshguard watch the log and keep out an address from which logins failed several times. An attempt
    /// that failed for another reason, and was repeated, so turns into a ban: from then on the client sees `Connection refused`
    /// or silence, also after the first reason is mended. The console's browser client makes it worse: everybody who uses it in a
    /// Region comes from the same eight addresses or so, so one user's failures lock all of them out.
    ///
    /// ## How to look by hand
    /// On the instance, with fail2ban: `fail2ban-client status sshd`, `fail2ban-client banned`. With CrowdSec: `cscli decisions list`.
    /// What they wrote into the kernel: `nft list ruleset`, `iptables -S`, `ipset list`; their chains and sets are called `f2b-…`,
    /// `addr-set-…`, `crowdsec-…`, `sshguard`.
    ///
    /// ## How to mend
    /// Take the ban back: `fail2ban-client set sshd unbanip ADDRESS`, `cscli decisions delete --ip ADDRESS`. Then keep the source out
    /// of it: in `/etc/fail2ban/jail.local`, `ignoreip` of the jail takes addresses and nets, so also the EC2 Instance Connect
    /// range of the Region. An address banned again at once still fails logins: look at the other findings.
    ///
    /// ## References
    /// - fail2ban-client(1), jail.conf(5): ignoreip
    /// - EC2 User Guide: "Prerequisites for EC2 Instance Connect", about the service's own addresses
    pub static CHECK: OsFacts = {
        id: "os.firewall.bans",
        title: "no tool has banned the source",
        needs: [],
        judge: judge,
    }
}

const AT: &str = "the kernel's packet filter";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let rulesets = packet_filter::rulesets(facts)?;
    let chains = rulesets.iter().flat_map(|ruleset| &ruleset.chains);
    let bans: Vec<Ban> =
        chains.flat_map(|chain| chain.rules.iter().filter_map(|rule| owner::ban(chain, rule))).collect();
    let Some(tool) = bans.first().map(Ban::name) else {
        return Ok(Verdict::ok("no rule of fail2ban or of a program like it", AT));
    };
    let source = source::of(facts, attempt);
    let arrival = arrival::of(facts, attempt);
    let question = Question { rulesets, source: &source, arrival: &arrival, port: attempt.port };
    let answer = packet_filter::ask(&question, &|_, _| false).map_err(Verdict::unknown)?;
    let mut banned: Vec<(Span, Place<'_>)> = Vec::new();
    let mut undecided = None;
    for portion in &answer.portions {
        for (_, outcome) in &portion.outcomes {
            match outcome {
                Outcome::Refused(place) if is_ban(place) && !banned.iter().any(|(span, _)| *span == portion.span) => {
                    banned.push((portion.span, *place));
                }
                Outcome::Undecided(place, words) if is_ban(place) => {
                    undecided = Some(format!("whether a ban of {tool} is about the source hangs on {words}"));
                }
                Outcome::Refused(_) | Outcome::Redirected(_) | Outcome::Undecided(..) => {}
            }
        }
    }
    if banned.is_empty() {
        return match undecided {
            Some(why) => Err(Verdict::unknown(why)),
            None => Ok(Verdict::ok(format!("no ban of {tool} is about {}", source.words), AT)),
        };
    }
    let spans: Vec<Span> = banned.iter().map(|(span, _)| *span).collect();
    if !source.is_known() {
        let why = format!("the attempt names no source, and {tool} has banned {}", words(&spans));
        return Err(Verdict::unknown(why));
    }
    let tool = banned.iter().find_map(|(_, place)| ban_of(place)).map_or(tool, |ban| ban.name());
    let is_whole = banned.len() == answer.portions.len();
    let why = if is_whole {
        format!("{tool} has banned {}", source.words)
    } else {
        format!("{tool} has banned a part of {}: {}", source.words, words(&spans))
    };
    behind(&mut banned, &question).map_err(Verdict::unknown)?;
    let mut finding = Finding::new(why, remedy(tool, &banned));
    for (span, place) in banned.iter().take(SHOWN) {
        finding.evidence.push(Evidence::new(format!("{}: `{}`", span.words(), place.words()), place.at()));
    }
    Ok(if is_whole { Verdict::fail(finding) } else { Verdict::warn(finding) })
}

/// Portions that are shown, and bans that are lifted by one command.
const SHOWN: usize = 8;

/// A packet meets the first of several bans alone: what stands behind is found by asking as if that one were not there.
fn behind<'a>(banned: &mut Vec<(Span, Place<'a>)>, question: &'a Question<'a>) -> Result<(), &'static str> {
    for _ in 1..SHOWN {
        let is_known = |chain: &Chain, rule: &Rule| banned.iter().any(|(_, place)| place.is_rule(chain, rule));
        let answer = packet_filter::ask(question, &is_known)?;
        let refused = answer.portions.iter().flat_map(|portion| {
            let places = portion.outcomes.iter().filter_map(|(_, outcome)| match outcome {
                Outcome::Refused(place) if is_ban(place) => Some((portion.span, *place)),
                _ => None,
            });
            places.take(1)
        });
        let more: Vec<(Span, Place<'a>)> = refused.collect();
        if more.is_empty() {
            break;
        }
        banned.extend(more);
    }
    Ok(())
}

fn ban_of(place: &Place<'_>) -> Option<Ban> {
    owner::ban(place.chain, place.rule?)
}

fn is_ban(place: &Place<'_>) -> bool {
    ban_of(place).is_some()
}

fn remedy(tool: &str, banned: &[(Span, Place<'_>)]) -> Remedy {
    let mut commands: Vec<Command> = Vec::new();
    for (span, place) in banned.iter().take(SHOWN) {
        let of_portion = |value: &&Value| Span::of_value(value).is_some_and(|found| found.overlaps(span));
        let nets = owner::banned(place).into_iter().filter(of_portion).filter_map(|value| match value {
            Value::Net(net) => Some(*net),
            _ => None,
        });
        let nets: Vec<IpNet> = nets.collect();
        for command in nets.iter().filter_map(|net| ban_of(place)?.lift(net)) {
            if !commands.contains(&command) {
                commands.push(command);
            }
        }
    }
    let text = format!("Take the ban back, as root on the instance, and keep the source out of {tool} from now on");
    let (text, verify) = match tool {
        "fail2ban" => (format!("{text} (`ignoreip` in `/etc/fail2ban/jail.local`)"), "fail2ban-client banned"),
        "CrowdSec" => (format!("{text} (an allowlist)"), "cscli decisions list"),
        _ => (format!("{text} (`/etc/sshguard/whitelist`, then restart it)"), "nft list ruleset"),
    };
    match commands.into_iter().reduce(Command::and) {
        Some(command) => Remedy::by_command(text, &command, verify),
        None => Remedy::by_hand(text, verify),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, changes};
    use crate::checks::packet_filter::testing::{iptables, nft_set};

    const F2B: &str = "*filter\n:INPUT ACCEPT [0:0]\n:f2b-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n\
        -A f2b-sshd -s 203.0.113.7/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-sshd -j RETURN\n";

    #[test]
    fn a_ban_is_one_failure_and_the_filter_itself_is_well() {
        let mut world = healthy::al2023();
        world.facts.firewall.nf_tables = iptables(F2B);
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(finding.why, "fail2ban has banned 203.0.113.7");
        assert_eq!(finding.remedy.command.as_deref(), Some("fail2ban-client set sshd unbanip 203.0.113.7"));
        let changed = changes(healthy::al2023(), |facts, _| facts.firewall.nf_tables = iptables(F2B));
        assert_eq!(changed, ["os.firewall.bans fail"]);
    }

    #[test]
    fn a_source_that_is_banned_in_two_jails_is_taken_out_of_both() {
        let mut world = healthy::al2023();
        world.facts.firewall.nf_tables = iptables(&format!(
            "{F2B}:f2b-recidive - [0:0]\n-A INPUT -p tcp -j f2b-recidive\n-A f2b-recidive -s 203.0.113.7/32 -j REJECT\n"
        ));
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        assert_eq!(
            finding.remedy.command.as_deref(),
            Some("fail2ban-client set sshd unbanip 203.0.113.7 && fail2ban-client set recidive unbanip 203.0.113.7")
        );
    }

    #[test]
    fn a_ban_of_somebody_else_is_none() {
        let other = F2B.replace("203.0.113.7", "198.51.100.9");
        let changed = changes(healthy::al2023(), |facts, _| facts.firewall.nf_tables = iptables(&other));
        assert_eq!(changed, [""; 0]);
    }

    #[test]
    fn a_ban_of_one_of_the_browsers_addresses_is_a_warning() {
        let mut world = healthy::ubuntu_2204();
        world.facts.firewall.nf_tables = nft_set("addr-set-sshd", &["18.202.216.50"]);
        let Ok(Verdict::Warn(finding)) = judge(&world.facts, &world.attempt) else { panic!("no warning") };
        let why = "fail2ban has banned a part of EC2 Instance Connect's range 18.202.216.48/29: 18.202.216.50";
        assert_eq!(finding.why, why);
        assert_eq!(finding.remedy.command.as_deref(), Some("fail2ban-client set sshd unbanip 18.202.216.50"));
    }

    #[test]
    fn without_a_source_a_ban_decides_nothing() {
        let changed = changes(healthy::al2023(), |facts, attempt| {
            attempt.source = None;
            facts.firewall.nf_tables = iptables(F2B);
        });
        assert_eq!(changed, ["os.firewall.bans unknown"]);
    }

    #[test]
    fn rules_that_nobody_could_list_may_hold_a_ban() {
        let changed = changes(healthy::al2023(), |facts, _| facts.firewall.nf_tables = Fact::unreadable("needs root"));
        assert_eq!(changed, ["os.firewall.bans unknown", "os.firewall.packets unknown"]);
    }
}
