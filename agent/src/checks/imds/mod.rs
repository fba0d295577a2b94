//! The instance metadata service, asked as the keys command asks it.

use std::net::{IpAddr, Ipv4Addr};

use eic_doctor_proto::{Attempt, Check, Command, Fact, Finding, Remedy, Verdict};
use ipnet::IpNet;

use crate::checks::network::return_route;
use crate::checks::packet_filter::owner;
use crate::facts::{AddressFamily, ImdsAnswer, ImdsView, OsFacts, Route, RouteKind, RoutingRule, RuleAction};

mod availability_zone;
mod domain;
mod instance_id;
mod pushed_keys;
mod time_budget;
mod token;
mod token_as_keys_user;

pub const ALL: &[&Check<OsFacts>] = &[
    &token::CHECK,
    &token_as_keys_user::CHECK,
    &instance_id::CHECK,
    &availability_zone::CHECK,
    &domain::CHECK,
    &time_budget::CHECK,
    &pushed_keys::CHECK,
];

const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The keys command's curl gives each request this long.
const LIMIT_MS: u32 = 1_000;
/// About ten requests share the five seconds that the keys command has in all; slower ones do not fit.
const SLOW_MS: u32 = 500;

const VERIFY: &str = "curl -sS -m 1 -o /dev/null -w '%{http_code}' -X PUT \
     -H 'X-aws-ec2-metadata-token-ttl-seconds: 5' http://169.254.169.254/latest/api/token";

/// A request and who made it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// `PUT /latest/api/token`.
    request: &'static str,
    who: &'a str,
    /// Root was answered, so what stands in the way looks at who asks.
    root_was_answered: bool,
    /// Whoever gathered was neither root nor the keys user, so silence may be meant for that user alone.
    is_bystander: bool,
}

/// The answer with status 200 within the keys command's time, or the verdict that says what came instead.
fn answer<'a>(fact: &'a Fact<ImdsAnswer>, asked: Asked<'_>) -> Result<&'a ImdsAnswer, Verdict> {
    let Asked { request, who, .. } = asked;
    if let Fact::Unreadable(why) = fact
        && let Some(silence) = Silence::of(&why.reason)
    {
        if asked.is_bystander {
            return Err(Verdict::unknown(format!("IMDS, asked as {who}: {}; root may be answered", why.reason)));
        }
        return Err(Verdict::fail(
            Finding::new(format!("{who} got no answer from IMDS: {}", silence.words()), silence.remedy(asked))
                .seen(format!("{request} as {who}: {}", why.reason), "169.254.169.254"),
        ));
    }
    let answer = fact.need(&format!("IMDS's answer to `{request}` as {who}"))?;
    let seen = format!("{request} as {who}: HTTP {} in {} ms", answer.status, answer.latency_ms);
    if answer.status != 200 {
        let (words, remedy) = refusal(answer.status, asked);
        return Err(Verdict::fail(
            Finding::new(format!("IMDS answers {who} with HTTP {}: {words}", answer.status), remedy)
                .seen(seen, "169.254.169.254"),
        ));
    }
    if answer.latency_ms > LIMIT_MS {
        let why = format!("IMDS took {} ms to answer {who}; the keys command waits 1 s", answer.latency_ms);
        return Err(Verdict::fail(Finding::new(why, Silence::TimedOut.remedy(asked)).seen(seen, "169.254.169.254")));
    }
    Ok(answer)
}

/// What the instance's routes and packet filter say of a request without an answer. An instance without any way out cannot ask IMDS
/// either, and one finding is enough.
fn by_way_out(
    facts: &OsFacts,
    attempt: &Attempt,
    token: &Fact<ImdsAnswer>,
    asked: Asked<'_>,
    verdict: Verdict,
) -> Verdict {
    let Fact::Unreadable(why) = token else { return verdict };
    if let Some(finding) = prohibited(facts, &why.reason, asked) {
        return Verdict::fail(finding);
    }
    let has_no_route = matches!(Silence::of(&why.reason), Some(Silence::NoRoute | Silence::RefusedOrNoRoute));
    if has_no_route && return_route::is_without_way_out(facts, attempt) {
        return Verdict::unknown("the instance has no way out (os.network.return-route), so IMDS was not reached");
    }
    if Silence::of(&why.reason).is_some() && facts.firewall.nf_tables.known().is_some_and(owner::panics) {
        return Verdict::unknown(
            "firewalld drops everything in its panic (os.firewall.packets), so IMDS was not reached",
        );
    }
    verdict
}

