//! What lets the user in: the narrowest change of the list that decides.

use eic_doctor_proto::{Attempt, Command, Fact, Remedy, Untrusted};
use ipnet::IpNet;

use super::VERIFY;
use super::lists::{Lists, Refusal};
use crate::checks::sshd::lines::{self, edit};
use crate::facts::{ConfigSetting, OsFacts};
use crate::source;

/// The name of no user and no group.
const NOBODY: &str = "none";

pub(super) fn remedy(
    facts: &OsFacts,
    attempt: &Attempt,
    lists: &Lists<'_>,
    refusal: &Refusal,
    from: Option<&[IpNet]>,
) -> Remedy {
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
        // sshd's lists know no exceptions, and what a later `Match` lists is added to this: of a block also a pattern goes, as whole lines do.
        [(line, value)]
            if line.values.len() > 1
                && (*value == exact && edit::is_name(exact) || is_of_match && edit::is_pattern(value)) =>
        {
            line.at.as_ref().and_then(|place| edit::without(place, value))
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
