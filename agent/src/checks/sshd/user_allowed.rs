use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Untrusted, Verdict, check};
use ipnet::IpNet;

use crate::checks::account::{EFFECTIVE, account};
use crate::checks::sshd::lines::{self, edit};
use crate::facts::{Account, ConfigSetting, EffectiveConfig, OsFacts};
use crate::source;

check! {
    /// sshd's own lists of users and groups let this user in from this source.
    ///
    /// ## Why it matters
    /// `DenyUsers`, `AllowUsers`, `DenyGroups` and `AllowGroups` are looked at in that order before any key is. Whoever one of them
    /// refuses is no user to sshd: it asks no keys command, the client sees `Permission denied (publickey)`, and the log says `User …
    /// from … not allowed because …`. Hardening guides set `AllowUsers` or `AllowGroups`, and forget the user that keys are pushed for;
    /// a pattern `USER@HOST` admits from some addresses only, and the console's client comes from addresses that few people list.
    /// `DenyUsers` wins over `AllowUsers`, and a user needs a yes of both `AllowUsers` and `AllowGroups` where both are set. Patterns
    /// tell capitals from small letters.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T -C user=NAME,host=x,addr=ADDRESS | grep -iE '(allow|deny)(users|groups)'`, `id NAME`, and
    /// `journalctl -u ssh.service -u sshd.service | grep 'not allowed because'`.
    ///
    /// ## How to mend
    /// - `AllowUsers`: add the user to the line, or a line `AllowUsers NAME`; several lines count together.
    /// - `AllowGroups`: make the user a member of a group that is listed: `usermod -aG GROUP NAME`; sshd looks at each login.
    /// - `DenyUsers`, `DenyGroups`: take the pattern out.
    ///
    /// Then `sshd -t`, and reload sshd where a file changed.
    ///
    /// ## References
    /// - sshd_config(5): AllowUsers, DenyUsers, AllowGroups, DenyGroups, PATTERNS in ssh_config(5)
    /// - OpenSSH, `auth.c`: `allowed_user`; `match.c`: `match_user`
    pub static CHECK: OsFacts = {
        id: "os.sshd.user-allowed",
        title: "sshd's lists of users and groups let the user in",
        needs: ["os.account.os-user", "os.sshd.running"],
        judge: judge,
    }
}

const VERIFY: &str = "eic-doctor-agent check --only os.sshd.user-allowed";
/// The name of no user and no group.
const NOBODY: &str = "none";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
    /// It hangs on where the connection comes from, or on a name that DNS tells.
    Unsure,
}

impl Fits {
    fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unsure, _) | (_, Self::Unsure) => Self::Unsure,
            (Self::No, Self::No) => Self::No,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Allowed,
    Refused(Refusal),
    Unsure(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// A pattern of DenyUsers fits.
    Denied(String),
    NotListed,
    /// A pattern of DenyGroups fits the group.
    GroupDenied {
        pattern: String,
        group: String,
    },
    NoGroupListed,
    NoGroups,
}

impl Refusal {
    fn keyword(&self) -> &'static str {
        match self {
            Self::Denied(_) => "DenyUsers",
            Self::NotListed => "AllowUsers",
            Self::GroupDenied { .. } => "DenyGroups",
            Self::NoGroupListed | Self::NoGroups => "AllowGroups",
        }
    }
}