/// The kernel answers `permission denied` where a route or a rule prohibits the way. Security modules do as well, and of those nobody
/// knows whom they stop, so such a route must be seen.
fn prohibited(facts: &OsFacts, reason: &str, asked: Asked<'_>) -> Option<Finding> {
    if asked.is_bystander || !reason.to_ascii_lowercase().starts_with("permission denied") {
        return None;
    }
    let leads_to_imds = |net: &IpNet| net.contains(&IpAddr::V4(ADDRESS));
    let routes = facts.network.routes.known()?;
    let route = routes.iter().find(|route| route.kind == RouteKind::Refuse && leads_to_imds(&route.destination));
    let rule = || {
        let refuses = |rule: &&RoutingRule| {
            rule.action == RuleAction::Refuse
                && rule.family == AddressFamily::Ipv4
                && rule.to.as_ref().is_none_or(leads_to_imds)
        };
        facts.network.rules.known()?.iter().find(refuses)
    };
    let (what, seen, command) = match route {
        Some(Route { destination, table, .. }) => (
            "a route",
            format!("a route to {destination} in table {table} that sends nothing"),
            Command::new("ip").args([
                "route",
                "del",
                "prohibit",
                &destination.to_string(),
                "table",
                &table.to_string(),
            ]),
        ),
        None => {
            let priority = rule()?.priority.to_string();
            let seen = format!("the rule of priority {priority} sends nothing");
            ("a rule", seen, Command::new("ip").args(["rule", "del", "priority", &priority]))
        }
    };
    let remedy = Remedy::by_command(
        format!("Delete {what} that keeps this instance from IMDS, and what made it, as root on the instance"),
        &command,
        VERIFY,
    );
    Some(
        Finding::new(
            format!("{} got no answer from IMDS: {what} prohibits the way to 169.254.169.254", asked.who),
            remedy,
        )
        .seen(format!("{} as {}: {reason}", asked.request, asked.who), "169.254.169.254")
        .seen(seen, "ip rule, ip route show table all"),
    )
}

fn seen(answer: &ImdsAnswer, asked: Asked<'_>) -> String {
    format!("{} as {}: HTTP 200 in {} ms", asked.request, asked.who, answer.latency_ms)
}

fn slow(answer: &ImdsAnswer, asked: Asked<'_>) -> Verdict {
    let why = format!(
        "IMDS took {} ms to answer {}; at that pace the keys command does not finish in its 5 s",
        answer.latency_ms, asked.who
    );
    let remedy = Remedy::by_hand(
        "Find what slows the metadata service down: a proxy in front of it, a flood of requests (each network interface \
         may send 1,024 packets a second to link-local services), or an instance without CPU time",
        VERIFY,
    );
    Verdict::warn(Finding::new(why, remedy).seen(seen(answer, asked), "169.254.169.254"))
}

/// The view of the keys user where it got a token, since that is who asks at a login; else root's.
fn view(facts: &OsFacts) -> (&ImdsView, String) {
    let got_token = |view: &ImdsView| view.token.known().is_some_and(|token| token.status == 200);
    if got_token(&facts.imds.as_keys_user) {
        (&facts.imds.as_keys_user, keys_user(facts))
    } else {
        (&facts.imds.as_root, ourselves(facts))
    }
}

/// Whoever gathered: root, or a user that stands for nobody at a login.
fn ourselves(facts: &OsFacts) -> String {
    match facts.uid {
        Fact::Known(uid) if uid != 0 => format!("uid {uid}"),
        _ => "root".to_owned(),
    }
}

fn is_bystander(facts: &OsFacts) -> bool {
    matches!(facts.uid, Fact::Known(uid) if uid != 0)
}

/// The id by which IMDS calls this instance, if it has EC2's form.
pub(in crate::checks) fn instance_id(facts: &OsFacts) -> Option<&str> {
    let answer = view(facts).0.instance_id.known().filter(|answer| answer.status == 200)?;
    Some(answer.body.raw().trim_end()).filter(|id| instance_id::is_instance_id(id))
}

