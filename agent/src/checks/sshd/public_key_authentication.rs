use eic_doctor_proto::{Attempt, Verdict, check};

use super::lines;
use crate::facts::OsFacts;

check! {
    /// sshd takes public keys from this OS user: `PubkeyAuthentication` is on.
    ///
    /// ## Why it matters
    /// A pushed key is a public key. With `PubkeyAuthentication no` sshd offers passwords alone (`Permission denied (password)`), and
    /// never asks the keys command. Mostly it is a `Match` block or a drop-in of a hardening script that says so; the first line that
    /// applies counts, and a `Match` block beats what stands outside of it.
    ///
    /// ## How to look by hand
    /// On the instance, as root: `sshd -T -C user=NAME,host=x,addr=SOURCE | grep pubkeyauthentication`, and
    /// `grep -rni pubkeyauthentication /etc/ssh`.
    ///
    /// ## How to mend
    /// Take the line out (it is on by default), `sshd -t`, and reload sshd.
    ///
    /// ## References
    /// - sshd_config(5): PubkeyAuthentication, Match
    pub static CHECK: OsFacts = {
        id: "os.sshd.public-key-authentication",
        title: "sshd takes public keys",
        needs: ["os.sshd.configuration"],
        judge: judge,
    }
}

const KEYWORD: &str = "pubkeyauthentication";

fn judge(facts: &OsFacts, attempt: &Attempt) -> Result<Verdict, Verdict> {
    let config = lines::effective(facts)?;
    lines::over_sources(facts, attempt, KEYWORD, |value| {
        if value != "no" {
            return Ok(Verdict::ok(format!("PubkeyAuthentication {value}"), lines::at(config)));
        }
        let bad = lines::bad(facts, KEYWORD, |value| value == "no");
        let text = "Take `PubkeyAuthentication no` out";
        let good = "PubkeyAuthentication yes";
        let verify = "eic-doctor-agent check --only os.sshd";
        let remedy = lines::comment_out_or_match(facts, attempt, text, good, &bad, verify);
        let why = format!("sshd takes no public key from {}", attempt.os_user);
        Ok(Verdict::fail(lines::finding(facts, KEYWORD, why, remedy, &bad)))
    })
}

#[cfg(test)]
mod tests {
    use eic_doctor_proto::{Fact, Verdict};

    use super::judge;
    use crate::checks::healthy::{self, World};
    use crate::facts::{ConfigPlace, ConfigSetting};

    fn line(file: &str, line: u32, condition: Option<&str>, value: &str) -> ConfigSetting {
        ConfigSetting {
            keyword: "pubkeyauthentication".into(),
            values: vec![value.into()],
            at: (line > 0).then(|| ConfigPlace { file: file.into(), line }),
            condition: condition.map(Into::into),
            is_uncertain: false,
        }
    }

    fn with(settings: Vec<ConfigSetting>) -> World {
        let mut world = healthy::al2023();
        healthy::set_effective(&mut world.facts, "pubkeyauthentication", "no");
        let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
        config.settings.extend(settings);
        world
    }

    fn command(world: &World) -> Option<String> {
        let Ok(Verdict::Fail(finding)) = judge(&world.facts, &world.attempt) else { panic!("no failure") };
        finding.remedy.command
    }

    #[test]
    fn every_line_that_says_no_goes_up_to_the_first_that_says_yes() {
        let world = with(vec![
            line("/etc/ssh/sshd_config", 150, Some("User ec2-user"), "no"),
            line("/etc/ssh/sshd_config.d/50-hard.conf", 3, None, "no"),
            line("/etc/ssh/sshd_config", 12, None, "no"),
            line("/etc/ssh/sshd_config", 13, None, "yes"),
            line("/etc/ssh/sshd_config", 14, None, "no"),
        ]);
        let expected = "sed -i.bak -e '150s/^/#/' -e '12s/^/#/' /etc/ssh/sshd_config && \
                        sed -i.bak '3s/^/#/' /etc/ssh/sshd_config.d/50-hard.conf && sshd -t && \
                        systemctl try-reload-or-restart sshd.service";
        assert_eq!(command(&world).as_deref(), Some(expected));
    }

    #[test]
    fn a_line_that_nobody_can_paste_is_mended_by_hand() {
        assert_eq!(command(&with(vec![line("/etc/ssh/$(reboot).conf", 3, None, "no")])), None);
        assert_eq!(command(&with(Vec::new())), None);
    }

    #[test]
    fn an_option_of_the_unit_is_beaten_by_a_match_for_this_user() {
        let expected = "sed -i.bak -e '$a Match User ec2-user' -e '$a PubkeyAuthentication yes' /etc/ssh/sshd_config && sshd -t && \
                        systemctl try-reload-or-restart sshd.service";
        assert_eq!(command(&with(vec![line("", 0, None, "no")])).as_deref(), Some(expected));
    }

    #[test]
    fn a_value_for_a_part_of_the_addresses_leaves_it_open() {
        let mut world = healthy::al2();
        let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
        let mut uncertain = line("/etc/ssh/sshd_config", 150, Some("Address 10.0.8.0/28"), "no");
        uncertain.is_uncertain = true;
        config.settings.insert(0, uncertain);
        let Err(Verdict::Unknown { why, evidence, .. }) = judge(&world.facts, &world.attempt) else {
            panic!("decided")
        };
        let expected =
            "it depends on the address within 10.0.8.0/24: sshd has another value for `Match Address 10.0.8.0/28`";
        assert_eq!((why.as_str(), evidence.len()), (expected, 1));
        // The same value as for the others decides nothing.
        let Fact::Known(config) = &mut world.facts.sshd.config else { panic!("no configuration") };
        config.settings[0].values = vec!["yes".into()];
        assert!(matches!(judge(&world.facts, &world.attempt), Ok(Verdict::Ok { .. })));
    }
}
