use eic_doctor_proto::{Attempt, Command, Evidence, Finding, Remedy, Verdict, check};

use crate::checks::packet_filter::owner::{self, Opening};
use crate::checks::packet_filter::{self, Answer, Outcome, Passage, Place, Portion, Question};
use crate::checks::source::{Source, Span, words};
use crate::checks::{arrival, source};
use crate::facts::OsFacts;

check! {
    /// The instance's own packet filter lets the attempt's packets reach sshd's port, and the replies leave.
    ///
    /// ## Why it matters
    /// Behind the security group the instance may have a firewall of its own: rules of nftables or iptables, written by hand, by ufw,
    /// firewalld, Docker or a hardening script. A rule that drops leaves the client waiting until `Connection timed out`, as a
    /// security group does; one that rejects answers `Connection refused` or `No route to host`. A rule that admits an office's
    /// address only refuses the console's browser client, which comes from the Region's EC2 Instance Connect range.
    ///
    /// The rules are followed as the kernel does: from device and prerouting chains to input, and the replies through output; a
    /// rate limit is taken to be kept. Where a verdict hangs on what cannot be told from here (a packet's mark, the time of day, a
    /// match that is not understood), the answer is `unknown` and names the rule.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `nft list ruleset` and, where `/proc/net/ip_tables_names` lists tables, `iptables-legacy-save`
    /// (or `iptables-save`) and their `ip6tables` kin; `ufw status verbose`; `firewall-cmd --list-all-zones`. Which rule a packet
    /// meets: `nft monitor trace` after `nft insert rule … tcp dport 22 meta nftrace set 1`.
    ///
    /// ## How to mend
    /// Admit the source and nothing else: `ufw allow from ADDRESS to any port 22 proto tcp`; firewalld: a rich rule, permanent, and
    /// `firewall-cmd --reload`; otherwise `nft insert rule` or `iptables -I`, and the same line in the file that is loaded at
    /// boot. For the console's browser client the source is the Region's EC2 Instance Connect range.
    ///
    /// ## References
    /// - nft(8), iptables(8), ufw(8), firewalld.richlanguage(5)
    /// - EC2 User Guide: "Prerequisites for EC2 Instance Connect", about the service's own addresses
    pub static CHECK: OsFacts = {
        id: "os.firewall.packets",
        title: "the instance's packet filter lets the attempt pass",
        needs: [],
        judge: judge,
    }
}

const AT: &str = "the kernel's packet filter";
/// Places that are shown as evidence.
const SHOWN: usize = 6;

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let rulesets = packet_filter::rulesets(facts)?;
    if rulesets.is_empty() {
        return Ok(Verdict::ok("no rule of nftables or iptables could keep a packet from sshd", AT));
    }
    let source = source::of(facts, attempt);
    let arrival = arrival::of(facts, attempt);
    let question = Question { rulesets, source: &source, arrival: &arrival, port: attempt.port };
    // A ban is a finding of its own.
    let answer =
        packet_filter::ask(&question, &|chain, rule| owner::ban(chain, rule).is_some()).map_err(Verdict::unknown)?;
    let refused: Vec<&Portion<'_>> = answer.portions.iter().filter(|portion| portion.is_refused()).collect();
    let open: Vec<&Portion<'_>> = answer.portions.iter().filter(|portion| !portion.is_refused()).collect();
    if refused.is_empty() {
        return passes(&answer, &source, attempt);
    }
    let places = places(&refused);
    let Some((_, first)) = places.first() else { return Err(Verdict::unknown("no rule is to blame")) };
    if !source.is_known() && !open.is_empty() {
        let (few, what) = if size(&open) < size(&refused) { (&open, "lets only") } else { (&refused, "refuses") };
        let spans: Vec<Span> = few.iter().map(|portion| portion.span).collect();
        let why = format!("the attempt names no source, and {} {what} {} in", owner::name(first), words(&spans));
        return Err(Verdict::unknown(why.replace("refuses", "does not let")).seen(first.words(), first.at()));
    }
    if let Some(undecided) = open.iter().find_map(|portion| undecided(portion, &source, attempt)) {
        return Err(Verdict::unknown(undecided));
    }
    let is_whole = open.is_empty();
    let from = if is_whole {
        source.words.clone()
    } else {
        let spans: Vec<Span> = refused.iter().map(|portion| portion.span).collect();
        format!("a part of {}: {}", source.words, words(&spans))
    };
    let what = match places.first().map(|(passage, _)| *passage) {
        Some(Passage::Reply) => format!("sshd's replies from port {} to {from}", attempt.port),
        Some(Passage::Later) => format!("packets of an open connection to port {} from {from}", attempt.port),
        Some(Passage::Opening) | None => format!("packets to port {} from {from}", attempt.port),
    };
    let why = format!("{} refuses {what}", owner::name(first));
    let mut finding = Finding::new(why, remedy(&places, &source, attempt));
    for (passage, place) in places.iter().take(SHOWN) {
        finding.evidence.push(Evidence::new(format!("{} meet `{}`", passage.words(), place.words()), place.at()));
    }
    Ok(if is_whole { Verdict::fail(finding) } else { Verdict::warn(finding) })
}