/// Whose certificate the keys command wants: by what IMDS says of the Availability Zone and the domain, where it takes both.
pub(in crate::checks) fn signer_name(facts: &OsFacts) -> Option<String> {
    let view = view(facts).0;
    let said = |fact: &Fact<ImdsAnswer>| {
        fact.known().filter(|answer| answer.status == 200).map(|answer| answer.body.raw().trim_end().to_owned())
    };
    let zone = said(&view.availability_zone).filter(|zone| availability_zone::is_availability_zone(zone))?;
    let domain = said(&view.domain).filter(|name| domain::is_trusted(name))?;
    let region = zone.strip_suffix(|letter: char| letter.is_ascii_lowercase())?;
    Some(format!("managed-ssh-signer.{region}.{domain}"))
}

/// By how many seconds the host's clock is ahead of IMDS's, by the first answer that has a date.
pub(in crate::checks) fn clock_ahead(facts: &OsFacts) -> Option<i64> {
    let views = [&facts.imds.as_keys_user, &facts.imds.as_root];
    let answers = views.into_iter().flat_map(|view| [&view.token, &view.instance_id, &view.availability_zone]);
    answers.filter_map(Fact::known).find_map(|answer| answer.clock_ahead.known().copied())
}

/// `aws ec2-instance-connect ssh` to this very instance, where IMDS named it in EC2's form.
pub(in crate::checks) fn ssh(facts: &OsFacts) -> Option<Command> {
    let (view, _who) = view(facts);
    let said = |fact: &Fact<ImdsAnswer>| match fact {
        Fact::Known(answer) if answer.status == 200 => Some(answer.body.raw().trim_end().to_owned()),
        _ => None,
    };
    let id = said(&view.instance_id).filter(|id| instance_id::is_instance_id(id))?;
    let is_region = |region: &String| region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let command = Command::new("aws").args(["ec2-instance-connect", "ssh"]);
    let command = match said(&view.region).filter(|region| !region.is_empty() && is_region(region)) {
        Some(region) => command.args(["--region".to_owned(), region]),
        None => command,
    };
    Some(command.args(["--instance-id".to_owned(), id]))
}

fn keys_user(facts: &OsFacts) -> String {
    match facts.account.keys_user.known() {
        Some(account) => format!("the keys user `{}`", account.name),
        None => "the keys user".to_owned(),
    }
}

/// No HTTP answer at all. Anything else that made a fact unreadable says nothing about IMDS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    Refused,
    TimedOut,
    NoRoute,
    /// curl does not tell the two apart.
    RefusedOrNoRoute,
    /// The connection was made and broke before an answer.
    Broken,
}

impl Silence {
    /// From the words of the operating system or of curl. Only where they begin the reason: `become nobody: timed out` is about
    /// our own child.
    fn of(reason: &str) -> Option<Self> {
        let reason = reason.to_ascii_lowercase();
        // The kernel answers `invalid argument` where the route is a black hole.
        let begins = |words: &[&str]| words.iter().any(|word| reason.starts_with(word));
        if begins(&["connection refused or no route"]) {
            Some(Self::RefusedOrNoRoute)
        } else if begins(&["connection refused"]) {
            Some(Self::Refused)
        } else if begins(&["timed out", "connection timed out", "operation timed out", "deadline has elapsed"]) {
            Some(Self::TimedOut)
        } else if begins(&["no route to host", "network is unreachable", "host is unreachable", "invalid argument"]) {
            Some(Self::NoRoute)
        } else if begins(&[
            "connection reset",
            "connection closed",
            "broken pipe",
            "no http answer",
            "the server closed",
        ]) {
            Some(Self::Broken)
        } else {
            None
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Refused => "the connection was refused",
            Self::TimedOut => "nothing came within 1 s",
            Self::NoRoute => "there is no route to 169.254.169.254",
            Self::RefusedOrNoRoute => "the connection was refused, or there is no route to 169.254.169.254",
            Self::Broken => "the connection broke",
        }
    }

