use std::net::{IpAddr, Ipv4Addr};

use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Untrusted, Verdict, check};
use ipnet::IpNet;

use crate::checks::arrival;
use crate::checks::packet_filter::Tri;
use crate::checks::source::{self, Span, words};
use crate::facts::{AccessLine, AccessList, HostsAccessFacts, OsFacts};

check! {
    /// `/etc/hosts.allow` and `/etc/hosts.deny` let the source reach sshd, where sshd reads them at all.
    ///
    /// ## Why it matters
    /// sshd on Amazon Linux 2, Debian and Ubuntu is built with TCP wrappers: before any key is asked for it looks for the client's
    /// address in `/etc/hosts.allow`, then in `/etc/hosts.deny`, and closes the connection at once when a line refuses it. The client
    /// sees `kex_exchange_identification: Connection closed by remote host`, the log `refused connect from …`. Hardening guides
    /// put `ALL: ALL` into `hosts.deny`, and tools such as DenyHosts and fail2ban add addresses there. sshd on Amazon Linux 2023,
    /// RHEL 8 and later does not read these files.
    ///
    /// ## How to look by hand
    /// On the instance: `grep -v '^#' /etc/hosts.allow /etc/hosts.deny`, and whether sshd reads them:
    /// `ldd /usr/sbin/sshd | grep libwrap`. The first line that matches decides, `hosts.allow` before `hosts.deny`; no line lets in.
    ///
    /// ## How to mend
    /// Add `sshd : ADDRESS` to `/etc/hosts.allow`, before a line that refuses it there; a net is written `203.0.113.0/255.255.255.0`
    /// or `[2001:db8::]/32`. For the console's browser client the source is the Region's EC2 Instance Connect range. sshd
    /// reads the files at each connection.
    ///
    /// ## References
    /// - hosts_access(5), hosts_options(5)
    pub static CHECK: OsFacts = {
        id: "os.firewall.hosts-access",
        title: "hosts.allow and hosts.deny let the source in",
        needs: [],
        judge: judge,
    }
}

const ALLOW: &str = "/etc/hosts.allow";
const DENY: &str = "/etc/hosts.deny";
/// `EXCEPT` in `EXCEPT`; nobody writes more than one.
const DEPTH: usize = 8;

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let access = &facts.firewall.hosts_access;
    if access.sshd_reads_them == Fact::Known(false) {
        return Ok(Verdict::ok("sshd is built without TCP wrappers", "sshd's program"));
    }
    let allow = access.allow.present(ALLOW)?.map(Vec::as_slice).unwrap_or_default();
    let deny = access.deny.present(DENY)?.map(Vec::as_slice).unwrap_or_default();
    if allow.is_empty() && deny.is_empty() {
        return Ok(Verdict::ok("no line about sshd", format!("{ALLOW}, {DENY}")));
    }
    let source = source::of(facts, attempt);
    let reading = Reading { own: arrival::of(facts, attempt).destinations(), access, allow, deny };
    let Some(portions) = source.portions(reading.cuts()) else {
        return Err(Verdict::unknown("the files tell more sources apart than are followed"));
    };
    let decisions: Vec<(Span, Decision<'_>)> =
        portions.into_iter().map(|portion| (portion, reading.decide(&portion))).collect();
    let is_refused = |(_, decision): &&(Span, Decision<'_>)| matches!(decision, Decision::Refused(_));
    let refused: Vec<&(Span, Decision<'_>)> = decisions.iter().filter(is_refused).collect();
    let undecided = decisions.iter().find_map(|(_, decision)| match decision {
        Decision::Undecided(line, why) => {
            Some(format!("whether {} may connect hangs on {why} in {line}", source.words))
        }
        _ => None,
    });
    let Some((_, Decision::Refused(first))) = refused.first().copied() else {
        return match undecided {
            Some(why) => Err(Verdict::unknown(why)),
            None => Ok(Verdict::ok(format!("they let {} in", source.words), format!("{ALLOW}, {DENY}"))),
        };
    };
    // Only now it matters whether sshd reads them.
    access.sshd_reads_them.need("whether sshd is built with TCP wrappers")?;
    let spans: Vec<Span> = refused.iter().map(|(span, _)| *span).collect();
    let is_whole = refused.len() == decisions.len();
    if !is_whole && !source.is_known() {
        let admitted: Vec<Span> = decisions.iter().filter(|one| !is_refused(one)).map(|(span, _)| *span).collect();
        let what = if admitted.len() < spans.len() { words(&admitted) } else { format!("all but {}", words(&spans)) };
        return Err(Verdict::unknown(format!("the attempt names no source, and {first} lets only {what} in")));
    }
    if let Some(why) = undecided.filter(|_| !is_whole) {
        return Err(Verdict::unknown(why));
    }
    let from = if is_whole { source.words.clone() } else { format!("a part of {}: {}", source.words, words(&spans)) };
    let finding =
        Finding::new(format!("{} refuses sshd's clients from {from}", first.file), remedy(first, &source.nets))
            .with([Evidence::new(first.text(), format!("{}:{}", first.file, first.line.line))]);
    Ok(if is_whole { Verdict::fail(finding) } else { Verdict::warn(finding) })
}

#[derive(Clone, Copy)]
struct Line<'a> {
    file: &'static str,
    line: &'a AccessLine,
}

impl Line<'_> {
    fn text(&self) -> String {
        let join = |words: &[Untrusted]| words.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let options: String = self.line.options.iter().map(|option| format!(" : {option}")).collect();
        format!("{} : {}{options}", join(&self.line.daemons), join(&self.line.clients)).chars().take(200).collect()
    }
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} line {}", self.file, self.line.line)
    }
}

