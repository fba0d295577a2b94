use eic_doctor_proto::{Attempt, Command, Finding, Remedy, Verdict, Via, check};

use super::lines;
use crate::checks::{keys_command, platform};
use crate::facts::{EffectiveConfig, ImdsView, OsFacts, Startups};
use crate::sshd_config::{Version, seconds};

check! {
    /// sshd's limits let a connection in, and leave it the time to log in.
    ///
    /// ## Why it matters
    /// From `MaxStartups` START:RATE:FULL on sshd drops new connections at random, and all of them while FULL others have not logged in
    /// yet (`drop connection … past MaxStartups`); scanners hold such places for two minutes each. `PerSourceMaxStartups 0` lets nobody
    /// in. `LoginGraceTime` covers two runs of the keys command, each of up to 5 seconds; OpenSSH 9.8 and newer adds up to 4 at random.
    /// `PerSourcePenalties` (OpenSSH 9.8 and newer)
    /// shuts an address out for a while after a failed login: the console's clients come from eight addresses for a whole Region, so one
    /// user's failure shuts the others out. `RefuseConnection yes` ends every connection.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T | grep -e startups -e logingracetime -e penalt`; the title of the running sshd
    /// (`ps -o args -C sshd`) says `N of START-FULL startups`; `journalctl -u ssh.service -u sshd.service | grep -e 'drop connection'
    /// -e penalty`.
    ///
    /// ## How to mend
    /// Take the line out (the defaults are `10:30:100`, `none` and `120`), `sshd -t`, and reload sshd. Where strangers hold the places,
    /// narrow the security group; a restart of sshd frees them.
    ///
    /// ## References
    /// - sshd_config(5): MaxStartups, PerSourceMaxStartups, PerSourcePenalties, LoginGraceTime, RefuseConnection
    pub static CHECK: OsFacts = {
        id: "os.sshd.connection-limits",
        title: "sshd's limits let a connection log in",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const VERIFY: &str = "eic-doctor-agent check --only os.sshd";
const KEYWORD: &str = "logingracetime";
/// Two runs of the three scripts take at least this, on the fastest instance.
const NEVER: u32 = 1;
/// Seconds (OpenSSH 9.8, `grace_alarm` in `sshd-session.c`).
const JITTER: u32 = 4;
/// Twice the five seconds that the keys command may take.
const SAFE: u32 = 10;
/// As long as a pushed key lives.
const LONG: u32 = 60;

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    let startups = facts.sshd.process.known().and_then(|process| process.startups.known());
    let crowd = startups.filter(|startups| startups.now >= startups.begin && startups.full > 0);
    // What ends every connection comes first: a warning would hide it.
    if let Some(crowd) = crowd.filter(|crowd| crowd.now >= crowd.full) {
        return Ok(Verdict::fail(crowded(facts, crowd)));
    }
    if lines::value_if_any(config, "refuseconnection").is_some() {
        let refused = lines::over_sources(facts, attempt, "refuseconnection", |value| {
            Ok(match value {
                "yes" => Verdict::fail(take_out(
                    facts,
                    "refuseconnection",
                    "sshd ends every connection: RefuseConnection is on",
                    |value| value == "yes",
                )),
                other => Verdict::ok(format!("RefuseConnection {other}"), lines::at(config)),
            })
        })?;
        if matches!(refused, Verdict::Fail(_)) {
            return Ok(refused);
        }
    }
    if lines::value_if_any(config, "persourcemaxstartups") == Some("0") {
        let why = "sshd drops every connection: PerSourceMaxStartups is 0";
        return Ok(Verdict::fail(take_out(facts, "persourcemaxstartups", why, |value| value == "0")));
    }
    let grace = grace(facts, config);
    if matches!(grace, Ok(Verdict::Fail(_)) | Err(_)) {
        return grace;
    }
    if let Some(crowd) = crowd {
        return Ok(Verdict::warn(crowded(facts, crowd)));
    }
    if matches!(grace, Ok(Verdict::Warn(_))) {
        return grace;
    }
    if let Some(finding) = penalties(facts, attempt) {
        return Ok(Verdict::warn(finding));
    }
    let startups = lines::value_if_any(config, "maxstartups").unwrap_or("unknown");
    let grace = lines::value(config, KEYWORD)?;
    Ok(Verdict::ok(format!("MaxStartups {startups}, LoginGraceTime {grace}"), lines::at(config)))
}

/// LoginGraceTime against what two runs of the keys command take.
fn grace(facts: &OsFacts, config: &EffectiveConfig) -> Result<Verdict, Verdict> {
    let value = lines::value(config, KEYWORD)?;
    let Ok(grace) = value.parse::<u32>() else {
        return Err(Verdict::unknown(format!("LoginGraceTime is `{value}`")));
    };
    if grace == 0 || grace >= SAFE {
        return Ok(Verdict::ok(format!("LoginGraceTime {grace}"), lines::at(config)));
    }
    let is_short = |value: &str| value.parse().is_ok_and(|grace: u32| grace > 0 && grace < SAFE);
    let finding = |why: String| take_out(facts, KEYWORD, &why, is_short);
    let answered = milliseconds(&facts.imds.as_keys_user).or_else(|| milliseconds(&facts.imds.as_root)).unwrap_or(0);
    // Only of the scripts it is known what they ask for, and that they are slow themselves.
    let is_scripts = keys_command::is_three_scripts(facts) == Some(true);
    let is_never = is_scripts && grace + extra(facts) <= NEVER;
    let is_late = is_scripts && u64::from(grace + extra(facts)) * 1_000 <= 2 * answered;
    if is_never || is_late {
        let why =
            format!("sshd hangs up after {grace} s (LoginGraceTime): the keys command runs twice, and needs longer");
        return Ok(Verdict::fail(finding(why)));
    }
    if grace <= NEVER {
        let why = format!(
            "sshd hangs up after {grace} s (LoginGraceTime): whether two runs of this keys command come to an end before is not known"
        );
        return Err(Verdict::unknown(why).seen(format!("LoginGraceTime {grace}"), lines::at(config)));
    }
    Ok(Verdict::warn(finding(format!(
        "sshd hangs up after {grace} s (LoginGraceTime): the keys command runs twice, and may need up to {SAFE} s"
    ))))
}

/// What sshd may wait beyond LoginGraceTime, in seconds: from 9.8 on up to four, at random.
fn extra(facts: &OsFacts) -> u32 {
    let version = facts.sshd.version.known().and_then(|banner| Version::of(banner.raw()));
    if version.is_some_and(|version| version < Version::PENALTIES) { 0 } else { JITTER }
}

fn take_out(facts: &OsFacts, keyword: &str, why: &str, is_bad: impl Fn(&str) -> bool) -> Finding {
    let bad = lines::bad(facts, keyword, is_bad);
    let remedy = lines::comment_out(facts, "Take the line out, so that the default holds", &bad, VERIFY);
    lines::finding(facts, keyword, why, remedy, &bad)
}

fn crowded(facts: &OsFacts, crowd: &Startups) -> Finding {
    let Startups { now, begin, full } = *crowd;
    let restart = Command::new("systemctl").args(["restart", platform::unit(facts)]);
    let remedy = Remedy::by_command(
        "Free the places, as root on the instance; open sessions stay. Then narrow the security group to who has business here, or raise \
         MaxStartups",
        &restart,
        VERIFY,
    );
    let what = if now >= full { "drops every new connection" } else { "drops some new connections" };
    let why =
        format!("sshd {what}: {now} have not logged in yet, and from {begin} to {full} it drops more and more of them");
    let title = facts.sshd.process.known().map(|process| process.command_line.to_string()).unwrap_or_default();
    Finding::new(why, remedy).seen(title, "/proc, sshd's title")
}

/// What the requests of one run of the keys command took when we made them, as far as all were answered.
fn milliseconds(view: &ImdsView) -> Option<u64> {
    let answers = [&view.token, &view.instance_id, &view.availability_zone, &view.domain, &view.active_keys];
    answers.into_iter().map(|answer| answer.known().map(|answer| u64::from(answer.latency_ms))).sum()
}

/// Only who comes from shared addresses pays for others.
fn penalties(facts: &OsFacts, attempt: &Attempt) -> Option<Finding> {
    let config = facts.sshd.effective.known()?;
    let penalties = lines::value_if_any(config, "persourcepenalties").filter(|value| *value != "no")?;
    let is_exempt = lines::value_if_any(config, "persourcepenaltyexemptlist").is_some_and(|list| list != "none");
    if attempt.via != Via::Browser || is_exempt {
        return None;
    }
    let penalty = |name: &str| {
        let of_name = penalties.split_whitespace().find_map(|one| one.strip_prefix(name)?.strip_prefix(':'));
        of_name.and_then(seconds).unwrap_or(0)
    };
    let worst = ["authfail", "invaliduser", "noauth"].into_iter().max_by_key(|name| penalty(name))?;
    if penalty(worst) < LONG {
        return None;
    }
    let why = format!(
        "one failed login shuts out all users of the console for {} s: they share the Region's addresses (PerSourcePenalties {worst})",
        penalty(worst)
    );
    Some(take_out(facts, "persourcepenalties", &why, |_| true))
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::Fact;

    use crate::checks::healthy::{self, World, changes};
    use crate::facts::{OsFacts, Startups};

    fn with(world: World, keyword: &str, value: &str) -> Vec<String> {
        changes(world, |facts, _| healthy::set_effective(facts, keyword, value))
    }

    const FAIL: [&str; 1] = ["os.sshd.connection-limits fail"];
    const UNKNOWN: [&str; 1] = ["os.sshd.connection-limits unknown"];
    const WARN: [&str; 1] = ["os.sshd.connection-limits warn"];

    #[test]
    fn a_grace_time_that_two_runs_of_the_keys_command_cannot_keep() {
        assert_eq!(with(healthy::al2023(), "logingracetime", "1"), FAIL);
        assert_eq!(with(healthy::al2023(), "logingracetime", "5"), WARN);
        assert_eq!(with(healthy::al2023(), "logingracetime", "0"), [""; 0]);
        assert_eq!(with(healthy::al2023(), "logingracetime", "30"), [""; 0]);
        let slow = changes(healthy::al2023(), |facts, _| {
            healthy::set_effective(facts, "logingracetime", "3");
            for answer in [&mut facts.imds.as_keys_user.token, &mut facts.imds.as_keys_user.instance_id] {
                let Fact::Known(answer) = answer else { panic!("no answer") };
                answer.latency_ms = 800;
            }
        });
        assert!(slow.contains(&FAIL[0].to_owned()), "{slow:?}");
    }

    #[test]
    fn a_second_of_grace_is_judged_only_where_the_programs_are_known() {
        let one_second = |world: World, banner: &str| {
            changes(world, |facts, _| {
                healthy::set_effective(facts, "logingracetime", "1");
                facts.sshd.version = Fact::Known(banner.into());
            })
        };
        assert_eq!(one_second(healthy::al2023(), "OpenSSH_9.7p1"), FAIL);
        // From here on sshd adds up to four seconds at random.
        assert_eq!(one_second(healthy::al2023(), "OpenSSH_9.8p1"), UNKNOWN);
        assert_eq!(one_second(healthy::al2023(), "OpenSSH"), UNKNOWN);
        // The one program of 2.0.0 is faster, and how much is not published.
        assert_eq!(one_second(healthy::rhel9(), "OpenSSH_8.7p1"), UNKNOWN);
    }

    #[test]
    fn a_crowd_hides_nothing_that_ends_every_connection() {
        for (keyword, value) in [("refuseconnection", "yes"), ("persourcemaxstartups", "0"), ("logingracetime", "1")] {
            let changed = changes(healthy::al2023(), |facts, _| {
                healthy::set_effective(facts, keyword, value);
                let Fact::Known(process) = &mut facts.sshd.process else { panic!("no process") };
                process.startups = Fact::Known(Startups { now: 10, begin: 10, full: 100 });
            });
            assert_eq!(changed, FAIL, "{keyword}");
        }
    }

    #[test]
    fn nobody_is_let_in_by_a_limit_of_none_at_all() {
        assert_eq!(with(healthy::ubuntu_2204(), "persourcemaxstartups", "0"), FAIL);
        assert_eq!(with(healthy::ubuntu_2204(), "persourcemaxstartups", "1"), [""; 0]);
        assert_eq!(with(healthy::ubuntu_2404(), "refuseconnection", "yes"), FAIL);
        assert_eq!(with(healthy::ubuntu_2404(), "refuseconnection", "no"), [""; 0]);
        assert_eq!(with(healthy::ubuntu_2204(), "maxstartups", "1:30:1"), [""; 0]);
    }

    #[test]
    fn the_places_that_are_taken_now_count() {
        let crowd = |now| {
            move |facts: &mut OsFacts| {
                let Fact::Known(process) = &mut facts.sshd.process else { panic!("no process") };
                process.startups = Fact::Known(Startups { now, begin: 10, full: 100 });
            }
        };
        for (now, expected) in [(9, &[][..]), (10, &WARN), (100, &FAIL)] {
            assert_eq!(changes(healthy::al2023(), |facts, _| crowd(now)(facts)), expected);
        }
    }

    #[test]
    fn penalties_matter_to_those_who_share_their_addresses() {
        let strict = "crash:90 authfail:3600 noauth:1 grace-exceeded:10 max:3600 min:15";
        assert_eq!(with(healthy::ubuntu_2204(), "persourcepenalties", strict), WARN);
        assert_eq!(with(healthy::ubuntu_2404(), "persourcepenalties", strict), [""; 0]);
        let usual = "crash:90 authfail:5 noauth:1 grace-exceeded:10 refuseconnection:10 max:600 min:15";
        assert_eq!(with(healthy::ubuntu_2204(), "persourcepenalties", usual), [""; 0]);
    }
}