/// sshd's four lists, and what their patterns are held against.
struct Lists<'a> {
    account: &'a Account,
    /// `None`: nobody could look them up.
    groups: Option<Vec<&'a str>>,
    deny_users: Vec<&'a str>,
    allow_users: Vec<&'a str>,
    deny_groups: Vec<&'a str>,
    allow_groups: Vec<&'a str>,
    uses_dns: bool,
}

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = facts.sshd.effective.need("sshd's effective configuration")?;
    let lists = Lists::of(facts, config, account(facts, attempt)?);
    if lists.is_empty() {
        return Ok(Verdict::ok("no list of users or groups", EFFECTIVE));
    }
    let needs_groups = !lists.deny_groups.is_empty() || !lists.allow_groups.is_empty();
    if needs_groups && lists.groups.is_none() {
        facts.account.groups.need(&format!("the groups of `{}`", attempt.os_user))?;
    }
    let from = source::of(facts, attempt);
    let addresses = lists.addresses(from.as_deref());
    let mut refused: Option<(Option<IpAddr>, Refusal)> = None;
    let mut allowed: Option<Option<IpAddr>> = None;
    for address in addresses {
        match lists.answer(address) {
            Answer::Allowed => allowed = Some(address),
            Answer::Refused(refusal) => refused = Some((address, refusal)),
            Answer::Unsure(keyword) => {
                let why = match address {
                    Some(_) => format!(
                        "whether a pattern of {keyword} fits hangs on a name that DNS tells, or on each single address"
                    ),
                    None => format!("{keyword} asks where the connection comes from, and nobody said"),
                };
                return Err(lists.seen(Verdict::unknown(why)));
            }
        }
    }
    Ok(match (refused, allowed) {
        (None, _) => lists.seen(Verdict::ok(format!("{} may log in", attempt.os_user), EFFECTIVE)),
        (Some((_, refusal)), None) => {
            let why = format!("sshd takes {} for no user at all: {}", attempt.os_user, words(&refusal, attempt));
            let finding = Finding::new(why, remedy(facts, attempt, &lists, &refusal, from.as_deref()));
            Verdict::fail(finding.with(lists.evidence()))
        }
        (Some((no, refusal)), Some(yes)) => {
            let shown = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
            let why = format!(
                "{} lets {} in from a part of the source only: from {}, and not from {}",
                refusal.keyword(),
                attempt.os_user,
                shown(yes),
                shown(no)
            );
            return Err(lists.seen(Verdict::unknown(why)));
        }
    })
}

fn words(refusal: &Refusal, attempt: &Attempt) -> String {
    let user = &attempt.os_user;
    match refusal {
        Refusal::Denied(pattern) => format!("`{}` of DenyUsers fits", Untrusted::from(pattern.as_str())),
        Refusal::NotListed => format!("no pattern of AllowUsers fits {user} from there"),
        Refusal::GroupDenied { pattern, group } => format!(
            "`{}` of DenyGroups fits the group `{}`",
            Untrusted::from(pattern.as_str()),
            Untrusted::from(group.as_str())
        ),
        Refusal::NoGroupListed => format!("no group of {user} is listed in AllowGroups"),
        Refusal::NoGroups => format!("{user} is in no group that has a name"),
    }
}