enum Decision<'a> {
    Granted,
    Refused(Line<'a>),
    Undecided(Line<'a>, String),
}

struct Reading<'a> {
    /// The addresses that may be dialled.
    own: Vec<IpAddr>,
    access: &'a HostsAccessFacts,
    allow: &'a [AccessLine],
    deny: &'a [AccessLine],
}

impl<'a> Reading<'a> {
    fn cuts(&self) -> impl Iterator<Item = Span> {
        let in_lines = self.allow.iter().chain(self.deny).flat_map(|line| &line.clients);
        let in_lists = self.access.lists.iter().filter_map(|list| list.clients.known()).flatten();
        in_lines.chain(in_lists).filter_map(|client| net(client.raw())).map(|net| Span::of_net(&net))
    }

    /// The first line that matches decides, `hosts.allow` before `hosts.deny`; no line lets in.
    fn decide(&self, portion: &Span) -> Decision<'a> {
        let lines = self.allow.iter().map(|line| (ALLOW, line)).chain(self.deny.iter().map(|line| (DENY, line)));
        let (mut may_be_granted, mut may_be_refused, mut doubt) = (false, None, None);
        for (file, line) in lines {
            let here = Line { file, line };
            let (daemons, clients) = (refs(&line.daemons), refs(&line.clients));
            let matches = list(&daemons, 0, &|daemon| is_sshd(daemon, &self.own))
                .and(list(&clients, 0, &|client| self.is_client(client, portion)));
            if matches == Tri::No {
                continue;
            }
            let refuses = refuses(line, file == DENY);
            match refuses {
                Tri::Yes => may_be_refused = may_be_refused.or(Some(here)),
                Tri::No => may_be_granted = true,
                Tri::Maybe => {
                    may_be_granted = true;
                    may_be_refused = may_be_refused.or(Some(here));
                    doubt = doubt.or_else(|| Some((here, "its options".to_owned())));
                }
            }
            if matches == Tri::Yes {
                return decision(may_be_granted, may_be_refused, doubt);
            }
            doubt = doubt.or_else(|| Some((here, format!("`{}`", here.text()))));
        }
        decision(true, may_be_refused, doubt)
    }

    fn is_client(&self, client: &str, portion: &Span) -> Tri {
        if let Some(path) = client.strip_prefix('/').map(|_| client) {
            let is_named = |list: &&AccessList| list.path.raw() == path;
            let clients = self.access.lists.iter().find(is_named).and_then(|list| list.clients.known());
            // A list in a list is not followed, nor by libwrap to any purpose.
            return clients.map_or(Tri::Maybe, |clients| {
                list(&refs(clients), 0, &|client| {
                    if client.starts_with('/') { Tri::Maybe } else { is_address(client, portion) }
                })
            });
        }
        is_address(client, portion)
    }
}

