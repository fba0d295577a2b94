//! The lines behind what sshd does: where a value comes from, and how it is taken out.

pub mod edit;

use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Finding, Remedy, Verdict};

use crate::checks::{keys_command, platform};
use crate::facts::{ConfigPlace, ConfigSetting, EffectiveConfig, OsFacts};

/// sshd's answer for this attempt.
pub fn effective(facts: &OsFacts) -> Result<&EffectiveConfig, Verdict> {
    facts.sshd.effective.need("sshd's effective configuration")
}

/// Where the effective configuration was seen.
pub fn at(config: &EffectiveConfig) -> &'static str {
    if config.is_worked_out { "sshd's files and options" } else { "`sshd -T` with the running sshd's own options" }
}

/// The first value of a keyword, by the name that newer versions print; or by an older one.
pub fn value<'a>(config: &'a EffectiveConfig, keyword: &str) -> Result<&'a str, Verdict> {
    let older = match keyword {
        "pubkeyacceptedalgorithms" => "pubkeyacceptedkeytypes",
        other => other,
    };
    match config.first(keyword).or_else(|| config.first(older)) {
        Some(value) => Ok(value.raw()),
        None => Err(Verdict::unknown(format!("sshd's effective configuration: it has no `{keyword}`"))),
    }
}

/// As `value`, for keywords that older versions do not know.
pub fn value_if_any<'a>(config: &'a EffectiveConfig, keyword: &str) -> Option<&'a str> {
    config.first(keyword).map(|value| value.raw())
}

/// The lines that say something of a keyword and apply to this attempt, or may; the first counts.
pub fn of<'a>(facts: &'a OsFacts, keyword: &'a str) -> impl Iterator<Item = &'a ConfigSetting> {
    let settings = facts.sshd.config.known().map_or(&[][..], |config| config.settings.as_slice());
    settings.iter().filter(move |setting| setting.keyword.raw() == keyword)
}

/// The lines that must go so that a keyword has a good value: from the first that counts up to the first good one.
pub fn bad<'a>(facts: &'a OsFacts, keyword: &'a str, is_bad: impl Fn(&str) -> bool) -> Vec<&'a ConfigSetting> {
    let certain = of(facts, keyword).filter(|setting| !setting.is_uncertain);
    certain.take_while(|setting| setting.values.first().is_some_and(|value| is_bad(value.raw()))).collect()
}

/// Judges what holds for this attempt, and what would hold for others of its addresses where a `Match` tells them apart.
pub fn over_sources(
    facts: &OsFacts,
    attempt: &Attempt,
    keyword: &str,
    judge: impl Fn(&str) -> Result<Verdict, Verdict>,
) -> Result<Verdict, Verdict> {
    let verdict = judge(value(effective(facts)?, keyword)?)?;
    let mut is_decided = false;
    for setting in of(facts, keyword) {
        if !setting.is_uncertain {
            is_decided = true;
        }
        if is_decided {
            break;
        }
        let other = setting.values.first().map(|value| judge(value.raw())).transpose()?;
        if other.is_some_and(|other| differ(&other, &verdict)) {
            return Err(depends(attempt, setting));
        }
    }
    Ok(verdict)
}

/// Whether two verdicts come to another status, whatever their reasons are.
pub fn differ(one: &Verdict, other: &Verdict) -> bool {
    std::mem::discriminant(one) != std::mem::discriminant(other)
}

/// A line that applies to some of the attempt's addresses alone decides.
pub fn depends(attempt: &Attempt, setting: &ConfigSetting) -> Verdict {
    let condition = setting.condition.as_ref().map(ToString::to_string).unwrap_or_default();
    let why = match attempt.source {
        Some(source) => {
            format!("it depends on the address within {source}: sshd has another value for `Match {condition}`")
        }
        None => format!(
            "it depends on where the connection comes from, which nobody said: sshd has another value for `Match {condition}`"
        ),
    };
    let Evidence { seen, at } = evidence(setting);
    Verdict::unknown(why).seen(seen, at)
}

/// `keyword value`, and where it stands.
pub fn evidence(setting: &ConfigSetting) -> Evidence {
    let values: Vec<String> = setting.values.iter().map(ToString::to_string).collect();
    let seen = match &setting.condition {
        Some(condition) => format!("{} {} (Match {condition})", spelt(&setting.keyword.to_string()), values.join(" ")),
        None => format!("{} {}", spelt(&setting.keyword.to_string()), values.join(" ")),
    };
    Evidence::new(seen, place(setting.at.as_ref()))
}

