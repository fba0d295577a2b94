//! Every keyword of sshd_config(5): how its value is read, and which versions know it (OpenSSH `servconf.c`, 7.2 to 10.0).

use super::version::Version;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `yes` or `no`.
    Flag,
    /// One of these words, of which the second is what `sshd -T` prints.
    Words(&'static [(&'static str, &'static str)]),
    Number,
    Time,
    /// One word.
    Text,
    /// A path; a relative one is taken from the folder that sshd runs in.
    Path,
    /// The rest of the line as it is; a path or `none`.
    Command,
    /// The rest of the line as it is.
    Rest,
    /// Names of key types or signatures; `+`, `-` and `^` change the built-in list.
    KeyTypes,
    Ciphers,
    Macs,
    KeyExchanges,
    /// Each argument counts, of every line.
    Each(Each),
    /// The first line counts, with all its arguments.
    Line(Line),
    Port,
    ListenAddress,
    Startups,
    StartupsOfOne,
    NetBlock,
    QualityOfService,
    Rekey,
    Subsystem,
    UserEnvironment,
    KeyOptions,
    Octal,
    LogLevel,
    LogFacility,
    Digest,
    Penalties,
    AddressList,
    Include,
    Match,
    /// Read and passed over: deprecated, not built in, or of a distribution's own, whose values nobody here knows.
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    Users,
    Groups,
    Environment,
    Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Paths,
    Methods,
    Environment,
    Opens,
    Listens,
    Plain,
    Timeouts,
}

#[derive(Clone, Copy, Debug)]
pub struct Keyword {
    /// Lower case, as `sshd -T` prints it.
    pub name: &'static str,
    pub kind: Kind,
    /// Also allowed below `Match`.
    pub in_match: bool,
    since: u16,
    /// Before this version the last line counts and not the first.
    last_counts_before: u16,
    /// What holds where no line says anything; empty where that differs between builds or nothing is printed.
    pub default: &'static str,
}

const YES_NO: &[(&str, &str)] = &[("yes", "yes"), ("no", "no")];
const FORWARDING: &[(&str, &str)] =
    &[("yes", "yes"), ("all", "yes"), ("no", "no"), ("remote", "remote"), ("local", "local")];

const fn new(name: &'static str, kind: Kind, in_match: bool, default: &'static str) -> Keyword {
    Keyword { name, kind, in_match, since: 0, last_counts_before: 0, default }
}

/// Allowed outside `Match` alone.
const fn global(name: &'static str, kind: Kind, default: &'static str) -> Keyword {
    new(name, kind, false, default)
}

/// Allowed everywhere.
const fn everywhere(name: &'static str, kind: Kind, default: &'static str) -> Keyword {
    new(name, kind, true, default)
}

impl Keyword {
    const fn since(mut self, version: u16) -> Self {
        self.since = version;
        self
    }

    const fn last_always_counts(mut self) -> Self {
        self.last_counts_before = u16::MAX;
        self
    }

    const fn last_counts_before(mut self, version: u16) -> Self {
        self.last_counts_before = version;
        self
    }
}