impl<'a> Lists<'a> {
    fn of(facts: &'a OsFacts, config: &'a EffectiveConfig, account: &'a Account) -> Self {
        let values = |keyword: &str| -> Vec<&'a str> {
            config
                .keywords
                .get(keyword)
                .into_iter()
                .flatten()
                .map(Untrusted::raw)
                .filter(|value| !value.is_empty())
                .collect()
        };
        Self {
            account,
            groups: match &facts.account.groups {
                Fact::Known(groups) => Some(groups.iter().map(|group| group.name.raw()).collect()),
                Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => None,
            },
            deny_users: values("denyusers"),
            allow_users: values("allowusers"),
            deny_groups: values("denygroups"),
            allow_groups: values("allowgroups"),
            uses_dns: config.first("usedns").is_some_and(|value| value.raw() == "yes"),
        }
    }

    fn named(&self) -> [(&'static str, &[&'a str]); 4] {
        [
            ("DenyUsers", &self.deny_users),
            ("AllowUsers", &self.allow_users),
            ("DenyGroups", &self.deny_groups),
            ("AllowGroups", &self.allow_groups),
        ]
    }

    fn is_empty(&self) -> bool {
        self.named().iter().all(|(_, patterns)| patterns.is_empty())
    }

    fn evidence(&self) -> Vec<Evidence> {
        let named = self.named().into_iter().filter(|(_, patterns)| !patterns.is_empty());
        let mut evidence: Vec<Evidence> = named
            .map(|(keyword, patterns)| Evidence::new(format!("{keyword} {}", patterns.join(" ")), EFFECTIVE))
            .collect();
        if let Some(groups) =
            self.groups.as_ref().filter(|_| !self.deny_groups.is_empty() || !self.allow_groups.is_empty())
        {
            evidence.push(Evidence::new(format!("in the groups {}", groups.join(", ")), "group"));
        }
        evidence
    }

    fn seen(&self, verdict: Verdict) -> Verdict {
        self.evidence().into_iter().fold(verdict, |verdict, evidence| verdict.seen(evidence.seen, evidence.at))
    }

    fn hosts(&self) -> impl Iterator<Item = &'a str> {
        let patterns = self.deny_users.iter().chain(&self.allow_users);
        patterns.filter_map(|pattern| Some(pattern.rsplit_once('@')?.1)).flat_map(|hosts| hosts.split(','))
    }

    /// Addresses that stand for all of the source; each one of it where a pattern wants to see it.
    fn addresses(&self, from: Option<&[IpNet]>) -> Vec<Option<IpAddr>> {
        let Some(from) = from else { return vec![None] };
        let hosts: Vec<&str> = self.hosts().map(|host| host.strip_prefix('!').unwrap_or(host)).collect();
        if hosts.iter().any(|host| *host != "*" && network(host).is_none())
            && let Some(each) = source::each(from)
        {
            return each.into_iter().map(Some).collect();
        }
        let borders: Vec<IpNet> = hosts.into_iter().filter_map(network).collect();
        source::representatives(from, &borders).into_iter().map(Some).collect()
    }

    fn answer(&self, address: Option<IpAddr>) -> Answer {
        let fits = |pattern: &str| self.fits_user(pattern, address);
        let mut doubt = None;
        for pattern in &self.deny_users {
            match fits(pattern) {
                Fits::Yes => return Answer::Refused(Refusal::Denied((*pattern).to_owned())),
                Fits::Unsure => doubt = Some("DenyUsers"),
                Fits::No => {}
            }
        }
        if !self.allow_users.is_empty() {
            match self.allow_users.iter().map(|pattern| fits(pattern)).fold(Fits::No, Fits::or) {
                Fits::Yes => {}
                Fits::No => return Answer::Refused(Refusal::NotListed),
                Fits::Unsure => doubt = doubt.or(Some("AllowUsers")),
            }
        }
        if let Some(groups) =
            self.groups.as_ref().filter(|_| !self.deny_groups.is_empty() || !self.allow_groups.is_empty())
        {
            if groups.is_empty() {
                return Answer::Refused(Refusal::NoGroups);
            }
            let hit = |patterns: &[&str]| {
                groups.iter().find_map(|group| {
                    let pattern = patterns.iter().find(|pattern| source::is_like(group, pattern))?;
                    Some(((*pattern).to_owned(), (*group).to_owned()))
                })
            };
            if let Some((pattern, group)) = hit(&self.deny_groups) {
                return Answer::Refused(Refusal::GroupDenied { pattern, group });
            }
            if !self.allow_groups.is_empty() && hit(&self.allow_groups).is_none() {
                return Answer::Refused(Refusal::NoGroupListed);
            }
        }
        doubt.map_or(Answer::Allowed, Answer::Unsure)
    }

    fn fits_user(&self, pattern: &str, address: Option<IpAddr>) -> Fits {
        let name = self.account.name.raw();
        match pattern.rsplit_once('@') {
            None => Fits::of(source::is_like(name, pattern)),
            Some((user, _)) if !source::is_like(name, user) => Fits::No,
            Some((_, hosts)) => self.fits_host(hosts, address),
        }
    }

    /// A list with `!`: one that is excluded excludes, whatever else fits.
    fn fits_host(&self, hosts: &str, address: Option<IpAddr>) -> Fits {
        let mut found = Fits::No;
        for host in hosts.split(',') {
            let (is_excluded, host) = match host.strip_prefix('!') {
                Some(host) => (true, host),
                None => (false, host),
            };
            let fits = match (address, network(host)) {
                _ if host == "*" => Fits::Yes,
                (Some(address), Some(network)) => Fits::of(network.contains(&address)),
                (Some(address), None) if source::is_like(&address.to_string(), &host.to_ascii_lowercase()) => Fits::Yes,
                // What sshd calls the other side is its address, unless it asks DNS.
                (Some(_), None) if !self.uses_dns => Fits::No,
                (Some(_), None) | (None, _) => Fits::Unsure,
            };
            match (fits, is_excluded) {
                (Fits::Yes, true) => return Fits::No,
                (Fits::Unsure, true) => found = if found == Fits::No { Fits::No } else { Fits::Unsure },
                (fits, false) => found = found.or(fits),
                (Fits::No, true) => {}
            }
        }
        found
    }
}

