//! Names of ciphers, MACs, key exchanges and key types, and the versions that know them: a name that an update removed keeps sshd from
//! starting. Source: release notes of OpenSSH and `cipher.c`, `mac.c`, `kex-names.c`, `sshkey.c`.

use super::patterns;
use super::version::Version;

/// Name, the first version that knows it, the first that does not.
type Name = (&'static str, u16, u16);

const ALWAYS: u16 = u16::MAX;

const CIPHERS: &[Name] = &[
    ("3des-cbc", 0, ALWAYS),
    ("aes128-cbc", 0, ALWAYS),
    ("aes192-cbc", 0, ALWAYS),
    ("aes256-cbc", 0, ALWAYS),
    ("aes128-ctr", 0, ALWAYS),
    ("aes192-ctr", 0, ALWAYS),
    ("aes256-ctr", 0, ALWAYS),
    ("aes128-gcm@openssh.com", 0, ALWAYS),
    ("aes256-gcm@openssh.com", 0, ALWAYS),
    ("chacha20-poly1305@openssh.com", 0, ALWAYS),
    ("rijndael-cbc@lysator.liu.se", 0, 805),
    ("arcfour", 0, 706),
    ("arcfour128", 0, 706),
    ("arcfour256", 0, 706),
    ("blowfish-cbc", 0, 706),
    ("cast128-cbc", 0, 706),
];

const MACS: &[Name] = &[
    ("hmac-sha1", 0, ALWAYS),
    ("hmac-sha1-96", 0, ALWAYS),
    ("hmac-sha2-256", 0, ALWAYS),
    ("hmac-sha2-512", 0, ALWAYS),
    ("hmac-md5", 0, ALWAYS),
    ("hmac-md5-96", 0, ALWAYS),
    ("umac-64@openssh.com", 0, ALWAYS),
    ("umac-128@openssh.com", 0, ALWAYS),
    ("hmac-sha1-etm@openssh.com", 0, ALWAYS),
    ("hmac-sha1-96-etm@openssh.com", 0, ALWAYS),
    ("hmac-sha2-256-etm@openssh.com", 0, ALWAYS),
    ("hmac-sha2-512-etm@openssh.com", 0, ALWAYS),
    ("hmac-md5-etm@openssh.com", 0, ALWAYS),
    ("hmac-md5-96-etm@openssh.com", 0, ALWAYS),
    ("umac-64-etm@openssh.com", 0, ALWAYS),
    ("umac-128-etm@openssh.com", 0, ALWAYS),
    ("hmac-ripemd160", 0, 706),
    ("hmac-ripemd160@openssh.com", 0, 706),
    ("hmac-ripemd160-etm@openssh.com", 0, 706),
];

const KEY_EXCHANGES: &[Name] = &[
    ("diffie-hellman-group1-sha1", 0, ALWAYS),
    ("diffie-hellman-group14-sha1", 0, ALWAYS),
    ("diffie-hellman-group14-sha256", 703, ALWAYS),
    ("diffie-hellman-group16-sha512", 703, ALWAYS),
    ("diffie-hellman-group18-sha512", 703, ALWAYS),
    ("diffie-hellman-group-exchange-sha1", 0, ALWAYS),
    ("diffie-hellman-group-exchange-sha256", 0, ALWAYS),
    ("ecdh-sha2-nistp256", 0, ALWAYS),
    ("ecdh-sha2-nistp384", 0, ALWAYS),
    ("ecdh-sha2-nistp521", 0, ALWAYS),
    ("curve25519-sha256", 704, ALWAYS),
    ("curve25519-sha256@libssh.org", 0, ALWAYS),
    ("sntrup4591761x25519-sha512@tinyssh.org", 800, 805),
    ("sntrup761x25519-sha512@openssh.com", 805, ALWAYS),
    ("sntrup761x25519-sha512", 909, ALWAYS),
    ("mlkem768x25519-sha256", 909, ALWAYS),
];

const KEY_TYPES: &[Name] = &[
    ("ssh-ed25519", 0, ALWAYS),
    ("ssh-ed25519-cert-v01@openssh.com", 0, ALWAYS),
    ("sk-ssh-ed25519@openssh.com", 802, ALWAYS),
    ("sk-ssh-ed25519-cert-v01@openssh.com", 802, ALWAYS),
    ("ecdsa-sha2-nistp256", 0, ALWAYS),
    ("ecdsa-sha2-nistp256-cert-v01@openssh.com", 0, ALWAYS),
    ("ecdsa-sha2-nistp384", 0, ALWAYS),
    ("ecdsa-sha2-nistp384-cert-v01@openssh.com", 0, ALWAYS),
    ("ecdsa-sha2-nistp521", 0, ALWAYS),
    ("ecdsa-sha2-nistp521-cert-v01@openssh.com", 0, ALWAYS),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 802, ALWAYS),
    ("sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", 802, ALWAYS),
    ("webauthn-sk-ecdsa-sha2-nistp256@openssh.com", 804, ALWAYS),
    ("webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", 1000, ALWAYS),
    ("ssh-dss", 0, 1000),
    ("ssh-dss-cert-v01@openssh.com", 0, 1000),
    ("ssh-rsa", 0, ALWAYS),
    ("ssh-rsa-cert-v01@openssh.com", 0, ALWAYS),
    ("rsa-sha2-256", 702, ALWAYS),
    ("rsa-sha2-256-cert-v01@openssh.com", 708, ALWAYS),
    ("rsa-sha2-512", 702, ALWAYS),
    ("rsa-sha2-512-cert-v01@openssh.com", 708, ALWAYS),
];

pub fn cipher_error(list: &str, version: Version) -> Option<String> {
    error(list, CIPHERS, version, false)
}

pub fn mac_error(list: &str, version: Version) -> Option<String> {
    error(list, MACS, version, false)
}

pub fn key_exchange_error(list: &str, version: Version) -> Option<String> {
    error(list, KEY_EXCHANGES, version, false)
}

pub fn key_type_error(list: &str, version: Version) -> Option<String> {
    error(list, KEY_TYPES, version, true)
}

/// The first name that this version does not know. What is taken away by `-` may be any pattern.
fn error(list: &str, names: &[Name], version: Version, are_patterns: bool) -> Option<String> {
    if list.starts_with('-') {
        return None;
    }
    let list = list.strip_prefix(['+', '^']).unwrap_or(list);
    let is_known = |wanted: &str| {
        // Distributions add exchanges of their own under this prefix.
        wanted.starts_with("gss-")
            || names.iter().any(|(name, since, until)| {
                (*since..*until).contains(&version.0)
                    && if are_patterns { patterns::matches(name, wanted) } else { *name == wanted }
            })
    };
    list.split(',').find(|name| !is_known(name)).map(|name| format!("`{name}` is no name that this version knows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_an_update_removed_is_an_error_from_then_on() {
        assert_eq!(cipher_error("aes128-ctr,arcfour", Version(704)), None);
        assert!(cipher_error("aes128-ctr,arcfour", Version(706)).is_some());
        assert_eq!(cipher_error("-arcfour*", Version(902)), None);
        assert!(key_type_error("+ssh-dss", Version(1000)).is_some());
        assert_eq!(key_type_error("+ssh-d*", Version(902)), None);
        assert!(mac_error("hmac-sha2-256,", Version(902)).is_some());
        assert_eq!(key_exchange_error("^curve25519-sha256,gss-group14-sha256-", Version(902)), None);
    }
}
