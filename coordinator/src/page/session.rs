//! Who has signed in: a session is a cookie that the coordinator signed, so that nothing of it is kept and every coordinator with the same
//! secret knows it. It ends with its time, or when the operator's token is replaced or taken out of the configuration.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::config::PageOperator;
use crate::server::config::Role;
use crate::store::Millis;

/// Bytes of a token and of a session's own number.
const RANDOM: usize = 32;

/// Signs sessions and knows them again.
pub(super) struct Sessions {
    key: hmac::Key,
    operators: Vec<PageOperator>,
    life: Millis,
}

/// A visitor who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub name: String,
    pub role: Role,
    /// Goes into each form, so that no other page can send one in this visitor's name.
    pub form_token: String,
}

impl Sessions {
    /// `secret`: what several coordinators share; none: one of this process alone.
    pub fn new(secret: Option<&[u8]>, operators: Vec<PageOperator>, life: Millis) -> Self {
        let own = random();
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.unwrap_or(&own)), operators, life }
    }

    /// The cookie of a new session, where the token is an operator's.
    pub fn sign_in(&self, token: &str, now: Millis) -> Option<(String, &str)> {
        // A tag of the digest, compared in constant time: how long it takes tells nothing of any operator's digest.
        let presented = hmac::sign(&self.key, digest(&SHA256, token.trim().as_bytes()).as_ref());
        let is_of =
            |operator: &&PageOperator| hmac::verify(&self.key, &operator.token_sha256.0, presented.as_ref()).is_ok();
        let operator = self.operators.iter().find(is_of)?;
        let said = [URL_SAFE_NO_PAD.encode(&operator.name), (now + self.life).to_string(), encode(&random())].join(".");
        let signature = encode(self.signature("session", operator, &said).as_ref());
        Some((format!("{said}.{signature}"), &operator.name))
    }

    /// The session of a cookie, while it lasts.
    pub fn of_cookie(&self, cookie: &str, now: Millis) -> Option<Session> {
        let (said, signature) = cookie.rsplit_once('.')?;
        let mut parts = said.split('.');
        let (name, until) = (parts.next()?, parts.next()?);
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
        let operator = self.operators.iter().find(|operator| operator.name == name)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, &signed("session", operator, said), &signature).ok()?;
        if now >= until.parse().ok()? {
            return None;
        }
        let form_token = encode(self.signature("form", operator, said).as_ref());
        Some(Session { name, role: operator.role, form_token })
    }

    /// Whether a form was made for this session.
    pub fn is_form_of(&self, session: &Session, form_token: &str) -> bool {
        let tag = |token: &str| hmac::sign(&self.key, token.as_bytes());
        hmac::verify(&self.key, session.form_token.as_bytes(), tag(form_token).as_ref()).is_ok()
    }

    fn signature(&self, what: &str, operator: &PageOperator, said: &str) -> hmac::Tag {
        hmac::sign(&self.key, &signed(what, operator, said))
    }
}

/// The digest of the token is part of it: with another token the sessions of the old one end.
fn signed(what: &str, operator: &PageOperator, said: &str) -> Vec<u8> {
    [what.as_bytes(), b"\0", operator.token_sha256.0.as_slice(), said.as_bytes()].concat()
}

fn random() -> [u8; RANDOM] {
    let mut bytes = [0; RANDOM];
    SystemRandom::new().fill(&mut bytes).expect("Linux's source of random numbers does not fail once it is there");
    bytes
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A new token of 256 random bits, and the digest that the configuration takes.
pub fn new_token() -> (String, String) {
    let token = encode(&random());
    let sha256 = digest(&SHA256, token.as_bytes());
    let sha256 = sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    (token, sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::Fingerprint;

    const LIFE: Millis = 60_000;

    fn operator(name: &str, token: &str, role: Role) -> PageOperator {
        let sha256 = digest(&SHA256, token.as_bytes());
        PageOperator { name: name.to_owned(), role, token_sha256: Fingerprint(sha256.as_ref().try_into().unwrap()) }
    }

    fn sessions(token_of_ada: &str) -> Sessions {
        let operators = vec![operator("ada", token_of_ada, Role::Check), operator("bo.b", "of bob", Role::Read)];
        Sessions::new(Some(b"shared"), operators, LIFE)
    }

    #[test]
    fn a_token_begins_a_session_that_every_coordinator_with_the_secret_knows_until_it_ends() {
        let (cookie, name) =
            sessions("of ada").sign_in("of ada", 1_000).map(|(cookie, name)| (cookie, name.to_owned())).unwrap();
        assert_eq!(name, "ada");
        let elsewhere = sessions("of ada");
        let session = elsewhere.of_cookie(&cookie, 1_000).unwrap();
        assert_eq!((session.name.as_str(), session.role), ("ada", Role::Check));
        assert!(elsewhere.of_cookie(&cookie, 1_000 + LIFE - 1).is_some());
        assert_eq!(elsewhere.of_cookie(&cookie, 1_000 + LIFE), None);
        let other_secret = Sessions::new(None, vec![operator("ada", "of ada", Role::Check)], LIFE);
        assert_eq!(other_secret.of_cookie(&cookie, 1_000), None);
    }

    #[test]
    fn a_wrong_token_and_its_digest_begin_none() {
        let sessions = sessions("of ada");
        let (_, sha256) = new_token();
        for token in ["", "of  ada", "OF ADA", sha256.as_str()] {
            assert!(sessions.sign_in(token, 0).is_none(), "{token}");
        }
    }

    #[test]
    fn a_cookie_of_which_one_character_differs_is_none() {
        let sessions = sessions("of ada");
        let (cookie, _) = sessions.sign_in("of bob", 0).unwrap();
        assert_eq!(sessions.of_cookie(&cookie, 0).unwrap().name, "bo.b");
        // The last character of a base64 text may hold bits that count for nothing.
        for (at, character) in cookie.char_indices().take(cookie.len() - 1) {
            let other = if character == 'A' { 'B' } else { 'A' };
            let mut forged = cookie.clone();
            forged.replace_range(at..=at, &other.to_string());
            assert_eq!(sessions.of_cookie(&forged, 0), None, "{at}");
        }
        assert_eq!(sessions.of_cookie("", 0), None);
        assert_eq!(sessions.of_cookie("...", 0), None);
    }

    #[test]
    fn with_another_token_the_sessions_of_the_old_one_end() {
        let (cookie, _) =
            sessions("of ada").sign_in("of ada", 0).map(|(cookie, name)| (cookie, name.to_owned())).unwrap();
        assert_eq!(sessions("new one of ada").of_cookie(&cookie, 0), None);
    }

    #[test]
    fn a_form_is_of_one_session_alone() {
        let sessions = sessions("of ada");
        let begin = |token| {
            let (cookie, _) = sessions.sign_in(token, 0).unwrap();
            sessions.of_cookie(&cookie, 0).unwrap()
        };
        let (first, second) = (begin("of ada"), begin("of ada"));
        assert!(sessions.is_form_of(&first, &first.form_token));
        assert!(!sessions.is_form_of(&first, &second.form_token));
        assert!(!sessions.is_form_of(&first, ""));
    }

    #[test]
    fn a_new_token_is_the_one_of_its_digest() {
        let (token, sha256) = new_token();
        let bytes = digest(&SHA256, token.as_bytes());
        let hex: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((sha256, token.len()), (hex, 43));
        assert_ne!(new_token().0, token);
    }
}