pub const KEYWORDS: &[Keyword] = &[
    global("port", Kind::Port, "22"),
    global("addressfamily", Kind::Words(&[("any", "any"), ("inet", "inet"), ("inet6", "inet6")]), "any"),
    global("listenaddress", Kind::ListenAddress, ""),
    global("usepam", Kind::Flag, "no"),
    global("logingracetime", Kind::Time, "120"),
    everywhere("x11displayoffset", Kind::Number, "10"),
    everywhere("maxauthtries", Kind::Number, "6"),
    everywhere("maxsessions", Kind::Number, "10"),
    everywhere("clientaliveinterval", Kind::Time, "0"),
    everywhere("clientalivecountmax", Kind::Number, "3"),
    everywhere("requiredrsasize", Kind::Number, "1024").since(901),
    everywhere("streamlocalbindmask", Kind::Octal, "0177").last_always_counts(),
    everywhere("unusedconnectiontimeout", Kind::Time, "none").since(902),
    everywhere(
        "permitrootlogin",
        Kind::Words(&[
            ("without-password", "without-password"),
            ("prohibit-password", "without-password"),
            ("forced-commands-only", "forced-commands-only"),
            ("yes", "yes"),
            ("no", "no"),
        ]),
        "without-password",
    ),
    everywhere("ignorerhosts", Kind::Words(&[("yes", "yes"), ("no", "no"), ("shosts-only", "shosts-only")]), "yes"),
    global("ignoreuserknownhosts", Kind::Flag, "no"),
    everywhere("hostbasedauthentication", Kind::Flag, "no"),
    everywhere("hostbasedusesnamefrompacketonly", Kind::Flag, "no"),
    everywhere("pubkeyauthentication", Kind::Flag, "yes"),
    everywhere("kerberosauthentication", Kind::Flag, "no"),
    global("kerberosorlocalpasswd", Kind::Flag, "yes"),
    global("kerberosticketcleanup", Kind::Flag, "yes"),
    global("kerberosgetafstoken", Kind::Ignored, ""),
    global("kerberostgtpassing", Kind::Ignored, ""),
    global("afstokenpassing", Kind::Ignored, ""),
    everywhere("gssapiauthentication", Kind::Flag, "no"),
    global("gssapicleanupcredentials", Kind::Flag, "yes"),
    global("gssapistrictacceptorcheck", Kind::Flag, ""),
    everywhere("passwordauthentication", Kind::Flag, "yes"),
    everywhere("kbdinteractiveauthentication", Kind::Flag, "yes"),
    global("printmotd", Kind::Flag, "yes"),
    global("printlastlog", Kind::Flag, "yes"),
    everywhere("x11forwarding", Kind::Flag, "no"),
    everywhere("x11uselocalhost", Kind::Flag, "yes"),
    everywhere("permittty", Kind::Flag, "yes"),
    everywhere("permituserrc", Kind::Flag, "yes"),
    global("strictmodes", Kind::Flag, "yes"),
    global("tcpkeepalive", Kind::Flag, "yes"),
    everywhere("permitemptypasswords", Kind::Flag, "no"),
    global("compression", Kind::Words(&[("yes", "yes"), ("delayed", "yes"), ("no", "no")]), "yes"),
    everywhere(
        "gatewayports",
        Kind::Words(&[("clientspecified", "clientspecified"), ("yes", "yes"), ("no", "no")]),
        "no",
    ),
    global("usedns", Kind::Flag, "no"),
    everywhere("allowtcpforwarding", Kind::Words(FORWARDING), "yes"),
    everywhere("allowagentforwarding", Kind::Flag, "yes"),
    everywhere("disableforwarding", Kind::Flag, "no").since(704),
    everywhere("allowstreamlocalforwarding", Kind::Words(FORWARDING), "yes"),
    everywhere("streamlocalbindunlink", Kind::Flag, "no"),
    global("fingerprinthash", Kind::Digest, "SHA256").last_always_counts(),
    everywhere("exposeauthinfo", Kind::Flag, "no").since(706),
    everywhere("refuseconnection", Kind::Flag, "no").since(909),
    global("pidfile", Kind::Path, ""),
    global("modulifile", Kind::Path, "").since(805),
    global("xauthlocation", Kind::Path, ""),
    global("ciphers", Kind::Ciphers, ""),
    global("macs", Kind::Macs, ""),
    everywhere("banner", Kind::Path, "none"),
    everywhere("forcecommand", Kind::Rest, "none"),
    everywhere("chrootdirectory", Kind::Text, "none"),
    everywhere("trustedusercakeys", Kind::Path, "none"),
    everywhere("revokedkeys", Kind::Path, "none"),
    global("securitykeyprovider", Kind::Path, "internal").since(802),
    everywhere("authorizedprincipalsfile", Kind::Text, "none"),
    global("versionaddendum", Kind::Rest, "none"),
    everywhere("authorizedkeyscommand", Kind::Command, "none"),
    everywhere("authorizedkeyscommanduser", Kind::Text, "none"),
    everywhere("authorizedprincipalscommand", Kind::Command, "none"),
    everywhere("authorizedprincipalscommanduser", Kind::Text, "none"),
    global("hostkeyagent", Kind::Path, "none"),
    global("kexalgorithms", Kind::KeyExchanges, ""),
    everywhere("casignaturealgorithms", Kind::KeyTypes, "").since(709),
    everywhere("hostbasedacceptedalgorithms", Kind::KeyTypes, ""),
    global("hostkeyalgorithms", Kind::KeyTypes, ""),
    everywhere("pubkeyacceptedalgorithms", Kind::KeyTypes, ""),
    everywhere("rdomain", Kind::Text, "").since(707),
    everywhere("loglevel", Kind::LogLevel, "INFO"),
    global("syslogfacility", Kind::LogFacility, "AUTH"),
    everywhere("authorizedkeysfile", Kind::Line(Line::Paths), ".ssh/authorized_keys .ssh/authorized_keys2"),
    global("hostkey", Kind::Each(Each::Path), ""),
    global("hostcertificate", Kind::Each(Each::Path), ""),
    everywhere("allowusers", Kind::Each(Each::Users), ""),
    everywhere("denyusers", Kind::Each(Each::Users), ""),
    everywhere("allowgroups", Kind::Each(Each::Groups), ""),
    everywhere("denygroups", Kind::Each(Each::Groups), ""),
    everywhere("acceptenv", Kind::Each(Each::Environment), ""),
    everywhere("setenv", Kind::Line(Line::Environment), "").since(708),
    everywhere("authenticationmethods", Kind::Line(Line::Methods), "any"),
    everywhere("logverbose", Kind::Line(Line::Plain), "").since(805),
    everywhere("channeltimeout", Kind::Line(Line::Timeouts), "").since(902),
    global("subsystem", Kind::Subsystem, ""),
    global("maxstartups", Kind::Startups, "10:30:100").last_always_counts(),
    global("persourcemaxstartups", Kind::StartupsOfOne, "none").since(805).last_counts_before(906),
    global("persourcenetblocksize", Kind::NetBlock, "32:128").since(805).last_always_counts(),
    global("persourcepenalties", Kind::Penalties, "").since(908),
    global("persourcepenaltyexemptlist", Kind::AddressList, "none").since(908),
    everywhere(
        "permittunnel",
        Kind::Words(&[("no", "no"), ("point-to-point", "point-to-point"), ("ethernet", "ethernet"), ("yes", "yes")]),
        "no",
    ),
    everywhere("ipqos", Kind::QualityOfService, "").last_always_counts(),
    everywhere("rekeylimit", Kind::Rekey, "0 0"),
    everywhere("permitopen", Kind::Line(Line::Opens), "any"),
    everywhere("permitlisten", Kind::Line(Line::Listens), "any").since(708),
    global("permituserenvironment", Kind::UserEnvironment, "no"),
    everywhere("pubkeyauthoptions", Kind::KeyOptions, "none").since(802),
    everywhere("pamservicename", Kind::Text, "").since(908),
    global("sshdsessionpath", Kind::Path, "").since(908),
    global("sshdauthpath", Kind::Path, "").since(1000),
    everywhere("include", Kind::Include, "").since(802),
    everywhere("match", Kind::Match, ""),
    // A keyword of its own before 8.7.
    global("challengeresponseauthentication", Kind::Flag, ""),
    // Deprecated ones.
    global("skeyauthentication", Kind::Ignored, ""),
    global("pamauthenticationviakbdint", Kind::Ignored, ""),
    global("serverkeybits", Kind::Ignored, ""),
    global("keyregenerationinterval", Kind::Ignored, ""),
    global("rhostsauthentication", Kind::Ignored, ""),
    everywhere("rhostsrsaauthentication", Kind::Ignored, ""),
    everywhere("rsaauthentication", Kind::Ignored, ""),
    global("checkmail", Kind::Ignored, ""),
    global("uselogin", Kind::Ignored, ""),
    global("protocol", Kind::Ignored, ""),
    global("verifyreversemapping", Kind::Ignored, ""),
    global("reversemappingcheck", Kind::Ignored, ""),
    everywhere("authorizedkeysfile2", Kind::Ignored, ""),
    global("useprivilegeseparation", Kind::Ignored, ""),
    // Of distributions: Debian, Red Hat, HPN.
    global("debianbanner", Kind::Ignored, ""),
    global("gssapikeyexchange", Kind::Ignored, ""),
    global("gssapistorecredentialsonrekey", Kind::Ignored, ""),
    global("gssapikexalgorithms", Kind::Ignored, ""),
    everywhere("gssapienablek5users", Kind::Ignored, ""),
    everywhere("gssapiindicators", Kind::Ignored, ""),
    everywhere("kerberosuniqueccache", Kind::Ignored, ""),
    everywhere("kerberosusekuserok", Kind::Ignored, ""),
    everywhere("rsaminsize", Kind::Ignored, ""),
    global("showpatchlevel", Kind::Ignored, ""),
    everywhere("exposeauthenticationmethods", Kind::Ignored, ""),
    global("hpndisabled", Kind::Ignored, ""),
    global("hpnbuffersize", Kind::Ignored, ""),
    global("tcprcvbufpoll", Kind::Ignored, ""),
    global("nonenabled", Kind::Ignored, ""),
];