fn decision<'a>(
    may_be_granted: bool,
    may_be_refused: Option<Line<'a>>,
    doubt: Option<(Line<'a>, String)>,
) -> Decision<'a> {
    match (may_be_refused, doubt) {
        (None, _) => Decision::Granted,
        (Some(line), _) if !may_be_granted => Decision::Refused(line),
        (Some(_), Some((line, why))) => Decision::Undecided(line, why),
        (Some(line), None) => Decision::Refused(line),
    }
}

fn refs(words: &[Untrusted]) -> Vec<&str> {
    words.iter().map(Untrusted::raw).collect()
}

/// `a b EXCEPT c EXCEPT d` is `a b` without what is in `c EXCEPT d`.
fn list(words: &[&str], depth: usize, is: &dyn Fn(&str) -> Tri) -> Tri {
    let border = words.iter().position(|word| word.eq_ignore_ascii_case("EXCEPT"));
    let (included, excepted) = match border {
        Some(at) => (words.get(..at).unwrap_or_default(), words.get(at + 1..)),
        None => (words, None),
    };
    let mut found = Tri::No;
    for word in included {
        match is(word) {
            Tri::Yes => {
                found = Tri::Yes;
                break;
            }
            Tri::Maybe => found = Tri::Maybe,
            Tri::No => {}
        }
    }
    match excepted {
        Some(_) if depth >= DEPTH => Tri::Maybe,
        Some(excepted) => found.and(list(excepted, depth + 1, is).not()),
        None => found,
    }
}

/// `sshd`, `ALL`, a pattern, or one of them for one of several addresses of this host: `sshd@ADDRESS`.
fn is_sshd(daemon: &str, own: &[IpAddr]) -> Tri {
    let (name, at) = daemon.split_once('@').map_or((daemon, None), |(name, at)| (name, Some(at)));
    let is_name = name.eq_ignore_ascii_case("ALL") || fits(&name.to_ascii_lowercase(), "sshd");
    match at {
        _ if !is_name => Tri::No,
        None => Tri::Yes,
        Some(at) => {
            let mut each = own.iter().map(|address| is_address(at, &Span::of_address(*address)));
            let first = each.next().unwrap_or(Tri::Maybe);
            if each.all(|other| other == first) { first } else { Tri::Maybe }
        }
    }
}

/// `*` stands for any characters, `?` for one.
fn fits(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            let rest = rest.as_str().trim_start_matches('*');
            ends.filter_map(|at| name.get(at..)).any(|name| fits(rest, name))
        }
        Some(character) => {
            let mut name = name.chars();
            name.next().is_some_and(|found| character == '?' || found == character)
                && fits(rest.as_str(), name.as_str())
        }
    }
}

/// A name needs the name service, which answers to sshd and not to us.
fn is_address(client: &str, portion: &Span) -> Tri {
    if client.eq_ignore_ascii_case("ALL") {
        return Tri::Yes;
    }
    if let Some(net) = net(client) {
        let span = Span::of_net(&net);
        return match (span.contains(portion), span.overlaps(portion)) {
            (true, _) => Tri::Yes,
            (false, true) => Tri::Maybe,
            (false, false) => Tri::No,
        };
    }
    // The client's own user, which nobody tells; but the host behind it may be another.
    if let Some((user, host)) = client.split_once('@')
        && !user.is_empty()
    {
        return is_address(host, portion).and(Tri::Maybe);
    }
    Tri::Maybe
}

/// An address, a net, the beginning of an address (`203.0.113.`) or the same with a star.
fn net(client: &str) -> Option<IpNet> {
    if let Some((address, length)) = client.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let address: IpAddr = address.parse().ok()?;
        let length = length.strip_prefix('/').map_or(Some(128), |length| length.parse().ok())?;
        return IpNet::new(address, length).ok();
    }
    if let Ok(address) = client.parse::<IpAddr>() {
        return Some(address.into());
    }
    if let Some((address, mask)) = client.split_once('/') {
        let address: Ipv4Addr = address.parse().ok()?;
        let length = match mask.parse::<Ipv4Addr>() {
            Ok(mask) => ipnet::ip_mask_to_prefix(mask.into()).ok()?,
            Err(_) => mask.parse().ok()?,
        };
        return IpNet::new(address.into(), length).ok();
    }
    let begun = client.strip_suffix('*').unwrap_or(client).strip_suffix('.')?;
    let octets: Vec<u8> = begun.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let mut whole = [0; 4];
    whole.get_mut(..octets.len())?.copy_from_slice(&octets);
    IpNet::new(Ipv4Addr::from(whole).into(), u8::try_from(octets.len() * 8).ok()?).ok()
}