/// An address, a network, or `192.0.2.*`.
fn network(host: &str) -> Option<IpNet> {
    if let Some(network) = source::of_wildcard(host) {
        return Some(network);
    }
    host.parse().ok().or_else(|| host.parse::<IpAddr>().ok().map(IpNet::from))
}

fn remedy(facts: &OsFacts, attempt: &Attempt, lists: &Lists<'_>, refusal: &Refusal, from: Option<&[IpNet]>) -> Remedy {
    let user = attempt.os_user.as_str();
    match refusal {
        Refusal::NotListed => {
            let is_about_user = |pattern: &&str| {
                pattern.rsplit_once('@').is_some_and(|(name, _)| source::is_like(lists.account.name.raw(), name))
            };
            // Somebody wants to see where the user comes from: then so does the new pattern.
            let word = match from {
                Some([from]) if lists.allow_users.iter().any(is_about_user) => {
                    format!("{user}@{}", shown(*from))
                }
                _ => user.to_owned(),
            };
            let line = format!("AllowUsers {word}");
            // The lines of a `Match` are taken instead of all others; those of files and of the command line count together.
            let place = deciding(facts, refusal.keyword()).iter().find_map(|line| line.at.as_ref());
            let first = || Command::new("sed").args(["-i.bak", &format!("1i {line}"), "/etc/ssh/sshd_config"]);
            match place.map_or_else(|| Some(first()), |place| edit::add_behind(place, &line)) {
                Some(command) => Remedy::by_command(
                    format!("List `{word}` too, as root on the instance; lines of AllowUsers count together"),
                    &lines::then_reload(facts, command),
                    VERIFY,
                ),
                None => Remedy::by_hand(
                    format!("List `{word}` too ({})", lines::hint(&deciding(facts, refusal.keyword()))),
                    VERIFY,
                ),
            }
        }
        Refusal::NoGroupListed | Refusal::NoGroups => {
            match lists.allow_groups.iter().find(|group| edit::is_name(group)) {
                Some(group) if facts.account.is_local != Fact::Known(false) => Remedy::by_command(
                    format!("Make `{user}` a member of a group that is listed, as root on the instance"),
                    &Command::new("groupadd")
                        .args(["-f", group])
                        .and(Command::new("usermod").args(["-aG", group, user])),
                    VERIFY,
                ),
                _ => Remedy::by_hand(format!("Make `{user}` a member of a group that AllowGroups lists"), VERIFY),
            }
        }
        Refusal::Denied(pattern) => {
            let name = lists.account.name.raw();
            let fits =
                |pattern: &str| source::is_like(name, pattern.rsplit_once('@').map_or(pattern, |(name, _)| name));
            undeny(facts, attempt, refusal.keyword(), pattern, name, fits)
        }
        Refusal::GroupDenied { pattern, group } => {
            let fits = |pattern: &str| lists.groups.iter().flatten().any(|group| source::is_like(group, pattern));
            undeny(facts, attempt, refusal.keyword(), pattern, group, fits)
        }
    }
}