/// Other spellings, and what they mean.
const ALIASES: &[(&str, &str)] = &[
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("hostbasedacceptedkeytypes", "hostbasedacceptedalgorithms"),
    ("dsaauthentication", "pubkeyauthentication"),
    ("hostdsakey", "hostkey"),
    ("keepalive", "tcpkeepalive"),
    ("authorizedkeyscommandrunas", "authorizedkeyscommanduser"),
];

/// `None` for a word that this version does not know. `name` in any case.
pub fn find(name: &str, version: Version) -> Option<&'static Keyword> {
    let name = name.to_ascii_lowercase();
    let is_new = ["pubkeyacceptedalgorithms", "hostbasedacceptedalgorithms"].contains(&name.as_str());
    if is_new && version < Version::ALGORITHMS {
        return None;
    }
    let is_own = ["challengeresponseauthentication", "skeyauthentication"].contains(&name.as_str());
    let name = if is_own && version < Version::ARGUMENTS { &name } else { canonical(&name) };
    KEYWORDS.iter().find(|keyword| keyword.name == name && keyword.since <= version.0)
}

/// The name that newer versions of sshd print, of a keyword in lower case.
pub fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, meant)| meant)
}

impl Keyword {
    /// Words that the value may be, for those kinds that have a fixed choice.
    pub fn words(&self) -> &'static [(&'static str, &'static str)] {
        match self.kind {
            Kind::Flag => YES_NO,
            Kind::Words(words) => words,
            _ => &[],
        }
    }

    /// The last line counts and not the first.
    pub fn last_counts(&self, version: Version) -> bool {
        version.0 < self.last_counts_before
    }

    pub fn is_allowed_in_match(&self, version: Version) -> bool {
        match self.name {
            "subsystem" => version >= Version::SUBSYSTEM,
            "clientaliveinterval" | "clientalivecountmax" => version >= Version(704),
            "loglevel" => version >= Version(706),
            "ignorerhosts" => version >= Version(803),
            "kbdinteractiveauthentication" => version >= Version(807),
            _ => self.in_match,
        }
    }
}
