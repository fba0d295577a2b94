//! What each module of the rules would return for this login, or which returns are possible: a file for each thing that they ask of.

use eic_doctor_proto::Fact;

use crate::facts::PamRule;

use super::control::Return;
use super::login::Login;
use super::reply::{Concern, Phase, Reply};

mod account;
mod lists;
mod user;

use account::{nologin, shells, unix};
use lists::{access_rules, limits_of, list_file, times};
use user::{local_user, succeed_if, user_type};

/// One for each rule.
pub fn replies(rules: &[PamRule], phase: Phase, login: &Login<'_>) -> Vec<Reply> {
    rules.iter().map(|rule| reply(rule, phase, login)).collect()
}

fn reply(rule: &PamRule, phase: Phase, login: &Login<'_>) -> Reply {
    use Return::{AuthErr, Ignore, ModuleUnknown, PermDenied, SessionErr, Success, UserUnknown};
    if rule.module.raw().is_empty() {
        return Reply::no(
            PermDenied,
            Concern::Access,
            "PAM does not understand the line, or cannot read the file that it names",
        );
    }
    if login.pam.missing_modules.known().is_some_and(|missing| missing.contains(&rule.module)) {
        return Reply::no(ModuleUnknown, Concern::Access, format!("there is no module `{}`", rule.module));
    }
    let is_account = phase == Phase::Account;
    let module = rule.module.raw().rsplit('/').next().unwrap_or_default();
    let module = module.strip_suffix(".so").unwrap_or(module);
    let unknown = |what: &str| Reply::either(&[Success, Ignore, PermDenied], Concern::Access, what);
    match module {
        "pam_permit" | "pam_rootok" => Reply::yes(),
        "pam_deny" => {
            Reply::no(if is_account { AuthErr } else { SessionErr }, Concern::Way, "the rules end in `pam_deny.so`")
        }
        "pam_warn" | "pam_echo" | "pam_sepermit" => Reply::one(Ignore, Concern::Way),
        "pam_succeed_if" => succeed_if(rule, login),
        "pam_localuser" => local_user(rule, login),
        "pam_usertype" => user_type(rule, login),
        "pam_access" => access_rules(rule, login),
        "pam_listfile" => list_file(rule, login),
        // Both only forget failures here; who is locked out by them is so in the phase `auth`, which a login by key leaves out.
        "pam_faillock" | "pam_tally2" | "pam_tally" if is_account => Reply::yes(),
        "pam_unix" if is_account => unix(rule, login),
        "pam_nologin" if is_account => nologin(rule, login),
        "pam_time" if is_account => times(rule, login),
        "pam_shells" if is_account => shells(login),
        "pam_systemd_home" => Reply::one(UserUnknown, Concern::Way),
        "pam_securetty" if is_account && login.account.uid != 0 => Reply::one(Ignore, Concern::Way),
        "pam_limits" if !is_account => limits_of(rule, login),
        "pam_sss" | "pam_ldap" | "pam_krb5" | "pam_winbind" | "pam_sss_gss" if is_account => {
            match login.facts.account.is_local {
                Fact::Known(true) => Reply::either(
                    &[Success, UserUnknown],
                    Concern::Access,
                    "a directory service is asked, which need not know the user",
                ),
                _ => unknown("a directory service decides"),
            }
        }
        _ if !is_account && is_harmless_in_a_session(module) => Reply::yes(),
        "pam_exec" | "pam_script" | "pam_python" | "pam_perl" => unknown("it runs a program of this system's own"),
        "pam_duo" | "pam_radius" | "pam_radius_auth" | "pam_tacplus" | "pam_okta" | "pam_centrifydc" | "pam_vas3" => {
            unknown("a service outside the instance decides")
        }
        _ => unknown("what this module says is not known here"),
    }
}

/// They set something up, and a host on which that fails is no host that anybody logs in to.
fn is_harmless_in_a_session(module: &str) -> bool {
    const NAMES: [&str; 38] = [
        "pam_unix",
        "pam_env",
        "pam_motd",
        "pam_mail",
        "pam_umask",
        "pam_keyinit",
        "pam_systemd",
        "pam_elogind",
        "pam_loginuid",
        "pam_selinux",
        "pam_namespace",
        "pam_tty_audit",
        "pam_mkhomedir",
        "pam_oddjob_mkhomedir",
        "pam_lastlog",
        "pam_lastlog2",
        "pam_xauth",
        "pam_ck_connector",
        "pam_cap",
        "pam_ecryptfs",
        "pam_fscrypt",
        "pam_issue",
        "pam_faildelay",
        "pam_timestamp",
        "pam_cgfs",
        "pam_cgroup",
        "pam_gnome_keyring",
        "pam_kwallet",
        "pam_kwallet5",
        "pam_reauthorize",
        "pam_sss",
        "pam_ldap",
        "pam_krb5",
        "pam_winbind",
        "pam_afs_session",
        "pam_tmpdir",
        "pam_group",
        "pam_ssm",
    ];
    NAMES.contains(&module)
}

/// The value of the last argument that begins so.
fn argument<'a>(rule: &'a PamRule, name: &str) -> Option<&'a str> {
    rule.arguments.iter().rev().find_map(|argument| argument.raw().strip_prefix(name))
}

fn has(rule: &PamRule, word: &str) -> bool {
    rule.arguments.iter().any(|argument| argument.raw() == word)
}
