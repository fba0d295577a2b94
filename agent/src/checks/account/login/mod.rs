//! What the checks of the OS user's account share: whose account it is, whether sshd asks PAM, and what PAM answers.

use eic_doctor_proto::{Attempt, Command, Evidence, Fact, Verdict};

use crate::facts::{Account, OsFacts, PamRule};
use crate::pam::{self, Answer, Concern, Login, Phase, Reply};
use crate::source;

pub const EFFECTIVE: &str = "`sshd -T` with the running sshd's own options";

/// The account of the attempt's OS user; `os.account.os-user` speaks of one that is not there.
pub fn account<'a>(facts: &'a OsFacts, attempt: &Attempt) -> Result<&'a Account, Verdict> {
    let account = facts.account.os_user.need(&format!("the account of `{}`", attempt.os_user))?;
    let stem = |name: &str| name.split('@').next().unwrap_or_default().to_ascii_lowercase();
    if stem(account.name.raw()) == stem(attempt.os_user.as_str()) {
        Ok(account)
    } else {
        Err(Verdict::unknown(format!("the account of `{}`: the facts are about `{}`", attempt.os_user, account.name)))
    }
}

/// The programs that change `/etc/passwd` and `/etc/shadow` can change this account.
pub fn is_local(facts: &OsFacts) -> bool {
    facts.account.is_local != Fact::Known(false)
}

/// `usermod OPTION VALUE USER`.
pub fn usermod(attempt: &Attempt, option: &str, value: &str) -> Command {
    Command::new("usermod").args([option, value, attempt.os_user.as_str()])
}

/// `UsePAM`; an sshd that was built without PAM does not print it.
pub fn uses_pam(facts: &OsFacts) -> Result<bool, Verdict> {
    let config = facts.sshd.effective.need("sshd's effective configuration")?;
    Ok(config.first("usepam").is_some_and(|value| value.raw() == "yes"))
}

/// For the modules of sshd's PAM rules.
pub fn login<'a>(facts: &'a OsFacts, attempt: &Attempt) -> Result<Login<'a>, Verdict> {
    let account = account(facts, attempt)?;
    let pam = facts.account.pam.need("sshd's PAM rules")?;
    let uses_dns = facts.sshd.effective.known().and_then(|config| config.first("usedns"));
    let uses_dns = uses_dns.is_some_and(|value| value.raw() == "yes");
    Ok(Login { facts, account, pam, from: source::of(facts, attempt), uses_dns })
}

/// A no of PAM, and the rule that it comes from.
pub struct Refusal<'a> {
    pub rule: Option<&'a PamRule>,
    pub reply: Reply,
}

impl Refusal<'_> {
    pub fn evidence(&self) -> Option<Evidence> {
        let rule = self.rule?;
        let words = [&rule.control, &rule.module].into_iter().chain(&rule.arguments);
        let words: Vec<_> = words.map(|word| word.raw().to_owned()).collect();
        Some(Evidence::new(words.join(" "), format!("{}:{}", rule.file, rule.line)))
    }
}

/// What PAM says in this phase as far as `concern` goes, everything else taken for mended; `None` when it admits.
pub fn refusal<'a>(login: &Login<'a>, phase: Phase, concern: Concern) -> Result<Option<Refusal<'a>>, Verdict> {
    let (rules, name) = match phase {
        Phase::Account => (&login.pam.account, "account"),
        Phase::Session => (&login.pam.session, "session"),
    };
    let Some(rules) = rules.present(&format!("sshd's PAM rules of the phase `{name}`"))? else {
        if concern != Concern::Access {
            return Ok(None);
        }
        let reply = Reply { why: format!("PAM has no rule of the phase `{name}` for sshd"), ..Reply::without_rule() };
        return Ok(Some(Refusal { rule: None, reply }));
    };
    let mut replies = pam::replies(rules, phase, login);
    if concern != Concern::Access && replies.iter().all(|reply| reply.concern != concern || reply.is_yes()) {
        return Ok(None);
    }
    for reply in &mut replies {
        if reply.concern != concern && reply.concern != Concern::Way {
            *reply = reply.mended();
        }
    }
    if concern != Concern::Access {
        mend_others(rules, &mut replies, concern);
    }
    let is_ours =
        |reply: &Reply| reply.concern == concern || (concern == Concern::Access && reply.concern == Concern::Way);
    match pam::answer(rules, &replies) {
        Answer::Admitted => Ok(None),
        Answer::PasswordDue(cause) | Answer::Refused(Some(cause)) => {
            let found = rules.get(cause).zip(replies.get(cause));
            Ok(found
                .filter(|(_, reply)| is_ours(reply))
                .map(|(rule, reply)| Refusal { rule: Some(rule), reply: reply.clone() }))
        }
        Answer::Refused(None) if concern == Concern::Access => {
            let why = format!("no rule of the phase `{name}` says yes");
            Ok(Some(Refusal { rule: None, reply: Reply { why, ..Reply::without_rule() } }))
        }
        Answer::Refused(None) => Ok(None),
        Answer::Unsure(doubts) => {
            let doubts = doubts.iter().filter_map(|doubt| rules.get(*doubt).zip(replies.get(*doubt)));
            let words = |(rule, reply): (&PamRule, &Reply)| {
                format!("`{}` ({}:{}): {}", rule.module, rule.file, rule.line, reply.why)
            };
            let doubts: Vec<String> = doubts.map(words).collect();
            Err(Verdict::unknown(format!("what PAM answers hangs on {}", doubts.join("; "))))
        }
    }
}

/// A rule that refuses whoever comes is a matter of access: it must hide nothing else.
fn mend_others(rules: &[PamRule], replies: &mut [Reply], concern: Concern) {
    let ours_mended = |replies: &[Reply]| -> Vec<Reply> {
        replies.iter().map(|reply| if reply.concern == concern { reply.mended() } else { reply.clone() }).collect()
    };
    for _ in 0..rules.len() {
        let Answer::Refused(Some(cause)) = pam::answer(rules, &ours_mended(replies)) else { return };
        let Some(reply) = replies.get_mut(cause) else { return };
        *reply = reply.mended();
    }
}