fn passes(answer: &Answer<'_>, source: &Source, attempt: &Attempt) -> Result<Verdict, Verdict> {
    if let Some(why) = answer.portions.iter().find_map(|portion| undecided(portion, source, attempt)) {
        return Err(Verdict::unknown(why));
    }
    let mut verdict =
        Verdict::ok(format!("packets from {} to port {} and sshd's replies pass", source.words, attempt.port), AT);
    for place in answer.usually_silent.iter().take(2) {
        verdict = verdict.seen(format!("not as long as a rate is kept: `{}`", place.words()), place.at());
    }
    Ok(verdict)
}

fn undecided(portion: &Portion<'_>, source: &Source, attempt: &Attempt) -> Option<String> {
    let (_, outcome) = portion.outcomes.first()?;
    Some(match outcome {
        Outcome::Undecided(place, what) => {
            format!("whether packets from {} pass hangs on {what}: `{}` ({})", source.words, place.words(), place.at())
        }
        Outcome::Redirected(place) => format!(
            "packets to port {} are redirected, which is not followed: `{}` ({})",
            attempt.port,
            place.words(),
            place.at()
        ),
        Outcome::Refused(_) => return None,
    })
}

fn size(portions: &[&Portion<'_>]) -> u128 {
    portions.iter().fold(0, |sum, portion| sum.saturating_add(portion.span.last - portion.span.first))
}

/// Each place once.
fn places<'a>(portions: &[&Portion<'a>]) -> Vec<(Passage, Place<'a>)> {
    let mut places: Vec<(Passage, Place<'a>)> = Vec::new();
    for (passage, outcome) in portions.iter().flat_map(|portion| &portion.outcomes) {
        let Outcome::Refused(place) = outcome else { continue };
        if !places.iter().any(|(_, known)| known.is(place)) {
            places.push((*passage, *place));
        }
    }
    places
}

/// One rule for each chain that refuses.
fn remedy(places: &[(Passage, Place<'_>)], source: &Source, attempt: &Attempt) -> Remedy {
    let mut openings: Vec<Opening> = Vec::new();
    let mut is_complete = !source.nets.is_empty();
    for net in &source.nets {
        for (passage, place) in places {
            match owner::open(place, *passage, net, attempt.port) {
                Some(opening) if openings.iter().any(|known| known.command == opening.command) => {}
                Some(opening) => openings.push(opening),
                None => is_complete = false,
            }
        }
    }
    let more = openings.iter().map(|opening| opening.more).find(|more| !more.is_empty());
    let more = more.map_or_else(String::new, |more| format!("; {more}"));
    let verify = openings.first().map_or("nft list ruleset", |opening| opening.verify.as_str()).to_owned();
    let command = openings.into_iter().map(|opening| opening.command).reduce(Command::and).filter(|_| is_complete);
    match command {
        Some(command) => {
            Remedy::by_command(format!("Let this source in, as root on the instance{more}"), &command, verify)
        }
        None => {
            let names: Vec<String> = places.iter().take(SHOWN).map(|(_, place)| place.at()).collect();
            let file = places.iter().find_map(|(_, place)| owner::file(place));
            let file = file.map_or_else(String::new, |file| format!(", {file}"));
            let text = format!(
                "Put a rule that accepts TCP port {} from the source before what refuses it now ({}), as root on the instance{file}",
                attempt.port,
                names.join("; ")
            );
            Remedy::by_hand(text, verify)
        }
    }
}