/// The name is taken out where it stands, exactly so, in one line; whole lines where nothing but what fits stands in them; and where the
/// command line or a wider pattern denies, which others may be meant by, the user gets a list of its own.
fn undeny(
    facts: &OsFacts,
    attempt: &Attempt,
    keyword: &str,
    pattern: &str,
    exact: &str,
    fits: impl Fn(&str) -> bool,
) -> Remedy {
    let all = deciding(facts, keyword);
    let hits: Vec<(&ConfigSetting, &str)> = all
        .iter()
        .flat_map(|line| line.values.iter().map(|value| (*line, value.raw())))
        .filter(|(_, value)| fits(value))
        .collect();
    let is_of_match = all.iter().any(|line| line.condition.is_some());
    let is_bare = |line: &ConfigSetting| line.values.iter().all(|value| fits(value.raw()));
    // Without the lines of a `Match` those outside of it count again.
    let counts_again = || {
        let outside = settings(facts, keyword).filter(|line| line.condition.is_none() && !line.is_uncertain);
        all.iter().all(|line| is_bare(line)) && outside.flat_map(|line| &line.values).any(|value| fits(value.raw()))
    };
    let command = match hits.as_slice() {
        [(line, value)] if *value == exact && edit::is_name(exact) && line.values.len() > 1 => {
            line.at.as_ref().and_then(|place| edit::without(place, exact))
        }
        [(line, value)] if *value == exact && !is_of_match => {
            line.at.as_ref().and_then(|place| lines::comment(&[place]))
        }
        hits if is_of_match && !hits.is_empty() && hits.iter().all(|(line, _)| is_bare(line)) && !counts_again() => {
            let places: Option<Vec<_>> = hits.iter().map(|(line, _)| line.at.as_ref()).collect();
            places.and_then(|places| lines::comment(&places))
        }
        _ => None,
    };
    let text = format!("Take `{}` out of {keyword}", Untrusted::from(pattern));
    if let Some(command) = command {
        let text = format!("{text}, as root on the instance");
        return Remedy::by_command(text, &lines::then_reload(facts, command), VERIFY);
    }
    let lines: Vec<&ConfigSetting> = hits.into_iter().map(|(line, _)| line).collect();
    // The list of a `Match` is taken instead of what stands elsewhere.
    let own = format!("{keyword} {NOBODY}");
    match edit::match_user(facts, &attempt.os_user, &own)
        .filter(|_| !is_of_match && !lines.is_empty() && attempt.os_user.as_str() != NOBODY)
    {
        Some(command) => Remedy::by_command(
            format!(
                "{text} ({}); or let {} alone have `{own}` instead, as root on the instance",
                lines::hint(&lines),
                attempt.os_user
            ),
            &lines::then_reload(facts, command),
            VERIFY,
        ),
        None => Remedy::by_hand(format!("{text} ({}), and reload sshd", lines::hint(&lines)), VERIFY),
    }
}

/// The lines that make up the list in effect: those of a `Match`, else all others.
fn deciding<'a>(facts: &'a OsFacts, keyword: &str) -> Vec<&'a ConfigSetting> {
    let lines: Vec<&ConfigSetting> = settings(facts, keyword).filter(|line| !line.is_uncertain).collect();
    let is_of_match = lines.iter().any(|line| line.condition.is_some());
    lines.into_iter().filter(|line| line.condition.is_some() == is_of_match).collect()
}