/// A keyword as sshd_config(5) writes it.
pub fn spelt(keyword: &str) -> &str {
    const SPELT: [&str; 23] = [
        "AllowGroups",
        "AllowUsers",
        "AuthenticationMethods",
        "AuthorizedKeysCommand",
        "AuthorizedKeysCommandUser",
        "ChrootDirectory",
        "DenyGroups",
        "DenyUsers",
        "FingerprintHash",
        "ForceCommand",
        "HostKey",
        "LoginGraceTime",
        "MaxAuthTries",
        "MaxSessions",
        "MaxStartups",
        "PerSourceMaxStartups",
        "PerSourcePenalties",
        "PermitRootLogin",
        "PermitTTY",
        "PubkeyAcceptedAlgorithms",
        "PubkeyAuthentication",
        "RefuseConnection",
        "RevokedKeys",
    ];
    SPELT.into_iter().find(|spelt| spelt.eq_ignore_ascii_case(keyword)).unwrap_or(keyword)
}

pub fn place(at: Option<&ConfigPlace>) -> String {
    match at {
        Some(place) => format!("{}:{}", place.file, place.line),
        None => "sshd's command line".to_owned(),
    }
}

/// A finding about a value: what it is, and the lines behind it.
pub fn finding(
    facts: &OsFacts,
    keyword: &str,
    why: impl AsRef<str>,
    remedy: Remedy,
    lines: &[&ConfigSetting],
) -> Finding {
    let finding = Finding::new(why, remedy);
    if !lines.is_empty() {
        return finding.with(lines.iter().map(|line| evidence(line)));
    }
    match facts.sshd.effective.known() {
        Some(config) => match value(config, keyword) {
            Ok(value) => finding.seen(format!("{} {value}", spelt(keyword)), at(config)),
            Err(_) => finding,
        },
        None => finding,
    }
}

/// Takes lines out by making them comments, lets sshd look, and lets it read its files again.
pub fn comment_out(facts: &OsFacts, text: &str, lines: &[&ConfigSetting], verify: &str) -> Remedy {
    let places: Option<Vec<&ConfigPlace>> = lines.iter().map(|line| line.at.as_ref()).collect();
    match places.as_deref().and_then(comment) {
        Some(command) => {
            Remedy::by_command(format!("{text}, as root on the instance"), &then_reload(facts, command), verify)
        }
        None => Remedy::by_hand(format!("{text} ({}), and reload sshd", hint(lines)), verify),
    }
}

/// As [`comment_out`]; but where sshd's command line decides, which no file beats but by a `Match`, the user gets a good value in one.
pub fn comment_out_or_match(
    facts: &OsFacts,
    attempt: &Attempt,
    text: &str,
    good: &str,
    lines: &[&ConfigSetting],
    verify: &str,
) -> Remedy {
    let is_option = lines.first().is_some_and(|line| line.at.is_none() && line.condition.is_none());
    match edit::match_user(facts, &attempt.os_user, good).filter(|_| is_option) {
        Some(command) => Remedy::by_command(
            format!(
                "{text} ({}); or let {} alone have `{good}`, as root on the instance",
                hint(lines),
                attempt.os_user
            ),
            &then_reload(facts, command),
            verify,
        ),
        None => comment_out(facts, text, lines, verify),
    }
}

/// Where lines stand that are to be changed by hand.
pub fn hint(lines: &[&ConfigSetting]) -> String {
    match lines {
        [] => "in `/etc/ssh/sshd_config` or what it includes".to_owned(),
        lines if lines.iter().any(|line| line.at.is_none()) => {
            "in the `-o` options with which its unit starts sshd (`systemctl cat`)".to_owned()
        }
        lines => {
            let places: Vec<String> = lines.iter().map(|line| place(line.at.as_ref())).collect();
            format!("at {}", places.join(", "))
        }
    }
}

/// `sed` for each file; `None` where there is none, or a name is not one to paste.
pub fn comment(places: &[&ConfigPlace]) -> Option<Command> {
    let mut files: Vec<(&str, Vec<u32>)> = Vec::new();
    for place in places {
        let file = place.file.raw();
        if !keys_command::is_plain(file) || place.line == 0 {
            return None;
        }
        match files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, lines)) if lines.contains(&place.line) => {}
            Some((_, lines)) => lines.push(place.line),
            None => files.push((file, vec![place.line])),
        }
    }
    let mut all: Option<Command> = None;
    for (file, lines) in files {
        let mut sed = Command::new("sed").arg("-i.bak");
        sed = match lines.as_slice() {
            [one] => sed.arg(format!("{one}s/^/#/")),
            many => many.iter().fold(sed, |sed, line| sed.args(["-e".to_owned(), format!("{line}s/^/#/")])),
        };
        let sed = sed.arg(file);
        all = Some(match all {
            Some(before) => before.and(sed),
            None => sed,
        });
    }
    all
}

/// Without a running sshd Debian has no `/run/sshd`, and `sshd -t` refuses for that alone; nor is there anything to reload.
pub fn then_reload(facts: &OsFacts, command: Command) -> Command {
    let systemctl = |verb: &str| Command::new("systemctl").args([verb, platform::unit(facts)]);
    match &facts.sshd.process {
        Fact::Known(_) => command.and(Command::new("sshd").arg("-t")).and(systemctl("try-reload-or-restart")),
        Fact::Absent | Fact::Unreadable(_) | Fact::NotGathered => command.and(systemctl("try-reload-or-restart")),
    }
}