/// What a line that matches does: the file's own answer, unless an option says otherwise (hosts_options(5)).
fn refuses(line: &AccessLine, is_deny: bool) -> Tri {
    for option in &line.options {
        let keyword = option.raw().split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        match keyword.to_ascii_lowercase().as_str() {
            "allow" => return Tri::No,
            // Another program answers in sshd's place.
            "deny" | "twist" => return Tri::Yes,
            "aclexec" => return Tri::Maybe,
            _ => {}
        }
    }
    if is_deny { Tri::Yes } else { Tri::No }
}

fn remedy(line: &Line<'_>, nets: &[IpNet]) -> Remedy {
    let text = "Let this source alone in, as root on the instance; sshd reads the files at each connection";
    let verify = "grep -v '^#' /etc/hosts.allow /etc/hosts.deny";
    if nets.is_empty() {
        let text = format!(
            "Add `sshd : ADDRESS` to {ALLOW} for each source, before a line there that refuses it, as root on the instance"
        );
        return Remedy::by_hand(text, verify);
    }
    let clients: Vec<String> = nets.iter().map(written).collect();
    let new = format!("sshd : {}", clients.join(" "));
    // A line of hosts.deny is asked after all of hosts.allow; one of hosts.allow must have the new one before it.
    let command = if line.file == ALLOW {
        Command::new("sed").args(["-i", &format!("1i {new}"), ALLOW])
    } else {
        Command::new("sh").args(["-c", &format!("printf \"\\n{new}\\n\" | tee -a {ALLOW}")])
    };
    Remedy::by_command(text, &command, verify)
}