fn settings<'a>(facts: &'a OsFacts, keyword: &str) -> impl Iterator<Item = &'a ConfigSetting> {
    let keyword = keyword.to_ascii_lowercase();
    let settings = facts.sshd.config.known().map_or(&[][..], |config| config.settings.as_slice());
    settings.iter().filter(move |line| line.keyword.raw() == keyword)
}

fn shown(from: IpNet) -> String {
    if from.prefix_len() == from.max_prefix_len() { from.addr().to_string() } else { from.trunc().to_string() }
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Finding, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World};
    use crate::facts::{ConfigPlace, ConfigSetting, Group, OsFacts};

    fn set(facts: &mut OsFacts, lines: &[(&str, &[&str])]) {
        let Fact::Known(config) = &mut facts.sshd.effective else { panic!("no effective configuration") };
        for (keyword, values) in lines {
            config.keywords.insert((*keyword).to_owned(), values.iter().map(|value| (*value).into()).collect());
        }
    }

    fn verdict(mut world: World, lines: &[(&str, &[&str])]) -> Verdict {
        set(&mut world.facts, lines);
        judge(&world.facts, &world.attempt).unwrap_or_else(|verdict| verdict)
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Ok { .. } => "ok",
            Verdict::Fail(_) => "fail",
            Verdict::Unknown { .. } => "unknown",
            Verdict::Warn(_) | Verdict::NotApplicable { .. } => "other",
        }
    }

    fn finding(world: World, lines: &[(&str, &[&str])]) -> Finding {
        match verdict(world, lines) {
            Verdict::Fail(finding) => finding,
            other => panic!("{other:?}"),
        }
    }

    /// Most of these were tried against a real sshd 9.2: `ec2-user`, in the groups `ec2-user` and `adm`, from 203.0.113.7.
    #[test]
    fn the_four_lists_are_looked_at_as_sshd_does() {
        for (lines, expected) in [
            (&[("allowusers", &["bob"][..])][..], "fail"),
            (&[("allowusers", &["bob", "ec2-*"])], "ok"),
            (&[("allowusers", &["EC2-USER"])], "fail"),
            (&[("allowusers", &["ec2-user@203.0.113.0/24"])], "ok"),
            (&[("allowusers", &["ec2-user@10.0.0.0/8"])], "fail"),
            (&[("allowusers", &["*@203.0.*"])], "ok"),
            (&[("allowusers", &["*@203.0.113.?"])], "ok"),
            (&[("allowusers", &["ec2-user@!203.0.113.7,*"])], "fail"),
            (&[("allowusers", &["ec2-user@!203.0.113.8,*"])], "ok"),
            (&[("allowusers", &["ec2-user@bastion.example.com"])], "fail"),
            (&[("denyusers", &["ec2-*"])], "fail"),
            (&[("denyusers", &["ec2-user@10.*"])], "ok"),
            (&[("denyusers", &["root", "bob"])], "ok"),
            (&[("denyusers", &["ec2-user"]), ("allowusers", &["ec2-user"])], "fail"),
            (&[("allowgroups", &["wheel", "ssh-*"])], "fail"),
            (&[("allowgroups", &["wheel", "a?m"])], "ok"),
            (&[("denygroups", &["ec2-user"])], "fail"),
            (&[("denygroups", &["adm"]), ("allowgroups", &["adm"])], "fail"),
            (&[("allowusers", &["ec2-user"]), ("allowgroups", &["wheel"])], "fail"),
            (&[("usedns", &["yes"]), ("allowusers", &["ec2-user@*.example.com"])], "unknown"),
        ] {
            assert_eq!(word(&verdict(healthy::al2023(), lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_source_that_is_let_in_in_parts_or_not_named_is_unknown() {
        let of_network = |pattern: &'static str| word(&verdict(healthy::al2(), &[("allowusers", &[pattern])]));
        // From 10.0.8.0/24.
        assert_eq!(of_network("*@10.0.8.*"), "ok");
        assert_eq!(of_network("*@10.0.8.0/25"), "unknown");
        assert_eq!(of_network("*@10.0.8.1*"), "unknown");
        assert_eq!(of_network("*@192.168.*"), "fail");
        let mut world = healthy::al2();
        world.attempt.source = None;
        assert_eq!(word(&verdict(world, &[("allowusers", &["*@10.0.8.*"])])), "unknown");
        let mut world = healthy::al2();
        world.attempt.source = None;
        assert_eq!(word(&verdict(world, &[("allowusers", &["*@10.0.8.*", "ec2-user"])])), "ok");
    }

    #[test]
    fn the_consoles_client_is_one_of_its_regions_range() {
        let found = verdict(healthy::ubuntu_2204(), &[("allowusers", &["ubuntu@18.202.216.48/29"])]);
        assert_eq!(word(&found), "ok");
        let refused = finding(healthy::ubuntu_2204(), &[("allowusers", &["ubuntu@198.51.100.7"])]);
        let command = refused.remedy.command.unwrap();
        assert!(
            command.starts_with("sed -i.bak '1i AllowUsers ubuntu@18.202.216.48/29' /etc/ssh/sshd_config"),
            "{command}"
        );
    }

    #[test]
    fn groups_that_nobody_could_look_up_are_unknown_only_where_a_list_asks() {
        let with = |lines: &[(&str, &[&str])]| {
            let mut world = healthy::rhel9();
            world.facts.account.groups = Fact::unreadable("`id -G`: timed out after 2 s");
            word(&verdict(world, lines))
        };
        assert_eq!(with(&[("allowgroups", &["wheel"])]), "unknown");
        assert_eq!(with(&[("allowusers", &["ec2-user"])]), "ok");
    }

    #[test]
    fn a_user_without_any_named_group_is_refused_where_groups_are_listed() {
        let mut world = healthy::rhel9();
        world.facts.account.groups = Fact::Known(Vec::<Group>::new());
        assert_eq!(word(&verdict(world, &[("denygroups", &["x"])])), "fail");
    }

    /// The command, where these lines of sshd's files decide.
    fn of_lines(keyword: &str, lines: &[(u32, Option<&str>, &[&str])]) -> (Option<String>, String) {
        let mut world = healthy::rhel9();
        let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
        config.settings.retain(|setting| setting.keyword.raw() != keyword);
        config.settings.extend(lines.iter().map(|(line, condition, values)| ConfigSetting {
            keyword: keyword.into(),
            values: values.iter().map(|value| (*value).into()).collect(),
            at: (*line > 0).then(|| ConfigPlace { file: "/etc/ssh/x.conf".into(), line: *line }),
            condition: condition.map(Into::into),
            is_uncertain: false,
        }));
        let is_of_match = lines.iter().any(|line| line.1.is_some());
        let counted = lines.iter().filter(|line| line.1.is_some() == is_of_match);
        let values: Vec<&str> = counted.flat_map(|line| line.2.iter().copied()).collect();
        let remedy = finding(world, &[(keyword, &values)]).remedy;
        (
            remedy
                .command
                .map(|command| command.replace(" && sshd -t && systemctl try-reload-or-restart sshd.service", "")),
            remedy.text,
        )
    }

    #[test]
    fn the_list_that_decides_is_the_one_that_is_mended() {
        let command = |lines: &[(u32, Option<&str>, &[&str])]| of_lines("allowusers", lines).0.unwrap();
        let in_match = [(9, Some("User ec2-user"), &["bob"][..]), (1, None, &["ec2-user"])];
        assert_eq!(command(&in_match), "sed -i.bak -E '9a AllowUsers ec2-user' /etc/ssh/x.conf");
        assert_eq!(command(&[(3, None, &["bob"])]), "sed -i.bak -E '3a AllowUsers ec2-user' /etc/ssh/x.conf");
        assert_eq!(command(&[(0, None, &["bob"])]), "sed -i.bak '1i AllowUsers ec2-user' /etc/ssh/sshd_config");
    }

    #[test]
    fn a_name_that_is_denied_in_one_line_is_taken_out_of_it() {
        let command = |lines: &[(u32, Option<&str>, &[&str])]| of_lines("denyusers", lines).0;
        let expected = |script: &str| Some(format!("sed -i.bak {script} /etc/ssh/x.conf"));
        assert_eq!(command(&[(3, None, &["ec2-user"])]), expected("'3s/^/#/'"));
        let one_of_two = expected(r#"-E '3s/([[:space:]="])"?ec2-user"?([[:space:]]|$)/\1\2/'"#);
        assert_eq!(command(&[(3, None, &["bob", "ec2-user"])]), one_of_two);
        assert_eq!(command(&[(3, Some("User *"), &["bob", "ec2-user"])]), one_of_two);
    }

    #[test]
    fn of_a_block_whole_lines_are_taken_out_unless_what_stands_elsewhere_would_deny_then() {
        let command = |lines: &[(u32, Option<&str>, &[&str])]| of_lines("denyusers", lines).0;
        let block = Some("User *");
        let out = |line: u32| Some(format!("sed -i.bak '{line}s/^/#/' /etc/ssh/x.conf"));
        assert_eq!(command(&[(3, block, &["ec2-user"])]), out(3));
        assert_eq!(command(&[(3, block, &["ec2-*"])]), out(3));
        assert_eq!(command(&[(3, block, &["ec2-*"]), (9, None, &["bob"])]), out(3));
        assert_eq!(command(&[(3, block, &["ec2-*"]), (4, block, &["bob"]), (9, None, &["*"])]), out(3));
        assert_eq!(command(&[(3, block, &["ec2-*"]), (9, None, &["*"])]), None);
        assert_eq!(command(&[(3, block, &["bob", "ec2-*"])]), None);
    }

    #[test]
    fn where_a_pattern_or_the_command_line_denies_the_user_gets_a_list_of_its_own() {
        let own = |keyword: &str| {
            Some(format!("sed -i.bak -e '$a Match User ec2-user' -e '$a {keyword} none' /etc/ssh/sshd_config"))
        };
        for lines in [
            &[(3, None, &["ec2-*"][..])][..],
            &[(3, None, &["ec2-user"]), (4, None, &["ec2-*"])],
            &[(0, None, &["ec2-user"])],
        ] {
            assert_eq!(of_lines("denyusers", lines).0, own("DenyUsers"));
        }
        let (command, text) = of_lines("denygroups", &[(7, None, &["ec2-*"])]);
        assert_eq!(command, own("DenyGroups"));
        assert_eq!(
            text,
            "Take `ec2-*` out of DenyGroups (at /etc/ssh/x.conf:7); or let ec2-user alone have `DenyGroups none` instead, as root on \
             the instance"
        );
        let (_, text) = of_lines("denyusers", &[(0, None, &["ec2-user"])]);
        assert!(text.contains("in the `-o` options"), "{text}");
        assert_eq!(of_lines("denyusers", &[(3, None, &["*"])]).0, own("DenyUsers"));
    }

    #[test]
    fn the_remedy_lists_the_user_or_makes_it_a_member() {
        let command = |lines: &[(&str, &[&str])]| finding(healthy::rhel9(), lines).remedy.command;
        let expected = "sed -i.bak '1i AllowUsers ec2-user' /etc/ssh/sshd_config && sshd -t && systemctl try-reload-or-restart sshd.service";
        assert_eq!(command(&[("allowusers", &["bob"])]).as_deref(), Some(expected));
        let expected = "groupadd -f ssh-users && usermod -aG ssh-users ec2-user";
        assert_eq!(command(&[("allowgroups", &["*dmin", "ssh-users"])]).as_deref(), Some(expected));
        assert_eq!(command(&[("allowgroups", &["$(reboot)"])]), None);
    }
}