    fn remedy(self, asked: Asked<'_>) -> Remedy {
        if asked.root_was_answered {
            return Remedy::by_hand(
                format!(
                    "Let {} through the firewall rule that looks at who asks: an owner match in `iptables -S OUTPUT`, \
                     or `meta skuid` in `nft list ruleset`",
                    asked.who
                ),
                VERIFY_AS_KEYS_USER,
            );
        }
        let text = match self {
            Self::Refused | Self::RefusedOrNoRoute => {
                "Delete the rule that rejects connections to 169.254.169.254 (`nft list ruleset`, `iptables -S OUTPUT`), \
                 or what leads them elsewhere (`ip route get 169.254.169.254`, `ip addr show`)"
            }
            Self::TimedOut => {
                "Delete the rule that drops packets to 169.254.169.254 (`nft list ruleset`, `iptables -S OUTPUT`), or take \
                 the address out of the VPN that swallows it (`ip route get 169.254.169.254`); for sshd in a container raise \
                 `HttpPutResponseHopLimit` to 2"
            }
            Self::NoRoute => {
                "Give 169.254.169.254 its route over the primary network interface back: `ip route get 169.254.169.254` and \
                 `ip rule` show what leads it elsewhere"
            }
            Self::Broken => {
                "Stop what stands between this instance and 169.254.169.254, mostly a metadata proxy: `ip addr show`, \
                 `iptables -t nat -S` and `nft list ruleset` show it"
            }
        };
        Remedy::by_hand(text, VERIFY)
    }
}

const VERIFY_AS_KEYS_USER: &str = "runuser -u ec2-instance-connect -- curl -sS -m 1 -o /dev/null -w '%{http_code}' -X PUT \
     -H 'X-aws-ec2-metadata-token-ttl-seconds: 5' http://169.254.169.254/latest/api/token";

/// Source: EC2 User Guide, "Access instance metadata for an EC2 instance", its table of response codes.
fn refusal(status: u16, asked: Asked<'_>) -> (&'static str, Remedy) {
    let (words, text) = match status {
        _ if asked.root_was_answered => (
            "root is answered, so something on the instance looks at who asks",
            "Let the keys user pass the metadata proxy on this instance: `iptables -t nat -S OUTPUT` and `nft list ruleset` show \
             where requests are sent",
        ),
        403 => (
            "the metadata endpoint of this instance is switched off",
            "Switch it on from anywhere with `aws ec2 modify-instance-metadata-options --http-endpoint enabled` for this instance; \
             it takes effect within seconds and needs no restart",
        ),
        401 => (
            "the token was not taken",
            "Find what changes requests to 169.254.169.254 on their way: a metadata proxy, or a rule in `iptables -t nat -S`",
        ),
        404 => (
            "what answers there does not look like EC2's metadata service",
            "Stop the program that answers at 169.254.169.254 instead of EC2: a metadata proxy for containers, or one for another \
             cloud (`ip addr show`, `iptables -t nat -S`)",
        ),
        503 => (
            "too many requests are sent to it",
            "Find the program on this instance that floods the metadata service (`ss -tnp dst 169.254.169.254`) and let it keep \
             what it was told",
        ),
        _ => (
            "the keys command takes 200 alone",
            "Find what answers at 169.254.169.254 instead of EC2: `ip route get 169.254.169.254` and `iptables -t nat -S` show the way",
        ),
    };
    let verify = if asked.root_was_answered { VERIFY_AS_KEYS_USER } else { VERIFY };
    (words, Remedy::by_hand(text, verify))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_silence_are_told_from_words_for_not_having_looked() {
        for (reason, silence) in [
            ("Connection refused (os error 111)", Some(Silence::Refused)),
            ("connection refused or no route to host", Some(Silence::RefusedOrNoRoute)),
            ("the server closed without an answer", Some(Silence::Broken)),
            ("timed out after 1 s", Some(Silence::TimedOut)),
            ("connection timed out", Some(Silence::TimedOut)),
            ("deadline has elapsed", Some(Silence::TimedOut)),
            ("No route to host (os error 113)", Some(Silence::NoRoute)),
            ("Network is unreachable (os error 101)", Some(Silence::NoRoute)),
            ("connection reset by peer", Some(Silence::Broken)),
            ("no HTTP answer: invalid HTTP version parsed", Some(Silence::Broken)),
            ("become ec2-instance-connect: timed out after 6 s", None),
            ("permission denied: cannot become `ec2-instance-connect`", None),
            ("not running as root", None),
            ("", None),
        ] {
            assert_eq!(Silence::of(reason), silence, "{reason}");
        }
    }
}