/// As every version of libwrap reads it.
fn written(net: &IpNet) -> String {
    match net {
        _ if net.prefix_len() == net.max_prefix_len() && net.addr().is_ipv4() => net.addr().to_string(),
        IpNet::V4(net) => format!("{}/{}", net.network(), net.netmask()),
        IpNet::V6(net) => format!("[{}]/{}", net.network(), net.prefix_len()),
    }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, changes};
    use crate::facts::{AccessList, OsFacts};
    use crate::parse::parse_hosts_access;

    const FAIL: [&str; 1] = ["os.firewall.hosts-access fail"];
    const UNKNOWN: [&str; 1] = ["os.firewall.hosts-access unknown"];
    const OK: [&str; 0] = [];

    fn set(facts: &mut OsFacts, allow: &str, deny: &str) {
        let access = &mut facts.firewall.hosts_access;
        access.allow = Fact::Known(parse_hosts_access(allow.as_bytes()).value);
        access.deny = Fact::Known(parse_hosts_access(deny.as_bytes()).value);
        access.sshd_reads_them = Fact::Known(true);
    }

    fn with(allow: &str, deny: &str) -> Vec<String> {
        changes(healthy::ubuntu_2404(), |facts, _| set(facts, allow, deny))
    }

    #[test]
    fn deny_all_refuses_unless_allow_lets_in_first() {
        assert_eq!(with("", "ALL: ALL\n"), FAIL);
        assert_eq!(with("sshd: 203.0.113.\n", "ALL: ALL\n"), OK);
        assert_eq!(with("sshd: 203.0.113.0/255.255.255.0\n", "ALL: ALL\n"), OK);
        assert_eq!(with("sshd: 198.51.100.7\n", "ALL: ALL\n"), FAIL);
        assert_eq!(with("vsftpd: ALL\n", "ALL: ALL\n"), FAIL);
        assert_eq!(with("", "vsftpd: ALL\n"), OK);
        assert_eq!(with("", "sshd: [2001:db8::]/32\n"), OK);
        assert_eq!(with("", "SSHD: all except 198.51.100.7\n"), FAIL);
        assert_eq!(with("", "ss*: 203.0.113.*\n"), FAIL);
        assert_eq!(with("", "sshd@10.0.1.5: ALL\n"), FAIL);
        assert_eq!(with("", "sshd@10.0.9.9: ALL\n"), OK);
    }

    #[test]
    fn exceptions_and_options_turn_an_answer() {
        assert_eq!(with("", "sshd: ALL EXCEPT 203.0.113.7\n"), OK);
        assert_eq!(with("", "sshd: ALL EXCEPT 203.0.113. EXCEPT 203.0.113.7\n"), FAIL);
        assert_eq!(with("", "ALL EXCEPT sshd: ALL\n"), OK);
        assert_eq!(with("sshd: ALL: DENY\n", ""), FAIL);
        assert_eq!(with("sshd: ALL: spawn (logger x) &: deny\n", ""), FAIL);
        assert_eq!(with("sshd: ALL: twist /bin/echo no\n", ""), FAIL);
        assert_eq!(with("", "sshd: ALL: allow\n"), OK);
    }

    #[test]
    fn a_name_is_not_decided_here_unless_nothing_hangs_on_it() {
        assert_eq!(with("sshd: .example.com\n", "ALL: ALL\n"), UNKNOWN);
        assert_eq!(with("sshd: .example.com\n", ""), OK);
        assert_eq!(with("", "ALL: PARANOID\n"), UNKNOWN);
        assert_eq!(with("sshd: ALL\n", "ALL: PARANOID\n"), OK);
    }

    #[test]
    fn a_list_in_a_file_of_its_own_is_read() {
        let listed = |clients: &[&str]| {
            let clients = Fact::Known(clients.iter().map(|client| (*client).into()).collect());
            changes(healthy::ubuntu_2404(), |facts, _| {
                set(facts, "", "sshd: /etc/hosts.evil\n");
                facts.firewall.hosts_access.lists = vec![AccessList { path: "/etc/hosts.evil".into(), clients }];
            })
        };
        assert_eq!(listed(&["198.51.100.1", "203.0.113.7"]), FAIL);
        assert_eq!(listed(&["198.51.100.1"]), OK);
        assert_eq!(with("", "sshd: /etc/hosts.evil\n"), UNKNOWN);
    }

    #[test]
    fn an_sshd_without_tcp_wrappers_does_not_care() {
        let changed = changes(healthy::al2023(), |facts, _| {
            set(facts, "", "ALL: ALL\n");
            facts.firewall.hosts_access.sshd_reads_them = Fact::Known(false);
        });
        assert_eq!(changed, OK);
        let changed = changes(healthy::al2023(), |facts, _| {
            set(facts, "", "ALL: ALL\n");
            facts.firewall.hosts_access.sshd_reads_them = Fact::unreadable("permission denied");
        });
        assert_eq!(changed, UNKNOWN);
    }

    #[test]
    fn the_remedy_names_the_source_alone_and_stands_before_what_refuses() {
        let mut world = healthy::ubuntu_2404();
        set(&mut world.facts, "", "ALL: ALL\n");
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        let command = r#"sh -c 'printf "\nsshd : 203.0.113.7\n" | tee -a /etc/hosts.allow'"#;
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
        set(&mut world.facts, "sshd: ALL: DENY\n", "");
        world.attempt.source = Some("203.0.113.0/24".parse().unwrap());
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        let command = "sed -i '1i sshd : 203.0.113.0/255.255.255.0' /etc/hosts.allow";
        assert_eq!(finding.remedy.command.as_deref(), Some(command));
    }

    #[test]
    fn a_source_that_is_let_in_by_half_is_a_warning_and_an_unnamed_one_is_unknown() {
        let mut world = healthy::ubuntu_2404();
        set(&mut world.facts, "sshd: 203.0.113.0/25\n", "ALL: ALL\n");
        world.attempt.source = Some("203.0.113.0/24".parse().unwrap());
        let Ok(Verdict::Warn(finding)) = judge(&world.facts, &world.attempt) else { panic!("no warning") };
        let why = "/etc/hosts.deny refuses sshd's clients from a part of 203.0.113.0/24: 203.0.113.128/25";
        assert_eq!(finding.why, why);
        world.attempt.source = None;
        let Err(Verdict::Unknown { why, .. }) = judge(&world.facts, &world.attempt) else { panic!("not unknown") };
        let said = "the attempt names no source, and /etc/hosts.deny line 1 lets only 203.0.113.0/25 in";
        assert_eq!(why, said);
    }
}
