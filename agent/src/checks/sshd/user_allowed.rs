use std::net::IpAddr;

use eic_doctor_proto::{Attempt, Finding, Untrusted, Verdict, check};

use super::lines;
use crate::checks::account::{EFFECTIVE, account};
use crate::facts::OsFacts;
use crate::source;

mod by_source;
mod lists;
mod remedy;

use lists::{Answer, Lists, Refusal};
use remedy::remedy;

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

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = facts.sshd.effective.need("sshd's effective configuration")?;
    let account = account(facts, attempt)?;
    let verdict = judge_lists(facts, attempt, &Lists::of(facts, config, account))?;
    for (lists, setting) in by_source::others(facts, config, account)? {
        if lines::differ(&judge_lists(facts, attempt, &lists)?, &verdict) {
            return Err(lines::depends(attempt, setting));
        }
    }
    Ok(verdict)
}

fn judge_lists(facts: &OsFacts, attempt: &Attempt, lists: &Lists<'_>) -> Result<Verdict, Verdict> {
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
            let finding = Finding::new(why, remedy(facts, attempt, lists, &refusal, from.as_deref()));
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
        let pattern_out = r#"sed -i.bak -E '3s/([[:space:]="])"?ec2-[*]"?([[:space:]]|$)/\1\2/' /etc/ssh/x.conf"#;
        assert_eq!(command(&[(3, block, &["bob", "ec2-*"])]).as_deref(), Some(pattern_out));
        assert_eq!(command(&[(3, block, &["bob", "ec2-*"]), (4, block, &["*-user", "eve"])]), None);
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
